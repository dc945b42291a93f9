"""KKM's and BlueCharm's sensors: a separate frame (type 21) in Eddystone's service data FEAA.

Source: KKM, "KSensor advertisement": version 1, a byte of flags for the fields that follow, then the battery in mV,
temperature and humidity as 8.8 fixed point, acceleration; big-endian. Acceleration is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.decoders.bluetooth.beacons import EDDYSTONE
from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, possible_readings

_HEAD = bytes((0x21, 0x01))
_FIELDS = (("voltage", 1_000), ("temperature", 256), ("humidity", 256))


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of such a sensor, or `None` where `frame` is of none."""
    found = (content for content in frame.of_service(EDDYSTONE) if content.startswith(_HEAD) and len(content) > 2)
    return next((Parsed(possible_readings(_fields(content))) for content in found), None)


def _fields(content: bytes) -> Iterator[tuple[str, float | None]]:
    at = 3
    for bit, (quantity, per) in enumerate(_FIELDS):
        if content[2] >> bit & 1 and len(content) >= at + 2:
            yield quantity, int.from_bytes(content[at : at + 2], "big", signed=True) / per
            at += 2
