"""Figures of a forecast under weights, so that drawing people instead of rows costs one pass and no sorting.

An interval comes from drawing the units that are independent (sessions, respondents, days, households) with
replacement. A draw gives each unit a weight; forecasts are sorted once, and every figure is a sum over the sorted rows.
Rows that tie are taken together, which is the mean over every order they might have been put in. All forecasts are
weighed with the same draws, so a difference between two of them has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.arrays import Floats, Ints
from models.measures import Interval, Ranking, draw_units, interval

DRAWS = 500


class WeightedRanking(Ranking):
    """What benchmarks ask of a ranking besides the area under its curve."""

    def __init__(self, taken: Ints, forecast: Floats) -> None:
        super().__init__(taken, forecast)
        self._right = ((forecast >= 0.5) == (taken == 1)).astype(np.float64)

    def average_precision(self, weights: Floats) -> float:
        """Precision averaged over the taken."""
        taken, others = self._sums(weights)
        found, seen = np.cumsum(taken), np.cumsum(taken + others)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return float((precision * taken).sum() / (found[-1] or np.nan))

    def accuracy(self, weights: Floats) -> float:
        """Share of rows on the right side of one half."""
        return float((self._right * weights).sum() / weights.sum())

    def alift(self, weights: Floats) -> float:
        """Area under the curve of gains: share of rows called, best first, against share of the taken among them."""
        seen, found = self._gains(weights)
        return float(np.trapezoid(found, seen))


Measure = Callable[[Floats], float]
"""Weights of the rows in, a figure out."""


class Bootstrap:
    """Every measure on all rows and on each draw of units."""

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
        """By how much one figure is above another, on the same draws."""
        return interval(self._whole[name] - self._whole[base], self._drawn[name] - self._drawn[base])
