"""Estimates of the mean outcome of another policy, from a log with the probabilities of its choices.

Each row is weighted by the ratio of the other policy's probability of the logged choice to the logged probability. IPS is the mean
of the weighted outcomes: unbiased, with a high variance if a weight is large. SNIPS divides by the sum of the weights
instead of the number of rows: slightly biased, with less variance. DR (doubly robust) starts from a forecast of each choice's
outcome and corrects it by the weighted residuals. Switch-DR leaves the correction out where the weight is above a threshold, here the
square root of the number of rows, at which the bias vanishes in long logs.

Dudík, Langford & Li 2011; Swaminathan & Joachims 2015; Wang, Agarwal & Dudík 2017; Ionides 2008 (threshold). Whether a log supports an
estimate is checked before, see `overlap.py`.
"""

from __future__ import annotations

import msgspec
import numpy as np

from gateway.core.measure.rates import Floats, Interval, Ints, Sums, sums


class Estimates(msgspec.Struct, frozen=True):
    """Mean outcome under the other policy by four estimators, with 95 % intervals over people."""

    ips: Interval
    snips: Interval
    dr: Interval
    switch_dr: Interval


def weights_of(p_other: Floats, p_select: Floats) -> Floats:
    """Weights (n,): the other policy's probability of each logged choice over the logged one.

    Raises ValueError if the lengths differ, there is no row, or a probability is out of range.
    """
    if p_other.shape != p_select.shape or not len(p_select):
        raise ValueError("the log and the other policy must have the same rows, at least one")
    if not (np.all(p_select > 0) and np.all(p_select <= 1) and np.all(p_other >= 0) and np.all(p_other <= 1)):
        raise ValueError("a probability of choice must be above 0 and at most 1 in the log, and within 0 and 1 for the other policy")
    return p_other / p_select


def ips(weights: Floats, outcome: Floats) -> float:
    """IPS: mean of the weighted outcomes; weights and outcomes are (n,)."""
    return float((weights * outcome).mean())


def snips(weights: Floats, outcome: Floats) -> float:
    """SNIPS: weighted mean of the outcomes; weights and outcomes are (n,)."""
    return float((weights * outcome).sum() / weights.sum())


def dr(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats) -> float:
    """DR: mean forecast under the other policy, (n,), plus the weighted residuals to the forecast of the logged choice, (n,)."""
    return float(dr_rows(weights, outcome, forecast_chosen, forecast_other).mean())


def dr_rows(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats) -> Floats:
    """The rows, (n,), of which DR is the mean."""
    return forecast_other + weights * (outcome - forecast_chosen)


def switched(weights: Floats) -> Floats:
    """The weights of Switch-DR, (n,): 0 above the square root of n, so that only the forecast counts there."""
    return np.where(weights > len(weights) ** 0.5, 0.0, weights)


def estimated(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats, people: Ints) -> Estimates:
    """All estimates of (n,) rows of `people`, numbered from 0. The intervals are those of ratios of sums over people (see `rates.py`)."""

    def mean(rows: Floats) -> Interval:
        return sums(people, rows).rate.interval

    weighted = weights * outcome
    return Estimates(
        ips=mean(weighted),
        snips=Sums(sums(people, weights).values, sums(people, weighted).values).rate.interval,
        dr=mean(dr_rows(weights, outcome, forecast_chosen, forecast_other)),
        switch_dr=mean(dr_rows(switched(weights), outcome, forecast_chosen, forecast_other)),
    )


def smoothed_rates(choices: Ints, outcome: Floats, known: Ints, choices_max: int, strength: float) -> Floats:
    """Outcome rate of each choice, (choices_max,), over the rows `known`, shrunk to the overall rate as by `strength` more rows."""
    overall = float(outcome[known].mean())
    shown = np.bincount(choices[known], minlength=choices_max)
    gained = np.bincount(choices[known], outcome[known], minlength=choices_max)
    return (gained + strength * overall) / (shown + strength)
