"""Epsilon that a gateway has spent, by service day, from the counts that it has sent and the noise that it states."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select

from dashboard.privacy.noises import Stated, epsilon_of
from dashboard.schema import contacts, control, hours, visitors

DAYS_SHOWN = 31
TABLES: tuple[tuple[str, Table], ...] = (("hours", hours), ("offers", contacts), ("control", control), ("visitors", visitors))


class Day(NamedTuple):
    """A service day or week: epsilon of each table for one day, in the order of TABLES, and of all tables."""

    start_ms: int
    length_ms: int
    spent: tuple[float, ...]

    @property
    def total(self) -> float:
        """Epsilon of a person's day, over all tables."""
        return sum(self.spent)


def days(connection: Connection, gateway: str, found: list[Stated]) -> list[Day]:
    """The newest service days of a gateway, newest first: periods of its outcomes, and the windows since the last of these."""
    spans = select(contacts.c.window_start_ms, contacts.c.window_ms).where(contacts.c.gateway == gateway).distinct()
    rows = connection.execute(spans.order_by(contacts.c.window_start_ms.desc()).limit(DAYS_SHOWN)).all()
    periods = [(row.window_start_ms, row.window_ms) for row in rows]
    newest = connection.execute(
        select(func.max(hours.c.window_start_ms + hours.c.window_ms)).where(hours.c.gateway == gateway)
    ).scalar_one()
    closed_ms = periods[0][0] + periods[0][1] if periods else None
    if newest is not None and (closed_ms is None or newest > closed_ms):
        first = select(func.min(hours.c.window_start_ms)).where(hours.c.gateway == gateway, hours.c.window_start_ms >= (closed_ms or 0))
        start = connection.execute(first).scalar_one()
        if start is not None:
            periods.insert(0, (start, newest - start))
    return [
        Day(start, length, tuple(_spent(connection, gateway, found, name, table, start, length) for name, table in TABLES))
        for start, length in periods
    ]


def _spent(connection: Connection, gateway: str, found: list[Stated], kind: str, table: Table, start_ms: int, length_ms: int) -> float:
    """Epsilon of the counts of a table that overlap a period: those of one service day have one noise."""
    overlap = (table.c.window_start_ms < start_ms + length_ms) & (table.c.window_start_ms + table.c.window_ms > start_ms)
    variances = connection.execute(select(table.c.variance).where(table.c.gateway == gateway, overlap).distinct()).scalars()
    return max((epsilon_of(found, kind, variance) for variance in variances), default=0.0)
