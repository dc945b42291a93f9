"""The few words of protobuf's wire format that a device needs in order to write it (protobuf.dev, "Encoding").

A field is a key (number and wire type in one varint) and a value: a varint, four or eight bytes little-endian,
or a length and that many bytes. Firmware of this size carries no library for it either.
"""

from __future__ import annotations

import struct

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_WORD = (1 << 64) - 1


def varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; negative numbers travel as 64-bit two's complement."""
    value &= _WORD
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """A field of any integer type, a Boolean included."""
    return varint(number << 3 | _VARINT) + varint(value)


def chunk(number: int, value: bytes) -> bytes:
    """A field of text, bytes or an embedded message."""
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def single(number: int, value: float) -> bytes:
    """A `float` field."""
    return varint(number << 3 | _FOUR) + struct.pack("<f", value)


def double(number: int, value: float) -> bytes:
    """A `double` field."""
    return varint(number << 3 | _EIGHT) + struct.pack("<d", value)
