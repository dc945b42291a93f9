"""Qingping and ClearGrass sensors (service data of FDCD): a device kind, the address reversed, then type, length, value.

Source: Qingping, "BLE broadcast protocol". All kinds use the same objects, so the kind is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Stated, possible_readings

SERVICE = "fdcd"
_HEAD = 8  # frame control, kind, address
_ADDRESS = slice(2, 8)


def _word(value: bytes, at: int = 0) -> int:
    return int.from_bytes(value[at : at + 2], "little")


def _climate(value: bytes) -> Stated:
    degrees = int.from_bytes(value[:2], "little", signed=True) / 10
    return (("temperature", degrees), ("humidity", _word(value, 2) / 10))


# type -> (length, values)
_OBJECTS: dict[int, tuple[int, Callable[[bytes], Stated]]] = {
    0x01: (4, _climate),
    0x02: (1, lambda value: (("battery", value[0]),)),
    0x04: (1, lambda value: (("contact", float(value[0] != 0)),)),
    0x07: (2, lambda value: (("pressure", _word(value) / 10),)),
    0x08: (4, lambda value: (("occupancy", value[0]), ("illuminance", int.from_bytes(value[1:4], "little")))),
    0x09: (4, lambda value: (("illuminance", int.from_bytes(value, "little")),)),
    0x0F: (1, lambda _: ()),  # packet number
    0x11: (1, lambda value: (("occupancy", value[0]),)),
    0x12: (4, lambda value: (("pm2_5", _word(value)), ("pm10", _word(value, 2)))),
    0x13: (2, lambda value: (("co2", _word(value)),)),
}


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of a Qingping sensor, or `None` where `frame` is of none or holds no complete object."""
    for uuid, content in frame.services:
        objects = [*_objects(content[_HEAD:])] if uuid == SERVICE and len(content) > _HEAD else []
        if objects:
            return Parsed(possible_readings(row for stated in objects for row in stated), content[_ADDRESS][::-1].hex())
    return None


def _objects(content: bytes) -> Iterator[Stated]:
    at = 0
    while at + 2 <= len(content):
        kind, size = content[at], content[at + 1]
        value = content[at + 2 : at + 2 + size]
        if len(value) < size or size == 0:
            return
        known = _OBJECTS.get(kind)
        if known is not None and known[0] == size:
            yield known[1](value)
        at += 2 + size
