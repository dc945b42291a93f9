"""A scorecard: a probability from each column alone, joined by logistic regression.

The source (Munteanu and Cristea) gives each parameter (marketing decision value, customer lifetime value, strength and
intensity of brand association) a "critical value": the probability of buying by that parameter alone. A subject above one
half by all of them is a sure thing: it buys in any setting, and a discount is wasted on it.

Each column is binned; a bin's probability is the share taken in it, shrunk a little towards the overall share, and thereby
calibrated. The regression on the columns' log-odds has one weight a column, so that correlated columns share an effect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.arrays import Floats, Ints, Rows
from models.propensity.base import Classifier, smoothed_log_odds
from models.propensity.binning import Bins, bin_codes, fit_bins, outcome_counts
from models.propensity.training_set import probability
from models.propensity.trees import lookup_trees

CRITICAL = 0.5
STRENGTH = 20.0  # rows with the overall rate that each bin starts with


class PerParameter(Classifier):
    """The scorecard over all columns; `critical_values` are the probabilities by each column alone."""

    _bins: tuple[Bins, ...]
    _alone: list[Floats]  # by column: log-odds of each bin
    _weights: Floats
    _overall: float  # log-odds of the overall rate
    _bias: float

    def __init__(self, bins_max: int = 8, strength: float = 1.0) -> None:
        self.bins_max, self.strength = bins_max, strength

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:  # noqa: ARG002 (no subject is held out)
        self._bins = fit_bins(rows, self.bins_max)
        codes = bin_codes(rows, self._bins)
        counts = outcome_counts(codes, taken, max(of.size for of in self._bins) + 1)
        rate = (float(taken.sum()) + 0.5) / (len(taken) + 1.0)
        self._overall = float(np.log(rate / (1.0 - rate)))
        self._alone = [
            smoothed_log_odds(table[: of.size + 1, 1], table[: of.size + 1].sum(axis=1), rate, STRENGTH)
            for of, table in zip(self._bins, counts, strict=True)
        ]
        joined = LogisticRegression(C=self.strength, max_iter=1_000).fit(self._log_odds_alone(codes) - self._overall, taken)
        self._weights, self._bias = joined.coef_[0], float(joined.intercept_[0])

    def critical_values(self, rows: Rows) -> Floats:
        """The probabilities by each column alone, (n, k)."""
        return probability(self._log_odds_alone(bin_codes(rows, self._bins)))

    def critical_tables(self) -> list[tuple[Floats, Floats]]:
        """For each column the rising edges of its bins, and the probability by each bin of known values: one more than edges."""
        return [(of.edges.astype(np.float64), probability(alone[: of.size])) for of, alone in zip(self._bins, self._alone, strict=True)]

    def _log_odds(self, rows: Rows) -> Floats:
        log_odds: Floats = (self._log_odds_alone(bin_codes(rows, self._bins)) - self._overall) @ self._weights + self._bias
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """One sum of trees: the weighted log-odds of each column's bin, and the intercept."""
        weights = [(alone - self._overall) * weight for alone, weight in zip(self._alone, self._weights, strict=True)]
        return (lookup_trees(self._bins, weights, self._bias),)

    def _log_odds_alone(self, codes: Ints) -> Floats:
        return np.stack([alone[codes[:, column]] for column, alone in enumerate(self._alone)], axis=1)


def sure_things(critical_values: Floats) -> NDArray[np.bool_]:
    """Whether all critical values (n, parameters) of a subject are above one half, (n,); an unknown one (NaN) is not."""
    sure: NDArray[np.bool_] = np.all(critical_values > CRITICAL, axis=1)
    return sure


def suitable(critical_values: Floats, *, is_discount: bool) -> NDArray[np.bool_]:
    """Whether an offer suits each subject, (n,): a discount does not suit a sure thing, any other offer suits all."""
    return ~sure_things(critical_values) if is_discount else np.ones(len(critical_values), bool)
