"""Results by offer or zone: the funnel, the money, and the incremental lift against people held out, with intervals that hold the noise.

The lift is the share of visitors among people with an offer, minus the share among people held out. Its interval includes the noise of the
four sums (each record states the variance) and the chance of samples of this size. If the interval is wider than `CLEAR_MARGIN` on either
side, the lift is not shown, but the days that are still needed if the counts come in as before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from dashboard.estimates import Estimate, Share, Z, difference, share, total
from dashboard.figures import CELLS, HELD_OUT, SENT, View, days_of, outcomes_by
from dashboard.schema import contacts
from gateway.core.records import OutcomeCell

By = Literal["offer", "zone"]
CLEAR_MARGIN = 0.1  # 10 percentage points
DAYS_MAX = 3_650  # a longer wait is not stated


class Terms(NamedTuple):
    """Title of an offer, and the margin of an accepted one in minor units (None: unknown)."""

    title: str
    margin_minor: float | None


class Result(msgspec.Struct, frozen=True):
    """One row. `lift` is None until it is clear; `more_days` are then still needed (None: unknown). `margin` is money in minor units."""

    name: str
    title: str
    days: int
    sent: Estimate
    accepted: Estimate
    redeemed: Estimate
    came: Share | None
    held_out: Estimate
    held_out_came: Share | None
    lift: Share | None
    more_days: int | None
    extra_visits: Estimate | None
    margin: Estimate | None


def results(connection: Connection, view: View, by: By, terms: Mapping[str, Terms]) -> list[Result]:
    """A row for each offer or zone, most sent first, over the whole days of the period; `terms` by offer."""
    where = days_of(connection, view)
    days = connection.execute(select(func.count(contacts.c.window_start_ms.distinct())).where(where)).scalar_one()
    column = contacts.c.offer if by == "offer" else contacts.c.zone
    rows = [_result(name, found, days, terms.get(name)) for name, found in outcomes_by(connection, column, where).items()]
    return sorted(rows, key=lambda row: (-row.sent.value, row.name))


def lift_of(cells: Mapping[str, Estimate]) -> tuple[Share | None, Share | None, Share | None]:
    """Shares of visitors with an offer and held out, and their difference; None where the noise hides them."""
    came = share(_sum(cells, CELLS["came"]), _sum(cells, SENT))
    held_out_came = share(_sum(cells, ("held_out_came",)), _sum(cells, HELD_OUT))
    return came, held_out_came, difference(came, held_out_came)


def more_days(cells: Mapping[str, Estimate], lift: Share | None, days: int) -> int | None:
    """Days until the interval of the lift is within CLEAR_MARGIN, if all days are as these; 0 now, None if unknown.

    A margin falls with the root of the days. Until the held-out people are clear of the noise, their number has to be first.
    """
    if lift is not None and lift.margin <= CLEAR_MARGIN:
        return 0
    if days == 0:
        return None
    if lift is not None:
        needed = days * (lift.margin / CLEAR_MARGIN) ** 2
    else:
        least = min((_sum(cells, SENT), _sum(cells, HELD_OUT)), key=lambda one: one.value)
        if least.value <= 0:
            return None
        needed = days * max(1.0, (Z * math.sqrt(least.variance) / least.value) ** 2) * 2
    return None if needed > DAYS_MAX else max(1, math.ceil(needed - days))


def _result(name: str, cells: Mapping[str, Estimate], days: int, terms: Terms | None) -> Result:
    came, held_out_came, found = lift_of(cells)
    wait = more_days(cells, found, days)
    lift = found if wait == 0 else None
    sent, redeemed = _sum(cells, SENT), _sum(cells, CELLS["redeemed"])
    margin = terms.margin_minor if terms is not None else None
    return Result(
        name=name,
        title=terms.title if terms is not None else name,
        days=days,
        sent=sent,
        accepted=_sum(cells, CELLS["accepted"]),
        redeemed=redeemed,
        came=came,
        held_out=_sum(cells, HELD_OUT),
        held_out_came=held_out_came,
        lift=lift,
        more_days=wait,
        extra_visits=None if lift is None else Estimate(lift.value * sent.value, (lift.margin / Z * sent.value) ** 2),
        margin=None if margin is None else Estimate(redeemed.value * margin, redeemed.variance * margin**2),
    )


def _sum(cells: Mapping[str, Estimate], outcomes: tuple[OutcomeCell, ...]) -> Estimate:
    return total(cells[outcome] for outcome in outcomes if outcome in cells)
