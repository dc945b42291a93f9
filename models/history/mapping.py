"""Which of a foreign table's columns is which of ours: said once, in a small TOML file or on the command line.

A shop's export calls its subjects CustomerID and gives a price for one piece. Nobody should have to rewrite the file for
that. Whatever is not mapped is found under our own name; a name that does not exist is answered with the nearest one.
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
    """The history cannot be used as it is; the text names the cause and the way out."""


class TableMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one foreign table is read. `columns` is ours -> theirs.

    `at_format` is how `at` is written (as in strptime) where it is not ISO 8601; baskets whose code opens with
    `cancelled_prefix` were cancelled; `minor_per_major` is how many cents make a euro.
    """

    columns: dict[str, str] = {}
    at_format: str | None = None
    cancelled_prefix: str | None = None
    minor_per_major: Annotated[int, Meta(ge=1, le=10_000)] = 100


class HistoryMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mapping of both tables."""

    interactions: TableMapping = TableMapping()
    baskets: TableMapping = TableMapping()

    def of(self, table: TableName) -> TableMapping:
        """The mapping of one table."""
        return self.interactions if table == "interactions" else self.baskets


SETTINGS: tuple[str, ...] = tuple(name for name in TableMapping.__struct_fields__ if name != "columns")


def read_mapping(path: Path) -> HistoryMapping:
    """The mapping in a TOML file, or `HistoryError`."""
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
    """The mapping written as `ours=theirs,ours=theirs`; settings of the mapping (`at_format=%Y%m%d`) may stand among them."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    wrong = [name for name, equals, theirs in pairs if not equals or not theirs.strip()]
    if wrong:
        raise HistoryError(f"a mapping reads ours=theirs,ours=theirs; {wrong[0]!r} has no column behind it")
    given = {name.strip(): theirs.strip() for name, _, theirs in pairs}
    if len(given) < len(pairs):
        raise HistoryError("a mapping names one of our columns twice; each stands for one of theirs")
    columns = {name: theirs for name, theirs in given.items() if name not in SETTINGS}
    _check(table, columns)
    settings = {name: theirs for name, theirs in given.items() if name in SETTINGS}
    try:
        return msgspec.convert({"columns": columns, **settings}, TableMapping, strict=False)
    except msgspec.ValidationError as error:
        raise HistoryError(f"the mapping cannot be used: {error}") from error


def nearest(name: str, present: Iterable[str]) -> str:
    """`; nearest is 'x'` for people, or nothing where nothing resembles the name."""
    by_lower = {other.lower(): other for other in present}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; the nearest is {by_lower[close[0]]!r}" if close else ""


def _check(table: TableName, columns: Mapping[str, str]) -> None:
    known = [column.name for column in COLUMNS[table]] + list(ALTERNATIVES)
    for name in columns:
        if name not in known:
            raise HistoryError(f"{table} have no column {name!r} to map to{nearest(name, [*known, *SETTINGS])}")
