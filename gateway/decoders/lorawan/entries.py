"""Payloads that are lists of entries, each with a fixed layout (Milesight, Elsys).

An entry that is a contact, a movement or a leak, depending on the model of the sensor, is an `input` here: 1 is the
state that the model reports (door open, water, movement).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Position, Reading
from gateway.decoders.contract import text
from gateway.decoders.values.people import people_named

_POSITION = "position"


class Part(NamedTuple):
    """One number in an entry: its quantity, or its name as a count where `divisor` is 0. `position` is a latitude and a longitude.

    `offset` and `size` are in bytes; the lowest `flags` bits are not part of the number; `sub` numbers several of one
    kind on one device, from 1. A `yes_or_no` part is 1 for every number above 0; a `float32` one is of IEEE 754. `mask` selects bits of
    the number, and `offset_value` is added to the quotient.
    """

    name: str
    offset: int
    size: int
    divisor: int = 1
    signed: bool = False
    flags: int = 0
    sub: int = 1
    yes_or_no: bool = False
    float32: bool = False
    mask: int = -1
    offset_value: float = 0.0


class Entry(NamedTuple):
    """An entry's size in bytes, and those of its parts that Wayside keeps."""

    size: int
    parts: tuple[Part, ...] = ()


TEMPERATURE = Part("temperature", 0, 2, 10, signed=True)


class Layout(NamedTuple):
    """One maker's entries: the first `head_bytes` of each, as a big-endian number, are its key; its numbers are in `order`."""

    entries: dict[int, Entry]
    head_bytes: int
    order: Literal["little", "big"]
    sizes: Mapping[int, int] = MappingProxyType({})  # last byte of a key -> size of an entry that is skipped, where the model is named


def read_entries(payload: bytes, layout: Layout, device: str, at_ms: int | None, *, is_named: bool) -> list[Observation] | None:
    """The observations in `payload`, or `None` where it is not of this layout.

    With the model named (`is_named`) an unknown entry ends the list, because its size is unknown, and a value out of
    range (0xFFFF of a missing sensor) is left out. Without, either one means that the payload has another layout.
    """
    observations: list[Observation] = []
    offset = 0
    while offset < len(payload):
        begin = offset + layout.head_bytes
        key = int.from_bytes(payload[offset:begin], "big")
        entry = layout.entries.get(key) if begin <= len(payload) else None
        if entry is None and is_named and key & 0xFF in layout.sizes:
            entry = Entry(layout.sizes[key & 0xFF])
        if entry is None or begin + entry.size > len(payload):
            return observations if is_named and observations else None
        found = [observe(part, payload[begin:], layout.order, device, at_ms) for part in entry.parts]
        if None in found and not is_named:
            return None
        observations += [one for one in found if one is not None]
        offset = begin + entry.size
    return observations


def _position(device: str, value: bytes, part: Part, order: Literal["little", "big"], at_ms: int | None) -> Position | None:
    """The position of two signed numbers; `None` for an impossible one, and for 0, 0 or all bits set, which trackers send without a fix."""
    latitude, longitude = (int.from_bytes(value[at : at + 4], order, signed=True) / part.divisor for at in (0, 4))
    is_possible = abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude or longitude) and value[:8] != b"\xff" * 8
    return Position(device, latitude, longitude, at_ms=at_ms) if is_possible else None


def observe(part: Part, value: bytes, order: Literal["little", "big"], device: str, at_ms: int | None) -> Observation | None:
    """The observation of one part of an entry or frame, or `None` where it is out of range."""
    stated = value[part.offset : part.offset + part.size]
    number = (int.from_bytes(stated, order, signed=part.signed) >> part.flags) & part.mask
    whole = device if part.sub == 1 else text(f"{device}/{part.sub}", "device")
    if part.name == _POSITION:
        return _position(whole, value[part.offset :], part, order, at_ms)
    if part.divisor == 0:
        return people_named(whole, part.name, number, at_ms) or Count(whole, part.name, number, at_ms)
    amount = float(number > 0) if part.yes_or_no else round(number / part.divisor + part.offset_value, 6)
    if part.float32:
        amount = float(f"{struct.unpack('>f' if order == 'big' else '<f', stated)[0] / part.divisor:.7g}")
    return Reading(whole, part.name, amount, at_ms) if in_range(part.name, amount) else None
