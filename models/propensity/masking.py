"""Training rows with some values masked, so that a model meets the gaps that a gateway has.

A history knows weather and habits far more often than a gateway does. A model is therefore fitted to every row twice, the second
time with some values unknown; the effect of an unknown value is then measured and no accident. All columns of an attribute are
masked together: a gateway does not know whether it rains without knowing whether it snows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.arrays import Rows
from models.inputs import Inputs

MASKED_SHARE = 0.25  # of the rows, for each reading and for the person as a whole; half of it for each attribute of the person


def mask(rows: Rows, inputs: Inputs, seed: int) -> Rows:
    """A copy of rows (n, columns) with readings and personal attributes unknown at times."""
    draws = np.random.default_rng(seed)
    masked = rows.copy()
    for one in inputs.attributes("reading"):
        masked[np.ix_(draws.random(len(rows)) < MASKED_SHARE, inputs.positions(one))] = np.nan
    person = draws.random(len(rows)) < MASKED_SHARE
    unknown: dict[str, NDArray[np.bool_]] = {}
    for one in [one for one in inputs.used if one.about == "person"]:
        unknown[one.name] = (draws.random(len(rows)) < MASKED_SHARE / 2) | person
        masked[np.ix_(unknown[one.name], inputs.positions(one))] = np.nan
    for one in inputs.attributes("between"):
        assert one.between is not None
        for category, name in one.between.by_category.items():
            masked[np.ix_(unknown[name] & _of_category(rows, inputs, category), inputs.positions(one))] = np.nan
    return masked


def without_context(rows: Rows, inputs: Inputs) -> Rows:
    """A copy of the rows with all readings and all personal attributes unknown."""
    masked = rows.copy()
    hidden = [one for one in inputs.used if one.reading is not None or one.about == "person" or (one.between and one.between.by_category)]
    masked[:, [place for one in hidden for place in inputs.positions(one)]] = np.nan
    return masked


def _of_category(rows: Rows, inputs: Inputs, category: str) -> NDArray[np.bool_]:
    """Rows whose offer has this category; none if the model does not read it."""
    column = f"{inputs.category.name}_{category}" if inputs.category else ""
    if column not in inputs.columns:
        return np.zeros(len(rows), dtype=bool)
    found: NDArray[np.bool_] = rows[:, inputs.columns.index(column)] == 1.0
    return found
