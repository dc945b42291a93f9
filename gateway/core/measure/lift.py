"""The effect of offers: people with offers, against those of the persistent holdout.

Both arms are compared on a figure that is known in both: visits to the shop within the window of an intended offer. The ratio of the
rates has the variance of the delta method. The margin counts the share of the visits that offers add, at the margin of a visit with an
offer; purchases without an offer are not known in either arm.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from gateway.core.measure.rates import Floats, Interval, Rate, Sums, around

PEOPLE_MIN = 30  # in each arm
VISITS_MIN = 10  # visits in each arm: below, the interval of the ratio covers too rarely


class Lift(msgspec.Struct, frozen=True):
    """Rates of both arms; `difference` of the rates, and `ratio` to the rate of the holdout less one, with `error` and `z` of the ratio."""

    treated: Rate
    control: Rate
    difference: Interval
    ratio: Interval
    error: float
    z: float


class Missing(msgspec.Struct, frozen=True):
    """The scarcest count for a figure: its name, `have` so far and `need`."""

    name: str
    have: int
    need: int


def scarce(treated: Sums, control: Sums) -> Missing | None:
    """The count of PEOPLE_MIN and VISITS_MIN that is furthest from its goal, or None if there is enough for a lift."""
    counts = [
        Missing(name, int(have), need)
        for arm, of in (("people who are sent offers", treated), ("people held out", control))
        for name, have, need in (
            (arm, np.count_nonzero(of.rows), PEOPLE_MIN),
            (f"visits of {arm}", of.values.sum(), VISITS_MIN),
        )
    ]
    worst = min(counts, key=lambda one: one.have / one.need)
    return worst if worst.have < worst.need else None


def lift(treated: Rate, control: Rate) -> Lift:
    """Difference and ratio of two independent rates. Raises ValueError if the rate of the control is 0."""
    if not control.value:
        raise ValueError("the ratio to a rate of 0 is unknown")
    more = treated.value - control.value
    ratio = more / control.value
    error = math.sqrt(treated.variance / control.value**2 + treated.value**2 * control.variance / control.value**4)
    return Lift(
        treated,
        control,
        around(more, math.sqrt(treated.variance + control.variance)),
        around(ratio, error),
        error,
        ratio / error if error else math.inf,
    )


def margin_lift(treated: Sums, margins: Floats, control: Sums) -> Interval:
    """Margin that offers add to a row of the treated, from visits by person of both arms and the margin by person of the treated.

    It is the margin a row, less the part of it that visits without an offer would have brought: `margin * (1 - control / treated)`.
    Raises ValueError without visits of the treated.
    """
    rows, visits, margin = float(treated.rows.sum()), float(treated.values.sum()), float(margins.sum())
    if not visits:
        raise ValueError("the margin of a visit is unknown without visits")
    organic, of_visit = control.rate, margin / visits
    value = margin / rows - organic.value * of_visit
    own = (margins - margin / rows * treated.rows) / rows - organic.value * (margins - of_visit * treated.values) / visits
    return around(value, math.sqrt(float(own @ own) + of_visit**2 * organic.variance))
