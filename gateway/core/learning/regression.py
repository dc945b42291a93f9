"""Propensity of an offer: Bayesian logistic regression on binned predictors, updated answer by answer.

    log-odds = log-odds of the bundle's model + sum over predictors of the weights of its bin + effects of the person

Each bin has a weight for all offers, one for the category and one for the offer; all add up, so an offer without answers has those of its
category. All weights of a row share the surprise of its answer by their variances, hence two predictors that agree are not counted
twice, as naive Bayes would. Posteriors are normal with a mean and a variance for each weight (an extended Kalman filter without
covariances, as in Graepel et al. 2010, Web-scale Bayesian click-through rate prediction), so the state of an offer does not grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
PROBIT = np.pi / 8.0  # of the logistic curve as a normal one: MacKay (1992), Neural Computation 4

Floats = NDArray[np.float64]
Bins = NDArray[np.intp]


class Weights(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Means and variances of the weights of one model, as float64 in little-endian order, shape (predictors, bins); as of `at_ms`."""

    means: bytes
    variances: bytes
    at_ms: int = 0

    def arrays(self, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """Means and variances, read-only."""
        return np.frombuffer(self.means, "<f8").reshape(shape), np.frombuffer(self.variances, "<f8").reshape(shape)


class Rows(NamedTuple):
    """Predictors of n offers: numbers of their bins (n, predictors), and multipliers, which are 1 but for a predictor without bins."""

    bins: Bins
    times: Floats


class Posterior(NamedTuple):
    """Log-odds of n offers: means and variances, each (n,)."""

    mean: Floats
    variance: Floats


class Outcome(NamedTuple):
    """An answer: bins and multipliers of its offer, the log-odds that were known besides, and their variance."""

    bins: Bins
    times: Floats
    known: float
    known_variance: float
    taken: bool
    at_ms: int


def start(variances: Floats) -> Weights:
    """Weights 0 with these variances, (predictors, bins)."""
    return Weights(np.zeros_like(variances).tobytes(), variances.astype("<f8").tobytes())


def posterior(means: Floats, variances: Floats, places: Bins, times: Floats) -> Posterior:
    """Sums of weights (flat) at `places` (n, predictors), each with its multiplier in `times`."""
    return Posterior((means.take(places) * times).sum(axis=1), (variances.take(places) * times * times).sum(axis=1))


def of_chain(models: Sequence[tuple[Floats, Floats]], bins: Bins, times: Floats) -> tuple[float, float]:
    """Mean and variance of the sum over an offer's models, each (predictors, bins), for the bins and multipliers of one row."""
    at = np.arange(len(bins))
    mean, variance = sum(means[at, bins] for means, _ in models), sum(spread[at, bins] for _, spread in models)
    return float((mean * times).sum()), float((variance * times**2).sum())


def drawn(mean: Floats, variance: Floats) -> Floats:
    """Log-odds of the mean of the logistic curve over a normal posterior (probit approximation: nearer to 0 than `mean`)."""
    found: Floats = mean / np.sqrt(1.0 + PROBIT * variance)
    return found


def logistic(log_odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    found: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return found


def probability(mean: Floats, variance: Floats) -> Floats:
    """Mean of the logistic curve over a normal posterior."""
    return logistic(drawn(mean, variance))


def learned(
    chain: Sequence[Weights], priors: Sequence[Floats], outcome: Outcome, shape: tuple[int, int], half_life_days: float
) -> list[Weights]:
    """The chain of models after one answer; older knowledge fades toward weights of 0 with the variances `priors`."""
    faded = [_faded(one, prior, outcome.at_ms, shape, half_life_days) for one, prior in zip(chain, priors, strict=True)]
    at, times = np.arange(shape[0]), outcome.times
    before = [(means[at, outcome.bins], spread[at, outcome.bins]) for means, spread in faded]
    mean, variance = of_chain(faded, outcome.bins, times)
    surprise, curve = step(outcome.known + mean, outcome.known_variance + variance, taken=outcome.taken)
    found = []
    for model, (means, spread), (old_means, old_spread) in zip(chain, faded, before, strict=True):
        gain = old_spread * times
        means[at, outcome.bins] = old_means + gain * surprise
        spread[at, outcome.bins] = old_spread - gain**2 * curve
        found.append(Weights(means.tobytes(), spread.tobytes(), max(model.at_ms, outcome.at_ms)))
    return found


def step(mean: float, variance: float, *, taken: bool) -> tuple[float, float]:
    """By an answer at log-odds of this mean and variance: change of a weight's mean and of its variance, for a variance of 1."""
    share = float(probability(np.array(mean), np.array(variance)))
    curve = share * (1.0 - share)
    return (taken - share) / (1.0 + curve * variance), curve / (1.0 + curve * variance)


def _faded(model: Weights, prior: Floats, at_ms: int, shape: tuple[int, int], half_life_days: float) -> tuple[Floats, Floats]:
    means, spread = model.arrays(shape)
    keep = 0.5 ** (max(at_ms - model.at_ms, 0) / DAY_MS / half_life_days) if model.at_ms else 1.0
    return means * keep, prior + (spread - prior) * keep
