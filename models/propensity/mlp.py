"""A small network: one hidden layer on the preprocessed columns.

Unlike logistic regression it has interactions, such as two habits that cancel each other out. Eight units and a strong
penalty suit a table of a few hundred people. The optimiser (L-BFGS) uses all rows in each step, so the same seed gives the
same network. It may stop before it converges, which on noisy answers prevents overfitting.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from models.arrays import Floats, Ints, Rows
from models.propensity.base import Classifier
from models.propensity.preprocessing import FirstLayer, Preprocessor, fit_preprocessor


class OutputLayer(NamedTuple):
    """`tanh(hidden) @ weights + bias`: weights (units, 1), bias (1,)."""

    weights: Floats
    bias: Floats


class Mlp(Classifier):
    """`units` hidden units (tanh); `penalty` is scikit-learn's alpha."""

    _model: MLPClassifier
    _preprocessor: Preprocessor

    def __init__(self, units: int = 8, penalty: float = 20.0, rounds: int = 100, seed: int = 0) -> None:
        self.units, self.penalty, self.rounds, self.seed = units, penalty, rounds, seed

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:  # noqa: ARG002 (no subject is held out)
        self._preprocessor = fit_preprocessor(rows)
        self._model = MLPClassifier(
            (self.units,), activation="tanh", solver="lbfgs", alpha=self.penalty, max_iter=self.rounds, random_state=self.seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._preprocessor.transform(rows), taken)

    def _log_odds(self, rows: Rows) -> Floats:
        (inner, outer), (bias, last) = self._model.coefs_, self._model.intercepts_
        log_odds: Floats = (np.tanh(self._preprocessor.transform(rows) @ inner + bias) @ outer + last)[:, 0]
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """The hidden layer and the output layer."""
        (inner, outer), (bias, last) = self._model.coefs_, self._model.intercepts_
        return FirstLayer(self._preprocessor, inner, bias), OutputLayer(outer, last)
