"""The real-time model of `bayes` as an estimator: judged beside the others, and written as ONNX.

On a gateway the counts go on learning; here they are what a history gave them, so that everybody can see what the
simplest learner is worth before it is let near a street.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from models.arrays import Floats, Ints, Rows
from models.propensity import bayes
from models.propensity.base import Classifier
from models.propensity.binning import Bins, binned
from models.propensity.trees import lookup_trees


class NaiveBayes(Classifier):
    """`bins_max` bins a column; groups and the choice within them are made by `bayes`."""

    def __init__(self, bins_max: int = 6) -> None:
        self._bins_max = bins_max
        self._model: bayes.OfferBayes
        self._bins: tuple[Bins, ...]

    @property
    def heard(self) -> tuple[int, ...]:
        """The columns that count."""
        return self._model.heard()

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:  # noqa: ARG002 (nobody is set aside here)
        """Learn from `rows`."""
        names = tuple(f"column_{column}" for column in range(rows.shape[1]))
        self._model = bayes.fit_priors("any", names, rows, taken, bins_max=self._bins_max)
        self._bins = tuple(Bins(np.array(predictor.edges, np.float32), nominal=False) for predictor in self._model.predictors)
        return self

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        return bayes.scores(self._model, binned(rows, self._bins))

    def parts(self) -> tuple[object, ...]:
        """One sum of trees: the contribution of each active column's bin, and the prior."""
        heard = set(self.heard)
        worth = [
            bayes.contributions(predictor.taken, predictor.refused) if column in heard else np.zeros(len(predictor.taken))
            for column, predictor in enumerate(self._model.predictors)
        ]
        return (lookup_trees(self._bins, worth, bayes.prior(self._model.taken, self._model.refused)),)
