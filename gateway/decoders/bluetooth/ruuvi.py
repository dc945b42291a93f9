"""The measurement formats of Ruuvi sensors (manufacturer data of company 0x0499).

Source: https://docs.ruuvi.com/communication/bluetooth-advertisements, data formats 3 (RAWv1), 5 (RAWv2), C5 (RAWv2
without acceleration), 6 and E1 (Ruuvi Air). Each field has a value for "not available", which gives no reading.
Acceleration and the counters of movements and measurements are not kept.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import NamedTuple

from gateway.core.quantities import in_range
from gateway.decoders.values.measurements import Measurement, Readings

COMPANY = 0x0499
_NO_INT16 = -0x8000
_NO_UINT16 = 0xFFFF
_NO_VOLTAGE = 0x7FF
_NO_BYTE = 0xFF
_NO_UINT24 = 0xFFFFFF
_LUMINOSITY_STEP = math.log(65_536) / 254
_PASCAL_BASE = 50_000

_FORMAT_3 = struct.Struct(">xBBBH6xH")
_FORMAT_5 = struct.Struct(">xhHH6xH3x6s")
_FORMAT_C5 = struct.Struct(">xhHHH3x6s")
_FORMAT_6 = struct.Struct(">xhHHHHBBBxxB")
_FORMAT_E1 = struct.Struct(">xhHH2xH4xHBB3s6xB5x6s")

_Stated = tuple[tuple[str, float | None], ...]


class RuuviData(NamedTuple):
    """`readings` in canonical units, one of each quantity; `mac` where the format holds the whole address."""

    readings: Readings
    mac: str | None


def decode_ruuvi(data: bytes) -> RuuviData | None:
    """Decode manufacturer data after the company id; `None` for an unknown format and for data that is too short."""
    row = _FORMATS.get(data[0]) if data else None
    if row is None or len(data) < row[0].size:
        return None
    stated, address = row[1](row[0].unpack_from(data))
    readings = [Measurement(quantity, value) for quantity, value in stated if value is not None and in_range(quantity, value)]
    return RuuviData(tuple(readings), None if address in (b"", b"\xff" * 6) else address.hex())


def _climate(temperature: int, humidity: int, pressure: int) -> _Stated:
    return (
        ("temperature", None if temperature == _NO_INT16 else temperature / 200),
        ("humidity", None if humidity == _NO_UINT16 else humidity / 400),
        ("pressure", None if pressure == _NO_UINT16 else (pressure + _PASCAL_BASE) / 100),
    )


def _format_3(fields: tuple[int, ...]) -> tuple[_Stated, bytes]:
    humidity, whole, hundredths, pressure, battery_mv = fields
    size = (whole & 0x7F) + hundredths / 100  # sign and magnitude, not two's complement
    return (
        ("temperature", -size if whole & 0x80 else size),
        ("humidity", humidity / 2),
        ("pressure", (pressure + _PASCAL_BASE) / 100),
        ("voltage", battery_mv / 1_000),
    ), b""


def _raw_v2(fields: tuple[int, int, int, int, bytes]) -> tuple[_Stated, bytes]:
    temperature, humidity, pressure, power, address = fields
    above_mv = power >> 5  # 11 bits of voltage above 1.6 V, 5 bits of transmit power
    voltage = None if above_mv == _NO_VOLTAGE else (above_mv + 1_600) / 1_000
    return (*_climate(temperature, humidity, pressure), ("voltage", voltage)), address


def _format_6(fields: tuple[int, ...]) -> tuple[_Stated, bytes]:
    temperature, humidity, pressure, dust, co2, voc, nox, light, flags = fields
    lux = None if light == _NO_BYTE else math.exp(light * _LUMINOSITY_STEP) - 1  # logarithmic code
    return (*_climate(temperature, humidity, pressure), *_air(dust, co2, voc, nox, flags), ("illuminance", lux)), b""


def _format_e1(fields: tuple[int, int, int, int, int, int, int, bytes, int, bytes]) -> tuple[_Stated, bytes]:
    temperature, humidity, pressure, dust, co2, voc, nox, light, flags, address = fields
    code = int.from_bytes(light, "big")
    lux = None if code == _NO_UINT24 else code / 100
    return (*_climate(temperature, humidity, pressure), *_air(dust, co2, voc, nox, flags), ("illuminance", lux)), address


def _air(dust: int, co2: int, voc: int, nox: int, flags: int) -> _Stated:
    """The indices have nine bits: eight of their own, and the lowest one among the flags; 511 is "not available"."""
    return (
        ("pm2_5", None if dust == _NO_UINT16 else dust / 10),
        ("co2", None if co2 == _NO_UINT16 else float(co2)),
        ("voc_index", float(voc << 1 | flags >> 6 & 1)),
        ("nox_index", float(nox << 1 | flags >> 7 & 1)),
    )


_FORMATS: dict[int, tuple[struct.Struct, Callable[..., tuple[_Stated, bytes]]]] = {
    0x03: (_FORMAT_3, _format_3),
    0x05: (_FORMAT_5, _raw_v2),
    0x06: (_FORMAT_6, _format_6),
    0xC5: (_FORMAT_C5, _raw_v2),
    0xE1: (_FORMAT_E1, _format_e1),
}
