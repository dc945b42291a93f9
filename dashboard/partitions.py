"""Partitions on PostgreSQL: counts by month (UTC) and then by hash of the gateway, ids by hash of the gateway.

A partition is made with the first row of a month, in the schema PARTS; a query names the whole table. SQLite has none.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, text

from dashboard.schema import metadata

PARTS = "parts"
HASHES = 4
_IS_THERE = text("SELECT to_regclass(:name) IS NOT NULL")


def by_time() -> list[Table]:
    """The tables that are partitioned by month."""
    return [table for table in metadata.sorted_tables if _kind(table).startswith("RANGE")]


def by_gateway() -> list[Table]:
    """The tables that are partitioned by hash of the gateway only."""
    return [table for table in metadata.sorted_tables if _kind(table).startswith("HASH")]


def month_start_ms(at_ms: int) -> int:
    """The start of the month, in UTC, that contains a time."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return int(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp() * 1000)


def next_month_ms(month_ms: int) -> int:
    """The start of the month after the one that begins at `month_ms`."""
    return month_start_ms(month_ms + 32 * 86_400_000)


def month_name(at_ms: int) -> str:
    """Year and month of a time, in UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m}"


def make_hash_partitions(connection: Connection) -> None:
    """Make the partitions of the tables without time. Does nothing on SQLite."""
    if has_partitions(connection):
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {PARTS}")
        for table in by_gateway():
            _make_hashes(connection, table.name, table.name)


def make_partitions(connection: Connection, starts_ms: Collection[int]) -> None:
    """Make the partitions that rows with these starts need, on PostgreSQL."""
    for month_ms in sorted({month_start_ms(start_ms) for start_ms in starts_ms}):
        if connection.execute(_IS_THERE, {"name": f"{PARTS}.{_name('hours', month_ms)}"}).scalar_one():
            continue
        for table in by_time():
            name = _name(table.name, month_ms)
            bounds = f"FOR VALUES FROM ({month_ms}) TO ({next_month_ms(month_ms)}) PARTITION BY HASH (gateway)"
            connection.exec_driver_sql(f"CREATE TABLE {PARTS}.{name} PARTITION OF {table.name} {bounds}")
            _make_hashes(connection, f"{PARTS}.{name}", name)


def drop_partitions(connection: Connection, before_ms: int) -> None:
    """Drop the partitions of the months that ended before the month of `before_ms`. Does nothing on SQLite."""
    if not has_partitions(connection):
        return
    last = _name("", month_start_ms(before_ms))
    query = text("SELECT relname FROM pg_class WHERE relnamespace = CAST(:parts AS regnamespace) AND relkind = 'p'")
    for name in connection.execute(query, {"parts": PARTS}).scalars().all():
        if any(name.startswith(f"{table.name}_2") and name.removeprefix(table.name) < last for table in by_time()):
            connection.exec_driver_sql(f"DROP TABLE {PARTS}.{name}")


def _make_hashes(connection: Connection, parent: str, name: str) -> None:
    for number in range(HASHES):
        bounds = f"FOR VALUES WITH (MODULUS {HASHES}, REMAINDER {number})"
        connection.exec_driver_sql(f"CREATE TABLE {PARTS}.{name}_{number} PARTITION OF {parent} {bounds}")


def _name(table: str, month_ms: int) -> str:
    return f"{table}_{month_name(month_ms).replace('-', '_')}"


def _kind(table: Table) -> str:
    return str(table.dialect_options["postgresql"]["partition_by"] or "")


def has_partitions(connection: Connection) -> bool:
    """Whether the database has partitions: PostgreSQL does."""
    return connection.dialect.name == "postgresql"
