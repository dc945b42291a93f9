"""Figures of a forecast under weights, so that drawing people instead of rows costs one pass and no sorting.

An interval comes from drawing the units that are independent (sessions, respondents, days, households) with
replacement. A draw gives each unit a weight; forecasts are sorted once, and every figure is a sum over the sorted rows.
Rows that tie are taken together, which is the mean over every order they might have been put in. All forecasts are
weighed with the same draws, so a difference between two of them has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from models.measures import Floats, Interval, Ints, interval

DRAWS = 500


class Weighed:
    """Forecasts of one model beside outcomes: best first, ties together."""

    def __init__(self, taken: Ints, forecast: Floats) -> None:
        values, level = np.unique(-forecast, return_inverse=True)
        self._level, self._levels = level, len(values)
        self._taken = taken.astype(np.float64)
        self._right = ((forecast >= 0.5) == (taken == 1)).astype(np.float64)

    def auc(self, weights: Floats) -> float:
        """Share of (taken, not taken) pairs in the right order, ties half."""
        taken, others = self._sums(weights)
        before = np.cumsum(taken) - taken / 2
        return float((others * before).sum() / (taken.sum() * others.sum()))

    def average_precision(self, weights: Floats) -> float:
        """Precision averaged over the taken."""
        taken, others = self._sums(weights)
        found, seen = np.cumsum(taken), np.cumsum(taken + others)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return float((precision * taken).sum() / found[-1])

    def accuracy(self, weights: Floats) -> float:
        """Share of rows on the right side of one half."""
        return float((self._right * weights).sum() / weights.sum())

    def alift(self, weights: Floats) -> float:
        """Area under the curve of gains: share of rows called, best first, against share of the taken among them."""
        seen, found = self._gains(weights)
        return float(np.trapezoid(found, seen))

    def captured(self, share: float) -> Callable[[Floats], float]:
        """Share of all the taken that stand in the best `share` of the rows."""

        def measure(weights: Floats) -> float:
            seen, found = self._gains(weights)
            return float(np.interp(share, seen, found))

        return measure

    def lift(self, share: float) -> Callable[[Floats], float]:
        """How many times more often the best `share` of the rows is taken than all of them."""
        captured = self.captured(share)
        return lambda weights: captured(weights) / share

    def _sums(self, weights: Floats) -> tuple[Floats, Floats]:
        taken = np.bincount(self._level, weights=weights * self._taken, minlength=self._levels).astype(np.float64)
        others = np.bincount(self._level, weights=weights * (1.0 - self._taken), minlength=self._levels).astype(np.float64)
        return taken, others

    def _gains(self, weights: Floats) -> tuple[Floats, Floats]:
        taken, others = self._sums(weights)
        seen = np.concatenate(([0.0], np.cumsum(taken + others)))
        found = np.concatenate(([0.0], np.cumsum(taken)))
        return seen / seen[-1], found / found[-1]


Measure = Callable[[Floats], float]
"""Weights of the rows in, a figure out."""


class Drawn:
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


def draw_units(units: Ints, seed: int, draws: int) -> Iterable[Floats]:
    """Weights of the rows for each draw: how often the row's unit (numbered from 0) was drawn."""
    chance = np.random.default_rng(seed)
    people = int(units.max()) + 1
    for _ in range(draws):
        yield np.bincount(chance.integers(people, size=people), minlength=people).astype(np.float64)[units]
