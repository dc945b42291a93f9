"""Many rows in one statement, in the fastest form of each database: executemany on SQLite, arrays on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from sqlalchemy import BigInteger, Boolean, Connection, Float, LargeBinary, Table

Row = tuple[Any, ...]
Conflict = Literal["fail", "keep", "add"]
ADDED = ("count", "variance", "cells")


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], conflict: Conflict = "fail") -> int:
    """Insert rows whose values are in the order of the columns; the number of inserted or changed rows.

    A row whose key is stored already raises IntegrityError, or is left out (`keep`), or its ADDED columns are added (`add`).
    """
    if not rows:
        return 0
    if connection.dialect.name == "postgresql":
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        arrays = tuple([float(one) for one in values] if isinstance(column.type, Float) else list(values) for column, values in columns)
        found = connection.exec_driver_sql(_arrays(table, conflict), arrays)
    else:
        found = connection.exec_driver_sql(_marks(table, conflict), list(rows))
    return found.rowcount


def stored_windows(connection: Connection, table: Table, starts: Mapping[str, Collection[int]]) -> list[tuple[str, str, int]]:
    """Gateway, offer (empty in tables without one) and start of the stored windows that begin at `starts`, by gateway."""
    offer = "t.offer" if "offer" in table.columns else "''"
    what = f"SELECT DISTINCT t.gateway, {offer}, t.window_start_ms FROM"
    if connection.dialect.name == "postgresql":
        pairs = [(gateway, start_ms) for gateway, of_gateway in starts.items() for start_ms in of_gateway]
        names, times = (list(column) for column in zip(*pairs, strict=True))
        query = f"""{what} unnest(%s::text[], %s::bigint[]) AS w(gateway, start_ms) JOIN {table.name} AS t
            ON t.gateway = w.gateway AND t.window_start_ms = w.start_ms WHERE t.window_start_ms BETWEEN %s AND %s"""
        found = connection.exec_driver_sql(query, (names, times, min(times), max(times)))
    else:
        query = f"""{what} json_each(?) AS g CROSS JOIN json_each(g.value) AS w CROSS JOIN {table.name} AS t
            WHERE t.gateway = g.key AND t.window_start_ms = w.value"""
        found = connection.exec_driver_sql(query, (json.dumps({gateway: list(of_gateway) for gateway, of_gateway in starts.items()}),))
    return [(gateway, offer, start_ms) for gateway, offer, start_ms in found]


@cache
def _marks(table: Table, conflict: Conflict) -> str:
    return f"{_begin(table)} VALUES ({', '.join('?' for _ in table.columns)}){_end(table, conflict)}"


@cache
def _arrays(table: Table, conflict: Conflict) -> str:
    arrays = ", ".join(f"%s::{_postgres_type(column.type)}[]" for column in table.columns)
    return f"{_begin(table)} SELECT * FROM unnest({arrays}){_end(table, conflict)}"  # noqa: S608  names of the schema


def _begin(table: Table) -> str:
    return f"INSERT INTO {table.name} ({', '.join(f'{chr(34)}{column.name}{chr(34)}' for column in table.columns)})"


def _end(table: Table, conflict: Conflict) -> str:
    if conflict == "fail":
        return ""
    if conflict == "keep":
        return " ON CONFLICT DO NOTHING"
    keys = ", ".join(column.name for column in table.primary_key.columns)
    changes = ", ".join(f'"{name}" = {table.name}."{name}" + excluded."{name}"' for name in ADDED)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"


def _postgres_type(kind: Any) -> str:
    for of, name in ((BigInteger, "bigint"), (Boolean, "boolean"), (Float, "float8"), (LargeBinary, "bytea")):
        if isinstance(kind, of):
            return name
    return "text"
