"""Off-policy evaluation: the mean outcome of another policy, from a log with the probabilities of its choices.

Each row is weighted by the ratio of the other policy's probability of the logged choice to the logged probability. IPS is the mean
of the weighted outcomes: unbiased, with a high variance if a weight is large. SNIPS divides by the sum of the weights
instead of the number of rows: slightly biased, with less variance. DR (doubly robust) starts from a forecast of each choice's
outcome and corrects it by the weighted residuals.

If the two policies hardly overlap, a few rows dominate any estimate. The weights are therefore checked first: the effective
sample size (the number of equally weighted rows with the same variance), its share of the log, and the mean weight, which
is one if the logged probabilities are correct. A log that fails a check is refused with the reason.

Dudík, Langford & Li 2011; Swaminathan & Joachims 2015; effective sample size: Kong 1992.
"""

from __future__ import annotations

import msgspec
import numpy as np

from models.arrays import Floats, Ints
from models.errors import ModelsError
from models.measures import Interval, interval

ESS_MIN = 200.0
ESS_SHARE_MIN = 0.02
WEIGHT_MEAN_MIN, WEIGHT_MEAN_MAX = 0.9, 1.1
DRAWS = 1_000


class OffPolicyError(ModelsError):
    """The rows cannot be weighted: lengths differ, or a probability is out of range."""


class Overlap(msgspec.Struct, frozen=True):
    """Checks of the weights; `refused` has a reason for each check that fails."""

    rows: int
    ess: float
    weight_mean: float
    weight_max: float
    refused: tuple[str, ...]


class Estimates(msgspec.Struct, frozen=True):
    """Mean outcome under the other policy by three estimators, with 95 % intervals over rows."""

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


def overlap(weights: Floats) -> Overlap:
    """Check the weights (n,): effective sample size, its share of the rows, and mean weight."""
    total = float(weights.sum())
    ess = total**2 / float((weights**2).sum()) if total else 0.0
    mean = float(weights.mean())
    refused = []
    if ess < ESS_MIN:
        refused.append(f"effective sample size {ess:.4g} is below {ESS_MIN:.0f}")
    if ess < ESS_SHARE_MIN * len(weights):
        refused.append(f"effective sample size is {ess / len(weights):.2%} of the rows, below {ESS_SHARE_MIN:.0%}")
    if not WEIGHT_MEAN_MIN <= mean <= WEIGHT_MEAN_MAX:
        refused.append(f"mean weight {mean:.4g} is outside {WEIGHT_MEAN_MIN} to {WEIGHT_MEAN_MAX}")
    return Overlap(rows=len(weights), ess=ess, weight_mean=mean, weight_max=float(weights.max()), refused=tuple(refused))


def ips(weights: Floats, outcome: Floats) -> float:
    """IPS: mean of the weighted outcomes; weights and outcomes are (n,)."""
    return float((weights * outcome).mean())


def snips(weights: Floats, outcome: Floats) -> float:
    """SNIPS: weighted mean of the outcomes; weights and outcomes are (n,)."""
    return float((weights * outcome).sum() / weights.sum())


def dr(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats) -> float:
    """DR: mean forecast under the other policy, (n,), plus the weighted residuals to the forecast of the logged choice, (n,)."""
    return float((forecast_other + weights * (outcome - forecast_chosen)).mean())


def estimates(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats, seed: int) -> Estimates:
    """All three estimates, with bootstrap intervals over rows; every argument but the seed is (n,)."""
    columns = np.column_stack((weights * outcome, weights, forecast_other + weights * (outcome - forecast_chosen)))
    chance = np.random.default_rng(seed)
    means = np.array([columns[chance.integers(len(columns), size=len(columns))].mean(axis=0) for _ in range(DRAWS)])
    return Estimates(
        ips=interval(ips(weights, outcome), means[:, 0]),
        snips=interval(snips(weights, outcome), means[:, 0] / means[:, 1]),
        dr=interval(dr(weights, outcome, forecast_chosen, forecast_other), means[:, 2]),
    )


def smoothed_rates(choices: Ints, outcome: Floats, known: Ints, choices_max: int, strength: float) -> Floats:
    """Outcome rate of each choice, (choices_max,), over the rows `known`, shrunk to the overall rate as by `strength` more rows."""
    overall = float(outcome[known].mean())
    shown = np.bincount(choices[known], minlength=choices_max)
    gained = np.bincount(choices[known], outcome[known], minlength=choices_max)
    return (gained + strength * overall) / (shown + strength)
