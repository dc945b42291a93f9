"""Tables of a TOML or JSON file -> frozen msgspec types, with every fault and its path instead of the first fault only."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from gateway.core.ids import _ID, RULE
from gateway.core.nearest import nearest
from gateway.core.toml_lines import Path

EPOCH_S_MIN = 1_000_000_000  # seconds since 1970 of a moment in 2001; milliseconds are larger

T = TypeVar("T", bound=msgspec.Struct)


class Fault(NamedTuple):
    """A fault and its place: `path` from the root of the file."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}"


def dotted(path: Path) -> str:
    """A path as text, list positions in brackets: `attributes[3].unit`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "schema"


def convert(kind: type[T], table: object, path: Path, faults: list[Fault]) -> T | None:
    """`table` as `kind`, or None after its faults were appended to `faults`."""
    if not isinstance(table, Mapping):
        faults.append(Fault(path, f"expected a table, got {type(table).__name__}"))
        return None
    before = len(faults)
    fields = _fields(kind)
    faults.extend(Fault((*path, str(name)), f"unknown key{nearest(str(name), fields)}") for name in table if name not in fields)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            values[field.name] = _value(field.type, table[name], (*path, name), faults)
        elif field.required:
            faults.append(Fault((*path, name), "required, and absent"))
    return kind(**values) if len(faults) == before else None


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields by name; reading the annotations of a type takes longer than converting a table."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _value(kind: Any, value: object, path: Path, faults: list[Fault]) -> Any:
    struct = _struct_in(kind)
    if struct is not None and get_origin(_bare(kind)) is tuple:
        if isinstance(value, list | tuple):
            faults.extend(Fault(path, text) for text in _wrong_length(kind, value))
            return tuple(convert(struct, item, (*path, at), faults) for at, item in enumerate(value))
    elif struct is not None:
        return None if value is None else convert(struct, value, path, faults)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        faults.append(Fault(path, _plain(str(error), kind, value)))
        return None


def _bare(kind: Any) -> Any:
    """A type without its annotations."""
    return kind.__origin__ if hasattr(kind, "__metadata__") else kind


def _wrong_length(kind: Any, value: list[object] | tuple[object, ...]) -> list[str]:
    """The fault of a list of tables that is shorter or longer than its type allows."""
    try:
        msgspec.convert([None] * len(value), Annotated[tuple[None, ...], *getattr(kind, "__metadata__", ())])
    except msgspec.ValidationError as error:
        return [str(error)]
    return []


def _plain(message: str, kind: Any, value: object) -> str:
    """Msgspec's message without its own path; instead of a pattern its description, and the nearest value of a closed list."""
    options = [option for option in _options(kind) if isinstance(option, str)]
    wrong = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, str) and one not in options]
    if options and wrong:
        return f"{wrong[0]!r} is not allowed{nearest(wrong[0], options)}"
    due = [meta for one in _nested(kind) for meta in getattr(one, "__metadata__", ()) if meta.pattern and meta.description]
    if "matching regex" in message and due:
        return f"{value!r} is not {due[0].description}"
    if f"matching regex {_ID!r}" in message:
        return f"{value!r} is not {RULE}"
    if message.startswith("Expected `str`, got `int`") and isinstance(value, int) and value >= EPOCH_S_MIN:
        return f"{value} is a number: a moment is written as a date such as 2026-12-25, or in quotes with its time"
    return message.partition(" - at `$")[0]


def _nested(kind: Any) -> Iterator[Any]:
    """A type and the types inside it."""
    yield kind
    for part in get_args(kind):
        yield from _nested(part)


def _options(kind: Any) -> list[object]:
    """The values of every Literal inside a type."""
    found: list[object] = []
    for part in get_args(kind):
        found += _options(part) if get_args(part) else [part]
    return found


def _struct_in(kind: Any) -> type[Any] | None:
    """The Struct that a field holds: itself, or inside `| None` or a tuple."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if get_origin(kind) in {tuple, Union, types.UnionType}:
        return next((found for part in get_args(kind) if (found := _struct_in(part)) is not None), None)
    return None
