"""A small network: one hidden layer on the prepared columns.

It sees what logistic regression cannot, such as two habits that cancel each other out. Eight units and a strong penalty,
because a table of a few hundred people holds no more; the optimiser (L-BFGS) looks at all rows at once, so the same
seed gives the same network. It may stop before it converges: on noisy answers the rest would be learnt by heart.
"""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from models.propensity.base import Classifier
from models.propensity.graph import Floats, Graph, Ints, Rows
from models.propensity.preparing import Prepared, prepare


class Mlp(Classifier):
    """`units` hidden units (tanh); `penalty` is scikit-learn's alpha."""

    def __init__(self, units: int = 8, penalty: float = 20.0, rounds: int = 100, seed: int = 0) -> None:
        self._model = MLPClassifier((units,), activation="tanh", solver="lbfgs", alpha=penalty, max_iter=rounds, random_state=seed)
        self._prepared: Prepared

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:  # noqa: ARG002 (nobody is set aside here)
        """Learn from `rows`."""
        self._prepared = prepare(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._prepared.transform(rows).astype(np.float64), taken)
        return self

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        (inner, outer), (bias, last) = self._model.coefs_, self._model.intercepts_
        log_odds: Floats = (np.tanh(self._prepared.transform(rows).astype(np.float64) @ inner + bias) @ outer + last)[:, 0]
        return log_odds

    def emit(self, graph: Graph, rows: str) -> str:
        """The same log-odds as nodes, (n, 1)."""
        (inner, outer), (bias, last) = self._model.coefs_, self._model.intercepts_
        hidden = graph.node("Tanh", self._prepared.emit(graph, rows, inner, bias))
        return graph.node("Gemm", hidden, graph.constant(outer), graph.constant(last))
