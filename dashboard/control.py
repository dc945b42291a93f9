"""Perceived control: the mean of all answers, from the noised sums that left."""

from __future__ import annotations

import math

from sqlalchemy import Connection, func, select

from dashboard.estimates import Estimate, Share, Z
from dashboard.schema import CONTROL_ITEMS, EVER, control, sums

MIDDLE = 4.0  # of the scale of 1 to 7
MARGIN_MAX = 1.5  # a wider interval covers half of the scale


def perceived_control(connection: Connection, gateway: str | None = None) -> Share | None:
    """Mean of the answers to both statements, 1 to 7, with half of its 95 % interval; None if the noise hides it.

    All quarters that left are added up.
    """
    query = select(control.c.item, func.sum(control.c.count), func.sum(control.c.variance)).group_by(control.c.item)
    query = query.where(control.c.gateway == gateway)
    if gateway is None:
        query = select(sums.c.outcome, sums.c.count, sums.c.variance).where(sums.c.kind == "control", sums.c.window_start_ms == EVER)
    found = {item: Estimate(float(count), variance) for item, count, variance in connection.execute(query)}
    people, distance = (found.get(item, Estimate()) for item in CONTROL_ITEMS)
    if not people.is_clear:
        return None
    mean = distance.value / (2 * people.value)
    margin = Z * math.sqrt(distance.variance + (2 * mean) ** 2 * people.variance) / (2 * people.value)
    return None if margin > MARGIN_MAX else Share(min(7.0, max(1.0, MIDDLE + mean)), margin)
