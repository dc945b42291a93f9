"""Devices of no consenting person, by zone, if a gateway counts them."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from dashboard.estimates import Estimate
from dashboard.sources import Source, View


def visitors_by_zone(connection: Connection, view: View) -> dict[str, Estimate]:
    """The devices of the whole days that ended in the period, by zone; a device counts once a day, and once more after a restart."""
    rows = Source(connection, view).visitors()
    query = select(rows.c.zone, func.sum(rows.c.count), func.sum(rows.c.variance)).group_by(rows.c.zone).order_by(rows.c.zone)
    return {zone: Estimate(float(count), variance) for zone, count, variance in connection.execute(query)}
