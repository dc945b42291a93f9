"""Rows of counts come and go together with the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from dashboard.bulk import Row, insert_rows
from dashboard.counts import COUNTS
from dashboard.joining import Day, days_around, join
from dashboard.partitions import has_partitions, make_partitions
from dashboard.rollups import Changes
from dashboard.schema import metadata

ByTable = Mapping[str, Sequence[Row]]


def keep(connection: Connection, rows: ByTable, changes: Changes) -> None:
    """Insert rows by table, and add to the sums."""
    if has_partitions(connection):
        make_partitions(connection, {row[1] for of_table in rows.values() for row in of_table})
    for name, of_table in rows.items():
        insert_rows(connection, metadata.tables[name], of_table)
        changes.add_rows(name, of_table)
    join(connection, _days(connection, rows), changes)


def remove(connection: Connection, gateway: str, from_ms: int, until_ms: int, changes: Changes) -> ByTable:
    """Delete the counts of a gateway of windows that begin in [from_ms, until_ms), and subtract from the sums; the rows by table."""
    gone: dict[str, Sequence[Row]] = {}
    for name, table in COUNTS.items():
        where: ColumnElement[bool] = and_(
            table.c.gateway == gateway, table.c.window_start_ms >= from_ms, table.c.window_start_ms < until_ms
        )
        gone[name] = [tuple(row) for row in connection.execute(select(table).where(where))]
        connection.execute(delete(table).where(where))
        changes.add_rows(name, gone[name], -1)
    join(connection, _days(connection, gone), changes)
    return gone


def _days(connection: Connection, rows: ByTable) -> set[Day]:
    """The service days whose counts the rows change."""
    windows = {(row[0], row[1]) for row in rows.get("hours", ())}
    return days_around(connection, windows) | {Day(row[0], row[1], row[6]) for row in rows.get("contacts", ())}
