"""Cayenne Low Power Payload: a list of channel, type and value, all big-endian.

The types are those of the public table (https://docs.mydevices.com/docs/lorawan/cayenne-lpp). The format has no header,
so a payload counts as Cayenne LPP only if known entries use it up to its last byte, no channel repeats a type, and
every value is in range.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading

PAYLOAD_BYTES_MAX = 242  # the longest payload of LoRaWAN
_GPS = 0x88


class _Type(NamedTuple):
    """`divisor` turns the integer into our unit; without `quantity` the value is skipped."""

    size: int
    quantity: str | None = None
    divisor: int = 1
    signed: bool = False


_TYPES: dict[int, _Type] = {
    0x00: _Type(1),  # digital input
    0x01: _Type(1),  # digital output
    0x02: _Type(2),  # analog input, of an unknown quantity
    0x03: _Type(2),  # analog output
    0x65: _Type(2, "illuminance"),
    0x66: _Type(1, "occupancy"),
    0x67: _Type(2, "temperature", 10, signed=True),
    0x68: _Type(1, "humidity", 2),
    0x71: _Type(6),  # acceleration of three axes
    0x73: _Type(2, "pressure", 10),
    0x86: _Type(6),  # angular velocity of three axes
    _GPS: _Type(9),
}


def decode_cayenne_lpp(payload: bytes, device: str, at_ms: int | None, _model: str | None = None) -> list[Observation] | None:
    """The readings and positions in `payload`, or `None` where it is not Cayenne LPP."""
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        return None
    observations: list[Observation] = []
    seen: set[tuple[int, int]] = set()
    for channel, kind, value in _entries(payload):
        row = _TYPES.get(kind)
        if row is None or len(value) != row.size or (channel, kind) in seen:
            return None
        seen.add((channel, kind))
        found = _observed(kind, row, value, device, at_ms)
        if found is False:
            return None
        if found is not None:
            observations.append(found)
    return observations


def _entries(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Channel, type and value of each entry. The value of an unknown or incomplete entry is too short, and ends the list."""
    offset = 0
    while offset < len(payload):
        head = payload[offset : offset + 2]
        row = _TYPES.get(head[1]) if len(head) == 2 else None
        if row is None:
            yield head[0], -1, b""
            return
        yield head[0], head[1], payload[offset + 2 : offset + 2 + row.size]
        offset += 2 + row.size


def _observed(kind: int, row: _Type, value: bytes, device: str, at_ms: int | None) -> Observation | Literal[False] | None:
    """The observation of one entry; `None` where Wayside does not keep it, `False` where it is out of range."""
    if kind == _GPS:
        return _position(value, device, at_ms)
    if row.quantity is None:
        return None
    amount = int.from_bytes(value, "big", signed=row.signed) / row.divisor
    return Reading(device, row.quantity, amount, at_ms) if in_range(row.quantity, amount) else False


def _position(value: bytes, device: str, at_ms: int | None) -> Position | Literal[False]:
    latitude_deg, longitude_deg = (int.from_bytes(value[at : at + 3], "big", signed=True) / 10_000 for at in (0, 3))
    if abs(latitude_deg) > 90 or abs(longitude_deg) > 180:
        return False
    return Position(device, latitude_deg, longitude_deg, at_ms=at_ms)
