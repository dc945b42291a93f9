"""Off-policy estimates with bootstrap intervals; the estimators are those of the gateway (`gateway.core.measure.off_policy`)."""

from __future__ import annotations

import msgspec
import numpy as np

from gateway.core.measure import off_policy
from gateway.core.measure.off_policy import dr_rows, switched
from models.arrays import Floats, Ints
from models.errors import ModelsError
from models.measures import Interval, draw_units, interval

DRAWS = 1_000


class OffPolicyError(ModelsError):
    """The rows cannot be weighted: lengths differ, or a probability is out of range."""


class Estimates(msgspec.Struct, frozen=True):
    """Mean outcome under the other policy by four estimators, with 95 % intervals over units."""

    ips: Interval
    snips: Interval
    dr: Interval
    switch_dr: Interval


def weights_of(p_other: Floats, p_select: Floats) -> Floats:
    """As `gateway.core.measure.off_policy.weights_of`. Raises OffPolicyError."""
    try:
        return off_policy.weights_of(p_other, p_select)
    except ValueError as error:
        raise OffPolicyError(str(error)) from None


def estimates(
    weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats, seed: int, units: Ints | None = None
) -> Estimates:
    """All estimates, with bootstrap intervals over `units`, numbers from 0, or over rows; every argument but the seed is (n,)."""
    rows = (dr_rows(one, outcome, forecast_chosen, forecast_other) for one in (weights, switched(weights)))
    columns = np.column_stack((weights * outcome, weights, *rows))
    drawn = np.array([of_draw @ columns / of_draw.sum() for of_draw in draw_units(_numbers(units, len(weights)), seed, DRAWS)])
    means = columns.mean(axis=0)
    return Estimates(
        ips=interval(means[0], drawn[:, 0]),
        snips=interval(means[0] / means[1], drawn[:, 0] / drawn[:, 1]),
        dr=interval(means[2], drawn[:, 2]),
        switch_dr=interval(means[3], drawn[:, 3]),
    )


def _numbers(units: Ints | None, rows: int) -> Ints:
    return np.arange(rows) if units is None else np.unique(units, return_inverse=True)[1].astype(np.int64)
