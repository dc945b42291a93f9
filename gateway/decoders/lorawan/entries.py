"""Payloads that are lists of entries, each with a fixed layout (Milesight, Elsys).

An entry that is a contact, a movement or a leak, depending on the model of the sensor, is an `input` here: 1 is the
state that the model reports (door open, water, movement).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import text
from gateway.decoders.values.people import people_named


class Part(NamedTuple):
    """One number in an entry: its quantity, or its name as a count where `divisor` is 0.

    `offset` and `size` are in bytes; the lowest `flags` bits are not part of the number; `sub` numbers several of one
    kind on one device, from 1. A `yes_or_no` part is 1 for every number above 0.
    """

    name: str
    offset: int
    size: int
    divisor: int = 1
    signed: bool = False
    flags: int = 0
    sub: int = 1
    yes_or_no: bool = False


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


def read_entries(payload: bytes, layout: Layout, device: str, at_ms: int | None, *, is_named: bool) -> list[Observation] | None:
    """The observations in `payload`, or `None` where it is not of this layout.

    With the model named (`is_named`) an unknown entry ends the list, because its size is unknown, and a value out of
    range (0xFFFF of a missing sensor) is left out. Without, either one means that the payload has another layout.
    """
    observations: list[Observation] = []
    offset = 0
    while offset < len(payload):
        begin = offset + layout.head_bytes
        entry = layout.entries.get(int.from_bytes(payload[offset:begin], "big")) if begin <= len(payload) else None
        if entry is None or begin + entry.size > len(payload):
            return observations if is_named and observations else None
        found = [observe(part, payload[begin:], layout.order, device, at_ms) for part in entry.parts]
        if None in found and not is_named:
            return None
        observations += [one for one in found if one is not None]
        offset = begin + entry.size
    return observations


def observe(part: Part, value: bytes, order: Literal["little", "big"], device: str, at_ms: int | None) -> Observation | None:
    """The observation of one part of an entry or frame, or `None` where it is out of range."""
    number = int.from_bytes(value[part.offset : part.offset + part.size], order, signed=part.signed) >> part.flags
    whole = device if part.sub == 1 else text(f"{device}/{part.sub}", "device")
    if part.divisor == 0:
        return people_named(whole, part.name, number, at_ms) or Count(whole, part.name, number, at_ms)
    amount = float(number > 0) if part.yes_or_no else number / part.divisor
    return Reading(whole, part.name, amount, at_ms) if in_range(part.name, amount) else None
