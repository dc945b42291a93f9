"""Unknown keys in a table for a Struct, nested ones included, with the nearest valid key (which the parser does not suggest)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec

from firmware_sim.nearest import nearest


def unknown(value: object, shape: Any, where: str) -> Iterator[str]:
    """One message per unknown key, in the order of the text."""
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct) and isinstance(value, dict):
        fields = {field.name: field.type for field in msgspec.structs.fields(shape)}
        for key, item in value.items():
            if key not in fields:
                yield f"{where}: unknown key {key!r}; {nearest(key, fields)}"
            else:
                yield from unknown(item, fields[key], f"{where}: {key}")
        return
    for item, inner, place in _parts(value, shape, where):
        yield from unknown(item, inner, place)


def _parts(value: object, shape: Any, where: str) -> Iterator[tuple[object, Any, str]]:
    """Parts of a value, each with its type and its place for messages."""
    origin, inner = get_origin(shape), get_args(shape)
    if origin is Annotated:
        yield value, inner[0], where
    elif origin is UnionType:
        yield from ((value, part, where) for part in inner if part is not NoneType)
    elif origin is Mapping and isinstance(value, dict):
        yield from ((item, inner[1], f"{where}.{key}") for key, item in value.items())
    elif origin is tuple and isinstance(value, list):
        yield from ((item, inner[0], f"{where}[{index}]") for index, item in enumerate(value))
