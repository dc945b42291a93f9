"""Splits of a benchmark, and its figures: over folds with intervals for new units, and on rows that were put aside.

With rows put aside, everything is chosen and every interval printed on the other rows. Then the models are fitted to all of those,
and each figure on the rows put aside is printed beside the interval that was expected for a sample of that size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from models.arrays import Floats, Ints
from models.benchmarks.benchmark import Line
from models.benchmarks.blending import folds
from models.benchmarks.weighted_ranking import WeightedRanking
from models.fold_figures import DRAWS, FoldFigures, Measure, Part
from models.measures import Interval
from models.put_aside import put_aside

SALT = "wayside boards"
ASIDE_TEXT = " of two thirds of the units; the others were put aside by a salted hash"

Makers = Mapping[str, Callable[[Part], Measure]]


class Splits(NamedTuple):
    """Row numbers to train on and to test on: of each fold of the developed rows, and of the developed rows and those put aside."""

    folds: tuple[tuple[Ints, Ints], ...]
    aside: tuple[Ints, Ints] | None

    def __len__(self) -> int:
        """Number of models to fit."""
        return len(self.folds) + (self.aside is not None)

    def all(self) -> Iterator[tuple[Ints, Ints]]:
        """Every split, that of the rows put aside last."""
        yield from self.folds
        if self.aside is not None:
            yield self.aside


def splits_of(taken: Ints, units: Ints | None, count: int, seed: int, *, aside: bool) -> Splits:
    """`count` folds, stratified by outcome or grouped by `units` (n,); with `aside`, without the units put aside."""
    out = put_aside(np.arange(len(taken)) if units is None else units, SALT) if aside else np.zeros(len(taken), np.bool_)
    developed = np.flatnonzero(~out)
    inside = folds(taken[developed], None if units is None else units[developed], count, seed)
    parts = tuple((developed[train], developed[test]) for train, test in inside)
    return Splits(parts, (developed, np.flatnonzero(out)) if aside else None)


class Findings:
    """Figures by name over the folds of `splits`, and on the rows put aside."""

    def __init__(
        self, makers: Makers, splits: Splits, units: Ints, seed: int, draws: int = DRAWS, test_to_train: float | None = None
    ) -> None:
        """`units` (n,) numbers the unit of each row from 0; `test_to_train` is that of folds, unless another ratio is given."""
        ratio = 1.0 / (len(splits.folds) - 1) if test_to_train is None else test_to_train
        parts = [Part(0, test) for _, test in splits.folds]
        self._folds = FoldFigures(makers, parts, units, seed, test_to_train=ratio, draws=draws)
        self._aside: dict[str, float] = {}
        if splits.aside is not None:
            rows = splits.aside[1]
            self._aside = {name: make(Part(0, rows))(np.ones(len(rows))) for name, make in makers.items()}
            self._units = len(np.unique(units[rows]))

    def of(self, name: str, base: str = "") -> Interval:
        """A figure, or with `base` its difference to another, with the 95 % interval for new units."""
        return self._folds.difference(name, base) if base else self._folds.of(name)

    def line(self, figure: str, name: str, base: str = "", **rest: Any) -> Line:
        """The line of a figure, or with `base` of its difference to another; `rest` are other fields of the line."""
        if not self._aside:
            return Line(figure=figure, ours=self.of(name, base), **rest)
        expected = self._folds.difference_of_new(name, base, self._units) if base else self._folds.of_new(name, self._units)
        shown = self._aside[name] - (self._aside[base] if base else 0.0)
        return Line(figure=figure, ours=self.of(name, base), expected=expected, aside=shown, **rest)


def ranking_makers(taken: Ints, forecasts: Mapping[str, Floats], figures: Mapping[str, Callable[[WeightedRanking], Measure]]) -> Makers:
    """Makers of "model figure" for each model's forecasts (n,) and each figure of its ranking."""
    return {
        f"{model} {name}": partial(_measure, figure, taken, forecast)
        for model, forecast in forecasts.items()
        for name, figure in figures.items()
    }


def _measure(figure: Callable[[WeightedRanking], Measure], taken: Ints, forecast: Floats, part: Part) -> Measure:
    return figure(WeightedRanking(taken[part.rows], forecast[part.rows]))


RANKED: Mapping[str, Callable[[WeightedRanking], Measure]] = {
    "AUC": lambda ranking: ranking.auc,
    "AP": lambda ranking: ranking.average_precision,
    "accuracy": lambda ranking: ranking.accuracy,
}
