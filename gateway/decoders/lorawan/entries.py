"""Payloads that are lists of entries, each with a fixed layout (Milesight, Elsys).

An entry that is a contact, a movement or a leak, depending on the model of the sensor, becomes an `input`: 1 is the
state that the model reports (door open, water, movement).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import text


class Part(NamedTuple):
    """One number in an entry: its quantity, or its name as a count where `divisor` is 0.

    `offset` and `size` are in bytes; the lowest `flags` bits are not part of the number; `sub` numbers several of one
    kind on one device, from 1.
    """

    name: str
    offset: int
    size: int
    divisor: int = 1
    signed: bool = False
    flags: int = 0
    sub: int = 1


class Entry(NamedTuple):
    """An entry's size in bytes, and those of its parts that Wayside keeps."""

    size: int
    parts: tuple[Part, ...] = ()


TEMPERATURE = Part("temperature", 0, 2, 10, signed=True)


def read_entries(
    payload: bytes, entries: dict[int, Entry], head_bytes: int, order: Literal["little", "big"], device: str, at_ms: int | None
) -> list[Observation] | None:
    """The observations in `payload`, or `None` where an entry is unknown or cut off.

    The first `head_bytes` of each entry, as a big-endian number, are its key in `entries`; its numbers are in `order`.
    """
    observations: list[Observation] = []
    offset = 0
    while offset < len(payload):
        begin = offset + head_bytes
        entry = entries.get(int.from_bytes(payload[offset:begin], "big")) if begin <= len(payload) else None
        if entry is None or begin + entry.size > len(payload):
            return None
        observations += _observations(entry, payload[begin:], order, device, at_ms)
        offset = begin + entry.size
    return observations


def _observations(entry: Entry, value: bytes, order: Literal["little", "big"], device: str, at_ms: int | None) -> Iterator[Observation]:
    """The observations of one entry; a value out of range (0xFFFF of a missing sensor) is left out."""
    for part in entry.parts:
        number = int.from_bytes(value[part.offset : part.offset + part.size], order, signed=part.signed) >> part.flags
        whole = device if part.sub == 1 else text(f"{device}/{part.sub}", "device")
        if part.divisor == 0:
            yield Count(whole, part.name, number, at_ms)
        elif in_range(part.name, number / part.divisor):
            yield Reading(whole, part.name, number / part.divisor, at_ms)
