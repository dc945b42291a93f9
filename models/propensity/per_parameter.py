"""One parameter at a time: what each says alone, and the sure thing.

The source (Munteanu and Cristea) gives every single parameter (the marketing decision value, customer lifetime value,
strength and intensity of brand association) a "critical value": the probability of buying by that parameter alone. Who is
above one half by each of them buys in any setting: a sure thing, on whom no discount is ever to be spent.

Each parameter is a few bins with the share that was taken in them, drawn a little towards everybody's share: calibrated as
it stands. As an estimator of its own the parameters are joined by logistic regression on their log-odds (a scorecard), one
weight a parameter, so that two parameters that say the same are not believed twice.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.arrays import Floats, Ints, Rows
from models.propensity.base import Classifier, smoothed_log_odds
from models.propensity.binning import Bins, binned, cut_all, tables
from models.propensity.training_set import probability
from models.propensity.trees import lookup_trees

CRITICAL = 0.5
STRENGTH = 20.0  # rows' worth of belief that a bin is like everybody


class PerParameter(Classifier):
    """A scorecard over all columns of the rows; `critical_values` are the columns one by one."""

    def __init__(self, bins_max: int = 8, strength: float = 1.0) -> None:
        self._bins_max, self._strength = bins_max, strength
        self._bins: tuple[Bins, ...]
        self._alone: list[Floats]  # by column: log-odds of each bin
        self._weights: Floats
        self._everybody: float
        self._bias: float

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:  # noqa: ARG002 (nobody is set aside here)
        """Learn from `rows`."""
        self._bins = cut_all(rows, self._bins_max)
        codes = binned(rows, self._bins)
        counts = tables(codes, taken, max(of.size for of in self._bins) + 1)
        rate = (float(taken.sum()) + 0.5) / (len(taken) + 1.0)
        self._everybody = float(np.log(rate / (1.0 - rate)))
        self._alone = [
            smoothed_log_odds(table[: of.size + 1, 1], table[: of.size + 1].sum(axis=1), rate, STRENGTH)
            for of, table in zip(self._bins, counts, strict=True)
        ]
        joined = LogisticRegression(C=self._strength, max_iter=1_000).fit(self._log_odds_alone(codes) - self._everybody, taken)
        self._weights, self._bias = joined.coef_[0], float(joined.intercept_[0])
        return self

    def critical_values(self, rows: Rows) -> Floats:
        """The probability by each column alone, (n, k)."""
        return probability(self._log_odds_alone(binned(rows, self._bins)))

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        log_odds: Floats = (self._log_odds_alone(binned(rows, self._bins)) - self._everybody) @ self._weights + self._bias
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """One sum of trees: the weighted log-odds of each column's bin, and the intercept."""
        worth = [(alone - self._everybody) * weight for alone, weight in zip(self._alone, self._weights, strict=True)]
        return (lookup_trees(self._bins, worth, self._bias),)

    def _log_odds_alone(self, codes: Ints) -> Floats:
        return np.stack([alone[codes[:, column]] for column, alone in enumerate(self._alone)], axis=1)


def sure_things(critical_values: Floats) -> NDArray[np.bool_]:
    """Whether all single-parameter values (n, parameters) are above one half: then a discount is wasted. Unknown (NaN) is never sure."""
    sure: NDArray[np.bool_] = np.all(critical_values > CRITICAL, axis=1)
    return sure


def suitable(critical_values: Floats, *, is_discount: bool) -> NDArray[np.bool_]:
    """Whether an offer suits each person, (n,): a discount does not suit a sure thing, anything else suits everybody."""
    return ~sure_things(critical_values) if is_discount else np.ones(len(critical_values), bool)
