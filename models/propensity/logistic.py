"""Logistic regression: one weight a column, unknown values filled and flagged.

The first model of the source (Munteanu and Cristea, step 2) and the one to beat: it cannot see that two things only matter
together, which is why it stands at one half on exclusive-or data, and why others stand beside it.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from models.propensity.base import Classifier
from models.propensity.graph import Floats, Graph, Ints, Rows
from models.propensity.preparing import Prepared, prepare


class Linear(Classifier):
    """Log-odds that are a weighted sum of the prepared columns; who learns sets the three fields."""

    _prepared: Prepared
    _weights: Floats
    _bias: float

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        log_odds: Floats = self._prepared.transform(rows).astype(np.float64) @ self._weights + self._bias
        return log_odds

    def emit(self, graph: Graph, rows: str) -> str:
        """The same log-odds as nodes, (n, 1)."""
        return self._prepared.emit(graph, rows, self._weights[:, np.newaxis], np.array([self._bias]))


class Logistic(Linear):
    """`strength` is scikit-learn's C: the smaller, the more the weights are drawn to zero."""

    def __init__(self, strength: float = 1.0) -> None:
        self._strength = strength

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:  # noqa: ARG002 (nobody is set aside here)
        """Learn from `rows`."""
        self._prepared = prepare(rows)
        model = LogisticRegression(C=self._strength, max_iter=2_000).fit(self._prepared.transform(rows).astype(np.float64), taken)
        self._weights, self._bias = model.coef_[0].astype(np.float64), float(model.intercept_[0])
        return self
