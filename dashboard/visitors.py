"""Devices of no consenting person, by zone, if a gateway counts them."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from dashboard.estimates import Estimate
from dashboard.schema import visitors


def visitors_by_zone(connection: Connection, from_ms: int, gateway: str | None = None) -> dict[str, Estimate]:
    """The devices of whole days that ended after `from_ms`, by zone; a device counts once a day, and once more after a restart."""
    where = visitors.c.window_start_ms + visitors.c.window_ms > from_ms
    if gateway is not None:
        where = where & (visitors.c.gateway == gateway)
    query = select(visitors.c.zone, func.sum(visitors.c.count), func.sum(visitors.c.variance)).where(where)
    found = connection.execute(query.group_by(visitors.c.zone).order_by(visitors.c.zone))
    return {zone: Estimate(float(count), variance) for zone, count, variance in found}
