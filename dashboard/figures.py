"""Sums of the stored records: every number of a page or a summary, read in one transaction.

A page shows one period, which ends with the newest window and not now: gateways that were offline
still have a last day, and the page states its dates. Offers sent are counted by zone and window, the
outcomes of contacts by zone, offer and service day; outcomes are those of the days that ended in the
period. Windows are summed into at most `BARS_MAX` columns, whether they last seconds (demonstration)
or an hour.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Subquery, func, select

from dashboard import limits
from dashboard.estimates import Estimate, Share, difference, share, total
from dashboard.joining import HELD_OUT, SENT
from dashboard.schema import catalogue
from dashboard.sources import Source, View
from gateway.core.records import OUTCOMES, OutcomeCell

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


class Figures(msgspec.Struct, frozen=True):
    """Figures of one view; `cells` is the number of counts of its chart."""

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
    source = Source(connection, view)
    period, outcomes = source.period, source.outcomes(zones=True)
    # The windows do not know offers, so a page of one offer has whole days only.
    chart = _sent_of(source.days()) if view.offer else source.windows()
    from_ms, window_ms = _begin(connection, chart) if view.offer else (period.from_ms, period.window_ms)
    step_ms = step_for(period.until_ms - from_ms, window_ms)
    zones = outcomes_by(connection, outcomes.c.zone, outcomes)
    without_zones = source.outcomes(zones=False)
    offers = outcomes_by(connection, without_zones.c.offer, without_zones)
    if view.offer:
        sent = {name: _sum(found, SENT) for name, found in zones.items()}
        site = total(sent.values())
    else:
        sent, site = _sent(connection, source)
    return Figures(
        cells=connection.execute(select(func.coalesce(func.sum(chart.c.cells), 0))).scalar_one(),
        from_ms=from_ms,
        until_ms=period.until_ms,
        step_ms=step_ms,
        sent=site,
        answers=_answers(offers.values(), source.number_of_days()),
        zones=_rows(sent, zones),
        offers=_rows({name: _sum(found, SENT) for name, found in offers.items()}, offers),
        columns=_columns(connection, chart, from_ms, period.until_ms, step_ms, time_zone),
    )


def step_for(length_ms: int, window_ms: int) -> int:
    """Width of a chart column in ms: the smallest round step that is no shorter than a window and needs at most `BARS_MAX` columns."""
    needed_ms = max(window_ms, math.ceil(length_ms / (limits.BARS_MAX - 1)))  # one column is kept for a start within a step
    for step_ms in _STEPS_MS:
        if step_ms >= needed_ms:
            return step_ms
    return math.ceil(needed_ms / _STEPS_MS[-1]) * _STEPS_MS[-1]


def known_offers(connection: Connection) -> list[str]:
    """Every offer in the catalogue of a gateway, sorted: of its records, or published to it."""
    query = select(catalogue.c.name).where(catalogue.c.kind == "offer").distinct()
    return list(connection.execute(query.order_by(catalogue.c.name)).scalars())


def _sums(rows: Subquery) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return func.sum(rows.c.count), func.sum(rows.c.variance)


def _sent_of(rows: Subquery) -> Subquery:
    return select(rows).where(rows.c.outcome.in_(SENT)).subquery()


def _sum(found: dict[str, Estimate], outcomes: tuple[OutcomeCell, ...]) -> Estimate:
    return total(found[outcome] for outcome in outcomes if outcome in found)


def outcomes_by(connection: Connection, name: ColumnElement[str], rows: Subquery) -> dict[str, dict[str, Estimate]]:
    """By zone or offer, and by outcome: the sum of the counts."""
    query = select(name, rows.c.outcome, *_sums(rows)).group_by(name, rows.c.outcome)
    found: dict[str, dict[str, Estimate]] = {}
    for key, outcome, count, variance in connection.execute(query):
        found.setdefault(key, {})[outcome] = Estimate(float(count), variance)
    return found


def _answers(offers: Collection[dict[str, Estimate]], days: int) -> Answers:
    found: dict[str, Estimate] = {outcome: total(one[outcome] for one in offers if outcome in one) for outcome in OUTCOMES}
    sent, held_out = _sum(found, SENT), _sum(found, HELD_OUT)
    outcomes = {name: _sum(found, cells) for name, cells in CELLS.items()}
    shares = {name: share(part, sent) for name, part in outcomes.items()}
    came_held_out = share(_sum(found, ("held_out_came",)), held_out)
    return Answers(
        days=days,
        sent=sent,
        held_out=held_out,
        outcomes=outcomes,
        shares=shares,
        came_held_out=came_held_out,
        lift=difference(shares["came"], came_held_out),
    )


def _sent(connection: Connection, source: Source) -> tuple[dict[str, Estimate], Estimate]:
    """Offers sent, by zone, and of all zones: those of the windows, corrected by the outcomes of whole days (`dashboard.joining`)."""
    zones, windows, more = source.zones(), source.windows(), source.joined()
    differences = _by_zone(connection, more)
    site = connection.execute(select(*_sums(windows))).one()
    found = {zone: total((one, differences.get(zone, Estimate()))) for zone, one in _by_zone(connection, zones).items()}
    return found, total((Estimate(float(site[0] or 0), site[1] or 0.0), differences.get("", Estimate())))


def _by_zone(connection: Connection, rows: Subquery) -> dict[str, Estimate]:
    query = select(rows.c.zone, *_sums(rows)).group_by(rows.c.zone)
    return {zone: Estimate(float(count), variance) for zone, count, variance in connection.execute(query)}


def _rows(sent: dict[str, Estimate], outcomes: dict[str, dict[str, Estimate]]) -> list[Row]:
    """A row for each zone or offer, most offers sent first."""
    rows = [
        Row(name, found, *(_sum(outcomes.get(name, {}), cells) for cells in (SENT, CELLS["accepted"], CELLS["redeemed"])))
        for name, found in sent.items()
    ]
    return sorted(rows, key=lambda row: (-row.sent.value, row.name))


def _begin(connection: Connection, rows: Subquery) -> tuple[int, int]:
    """Start of the first period of some rows, and length of the longest; zeros without rows."""
    begin_ms, length_ms = connection.execute(select(func.min(rows.c.window_start_ms), func.max(rows.c.window_ms))).one()
    return begin_ms or 0, length_ms or 0


def _columns(connection: Connection, rows: Subquery, from_ms: int, until_ms: int, step_ms: int, time_zone: tzinfo) -> list[Column]:
    if not from_ms or from_ms >= until_ms:
        return []
    # Days begin at local midnight. One chart uses one UTC offset, that of its end.
    offset = datetime.fromtimestamp(until_ms / 1000, time_zone).utcoffset()
    shift_ms = int(offset.total_seconds() * 1000) if offset else 0
    slot = ((rows.c.window_start_ms + shift_ms) // step_ms).label("slot")
    found = {
        number: Estimate(float(count), variance)
        for number, count, variance in connection.execute(select(slot, *_sums(rows)).group_by("slot"))
    }
    first = (from_ms + shift_ms) // step_ms
    last = (until_ms - 1 + shift_ms) // step_ms
    return [Column(start_ms=number * step_ms - shift_ms, sent=found.get(number, Estimate())) for number in range(first, last + 1)]
