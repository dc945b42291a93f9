"""Offers sent are in two tables: by window, and by the outcomes of the service day or week. Both estimate the same total.

For each day of a gateway whose windows are all stored, the two are combined by the variances. The table `joined` has the difference
between the combined estimate and that of the windows, by zone and for all zones, so that a sum of windows and differences is the
combined one. Counts of all zones of an offer are combined with the windows of all zones.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from dashboard.bulk import insert_rows
from dashboard.estimates import Estimate, combined, total
from dashboard.rollups import Changes
from dashboard.schema import ALL_ZONES, contacts, hours, joined
from gateway.core.records import OUTCOMES, WEEK_MS_MAX, OutcomeCell

HELD_OUT: tuple[OutcomeCell, ...] = ("held_out", "held_out_came")
SENT: tuple[OutcomeCell, ...] = tuple(outcome for outcome in OUTCOMES if outcome not in HELD_OUT)


class Day(NamedTuple):
    """A service day or week of a gateway."""

    gateway: str
    start_ms: int
    length_ms: int

    def contains(self, gateway: str, at_ms: int) -> bool:
        """Whether a time of a gateway is on this day of it."""
        return gateway == self.gateway and self.start_ms <= at_ms < self.start_ms + self.length_ms


def days_around(connection: Connection, windows: Collection[tuple[str, int]]) -> set[Day]:
    """The stored days that contain one of the windows, each a gateway and a start."""
    if not windows:
        return set()
    starts = [start_ms for _, start_ms in windows]
    where = and_(
        joined.c.gateway.in_({gateway for gateway, _ in windows}),
        joined.c.window_start_ms > min(starts) - WEEK_MS_MAX,
        joined.c.window_start_ms <= max(starts),
        joined.c.zone == "",
    )
    found = connection.execute(select(joined.c.gateway, joined.c.window_start_ms, joined.c.window_ms).where(where))
    days = [Day(*row) for row in found]
    return {day for day in days if any(day.contains(*window) for window in windows)}


def join(connection: Connection, days: Collection[Day], changes: Changes) -> None:
    """Compute the differences of some days from the stored counts, and add what has changed to the sums."""
    for day in sorted(days):
        new, held = _differences(connection, day), _held(connection, day)
        if new == held:
            continue
        connection.execute(delete(joined).where(_is(day)))
        insert_rows(connection, joined, [(*day, zone, *one) for zone, one in new.items()])
        for zone in sorted({*new, *held}):
            before, after = held.get(zone, Estimate()), new.get(zone, Estimate())
            cells = (zone in new) - (zone in held)
            key = ("joined", day.start_ms, day.length_ms, "", zone, "")
            changes.add(key, after.value - before.value, after.variance - before.variance, cells)
        if bool(new) != bool(held):
            changes.add(("days", day.start_ms, day.length_ms, "", "", ""), 0.0, 0.0, 1 if new else -1)


def _differences(connection: Connection, day: Day) -> dict[str, Estimate]:
    """By zone, and of all zones under an empty name; nothing for a day without outcomes."""
    of_day = and_(contacts.c.gateway == day.gateway, contacts.c.window_start_ms == day.start_ms, contacts.c.window_ms == day.length_ms)
    query = select(contacts.c.zone, func.sum(contacts.c.count), func.sum(contacts.c.variance))
    closed = {
        zone: Estimate(float(count), variance)
        for zone, count, variance in connection.execute(query.where(of_day, contacts.c.outcome.in_(SENT)).group_by(contacts.c.zone))
    }
    if not closed:
        return {}
    inside = and_(
        hours.c.gateway == day.gateway,
        hours.c.window_start_ms >= day.start_ms,
        hours.c.window_start_ms < day.start_ms + day.length_ms,
    )
    sums = select(hours.c.zone, func.sum(hours.c.count), func.sum(hours.c.variance), func.sum(hours.c.window_ms))
    windows: dict[str, Estimate] = {}
    found: dict[str, Estimate] = {}
    is_whole = True
    for zone, count, variance, covered_ms in connection.execute(sums.where(inside).group_by(hours.c.zone)):
        one = windows[zone] = Estimate(float(count), variance)
        is_whole = is_whole and covered_ms == day.length_ms
        if zone in closed and covered_ms == day.length_ms:
            found[zone] = combined(one, closed[zone])
    site = total((windows | found).values())
    if windows and is_whole and ALL_ZONES in closed:
        site = combined(site, closed[ALL_ZONES])
    differences = {zone: _less(one, windows[zone]) for zone, one in found.items()}
    return {"": _less(site, total(windows.values())), **differences}


def _less(one: Estimate, other: Estimate) -> Estimate:
    return Estimate(one.value - other.value, one.variance - other.variance)


def _held(connection: Connection, day: Day) -> dict[str, Estimate]:
    query = select(joined.c.zone, joined.c.count, joined.c.variance).where(_is(day))
    return {zone: Estimate(count, variance) for zone, count, variance in connection.execute(query)}


def _is(day: Day) -> ColumnElement[bool]:
    return and_(joined.c.gateway == day.gateway, joined.c.window_start_ms == day.start_ms, joined.c.window_ms == day.length_ms)
