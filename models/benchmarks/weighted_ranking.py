"""Figures of a ranking under weights: a draw with replacement gives each unit (session, respondent, day, household) a weight.

Forecasts are sorted once, and every figure is a sum over the sorted rows. Ties are taken together, which is the mean over
all orders.
"""

from __future__ import annotations

import numpy as np

from models.arrays import Floats, Ints
from models.measures import Ranking


class WeightedRanking(Ranking):
    """Weighted figures of a ranking besides the area under its curve."""

    def __init__(self, taken: Ints, forecast: Floats) -> None:
        super().__init__(taken, forecast)
        self._right = ((forecast >= 0.5) == (taken == 1)).astype(np.float64)

    def average_precision(self, weights: Floats) -> float:
        """Average precision over the taken rows."""
        taken, others = self._sums(weights)
        found, seen = np.cumsum(taken), np.cumsum(taken + others)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return float((precision * taken).sum() / (found[-1] or np.nan))

    def accuracy(self, weights: Floats) -> float:
        """Share of rows that are classified correctly at one half."""
        return float((self._right * weights).sum() / weights.sum())

    def alift(self, weights: Floats) -> float:
        """Area under the gains curve: share of taken rows found over share of rows addressed, best first."""
        seen, found = self._gains(weights)
        return float(np.trapezoid(found, seen))
