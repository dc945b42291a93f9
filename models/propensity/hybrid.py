"""The source's hybrid model (Munteanu and Cristea, equation 1), corrected.

Printed is: minimise the sum of overline(ΦλT ⊕ M), where Φ is the intention to buy, λ a dummy variable "to avoid
misclassification", T the target and M the forecast. Two things in it are wrong. The overline negates the exclusive or, so the
sum counts agreements of forecast and outcome, and its minimum is the worst model. And M is printed as an expectation,
for which no exclusive or is defined. The corrected loss, which `hybrid_loss` counts, is

    Σ [T·λ·Φ] XOR [p > θ]

the number of misclassified rows. (T = 1,1,0,0,1 with p = .9,.4,.3,.1,.8 and θ = .5 has one error; the printed formula gives 4.)
A count has no gradient, so training minimises log-loss, and the count is reported.

The model: log-odds = λ of the segment + β·Φ, where Φ is a ridge regression over all columns and λ an intercept a segment.
Without λ, half of the rows of two segments with opposite answers are misclassified.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression, Ridge

from models.arrays import Ints, Rows
from models.propensity.logistic import Linear
from models.propensity.preprocessing import fit_preprocessor

THRESHOLD = 0.5
PENALTY = 0.01  # times the rows
_FREE = 1e4  # C so large that λ and β are hardly shrunk


def hybrid_loss(
    target: ArrayLike, likely: ArrayLike, *, segment: ArrayLike = 1.0, intention: ArrayLike = 1.0, threshold: float = THRESHOLD
) -> int:
    """Number of misclassified rows, Σ [T·λ·Φ] XOR [p > θ]; each argument is (n,) or one number for all rows."""
    bought = np.asarray(target) * np.asarray(segment) * np.asarray(intention) > 0
    return int((bought ^ (np.asarray(likely) > threshold)).sum())


class Hybrid(Linear):
    """`dummies` are the 0/1 columns of the segments; without dummies there is one segment."""

    def __init__(self, dummies: Sequence[int] = (), penalty: float = PENALTY) -> None:
        self.dummies, self.penalty = dummies, penalty

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:  # noqa: ARG002 (no subject is held out)
        """Fit Φ by ridge regression, then λ and β by log-loss, and keep the product as one weight a preprocessed column."""
        self._preprocessor = fit_preprocessor(rows)
        ready = self._preprocessor.transform(rows)
        of_segment = np.isin(np.concatenate((self._preprocessor.used, self._preprocessor.flagged)), np.asarray(self.dummies, np.int64))
        others = np.flatnonzero(~of_segment)
        phi = np.zeros(len(rows))
        weights = np.zeros(ready.shape[1])
        if len(others):
            weights[others] = Ridge(self.penalty * len(rows)).fit(ready[:, others], taken).coef_
            phi = ready @ weights
        joined = LogisticRegression(C=_FREE, max_iter=2_000).fit(np.column_stack((phi, ready[:, of_segment])), taken)
        weights *= joined.coef_[0, 0]
        weights[of_segment] = joined.coef_[0, 1:]
        self._weights, self._bias = weights, float(joined.intercept_[0])
