"""Minew tags: service data of FFE1 and manufacturer data of company 0x0639.

Source: Minew, "Beacon Set / Connect V3 data formats". Temperatures and humidities are 8.8 fixed point, big-endian. A
frame of FFE1 is A1, its kind, then usually the battery; it ends with the tag's address in reverse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import UNNAMED, Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Stated, possible_readings

SERVICE, COMPANY = "ffe1", 0x0639
_HEAD = 0xA1


class _Kind(NamedTuple):
    """The length of a frame including its address, and its values."""

    size: int
    stated: Callable[[bytes], Stated]


def _fixed(content: bytes, at: int) -> float:
    return int.from_bytes(content[at : at + 2], "big", signed=True) / 256


def _word(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "big")


_SERVICE_KINDS: dict[int, _Kind] = {
    0x01: _Kind(13, lambda data: (("battery", data[2]), ("temperature", _fixed(data, 3)), ("humidity", _fixed(data, 5)))),
    0x02: _Kind(10, lambda data: (("battery", data[2]), ("light", data[3] & 1))),
    0x03: _Kind(15, lambda data: (("battery", data[2]),)),
    0x05: _Kind(11, lambda data: (("battery", data[2]), ("illuminance", _word(data, 3)))),
    0x11: _Kind(11, lambda data: (("battery", data[2]), ("occupancy", float(_word(data, 3) > 0)))),
    0x13: _Kind(11, lambda data: (("battery", data[2]), ("temperature", _fixed(data, 3)))),
    0x18: _Kind(14, lambda data: (("battery", data[2]), ("vibration", data[7] & 1))),
    0x19: _Kind(11, lambda data: (("battery", data[2]), ("illuminance", _word(data, 3)))),
    0x20: _Kind(10, lambda data: (("battery", data[2]), ("tamper", data[3] & 1))),
    0x21: _Kind(10, lambda data: (("battery", data[2]), ("leak", data[3] & 1))),
}
_TEMPERATURE_ONLY, _SEALED = 0x02, 0x80


def _connect_05(data: bytes) -> Stated:
    return (("temperature", _fixed(data, 5)), ("humidity", None if data[3] & _TEMPERATURE_ONLY else _fixed(data, 7)))


def _connect_1b(data: bytes) -> Stated:
    return () if data[2] & _SEALED else (("voltage", _word(data, 12) / 1_000), ("temperature", _fixed(data, 14)))


_COMPANY_KINDS: dict[int, _Kind] = {
    0xA303: _Kind(16, lambda data: (("battery", data[2]), ("temperature", _fixed(data, 3)), ("humidity", _fixed(data, 5)))),
    0xA401: _Kind(15, lambda data: (("battery", data[2]), ("contact", float(data[3] == 0)), ("tamper", float(data[4] > 0)))),
    0xCA00: _Kind(24, lambda data: (("battery", data[8]),)),
    0xCA05: _Kind(24, _connect_05),
    0xCA1B: _Kind(24, _connect_1b),
}
_ADDRESS_AT = {0xA303: 7, 0xA401: 7, 0xCA00: 2, 0xCA1B: 6}


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of a Minew tag, or `None` where `frame` is of none."""
    for uuid, content in frame.services:
        kind = _SERVICE_KINDS.get(content[1]) if uuid in (SERVICE, UNNAMED) and len(content) > 1 and content[0] == _HEAD else None
        if kind is not None and len(content) == kind.size:
            return Parsed(possible_readings(kind.stated(content)), content[-6:][::-1].hex())
    for content in frame.of_company(COMPANY):
        head = _word(content, 0)
        kind = _COMPANY_KINDS.get(head)
        if kind is not None and len(content) == kind.size:
            at = _ADDRESS_AT.get(head)
            return Parsed(possible_readings(kind.stated(content)), None if at is None else content[at : at + 6][::-1].hex())
    return None
