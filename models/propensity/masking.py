"""Training rows with some values masked, so that a model meets the gaps that a gateway has.

A history knows weather and habits far more often than a gateway does. A model is therefore fitted to every row twice, the second
time with some values unknown; the effect of an unknown value is then measured and no accident. Columns of one source are
masked together: a gateway does not know whether it rains without knowing whether it snows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.core import features
from gateway.core.features import KINDS
from models.arrays import Rows

MASKED_SHARE = 0.25  # of the rows, for each source
ZONE = ("noise", "air", "crowd", "context_age")


def mask(rows: Rows, seed: int) -> Rows:
    """A copy of feature rows (n, len(FEATURES)) with weather, temperature, zone and habits unknown at times."""
    draws = np.random.default_rng(seed)
    weather, thermometer, habits = (draws.random((len(rows), 3)) < MASKED_SHARE).T
    kinds = (draws.random((len(rows), len(KINDS))) < MASKED_SHARE / 2) | habits[:, np.newaxis]
    zone = draws.random(len(rows)) < MASKED_SHARE
    masked = rows.copy()
    for name, unknown in (("weather_", weather), ("temperature", thermometer), *((name, zone) for name in ZONE)):
        masked[np.ix_(unknown, columns(name))] = np.nan
    for kind, unknown in zip(KINDS, kinds.T, strict=True):
        masked[unknown, features.NAMES.index(f"visits_{kind}")] = np.nan
        of_this_kind = rows[:, features.NAMES.index(f"offer_{kind}")] == 1.0
        masked[unknown & of_this_kind, features.NAMES.index("visits_this_kind")] = np.nan
    return masked


def without_context(rows: Rows) -> Rows:
    """A copy of the rows with weather, temperature, zone and all habits unknown."""
    masked = rows.copy()
    for name in ("weather_", "temperature", "visits_", *ZONE):
        masked[:, columns(name)] = np.nan
    return masked


def columns(prefix: str) -> NDArray[np.int64]:
    """Numbers of the feature columns with names that begin with `prefix`."""
    return np.flatnonzero([name.startswith(prefix) for name in features.NAMES])
