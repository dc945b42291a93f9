"""The interface of all estimators: scikit-learn's calls, log-odds, and the parts that are converted to ONNX."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from models.arrays import Floats, Ints, Rows
from models.propensity.training_set import probability


class Classifier(ABC):
    """An estimator of a 0/1 outcome. Rows are float32 (n, k) with NaN for unknown, outcomes (n,).

    `groups` (n,) numbers the subject of each row, for estimators that hold out whole subjects in fitting.
    """

    @abstractmethod
    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:
        """Fit to `rows` and return the estimator, as scikit-learn does."""

    @abstractmethod
    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""

    @abstractmethod
    def parts(self) -> tuple[object, ...]:
        """The fitted parts in the order of computation, from rows (n, k) to log-odds (n, 1), each known to `conversion`."""

    def predict_proba(self, rows: Rows) -> Floats:
        """The probabilities of "not taken" and "taken", (n, 2)."""
        likely = probability(self.decision_function(rows))
        return np.stack((1.0 - likely, likely), axis=1)

    def predict(self, rows: Rows) -> Ints:
        """The likelier outcome, (n,)."""
        return (self.decision_function(rows) > 0.0).astype(np.int64)


def smoothed_log_odds(taken: Floats, rows: Floats, rate: float, strength: float) -> Floats:
    """Log-odds of the shares `taken` / `rows`, (n,), shrunk towards `rate` as if `strength` more rows had had it."""
    share = (taken + strength * rate) / (rows + strength)
    odds: Floats = np.log(share) - np.log1p(-share)
    return odds
