"""Payloads that are lists of entries: what an entry holds, and what it becomes.

An entry that is a contact, a movement or a leak by the model of the sensor is an `input`: 1 is what its model
reports (a door that is open, water, somebody who moves).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import text


class Part(NamedTuple):
    """One number in an entry: what it is, where it stands, what it is divided by; `divisor` 0 marks a count.

    The lowest `flags` bits are not of the number; `sub` tells several of one kind on one device apart, from 1.
    """

    what: str
    offset: int
    size: int
    divisor: int = 1
    signed: bool = False
    flags: int = 0
    sub: int = 1


class Entry(NamedTuple):
    """An entry's size and those of its parts that Wayside keeps."""

    size: int
    parts: tuple[Part, ...] = ()


TEMPERATURE = Part("temperature", 0, 2, 10, signed=True)


def read_entries(
    payload: bytes, entries: dict[int, Entry], head_bytes: int, order: Literal["little", "big"], device: str, at_ms: int | None
) -> list[Observation] | None:
    """The observations in `payload`, or `None` where an entry is unknown or cut off.

    Each entry begins with `head_bytes` that are, as a big-endian number, its row of `entries`; its numbers are in `order`.
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
    """The parts of one entry; an impossible one (a sensor that is not there says 0xFFFF) is passed over."""
    for part in entry.parts:
        number = int.from_bytes(value[part.offset : part.offset + part.size], order, signed=part.signed) >> part.flags
        whole = device if part.sub == 1 else text(f"{device}/{part.sub}", "device")
        if part.divisor == 0:
            yield Count(whole, part.what, number, at_ms)
        elif in_range(part.what, number / part.divisor):
            yield Reading(whole, part.what, number / part.divisor, at_ms)
