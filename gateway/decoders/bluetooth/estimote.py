"""Estimote beacons' telemetry (service data of FE9A, https://github.com/Estimote/estimote-specs).

Two frames alternate: A for motion, B for light, temperature and battery. Both hold the first half of the beacon's
identifier.
"""

from __future__ import annotations

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Stated, possible_readings
from gateway.decoders.values.radio_ids import estimote_id

SERVICE = "fe9a"
_REPORT = 2
_BYTES = 20
_NO_VOLTAGE, _NO_BYTE = 0x3FFF, 0xFF
_LUX_STEP = 0.72


def identity(frame: Frame) -> str | None:
    """The canonical id of the beacon's short identifier, or `None` where `frame` is of no Estimote beacon."""
    content = _report(frame)
    return None if content is None else estimote_id(content[1:9])


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of either frame, or `None` where `frame` is of no Estimote beacon."""
    content = _report(frame)
    if content is None:
        return None
    return Parsed(possible_readings(_motion(content) if content[9] & 3 == 0 else _climate(content)))


def _report(frame: Frame) -> bytes | None:
    found = (content for uuid, content in frame.services if uuid == SERVICE and len(content) >= _BYTES)
    return next((content for content in found if content[0] & 0x0F == _REPORT and content[9] & 3 < 2), None)


def _motion(content: bytes) -> Stated:
    return (("moving", float(content[15] & 3 == 1)),)


def _climate(content: bytes) -> Stated:
    """Light is 2 to the power of the high four bits, times the low four; the temperature has twelve bits across three bytes."""
    sixteenths = (content[17] & 3) << 10 | content[16] << 2 | content[15] >> 6
    millivolt = content[18] << 6 | content[17] >> 2
    return (
        ("illuminance", None if content[13] == _NO_BYTE else (1 << (content[13] >> 4)) * (content[13] & 15) * _LUX_STEP),
        ("temperature", (sixteenths - 4_096 if sixteenths > 2_047 else sixteenths) / 16),
        ("voltage", None if millivolt == _NO_VOLTAGE else millivolt / 1_000),
        ("battery", None if content[19] == _NO_BYTE else content[19]),
    )
