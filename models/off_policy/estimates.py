"""Estimates of the mean outcome of another policy, from a log with the probabilities of its choices.

Each row is weighted by the ratio of the other policy's probability of the logged choice to the logged probability. IPS is the mean
of the weighted outcomes: unbiased, with a high variance if a weight is large. SNIPS divides by the sum of the weights
instead of the number of rows: slightly biased, with less variance. DR (doubly robust) starts from a forecast of each choice's
outcome and corrects it by the weighted residuals.

Dudík, Langford & Li 2011; Swaminathan & Joachims 2015. Whether a log supports an estimate is checked
before, see `overlap.py`.
"""

from __future__ import annotations

import msgspec
import numpy as np

from models.arrays import Floats, Ints
from models.errors import ModelsError
from models.measures import Interval, draw_units, interval

DRAWS = 1_000


class OffPolicyError(ModelsError):
    """The rows cannot be weighted: lengths differ, or a probability is out of range."""


class Estimates(msgspec.Struct, frozen=True):
    """Mean outcome under the other policy by three estimators, with 95 % intervals over units."""

    ips: Interval
    snips: Interval
    dr: Interval


def weights_of(p_other: Floats, p_select: Floats) -> Floats:
    """Weights (n,): the other policy's probability of each logged choice over the logged one.

    Raises OffPolicyError if the lengths differ, there is no row, or a probability is out of range.
    """
    if p_other.shape != p_select.shape or not len(p_select):
        raise OffPolicyError("the log and the other policy must have the same rows, at least one")
    if not (np.all(p_select > 0) and np.all(p_select <= 1) and np.all(p_other >= 0) and np.all(p_other <= 1)):
        raise OffPolicyError("a probability of choice must be above 0 and at most 1 in the log, and within 0 and 1 for the other policy")
    return p_other / p_select


def ips(weights: Floats, outcome: Floats) -> float:
    """IPS: mean of the weighted outcomes; weights and outcomes are (n,)."""
    return float((weights * outcome).mean())


def snips(weights: Floats, outcome: Floats) -> float:
    """SNIPS: weighted mean of the outcomes; weights and outcomes are (n,)."""
    return float((weights * outcome).sum() / weights.sum())


def dr(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats) -> float:
    """DR: mean forecast under the other policy, (n,), plus the weighted residuals to the forecast of the logged choice, (n,)."""
    return float((forecast_other + weights * (outcome - forecast_chosen)).mean())


def estimates(
    weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats, seed: int, units: Ints | None = None
) -> Estimates:
    """All estimates, with bootstrap intervals over `units`, numbers from 0, or over rows; every argument but the seed is (n,)."""
    columns = np.column_stack((weights * outcome, weights, forecast_other + weights * (outcome - forecast_chosen)))
    drawn = np.array([of_draw @ columns / of_draw.sum() for of_draw in draw_units(_numbers(units, len(weights)), seed, DRAWS)])
    means = columns.mean(axis=0)
    return Estimates(
        ips=interval(means[0], drawn[:, 0]),
        snips=interval(means[0] / means[1], drawn[:, 0] / drawn[:, 1]),
        dr=interval(means[2], drawn[:, 2]),
    )


def _numbers(units: Ints | None, rows: int) -> Ints:
    return np.arange(rows) if units is None else np.unique(units, return_inverse=True)[1].astype(np.int64)


def smoothed_rates(choices: Ints, outcome: Floats, known: Ints, choices_max: int, strength: float) -> Floats:
    """Outcome rate of each choice, (choices_max,), over the rows `known`, shrunk to the overall rate as by `strength` more rows."""
    overall = float(outcome[known].mean())
    shown = np.bincount(choices[known], minlength=choices_max)
    gained = np.bincount(choices[known], outcome[known], minlength=choices_max)
    return (gained + strength * overall) / (shown + strength)
