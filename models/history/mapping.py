"""Mapping of a foreign table's columns to those of the history format, from a TOML file or the command line.

A shop's export may call its subjects CustomerID and state a price per piece; the mapping spares a rewrite of the file. A column that is
not mapped is looked up under its own name; the error for an unknown name contains the nearest one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, get_args

import msgspec
from msgspec import Meta

from models.errors import ModelsError
from models.history.columns import ALTERNATIVES, COLUMNS, TableName


class HistoryError(ModelsError):
    """The history cannot be used as it is; the message names the reason and the remedy."""


class TableMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mapping of one table. `columns` maps columns of the history format to columns of the file.

    `at_format` is the strptime format of `at` if it is not ISO 8601; baskets whose code starts with `cancelled_prefix` are refused as
    cancelled; `minor_per_major` is the number of minor units in a major one.
    """

    columns: dict[str, str] = {}
    at_format: str | None = None
    cancelled_prefix: str | None = None
    minor_per_major: Annotated[int, Meta(ge=1, le=10_000)] = 100


class HistoryMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mappings of both tables."""

    interactions: TableMapping = TableMapping()
    baskets: TableMapping = TableMapping()

    def of(self, table: TableName) -> TableMapping:
        """Mapping of one table."""
        return self.interactions if table == "interactions" else self.baskets


SETTINGS: tuple[str, ...] = tuple(name for name in TableMapping.__struct_fields__ if name != "columns")


def read_mapping(path: Path) -> HistoryMapping:
    """Mapping from a TOML file. Raises HistoryError if the file cannot be read or has an unknown column or setting."""
    try:
        mapped = msgspec.toml.decode(path.read_bytes(), type=HistoryMapping)
    except OSError as error:
        raise HistoryError(f"{path} cannot be read ({error.strerror or error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HistoryError(
            f"{path} is not a mapping ({str(error)[:160]}); it has tables [baskets.columns] and [interactions.columns]"
        ) from error
    for table in get_args(TableName):
        _check(table, mapped.of(table).columns)
    return mapped


def parse_mapping(table: TableName, text: str) -> TableMapping:
    """Mapping from a text `ours=theirs,ours=theirs`, in which settings (`at_format=%Y%m%d`) are allowed as well.

    Raises HistoryError if a part has no value, a column occurs twice or is unknown, or a setting is not valid.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    wrong = [name for name, equals, theirs in pairs if not equals or not theirs.strip()]
    if wrong:
        raise HistoryError(f"a mapping is ours=theirs,ours=theirs; {wrong[0]!r} has no value")
    given = {name.strip(): theirs.strip() for name, _, theirs in pairs}
    if len(given) < len(pairs):
        raise HistoryError("a mapping names a column twice")
    columns = {name: theirs for name, theirs in given.items() if name not in SETTINGS}
    _check(table, columns)
    settings = {name: theirs for name, theirs in given.items() if name in SETTINGS}
    try:
        return msgspec.convert({"columns": columns, **settings}, TableMapping, strict=False)
    except msgspec.ValidationError as error:
        raise HistoryError(f"the mapping cannot be used: {error}") from error


def nearest(name: str, present: Iterable[str]) -> str:
    """`; the nearest is 'x'` for the most similar name in `present`, or an empty text if there is none."""
    by_lower = {other.lower(): other for other in present}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; the nearest is {by_lower[close[0]]!r}" if close else ""


def _check(table: TableName, columns: Mapping[str, str]) -> None:
    known = [column.name for column in COLUMNS[table]] + list(ALTERNATIVES)
    for name in columns:
        if name not in known:
            raise HistoryError(f"{table} have no column {name!r} to map to{nearest(name, [*known, *SETTINGS])}")
