"""What every estimator of models has in common: the calls of scikit-learn, and log-odds behind them.

`fit(rows, taken)` and `predict_proba(rows)` work as they do there, so an estimator can be put where a scikit-learn classifier
can. `groups` tells who the rows are of, for estimators that set some people aside while they learn. `emit` writes the model
into an ONNX graph.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from models.propensity.graph import Floats, Graph, Ints, Rows
from models.propensity.training_set import probability


class Classifier(ABC):
    """An estimator: rows float32 (n, k) with NaN for unknown, outcomes 0/1 (n,)."""

    @abstractmethod
    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:
        """Learn from `rows`."""

    @abstractmethod
    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""

    @abstractmethod
    def emit(self, graph: Graph, rows: str) -> str:
        """The same log-odds as nodes, (n, 1)."""

    def predict_proba(self, rows: Rows) -> Floats:
        """The probabilities of "not taken" and "taken", (n, 2)."""
        likely = probability(self.decision_function(rows))
        return np.stack((1.0 - likely, likely), axis=1)

    def predict(self, rows: Rows) -> Ints:
        """The likelier outcome, (n,)."""
        return (self.decision_function(rows) > 0.0).astype(np.int64)


def smoothed_log_odds(taken: Floats, rows: Floats, rate: float, strength: float) -> Floats:
    """Log-odds of shares that are drawn towards `rate` as if `strength` more rows had had it: ten rows are no certainty."""
    share = (taken + strength * rate) / (rows + strength)
    odds: Floats = np.log(share) - np.log1p(-share)
    return odds
