"""Rows behind the figures: sums over all gateways, or the stored counts of one gateway, in the same columns.

Pages of the fleet read `sums` only, so that the cost depends on the length of the period and the number of zones and offers, and not
on the number of gateways. Rows of one gateway lie together in each table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Table, and_, literal, select

from dashboard.bounds import whole_days
from dashboard.rollups import Kind
from dashboard.schema import EVER, contacts, health, hours, joined, sums, visitors
from gateway.core.records import WEEK_MS_MAX

Span = Literal["day", "week", "all"]
SPANS: tuple[Span, ...] = get_args(Span)
SPAN_MS: dict[Span, int | None] = {"day": 86_400_000, "week": 7 * 86_400_000, "all": None}


class View(NamedTuple):
    """Filter of the records: a period, and one gateway, one offer or all."""

    span: Span = "day"
    gateway: str | None = None
    offer: str | None = None


class Period(NamedTuple):
    """Start of the first stored window, end of the last (0 and 0 without windows), and the length of the longest."""

    from_ms: int
    until_ms: int
    window_ms: int


class Source:
    """Rows of a view. Those of windows begin in the period; those of service days end in it."""

    def __init__(self, connection: Connection, view: View) -> None:
        self._connection, self._view = connection, view
        self.period = self._period()

    def windows(self) -> Subquery:
        """Offers sent by window."""
        return self._begun("hours", hours)

    def zones(self) -> Subquery:
        """Offers sent by zone; the times may be added up."""
        return self._begun("zones", hours, times=False)

    def joined(self) -> Subquery:
        """By how much whole service days correct the offers sent, by zone, and for all zones under an empty name."""
        return self._begun("joined", joined, times=False)

    def outcomes(self, *, zones: bool) -> Subquery:
        """Outcomes of service days by offer, and by zone unless these may be added up; the times may be added up."""
        return self._ended("places" if zones else "offers", contacts, times=False)

    def days(self) -> Subquery:
        """Outcomes by offer and service day; the zones may be added up."""
        return self._ended("offers", contacts)

    def visitors(self) -> Subquery:
        """Devices of no consenting person, by zone and service day."""
        return self._ended("visitors", visitors)

    def day_lengths(self) -> list[tuple[int, int, int]]:
        """Start and length of each service day or week with outcomes, and the number of gateways that it has."""
        if self._view.gateway is not None:
            rows = self._ended("offers", contacts)
            return [(*row, 1) for row in self._connection.execute(select(rows.c.window_start_ms, rows.c.window_ms).distinct())]
        rows = self._ended("days", joined)
        where = rows.c.offer == (self._view.offer or "")
        return [tuple(row) for row in self._connection.execute(select(rows.c.window_start_ms, rows.c.window_ms, rows.c.cells).where(where))]

    def number_of_days(self) -> int:
        """Service days over all gateways."""
        return sum(gateways * whole_days(length_ms) for _, length_ms, gateways in self.day_lengths())

    def _begun(self, kind: Kind, table: Table, *, times: bool = True) -> Subquery:
        rows = self._base(kind, table)
        return self._chosen(rows, table, rows.c.window_start_ms >= self.period.from_ms, times=times)

    def _ended(self, kind: Kind, table: Table, *, times: bool = True) -> Subquery:
        rows = self._base(kind, table)
        from_ms = self.period.from_ms
        ends = and_(rows.c.window_start_ms > from_ms - WEEK_MS_MAX, rows.c.window_start_ms + rows.c.window_ms > from_ms)
        return self._chosen(rows, table, rows.c.window_start_ms >= 0 if self._view.span == "all" else ends, times=times)

    def _base(self, kind: Kind, table: Table) -> Subquery:
        if self._view.gateway is None:
            return select(sums).where(sums.c.kind == kind).subquery()
        return select(table, literal(1).label("cells")).where(table.c.gateway == self._view.gateway).subquery()

    def _chosen(self, rows: Subquery, table: Table, where: ColumnElement[bool], *, times: bool) -> Subquery:
        if not times and self._view.span == "all" and self._view.gateway is None:
            where = rows.c.window_start_ms == EVER
        if self._view.offer is not None and table is contacts:
            where = where & (rows.c.offer == self._view.offer)
        return select(rows).where(where).subquery()

    def _period(self) -> Period:
        """By the first and last windows, in the order of a key. Windows of one fleet have few lengths, so the last to start ends last."""
        tables = [self._base("hours", hours), self._base("health", health)]
        queries = [select(rows.c.window_start_ms, rows.c.window_ms) for rows in tables]
        starts = [rows.c.window_start_ms for rows in tables]
        lasts = self._each(query.order_by(start.desc()) for query, start in zip(queries, starts, strict=True))
        until_ms = max((start_ms + length_ms for start_ms, length_ms in lasts), default=0)
        span_ms = SPAN_MS[self._view.span]
        least_ms = 0 if span_ms is None else until_ms - span_ms
        firsts = self._each(query.where(start >= least_ms).order_by(start) for query, start in zip(queries, starts, strict=True))
        from_ms = min((start_ms for start_ms, _ in firsts), default=0)
        return Period(from_ms, until_ms, max((length_ms for _, length_ms in (*firsts, *lasts)), default=0))

    def _each(self, queries: Iterable[Select[Any]]) -> list[tuple[int, int]]:
        """The first row of each query, if there is one."""
        found = (self._connection.execute(query.limit(1)).first() for query in queries)
        return [(row.window_start_ms, row.window_ms) for row in found if row is not None]
