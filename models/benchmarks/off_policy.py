"""What would another policy have earned? Answered from a log that knows with which probability it chose.

Each row is weighed by how much likelier the other policy was to choose what was chosen (its probability over the
logged one). IPS is the mean of the weighed outcomes: right on average, wild when a weight is large. SNIPS divides by
the sum of weights instead of their number: a little off, much calmer. DR starts from a forecast of every choice's outcome
and lets the weighed rows only correct it.

Where the two policies hardly overlap a few rows carry everything, and no formula helps. So the weights are judged
first: the effective sample size (how many equally weighed rows would say as much), its share of the log, and the mean
weight, which is one when the logged probabilities are true. A log that fails is refused, and the reason is told.

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
    """The log cannot be weighed at all: lengths differ, or a logged probability is not one."""


class Overlap(msgspec.Struct, frozen=True):
    """What the weights say of the log: whether it may answer, and if not, why."""

    rows: int
    ess: float
    weight_mean: float
    weight_max: float
    refused: tuple[str, ...]


class Estimates(msgspec.Struct, frozen=True):
    """Mean outcome under the other policy, three ways, with 95 % intervals over rows."""

    ips: Interval
    snips: Interval
    dr: Interval


def weights_of(p_other: Floats, p_select: Floats) -> Floats:
    """How much likelier the other policy was to choose what was chosen, (n,); or `OffPolicyError`."""
    if p_other.shape != p_select.shape or not len(p_select):
        raise OffPolicyError("the log and the other policy must have the same rows, at least one")
    if not (np.all(p_select > 0) and np.all(p_select <= 1) and np.all(p_other >= 0) and np.all(p_other <= 1)):
        raise OffPolicyError("a probability of choice must be above 0 and at most 1 in the log, and within 0 and 1 for the other policy")
    return p_other / p_select


def overlap(weights: Floats) -> Overlap:
    """Effective sample size and mean weight, and which of the three rules they break."""
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
    """Mean of the weighed outcomes."""
    return float((weights * outcome).mean())


def snips(weights: Floats, outcome: Floats) -> float:
    """Weighted mean of the outcomes."""
    return float((weights * outcome).sum() / weights.sum())


def dr(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats) -> float:
    """Doubly robust: the forecast under the other policy, (n,), corrected by what the forecast of the chosen, (n,), missed."""
    return float((forecast_other + weights * (outcome - forecast_chosen)).mean())


def estimates(weights: Floats, outcome: Floats, forecast_chosen: Floats, forecast_other: Floats, seed: int) -> Estimates:
    """All three with intervals from drawing rows."""
    columns = np.column_stack((weights * outcome, weights, forecast_other + weights * (outcome - forecast_chosen)))
    chance = np.random.default_rng(seed)
    means = np.array([columns[chance.integers(len(columns), size=len(columns))].mean(axis=0) for _ in range(DRAWS)])
    return Estimates(
        ips=interval(ips(weights, outcome), means[:, 0]),
        snips=interval(snips(weights, outcome), means[:, 0] / means[:, 1]),
        dr=interval(dr(weights, outcome, forecast_chosen, forecast_other), means[:, 2]),
    )


def smoothed_rates(choices: Ints, outcome: Floats, known: Ints, choices_max: int, strength: float) -> Floats:
    """Outcome rate of each choice, (choices_max,), from the rows `known`, drawn towards the overall rate as by `strength` more rows."""
    overall = float(outcome[known].mean())
    shown = np.bincount(choices[known], minlength=choices_max)
    gained = np.bincount(choices[known], outcome[known], minlength=choices_max)
    return (gained + strength * overall) / (shown + strength)
