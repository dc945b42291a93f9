"""The part of protobuf's wire format that a device needs for encoding (protobuf.dev, "Encoding").

A field is a key (number and wire type in one varint) and a value: a varint, four or eight bytes little-endian, or a length and
that many bytes. Real firmware of this size has no protobuf library either.
"""

from __future__ import annotations

import struct

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_WORD = (1 << 64) - 1


def varint(value: int) -> bytes:
    """Seven bits per byte, lowest first; negative numbers as 64-bit two's complement."""
    value &= _WORD
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """Field of any integer type, Booleans included."""
    return varint(number << 3 | _VARINT) + varint(value)


def chunk(number: int, value: bytes) -> bytes:
    """Field of text, bytes or an embedded message."""
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def single(number: int, value: float) -> bytes:
    """Field of type `float`."""
    return varint(number << 3 | _FOUR) + struct.pack("<f", value)


def double(number: int, value: float) -> bytes:
    """Field of type `double`."""
    return varint(number << 3 | _EIGHT) + struct.pack("<d", value)
