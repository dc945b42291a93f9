"""Small sensors of several makers, each with a fixed layout, that `bleparser` does not read or reads wrongly.

A layout is chosen by the maker's company id or by the name that the device broadcasts, and only for lengths that
products really send. Sources: the makers' own pages where there are any, and messages of real devices.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import UNNAMED, Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Stated, possible_readings


class _Layout(NamedTuple):
    """`find` returns the bytes of this layout in a frame, or `None`; `stated` the values, and `mac` the address in the layout."""

    find: Callable[[Frame], bytes | None]
    stated: Callable[[bytes], Stated]
    mac: Callable[[bytes], str] | None = None


def _company(size: int, *companies: int) -> Callable[[Frame], bytes | None]:
    heads = frozenset(company.to_bytes(2, "little") for company in companies)

    def find(frame: Frame) -> bytes | None:
        return next((content[2:] for content in frame.manufacturer if len(content) == size + 2 and content[:2] in heads), None)

    return find


def _named(*names: str, sizes: tuple[int, ...]) -> Callable[[Frame], bytes | None]:
    """Manufacturer data of a device of such a name, with the company id: some makers put a value there.

    Receivers that collect the data of earlier advertisements forward several, of which the last one is unknown: none is read.
    """

    def find(frame: Frame) -> bytes | None:
        if not frame.name.startswith(names):
            return None
        found = [content for content in frame.manufacturer if len(content) in sizes]
        return found[0] if len(found) == 1 else None

    return find


def _service(size: int, head: bytes, *uuids: str) -> Callable[[Frame], bytes | None]:
    def find(frame: Frame) -> bytes | None:
        found = (content for uuid, content in frame.services if uuid in uuids and len(content) == size and content.startswith(head))
        return next(found, None)

    return find


# --- ThermoBeacon WS02, WS08: address reversed, battery in mV, then sixteenths ---
_THERMOBEACON = struct.Struct("<2x6sHhH4x")


def _thermobeacon(data: bytes) -> Stated:
    _, millivolt, temperature, humidity = _THERMOBEACON.unpack(data)
    return (("voltage", millivolt / 1_000), ("temperature", temperature / 16), ("humidity", humidity / 16))


# --- ThermoPro TP35x, TP39x: the high byte of the "company" is the low one of the temperature ---
_THERMOPRO_BATTERY = {0: 1, 1: 50, 2: 100}  # three levels, in per cent


def _thermopro(data: bytes) -> Stated:
    celsius = int.from_bytes(data[1:3], "little", signed=True) / 10
    return (("temperature", celsius), ("humidity", data[3]), ("battery", _THERMOPRO_BATTERY.get(data[4] & 3)))


# --- Oria T201, T301: hundredths, big-endian ---
_ORIA = struct.Struct(">2x6sHhHB")


def _oria(data: bytes) -> Stated:
    _, voltage, temperature, humidity, battery = _ORIA.unpack_from(data)
    return (("temperature", temperature / 100), ("humidity", humidity / 100), ("battery", battery), ("voltage", voltage / 100))


# --- SmartDry laundry sensor: floats, and a battery in mV above 2.847 V ---
_SMARTDRY = struct.Struct("<ffHBx")
_SMARTDRY_BATTERY_MV = 2_847


def _smartdry(data: bytes) -> Stated:
    temperature, humidity, _, above = _SMARTDRY.unpack(data)
    return (("temperature", temperature), ("humidity", humidity), ("voltage", (_SMARTDRY_BATTERY_MV + above) / 1_000))


# --- Govee H5106: temperature, humidity and dust as the digits of one number; the top bit is the sign of the temperature ---
def _govee_air(data: bytes) -> Stated:
    word = int.from_bytes(data[4:8], "big")
    number = word & 0x7FFF_FFFF
    degrees = number // 1_000_000 / 10
    return (
        ("temperature", -degrees if word >> 31 else degrees),
        ("humidity", number // 1_000 % 1_000 / 10),
        ("pm2_5", number % 1_000),
    )


# --- Govee H5055: two of six probes at a time ---
_NO_PROBE = 0xFFFF


def _govee_grill(data: bytes) -> Iterator[tuple[str, float | None]]:
    yield "battery", data[4]
    for _ in range(2 * (data[5] >> 6)):
        yield "probe_temperature", None
    for at in (7, 14):
        degrees = int.from_bytes(data[at : at + 2], "little")
        yield "probe_temperature", None if degrees == _NO_PROBE else float(degrees)


# --- Govee H5108, H5112 and H5140: temperature and humidity as the digits of one number of three bytes, whose top bit is the sign ---
_GOVEE_FAILED = 0x80  # beside the battery


def _govee_packed(data: bytes) -> tuple[float, float]:
    word = int.from_bytes(data[4:7], "big")
    number = word & 0x7F_FFFF
    return (-1 if word >> 23 else 1) * (number // 1_000) / 10, number % 1_000 / 10


def _govee_climate(data: bytes) -> Iterator[tuple[str, float | None]]:
    yield "battery", data[7] & 0x7F
    if not data[7] & _GOVEE_FAILED:
        celsius, percent = _govee_packed(data)
        yield "temperature", celsius
        yield "humidity", percent


def _govee_probes(data: bytes) -> Iterator[tuple[str, float | None]]:
    """One of two probes, whose number the last byte states in its two top bits and in the others; otherwise nothing."""
    probe = data[9] >> 6
    if probe not in (1, 2) or data[9] & 0x3F != probe:
        return
    yield "battery", data[7] & 0x7F
    yield from [("probe_temperature", None)] * (probe - 1)
    if not data[7] & _GOVEE_FAILED:
        yield "probe_temperature", _govee_packed(data)[0]


def _govee_co2(data: bytes) -> Stated:
    celsius, percent = _govee_packed(data)
    failed = data[9] != 0
    return () if failed else (("temperature", celsius), ("humidity", percent), ("co2", int.from_bytes(data[7:9], "big")))


# --- Govee H5127, a radar: the low nibble of the last byte is presence, the high one motion ---
def _govee_radar(data: bytes) -> Stated:
    return (("occupancy", float(data[-1] & 0x0F != 0)),)


# --- Inkbird IBT (iBBQ): its address, then tenths for each probe; negative where none is plugged in ---
def _find_ibbq(frame: Frame) -> bytes | None:
    if frame.mac is None:
        return None
    addresses = (bytes.fromhex(frame.mac), bytes.fromhex(frame.mac)[::-1])
    found = (data for company in (0, 1) for data in frame.of_company(company))
    return next((data[8:] for data in found if data[2:8] in addresses and len(data) in (12, 16, 20)), None)


def _ibbq(data: bytes) -> Stated:
    tenths = (int.from_bytes(data[at : at + 2], "little", signed=True) for at in range(0, len(data), 2))
    return [("probe_temperature", None if one < 0 else one / 10) for one in tenths]


# --- April Brother ABN03: battery, eighths of a degree, halves of a percent, lux ---
_APRIL = struct.Struct("<2x6sBhHH")


def _april(data: bytes) -> Stated:
    _, battery, temperature, humidity, lux = _APRIL.unpack(data)
    return (("battery", battery), ("temperature", temperature / 8), ("humidity", humidity / 2), ("illuminance", lux))


_LAYOUTS: tuple[_Layout, ...] = (
    _Layout(_company(_THERMOBEACON.size, 0x10, 0x11, 0x15, 0x18, 0x1B), _thermobeacon, lambda data: data[2:8][::-1].hex()),
    _Layout(_named("TP35", "TP39", sizes=(6, 7)), _thermopro),
    _Layout(_company(17, 0xAA55), _oria, lambda data: data[2:8].hex()),
    _Layout(_company(18, 0xAA55), _oria, lambda data: data[2:8].hex()),
    _Layout(_company(_SMARTDRY.size, 0x01AE), _smartdry),
    _Layout(_named("GVH5106", sizes=(8,)), _govee_air),
    _Layout(_named("GVH5108", "GV5108", sizes=(9, 11)), _govee_climate),
    _Layout(_named("GVH5112", "GV5112", sizes=(10,)), _govee_probes),
    _Layout(_named("GVH5140", "GV5140", sizes=(10,)), _govee_co2),
    _Layout(_named("GVH5127", sizes=(8,)), _govee_radar),
    _Layout(_named("GVH5055", sizes=(20, 22)), _govee_grill),
    _Layout(_find_ibbq, _ibbq),
    _Layout(_service(_APRIL.size, b"\xab\x03", UNNAMED, "ffe0"), _april, lambda data: data[2:8].hex()),
    # NodOn's soft buttons: the battery, and the number of the button
    _Layout(_service(16, b"\x02\x59", "0000"), lambda data: (("battery", data[12]), ("button", data[15]))),
)


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of the first layout that fits `frame`, or `None`."""
    for layout in _LAYOUTS:
        data = layout.find(frame)
        if data is not None:
            return Parsed(possible_readings(layout.stated(data)), None if layout.mac is None else layout.mac(data))
    return None
