"""Noised counts of the zones of a site: offers sent in each step of a day or a week, and devices of no consenting person by day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select

from dashboard import limits
from dashboard.estimates import Estimate
from dashboard.schema import hours, visitors

Length = Literal["day", "week"]
WINDOWS: dict[Length, int] = {"day": limits.MAP_STEPS, "week": 7 * limits.MAP_STEPS}
"""Windows of a gateway in the period of the map: with windows of an hour a day, or a week."""


class Timeline(NamedTuple):
    """Steps of the slider: the start of the first, the length of each, and the number of steps; no steps without a window."""

    from_ms: int
    step_ms: int
    steps: int

    @property
    def until_ms(self) -> int:
        """The end of the last step."""
        return self.from_ms + self.steps * self.step_ms

    def starts(self) -> list[int]:
        """The start of each step."""
        return [self.from_ms + at * self.step_ms for at in range(self.steps)]

    def step_at(self, at_ms: int | None) -> int | None:
        """The start of the step that holds a time; None for the whole period, or a time outside of it."""
        if at_ms is None or not self.steps or not self.from_ms <= at_ms < self.until_ms:
            return None
        return at_ms - (at_ms - self.from_ms) % self.step_ms


class Flow(NamedTuple):
    """Counts of a zone; `visitors` is None if no gateway counts these."""

    sent: Estimate | None
    visitors: Estimate | None


def timeline(connection: Connection, gateways: Sequence[str], length: Length) -> Timeline:
    """The steps up to the newest window of the gateways."""
    newest = (select(hours.c.window_start_ms, hours.c.window_ms).where(hours.c.gateway == one) for one in gateways)
    found = [connection.execute(query.order_by(hours.c.window_start_ms.desc()).limit(1)).first() for query in newest]
    rows = [row for row in found if row is not None]
    if not rows:
        return Timeline(0, 1, 0)
    window_ms = max(row.window_ms for row in rows)
    step_ms = WINDOWS[length] // limits.MAP_STEPS * window_ms
    until_ms = max(row.window_start_ms + row.window_ms for row in rows)
    return Timeline(until_ms - limits.MAP_STEPS * step_ms, step_ms, limits.MAP_STEPS)


def flows(connection: Connection, gateways: Collection[str], of: Timeline, at_ms: int | None) -> dict[str, Flow]:
    """Counts by zone, in the step that starts at `at_ms`, or in the whole period; days of visitors are those that overlap it."""
    if not of.steps:
        return {}
    begin, end = (of.from_ms, of.until_ms) if at_ms is None else (at_ms, at_ms + of.step_ms)
    sent = _sums(connection, hours, gateways, and_(hours.c.window_start_ms >= begin, hours.c.window_start_ms < end))
    day = and_(visitors.c.window_start_ms < end, visitors.c.window_start_ms + visitors.c.window_ms > begin)
    seen = _sums(connection, visitors, gateways, day)
    return {zone: Flow(sent.get(zone), seen.get(zone)) for zone in sorted({*sent, *seen})}


def _sums(connection: Connection, table: Table, gateways: Collection[str], where: ColumnElement[bool]) -> dict[str, Estimate]:
    query = select(table.c.zone, func.sum(table.c.count), func.sum(table.c.variance)).where(table.c.gateway.in_(gateways), where)
    return {zone: Estimate(float(count), float(variance)) for zone, count, variance in connection.execute(query.group_by(table.c.zone))}
