"""The real-time model of `bayes` as an estimator, for comparison and export.

On a gateway the counts are updated by each answer; here it has the counts of the training set.
"""

from __future__ import annotations

import numpy as np

from models.arrays import Floats, Ints, Rows
from models.propensity import bayes
from models.propensity.base import Classifier
from models.propensity.binning import Bins, bin_codes
from models.propensity.trees import lookup_trees


class NaiveBayes(Classifier):
    """Naive Bayes with at most `bins_max` bins a column."""

    _model: bayes.OfferBayes
    _bins: tuple[Bins, ...]

    def __init__(self, bins_max: int = 6) -> None:
        self.bins_max = bins_max

    @property
    def active(self) -> tuple[int, ...]:
        """Numbers of the columns that count."""
        return self._model.active()

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:  # noqa: ARG002 (no subject is held out)
        names = tuple(f"column_{column}" for column in range(rows.shape[1]))
        self._model = bayes.fit_priors("any", names, rows, taken, bins_max=self.bins_max)
        self._bins = tuple(Bins(np.array(predictor.edges, np.float32), nominal=False) for predictor in self._model.predictors)

    def _log_odds(self, rows: Rows) -> Floats:
        return bayes.scores(self._model, bin_codes(rows, self._bins))

    def parts(self) -> tuple[object, ...]:
        """One sum of trees: the contribution of each active column's bin, and the prior."""
        active = set(self.active)
        weights = [
            bayes.contributions(predictor.taken, predictor.refused) if column in active else np.zeros(len(predictor.taken))
            for column, predictor in enumerate(self._model.predictors)
        ]
        return (lookup_trees(self._bins, weights, bayes.prior_log_odds(self._model.taken, self._model.refused)),)
