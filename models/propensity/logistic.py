"""Logistic regression: one weight a column, unknown values filled and flagged.

The first model of the source (Munteanu and Cristea, step 2) and the baseline. It has no interactions, so exclusive-or data
leave it at an accuracy of one half.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from models.arrays import Floats, Ints, Rows
from models.propensity.base import Classifier
from models.propensity.preprocessing import FirstLayer, Preprocessor, fit_preprocessor


class Linear(Classifier):
    """Log-odds that are a weighted sum of the preprocessed columns; `fit` of a subclass sets the three fields."""

    _preprocessor: Preprocessor
    _weights: Floats
    _bias: float

    def _log_odds(self, rows: Rows) -> Floats:
        log_odds: Floats = self._preprocessor.transform(rows) @ self._weights + self._bias
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """One layer of one unit."""
        return (FirstLayer(self._preprocessor, self._weights[:, np.newaxis], np.array([self._bias])),)


class Logistic(Linear):
    """`strength` is scikit-learn's C: the smaller, the more the weights are shrunk to zero."""

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:  # noqa: ARG002 (no subject is held out)
        self._preprocessor = fit_preprocessor(rows)
        model = LogisticRegression(C=self.strength, max_iter=2_000).fit(self._preprocessor.transform(rows), taken)
        self._weights, self._bias = model.coef_[0].astype(np.float64), float(model.intercept_[0])
