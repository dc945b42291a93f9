"""Figures over the test parts of cross-validation, with intervals that hold for new people.

Drawing the tested people again shows how much a figure depends on the sample that is tested, for given models. Another sample would
also have given other models, and the models of the folds share most of the training rows; an interval over tested people alone
is therefore too narrow. Here the variance of a figure's mean over J test parts is

    (1 / J + test / train) * S2,

where S2 is the variance between the parts, and test / train the ratio of the sizes (Nadeau & Bengio 2003, "Inference for the
generalization error"). A few parts may agree by chance, so S2 is at least the variance of one part over draws of its people.

A figure measured on further people varies with that sample as well: `of_new` adds its variance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Floats, Ints
from models.measures import Interval, draw_units

DRAWS = 200
Z = 1.959964  # half the width of a 95 % interval, in standard errors

Measure = Callable[[Floats], float]
"""A figure as a function of the weights of its rows."""


class Part(NamedTuple):
    """A test part: number of the repetition from 0, and the numbers of its rows, (m,)."""

    repetition: int
    rows: Ints


class FoldFigures:
    """Named figures on every test part, and on draws of units in the parts of the first repetition."""

    def __init__(
        self,
        makers: Mapping[str, Callable[[Part], Measure]],
        parts: Sequence[Part],
        units: Ints,
        seed: int,
        *,
        test_to_train: float,
        draws: int = DRAWS,
    ) -> None:
        """`makers` give a figure's measure on the rows of a part; `units` (n,) numbers the person, session, … of each row from 0."""
        self._ratio = test_to_train
        self._parts = len(parts)
        measures = {name: [make(part) for part in parts] for name, make in makers.items()}
        self._whole = {
            name: np.array([measure(np.ones(len(part.rows))) for measure, part in zip(of, parts, strict=True)])
            for name, of in measures.items()
        }
        first = [index for index, part in enumerate(parts) if part.repetition == 0]
        self._units = float(np.mean([len(np.unique(units[parts[index].rows])) for index in first]))
        self._drawn = {name: np.empty((draws, len(first))) for name in makers}
        for number, weights in enumerate(draw_units(units, seed, draws)):
            drawn = [weights[parts[index].rows] for index in first]
            for name, of in measures.items():
                values = [of[index](of_part) if of_part.any() else np.nan for index, of_part in zip(first, drawn, strict=True)]
                self._drawn[name][number] = values

    def value(self, name: str) -> float:
        """Mean of the figure over all parts; a part without the figure (NaN) is left out."""
        return float(np.nanmean(self._whole[name]))

    def of(self, name: str) -> Interval:
        """The figure with the 95 % interval of its value for new people."""
        return self._interval(self._whole[name], self._drawn[name], None)

    def difference(self, name: str, base: str) -> Interval:
        """One figure minus another, on the same parts and draws, with the 95 % interval of its value for new people."""
        return self._interval(self._whole[name] - self._whole[base], self._drawn[name] - self._drawn[base], None)

    def of_new(self, name: str, units: int) -> Interval:
        """The figure with the 95 % interval of its value measured on `units` new people."""
        return self._interval(self._whole[name], self._drawn[name], units)

    def difference_of_new(self, name: str, base: str, units: int) -> Interval:
        """One figure minus another, with the 95 % interval of its value measured on `units` new people."""
        return self._interval(self._whole[name] - self._whole[base], self._drawn[name] - self._drawn[base], units)

    def _interval(self, whole: Floats, drawn: Floats, new: int | None) -> Interval:
        whole = whole[np.isfinite(whole)]
        of_people = float(np.nanmean(np.nanvar(drawn, axis=0)))
        between = float(np.var(whole, ddof=1)) if len(whole) > 1 else 0.0
        variance = (1.0 / len(whole) + self._ratio) * max(between, of_people)
        if new is not None:
            variance += of_people * self._units / new
        half, value = Z * variance**0.5, float(whole.mean())
        return Interval(value=value, low=value - half, high=value + half)
