"""The export of a person: JSON of `Kept`, and the same tables as one SQLite file.

The file is written with the standard library: a library for it would bring 16 MB to the device for these lines.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.page.kept import TABLES, Kept

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Any]
SINGLE = ("wishes", "learned")
"""Fields of one value each, which stand as JSON in the table `person`."""


def as_json(kept: Kept) -> bytes:
    """One JSON object; its schema is `schema()`."""
    return msgspec.json.format(msgspec.json.encode(kept), indent=1)


def schema() -> dict[str, Any]:
    """JSON Schema of the export."""
    return msgspec.json.schema(Kept)


def tables(kept: Kept) -> dict[str, list[Row]]:
    """The rows by table: `person` with one row, and each table of TABLES. Values that have parts are JSON texts."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(kept))
    person = {name: value for name, value in values.items() if name not in TABLES}
    return {"person": [_flat(person)]} | {name: [_flat(row) for row in _rows(values[name])] for name in TABLES}


def as_sqlite(kept: Kept) -> bytes:
    """The bytes of an SQLite file with `tables`; a table without rows has no columns of its own but `none`."""
    with closing(sqlite3.connect(":memory:")) as database:
        for name, rows in tables(kept).items():
            columns = list(rows[0]) if rows else ["none"]
            database.execute(f'CREATE TABLE "{name}" ({", ".join(f"{_quoted(column)}" for column in columns)})')
            marks = ", ".join("?" for _ in columns)
            database.executemany(f'INSERT INTO "{name}" VALUES ({marks})', [tuple(row.values()) for row in rows])  # noqa: S608 - names of fields
        database.commit()
        return database.serialize()


def _rows(value: list[Any] | Mapping[str, Any]) -> list[Row]:
    """A list of texts has the column `id`, a mapping the columns `name` and `value`."""
    if isinstance(value, list):
        return [row if isinstance(row, dict) else {"id": row} for row in value]
    return [{"name": name, "value": content} for name, content in value.items()]


def _flat(row: Row) -> Row:
    return {name: msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value for name, value in row.items()}


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
