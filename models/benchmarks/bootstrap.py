"""Bootstrap intervals over independent units (sessions, respondents, days, households), computed with weights.

A draw with replacement gives each unit a weight. Forecasts are sorted once, and every figure is a sum over the sorted rows.
Ties are taken together, which is the mean over all orders. All forecasts are measured on the same draws, so the
difference of two figures has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.arrays import Floats, Ints
from models.measures import Interval, Ranking, draw_units, interval

DRAWS = 500


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


Measure = Callable[[Floats], float]
"""A figure as a function of row weights (n,)."""


class Bootstrap:
    """Every measure on all rows and on each draw of units; `units` (n,) numbers the unit of each row from 0."""

    def __init__(self, measures: Mapping[str, Measure], units: Ints, seed: int, draws: int = DRAWS) -> None:
        ones = np.ones(len(units))
        self._whole = {name: measure(ones) for name, measure in measures.items()}
        self._drawn: dict[str, Floats] = {name: np.empty(draws) for name in measures}
        for number, weights in enumerate(draw_units(units, seed, draws)):
            for name, measure in measures.items():
                self._drawn[name][number] = measure(weights)

    def of(self, name: str) -> Interval:
        """One figure with its 95 % interval."""
        return interval(self._whole[name], self._drawn[name])

    def difference(self, name: str, base: str) -> Interval:
        """One figure minus another, with its 95 % interval on the same draws."""
        return interval(self._whole[name] - self._whole[base], self._drawn[name] - self._drawn[base])
