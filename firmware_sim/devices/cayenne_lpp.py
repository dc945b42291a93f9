"""Cayenne Low Power Payload: channel, type, value, all big-endian and compact enough for LoRaWAN.

Types and resolutions are those of the public table (docs.mydevices.com, "Cayenne LPP"). The Things Stack's own formatter names
a decoded value `{type}_{channel}` and computes it in 32-bit floats, which is visible: 27.2 becomes 27.200000762939453.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple


class Type(NamedTuple):
    """Row of the table: type number, the formatter's name, size in bytes, steps per unit, and signedness."""

    number: int
    name: str
    size: int
    per_unit: float
    signed: bool


ANALOG_IN = Type(0x02, "analog_in", 2, 100, signed=True)
LUMINOSITY = Type(0x65, "luminosity", 2, 1, signed=False)
PRESENCE = Type(0x66, "presence", 1, 1, signed=False)
TEMPERATURE = Type(0x67, "temperature", 2, 10, signed=True)
HUMIDITY = Type(0x68, "relative_humidity", 1, 2, signed=False)
PRESSURE = Type(0x73, "barometric_pressure", 2, 10, signed=False)


class Entry(NamedTuple):
    """One value on one channel, in the unit of its type (°C, %, hPa, lx)."""

    channel: int
    type: Type
    value: float


def encode(entries: Iterable[Entry]) -> bytes:
    """Payload of these entries; values are clamped to the range of the type."""
    return b"".join(bytes((entry.channel, entry.type.number)) + _stated(entry) for entry in entries)


def decoded_payload(entries: Iterable[Entry]) -> dict[str, float]:
    """Decoded values as The Things Stack's formatter computes from the same bytes."""
    return {f"{entry.type.name}_{entry.channel}": _single(_steps(entry) / entry.type.per_unit) for entry in entries}


def _steps(entry: Entry) -> int:
    bits = 8 * entry.type.size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if entry.type.signed else (0, (1 << bits) - 1)
    return min(high, max(low, round(entry.value * entry.type.per_unit)))


def _stated(entry: Entry) -> bytes:
    return _steps(entry).to_bytes(entry.type.size, "big", signed=entry.type.signed)


def _single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
