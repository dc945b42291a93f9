"""Sums of the stored records: every number of a page or a summary, read in one transaction.

A page shows one period, which ends with the newest window and not now: gateways that were offline
still have a last day, and the page states its dates. Health records extend the period too, because a
gateway may have no cell to send for a quiet hour. Windows are summed into at most `BARS_MAX` columns,
whether they last seconds (demonstration) or an hour. Answers count in the window in which they arrive,
so a period may hold more answers than triggers.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from typing import Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, true, union_all

from dashboard import limits
from dashboard.schema import cells, health, records
from gateway.core.records import CellKind

Span = Literal["day", "week", "all"]
SPANS: tuple[Span, ...] = get_args(Span)
SPAN_MS: dict[Span, int | None] = {"day": 86_400_000, "week": 7 * 86_400_000, "all": None}
FUNNEL: tuple[CellKind, ...] = ("trigger", "shown", "opened", "accepted", "redeemed")
KINDS: tuple[CellKind, ...] = (*FUNNEL, "dismissed")

_SECOND = 1_000
_STEPS_MS = tuple(
    _SECOND * step for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800)
)


class View(NamedTuple):
    """Filter of the records: a period, and one gateway, one offer or all."""

    span: Span = "day"
    gateway: str | None = None
    offer: str | None = None


class Row(msgspec.Struct, frozen=True):
    """Counts by kind of one zone or offer."""

    name: str
    counts: dict[CellKind, int]


class Column(msgspec.Struct, frozen=True):
    """Triggers of the windows that begin in [start_ms, start_ms + step_ms of the chart)."""

    start_ms: int
    triggers: int


class Period(NamedTuple):
    """Start of the first stored window, end of the last (0 and 0 without windows), and the length of the longest."""

    from_ms: int
    until_ms: int
    window_ms: int


class Figures(msgspec.Struct, frozen=True):
    """Figures of one view; `records` counts all stored records, `cells` those of this view."""

    records: int
    cells: int
    from_ms: int
    until_ms: int
    step_ms: int
    totals: dict[CellKind, int]
    zones: list[Row]
    offers: list[Row]
    columns: list[Column]


class Health(msgspec.Struct, frozen=True):
    """One health record: the counters of a gateway for one window."""

    gateway: str
    window_start_ms: int
    window_ms: int
    messages: int
    refused: int
    facts: int
    decisions: int
    triggers: int
    backlog: int


def figures(connection: Connection, view: View, time_zone: tzinfo = UTC) -> Figures:
    """All figures of `view`."""
    period = _period(connection, view)
    where = _where(view) & (cells.c.window_start_ms >= period.from_ms)
    step_ms = step_for(period.until_ms - period.from_ms, period.window_ms)
    return Figures(
        records=connection.execute(select(func.count()).select_from(records)).scalar_one(),
        cells=connection.execute(select(func.count()).select_from(cells).where(where)).scalar_one(),
        from_ms=period.from_ms,
        until_ms=period.until_ms,
        step_ms=step_ms,
        totals=_totals(connection, where),
        zones=_rows(connection, cells.c.zone, where),
        offers=_rows(connection, cells.c.offer, where),
        columns=_columns(connection, where, period, step_ms, time_zone),
    )


def step_for(length_ms: int, window_ms: int) -> int:
    """Width of a chart column in ms: the smallest round step that is no shorter than a window and needs at most `BARS_MAX` columns."""
    needed_ms = max(window_ms, math.ceil(length_ms / (limits.BARS_MAX - 1)))  # one column is kept for a start within a step
    for step_ms in _STEPS_MS:
        if step_ms >= needed_ms:
            return step_ms
    return math.ceil(needed_ms / _STEPS_MS[-1]) * _STEPS_MS[-1]


def latest_health(connection: Connection) -> dict[str, Health]:
    """Newest health record by gateway."""
    newest = select(health.c.gateway, func.max(health.c.window_start_ms).label("start_ms")).group_by(health.c.gateway).subquery()
    join = health.join(newest, (health.c.gateway == newest.c.gateway) & (health.c.window_start_ms == newest.c.start_ms))
    return {row.gateway: row for row in _healths(connection, select(*_HEALTH_COLUMNS).select_from(join).order_by(health.c.id))}


def health_of(connection: Connection, gateway: str) -> list[Health]:
    """The last `WINDOWS_MAX` health records of a gateway, newest first."""
    query = select(*_HEALTH_COLUMNS).where(health.c.gateway == gateway)
    return _healths(connection, query.order_by(health.c.window_start_ms.desc(), health.c.id).limit(limits.WINDOWS_MAX))


def known_offers(connection: Connection) -> list[str]:
    """Every offer that occurs in a record, sorted."""
    return list(connection.execute(select(cells.c.offer).distinct().order_by(cells.c.offer)).scalars())


def cells_by_kind(connection: Connection) -> dict[CellKind, int]:
    """Number of stored cells by kind; their counts are not summed."""
    query = select(cells.c.kind, func.count()).group_by(cells.c.kind)
    found: dict[CellKind, int] = dict(connection.execute(query).all())
    return {kind: found.get(kind, 0) for kind in KINDS}


_HEALTH_COLUMNS = [health.c[name] for name in Health.__struct_fields__]


def _healths(connection: Connection, query: object) -> list[Health]:
    return [Health(*row) for row in connection.execute(query)]  # type: ignore[call-overload]


def _where(view: View) -> ColumnElement[bool]:
    where: ColumnElement[bool] = true()
    if view.gateway is not None:
        where = where & (cells.c.gateway == view.gateway)
    if view.offer is not None:
        where = where & (cells.c.offer == view.offer)
    return where


def _totals(connection: Connection, where: ColumnElement[bool]) -> dict[CellKind, int]:
    query = select(cells.c.kind, func.sum(cells.c.count)).where(where).group_by(cells.c.kind)
    found = {kind: int(count) for kind, count in connection.execute(query)}
    return {kind: found.get(kind, 0) for kind in KINDS}


def _rows(connection: Connection, name: ColumnElement[str], where: ColumnElement[bool]) -> list[Row]:
    query = select(name, cells.c.kind, func.sum(cells.c.count)).where(where).group_by(name, cells.c.kind)
    found: dict[str, dict[CellKind, int]] = {}
    for key, kind, count in connection.execute(query):
        found.setdefault(key, dict.fromkeys(KINDS, 0))[kind] = int(count)
    ordered = sorted(found.items(), key=lambda item: (-item[1]["trigger"], item[0]))
    return [Row(name=key, counts=counts) for key, counts in ordered]


def _period(connection: Connection, view: View) -> Period:
    windows = [select(table.c.window_start_ms, table.c.window_ms, table.c.gateway) for table in (cells, health)]
    held = union_all(*windows).subquery()
    where = true() if view.gateway is None else held.c.gateway == view.gateway
    until_ms = connection.execute(select(func.max(held.c.window_start_ms + held.c.window_ms)).where(where)).scalar_one() or 0
    span_ms = SPAN_MS[view.span]
    if span_ms is not None:
        where = where & (held.c.window_start_ms >= until_ms - span_ms)
    from_ms, window_ms = connection.execute(select(func.min(held.c.window_start_ms), func.max(held.c.window_ms)).where(where)).one()
    return Period(from_ms or 0, until_ms, window_ms or 0)


def _columns(connection: Connection, where: ColumnElement[bool], period: Period, step_ms: int, time_zone: tzinfo) -> list[Column]:
    from_ms, until_ms, _ = period
    if from_ms >= until_ms:
        return []
    # Days begin at local midnight. One chart uses one UTC offset, that of its end.
    offset = datetime.fromtimestamp(until_ms / 1000, time_zone).utcoffset()
    shift_ms = int(offset.total_seconds() * 1000) if offset else 0
    slot = ((cells.c.window_start_ms + shift_ms) // step_ms).label("slot")
    query = select(slot, func.sum(cells.c.count)).where(where & (cells.c.kind == "trigger")).group_by("slot")
    found = {number: int(count) for number, count in connection.execute(query)}
    first = (from_ms + shift_ms) // step_ms
    last = (until_ms - 1 + shift_ms) // step_ms
    return [Column(start_ms=number * step_ms - shift_ms, triggers=found.get(number, 0)) for number in range(first, last + 1)]
