"""What a subject leaves each time they come: gamma-gamma.

Each subject's spend varies around a mean of their own (gamma), and the means vary over subjects (gamma again), so a mean of
few purchases is drawn towards everybody's. Only purchases after the first count, as they do for how often. The model
supposes that how much and how often are unrelated; the correlation is reported, and a strong one is a warning.
Likelihood and expectation: Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), equations 1a and 5.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from models.value.bg_nbd import REPEATERS_MIN, ValuationError, log_standard_errors, minimise

Floats = NDArray[np.float64]

_STARTS = ((0.0, 0.0, 0.0), (2.0, 1.0, 1.0), (1.0, 1.5, -1.0))


class GammaGamma(msgspec.Struct, frozen=True):
    """A fitted gamma-gamma model; `errors` are standard errors of p, q, v, NaN where the likelihood is flat."""

    p: float
    q: float
    v: float
    standard_errors: tuple[float, float, float]
    correlation: float
    subjects: int


def fit_gamma_gamma(frequency: Floats, monetary: Floats) -> GammaGamma:
    """The parameters that make the mean spends most likely. Subjects who came once, or whose mean is not positive, say nothing."""
    told = (frequency > 0) & (monetary > 0) & np.isfinite(monetary)
    x, mean = frequency[told], monetary[told]
    if len(x) < REPEATERS_MIN:
        raise ValuationError(f"{len(x)} subjects spent something after their first purchase; at least {REPEATERS_MIN} are needed")
    if np.ptp(mean) == 0:
        raise ValuationError("every subject spends the same: there is nothing to model, take the amount itself")
    scale = float(mean.mean())
    shifted = mean / scale

    def loss(logs: Floats) -> float:
        return -float(_log_likelihood(np.exp(logs), x, shifted).sum()) / len(x)

    best = minimise(loss, _STARTS)
    p, q, v = np.exp(best) * (1.0, 1.0, scale)
    standard_errors = (p, q, v) * log_standard_errors(lambda logs: len(x) * loss(logs), best)
    together = float(np.corrcoef(x, mean)[0, 1]) if np.ptp(x) else 0.0
    return GammaGamma(
        float(p), float(q), float(v), (float(standard_errors[0]), float(standard_errors[1]), float(standard_errors[2])), together, len(x)
    )


def expected_spend(model: GammaGamma, frequency: Floats, monetary: Floats) -> Floats:
    """What each subject will leave per purchase, (n,): their own mean drawn towards everybody's. Who came once gets everybody's.

    With q at most 1 the mean of means does not exist; who came once is then given the median's stand-in v * p / q.
    """
    x = np.where((frequency > 0) & (monetary > 0), frequency, 0.0)
    denominator = model.p * x + model.q - 1.0
    value: Floats = np.where(
        denominator > 0, model.p * (model.v + x * monetary) / np.where(denominator > 0, denominator, 1.0), model.p * model.v / model.q
    )
    return value


def _log_likelihood(parameters: Floats, x: Floats, mean: Floats) -> Floats:
    p, q, v = parameters
    total: Floats = (
        gammaln(p * x + q)
        - gammaln(p * x)
        - gammaln(q)
        + q * np.log(v)
        + (p * x - 1) * np.log(mean)
        + p * x * np.log(x)
        - (p * x + q) * np.log(x * mean + v)
    )
    return total
