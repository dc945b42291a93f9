"""Gamma-gamma: expected spend per purchase of each subject.

The spend of a subject varies around an individual mean (gamma), and the means vary over subjects (gamma), so a mean of few purchases is
shrunk towards the population mean. As in BG/NBD, only purchases after the first count. The model assumes that spend and frequency are
independent; their correlation is reported, and a strong one is a warning. Likelihood and expectation: Fader and Hardie, "The Gamma-Gamma
Model of Monetary Value" (2013), equations 1a and 5.
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
    """Fitted gamma-gamma model; v is in the unit of the spend.

    `standard_errors` of p, q, v are NaN where the likelihood is flat; `correlation` is that of frequency and mean spend; `subjects` were
    used.
    """

    p: float
    q: float
    v: float
    standard_errors: tuple[float, float, float]
    correlation: float
    subjects: int


def fit_gamma_gamma(frequency: Floats, monetary: Floats) -> GammaGamma:
    """Maximum-likelihood model of the mean spend per purchase, `monetary` (n,), of `frequency` (n,) repeat purchases.

    Subjects without a repeat purchase or with a mean that is not positive are left out. Raises ValuationError if fewer than REPEATERS_MIN
    are left, or if all of these have the same mean.
    """
    used = (frequency > 0) & (monetary > 0) & np.isfinite(monetary)
    x, mean = frequency[used], monetary[used]
    if len(x) < REPEATERS_MIN:
        raise ValuationError(f"{len(x)} subjects spent something after their first purchase; at least {REPEATERS_MIN} are needed")
    if np.ptp(mean) == 0:
        raise ValuationError("every subject spends the same: no model is needed, use the amount itself")
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
    """Expected spend per purchase, (n,), in the unit of `monetary`; the population mean for one-time buyers.

    With q at most 1 the population mean does not exist; one-time buyers then get v * p / q, a stand-in for the median.
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
