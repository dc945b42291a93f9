"""Tables as Apache Parquet: one row group, one uncompressed page for each column, every column optional.

The libraries that write Parquet take 20 to 150 MB; a table of the desk needs integers, floats and texts. The footer and the page headers
are Thrift structs in the compact protocol; `_struct` writes them from (field id, type, value).

Format: https://parquet.apache.org/docs/file-format/ (Apache-2.0).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12  # types of the compact protocol
_PHYSICAL: Mapping[type, int] = {int: 2, float: 5, str: 6}  # INT64, DOUBLE, BYTE_ARRAY
_UTF8 = 0
_OPTIONAL = 1
_PLAIN, _RLE = 0, 3
_MAGIC = b"PAR1"

Fields = Iterable[tuple[int, int, Any]]


def parquet(columns: Mapping[str, type], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A file with these columns (int, float or str; a cell may be None) and rows."""
    out = bytearray(_MAGIC)
    chunks: list[Fields] = []
    for name, kind in columns.items():
        page = _page([row[name] for row in rows], kind)
        meta: Fields = (
            (1, _I32, _PHYSICAL[kind]),
            (2, _LIST, (_I32, [_PLAIN, _RLE])),
            (3, _LIST, (_BINARY, [name])),
            (4, _I32, 0),  # uncompressed
            (5, _I64, len(rows)),
            (6, _I64, len(page)),
            (7, _I64, len(page)),
            (9, _I64, len(out)),
        )
        chunks.append(((2, _I64, len(out)), (3, _STRUCT, meta)))
        out += page
    group: Fields = ((1, _LIST, (_STRUCT, chunks)), (2, _I64, len(out) - len(_MAGIC)), (3, _I64, len(rows)))
    schema: list[Fields] = [((4, _BINARY, "table"), (5, _I32, len(columns)))]
    for name, kind in columns.items():
        text: Fields = ((6, _I32, _UTF8),) if kind is str else ()
        schema.append(((1, _I32, _PHYSICAL[kind]), (3, _I32, _OPTIONAL), (4, _BINARY, name), *text))
    footer = _struct(
        ((1, _I32, 1), (2, _LIST, (_STRUCT, schema)), (3, _I64, len(rows)), (4, _LIST, (_STRUCT, [group])), (6, _BINARY, "wayside"))
    )
    return bytes(out) + footer + struct.pack("<I", len(footer)) + _MAGIC


def _page(values: Sequence[Any], kind: type) -> bytes:
    """One data page with its header: the bits of the cells with a value, then those values."""
    bits = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        bits[at // 8] |= (value is not None) << at % 8
    levels = _varint(len(bits) << 1 | 1) + bytes(bits)
    body = struct.pack("<I", len(levels)) + levels + b"".join(_plain(value, kind) for value in values if value is not None)
    of_page: Fields = ((1, _I32, len(values)), (2, _I32, _PLAIN), (3, _I32, _RLE), (4, _I32, _RLE))
    return _struct(((1, _I32, 0), (2, _I32, len(body)), (3, _I32, len(body)), (5, _STRUCT, of_page))) + body


def _plain(value: Any, kind: type) -> bytes:
    if kind is str:
        text = str(value).encode()
        return struct.pack("<I", len(text)) + text
    return struct.pack("<q", value) if kind is int else struct.pack("<d", value)


def _struct(fields: Fields) -> bytes:
    out, last = bytearray(), 0
    for number, kind, value in fields:
        out.append((number - last) << 4 | kind)
        out += _value(kind, value)
        last = number
    return bytes(out) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRUCT:
        return _struct(value)
    if kind == _BINARY:
        text = str(value).encode()
        return _varint(len(text)) + text
    if kind == _LIST:
        of, values = value
        head: bytes = bytes([len(values) << 4 | of]) if len(values) < 15 else bytes([0xF0 | of]) + _varint(len(values))
        return head + b"".join(_value(of, one) for one in values)
    return _varint(value << 1)  # zigzag; no negative number is written


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])
