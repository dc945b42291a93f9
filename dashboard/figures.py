"""Sums of the stored records: every number of a page or a summary, read in one transaction.

A page shows one period, which ends with the newest window and not now: gateways that were offline
still have a last day, and the page states its dates. Offers sent are counted by zone and window, the
outcomes of contacts by zone, offer and service day; outcomes are those of the days that ended in the
period. Windows are summed into at most `BARS_MAX` columns, whether they last seconds (demonstration)
or an hour.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, true, union_all

from dashboard import limits
from dashboard.bounds import whole_days
from dashboard.estimates import Estimate, Share, combined, difference, share, total
from dashboard.schema import ALL_ZONES, contacts, health, hours, records
from gateway.core.records import OUTCOMES, OutcomeCell

Span = Literal["day", "week", "all"]
SPANS: tuple[Span, ...] = get_args(Span)
SPAN_MS: dict[Span, int | None] = {"day": 86_400_000, "week": 7 * 86_400_000, "all": None}
HELD_OUT: tuple[OutcomeCell, ...] = ("held_out", "held_out_came")
SENT: tuple[OutcomeCell, ...] = tuple(outcome for outcome in OUTCOMES if outcome not in HELD_OUT)
CELLS: dict[str, tuple[OutcomeCell, ...]] = {
    "accepted": ("accepted", "accepted_came", "redeemed"),
    "redeemed": ("redeemed",),
    "came": ("came", "accepted_came", "redeemed"),
    "dismissed": ("dismissed",),
    "ignored": ("ignored",),
}
"""By figure: the outcomes of sent offers that it adds up."""

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
    """Figures of one zone or offer: offers `sent` in the period, and `closed`, `accepted` and `redeemed` of the days that ended in it."""

    name: str
    sent: Estimate
    closed: Estimate
    accepted: Estimate
    redeemed: Estimate


class Column(msgspec.Struct, frozen=True):
    """Offers sent in the windows that begin in [start_ms, start_ms + step_ms of the chart)."""

    start_ms: int
    sent: Estimate


class Answers(msgspec.Struct, frozen=True):
    """Final outcomes of the contacts of whole service days, `days` of them over all gateways.

    `outcomes` are the figures of CELLS, `shares` those relative to the offers sent. `lift` is the share of visitors among people with
    an offer less that among those held out. A share is None if the noise hides it.
    """

    days: int
    sent: Estimate
    held_out: Estimate
    outcomes: dict[str, Estimate]
    shares: dict[str, Share | None]
    came_held_out: Share | None
    lift: Share | None


class Period(NamedTuple):
    """Start of the first stored window, end of the last (0 and 0 without windows), and the length of the longest."""

    from_ms: int
    until_ms: int
    window_ms: int


class Figures(msgspec.Struct, frozen=True):
    """Figures of one view; `records` counts all stored records, `cells` the counts of its chart."""

    records: int
    cells: int
    from_ms: int
    until_ms: int
    step_ms: int
    sent: Estimate
    answers: Answers
    zones: list[Row]
    offers: list[Row]
    columns: list[Column]


def figures(connection: Connection, view: View, time_zone: tzinfo = UTC) -> Figures:
    """All figures of `view`."""
    period = _period(connection, view)
    of_hours = _where(hours, view) & (hours.c.window_start_ms >= period.from_ms)
    of_days = _of_days(view, period)
    # The windows do not know offers, so a page of one offer has whole days only.
    chart, of_chart = (contacts, of_days & contacts.c.outcome.in_(SENT)) if view.offer else (hours, of_hours)
    from_ms, window_ms = _begin(connection, contacts, of_days) if view.offer else (period.from_ms, period.window_ms)
    step_ms = step_for(period.until_ms - from_ms, window_ms)
    zones = outcomes_by(connection, contacts.c.zone, of_days)
    offers = outcomes_by(connection, contacts.c.offer, of_days)
    answers = _answers(connection, of_days)
    if view.offer:
        sent = {name: _sum(found, SENT) for name, found in zones.items()}
        site = total(sent.values())
    else:
        sent, site = _sent(connection, of_hours, of_days, period)
    return Figures(
        records=connection.execute(select(func.count()).select_from(records)).scalar_one(),
        cells=connection.execute(select(func.count()).select_from(chart).where(of_chart)).scalar_one(),
        from_ms=from_ms,
        until_ms=period.until_ms,
        step_ms=step_ms,
        sent=site,
        answers=answers,
        zones=_rows(sent, zones),
        offers=_rows({name: _sum(found, SENT) for name, found in offers.items()}, offers),
        columns=_columns(connection, chart, of_chart, from_ms, period.until_ms, step_ms, time_zone),
    )


def days_of(connection: Connection, view: View) -> ColumnElement[bool]:
    """Condition for the contacts of the service days that ended in the period of `view`."""
    return _of_days(view, _period(connection, view))


def windows_of(connection: Connection, view: View) -> ColumnElement[bool]:
    """Condition for the windows of the period of `view`, in the table `hours`."""
    return _where(hours, view) & (hours.c.window_start_ms >= _period(connection, view).from_ms)


def _of_days(view: View, period: Period) -> ColumnElement[bool]:
    return _where(contacts, view) & (contacts.c.window_start_ms + contacts.c.window_ms > period.from_ms)


def step_for(length_ms: int, window_ms: int) -> int:
    """Width of a chart column in ms: the smallest round step that is no shorter than a window and needs at most `BARS_MAX` columns."""
    needed_ms = max(window_ms, math.ceil(length_ms / (limits.BARS_MAX - 1)))  # one column is kept for a start within a step
    for step_ms in _STEPS_MS:
        if step_ms >= needed_ms:
            return step_ms
    return math.ceil(needed_ms / _STEPS_MS[-1]) * _STEPS_MS[-1]


def known_offers(connection: Connection) -> list[str]:
    """Every offer that occurs in a record, sorted."""
    return list(connection.execute(select(contacts.c.offer).distinct().order_by(contacts.c.offer)).scalars())


def _where(table: Table, view: View) -> ColumnElement[bool]:
    where: ColumnElement[bool] = true()
    if view.gateway is not None:
        where = where & (table.c.gateway == view.gateway)
    if view.offer is not None and table is contacts:
        where = where & (table.c.offer == view.offer)
    return where


def _sums(table: Table) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return func.sum(table.c.count), func.sum(table.c.variance)


def _sum(found: dict[str, Estimate], outcomes: tuple[OutcomeCell, ...]) -> Estimate:
    return total(found[outcome] for outcome in outcomes if outcome in found)


def outcomes_by(connection: Connection, name: ColumnElement[str], where: ColumnElement[bool]) -> dict[str, dict[str, Estimate]]:
    """By zone or offer, and by outcome: the sum of the counts."""
    query = select(name, contacts.c.outcome, *_sums(contacts)).where(where).group_by(name, contacts.c.outcome)
    found: dict[str, dict[str, Estimate]] = {}
    for key, outcome, count, variance in connection.execute(query):
        found.setdefault(key, {})[outcome] = Estimate(float(count), variance)
    return found


def _answers(connection: Connection, where: ColumnElement[bool]) -> Answers:
    query = select(contacts.c.outcome, *_sums(contacts)).where(where).group_by(contacts.c.outcome)
    found = {outcome: Estimate(float(count), variance) for outcome, count, variance in connection.execute(query)}
    spans = connection.execute(select(contacts.c.gateway, contacts.c.window_start_ms, contacts.c.window_ms).where(where).distinct())
    sent, held_out = _sum(found, SENT), _sum(found, HELD_OUT)
    outcomes = {name: _sum(found, cells) for name, cells in CELLS.items()}
    shares = {name: share(part, sent) for name, part in outcomes.items()}
    came_held_out = share(_sum(found, ("held_out_came",)), held_out)
    return Answers(
        days=sum(whole_days(length_ms) for _, _, length_ms in spans),
        sent=sent,
        held_out=held_out,
        outcomes=outcomes,
        shares=shares,
        came_held_out=came_held_out,
        lift=difference(shares["came"], came_held_out),
    )


def _sent(
    connection: Connection, of_hours: ColumnElement[bool], of_days: ColumnElement[bool], period: Period
) -> tuple[dict[str, Estimate], Estimate]:
    """Offers sent, by zone, and of all zones.

    Whole days and weeks of the period are in both tables, so both estimates are combined, unless a window is missing. Counts of all
    zones of an offer are combined with the windows of all zones.
    """
    whole = of_days & (contacts.c.window_start_ms >= period.from_ms)
    keys = contacts.c.gateway, contacts.c.window_start_ms, contacts.c.window_ms
    by_day = select(*keys, contacts.c.zone, *_sums(contacts)).where(whole & contacts.c.outcome.in_(SENT)).group_by(*keys, contacts.c.zone)
    closed = {
        (gateway, start_ms, length_ms, zone): Estimate(float(count), variance)
        for gateway, start_ms, length_ms, zone, count, variance in connection.execute(by_day)
    }
    days = select(*keys).where(whole).distinct().subquery()
    inside = and_(
        hours.c.gateway == days.c.gateway,
        hours.c.window_start_ms >= days.c.window_start_ms,
        hours.c.window_start_ms < days.c.window_start_ms + days.c.window_ms,
    )
    keys_of_day = hours.c.gateway, days.c.window_start_ms, days.c.window_ms, hours.c.zone
    query = select(*keys_of_day, *_sums(hours), func.sum(hours.c.window_ms)).select_from(hours.outerjoin(days, inside))
    parts: dict[str, list[Estimate]] = {}
    spans: dict[tuple[Any, ...], list[Estimate]] = {}
    missing: set[tuple[Any, ...]] = set()
    for *span, zone, count, variance, covered_ms in connection.execute(query.where(of_hours).group_by(*keys_of_day)):
        estimate, other = Estimate(float(count), variance), closed.get((*span, zone))
        is_whole = covered_ms == span[2]
        estimate = combined(estimate, other) if other and is_whole else estimate
        parts.setdefault(zone, []).append(estimate)
        spans.setdefault(tuple(span), []).append(estimate)
        missing |= set() if is_whole else {tuple(span)}
    whole_sites = {span: closed[(*span, ALL_ZONES)] for span in spans if (*span, ALL_ZONES) in closed and span not in missing}
    sites = [combined(total(found), whole_sites[span]) if span in whole_sites else total(found) for span, found in spans.items()]
    return {zone: total(found) for zone, found in parts.items()}, total(sites)


def _rows(sent: dict[str, Estimate], outcomes: dict[str, dict[str, Estimate]]) -> list[Row]:
    """A row for each zone or offer, most offers sent first."""
    rows = [
        Row(name, found, *(_sum(outcomes.get(name, {}), cells) for cells in (SENT, CELLS["accepted"], CELLS["redeemed"])))
        for name, found in sent.items()
    ]
    return sorted(rows, key=lambda row: (-row.sent.value, row.name))


def _period(connection: Connection, view: View) -> Period:
    windows = [select(table.c.window_start_ms, table.c.window_ms, table.c.gateway) for table in (hours, health)]
    held = union_all(*windows).subquery()
    where = true() if view.gateway is None else held.c.gateway == view.gateway
    until_ms = connection.execute(select(func.max(held.c.window_start_ms + held.c.window_ms)).where(where)).scalar_one() or 0
    span_ms = SPAN_MS[view.span]
    if span_ms is not None:
        where = where & (held.c.window_start_ms >= until_ms - span_ms)
    from_ms, window_ms = connection.execute(select(func.min(held.c.window_start_ms), func.max(held.c.window_ms)).where(where)).one()
    return Period(from_ms or 0, until_ms, window_ms or 0)


def _begin(connection: Connection, table: Table, where: ColumnElement[bool]) -> tuple[int, int]:
    """Start of the first period of a table, and length of the longest; zeros without rows."""
    begin_ms, length_ms = connection.execute(select(func.min(table.c.window_start_ms), func.max(table.c.window_ms)).where(where)).one()
    return begin_ms or 0, length_ms or 0


def _columns(
    connection: Connection, table: Table, where: ColumnElement[bool], from_ms: int, until_ms: int, step_ms: int, time_zone: tzinfo
) -> list[Column]:
    if not from_ms or from_ms >= until_ms:
        return []
    # Days begin at local midnight. One chart uses one UTC offset, that of its end.
    offset = datetime.fromtimestamp(until_ms / 1000, time_zone).utcoffset()
    shift_ms = int(offset.total_seconds() * 1000) if offset else 0
    slot = ((table.c.window_start_ms + shift_ms) // step_ms).label("slot")
    query = select(slot, *_sums(table)).where(where).group_by("slot")
    found = {number: Estimate(float(count), variance) for number, count, variance in connection.execute(query)}
    first = (from_ms + shift_ms) // step_ms
    last = (until_ms - 1 + shift_ms) // step_ms
    return [Column(start_ms=number * step_ms - shift_ms, sent=found.get(number, Estimate())) for number in range(first, last + 1)]
