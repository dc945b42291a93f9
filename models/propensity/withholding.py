"""What a gateway often does not know, made silent on purpose.

A history knows the weather and a person's habits far more often than a street does. So a model is shown every row twice,
the second time with some of that withheld; what the street does not know then has a measured effect, not an accidental
one. Columns that are one piece of knowledge fall silent together: no gateway knows whether it rains but not whether it snows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.core import features
from gateway.core.features import KINDS
from models.arrays import Rows

WITHHELD = 0.25  # share of second showings in which one source of knowledge is silent
ZONE = ("noise", "air", "crowd", "context_age")


def withhold(rows: Rows, seed: int) -> Rows:
    """Feature rows (n, len(FEATURES)) as a gateway may see them: sometimes no weather, no thermometer, no zone, few habits or none."""
    draws = np.random.default_rng(seed)
    weather, thermometer, habits = (draws.random((len(rows), 3)) < WITHHELD).T
    untold = (draws.random((len(rows), len(KINDS))) < WITHHELD / 2) | habits[:, np.newaxis]
    zone = draws.random(len(rows)) < WITHHELD
    seen = rows.copy()
    for name, silent in (("weather_", weather), ("temperature", thermometer), *((name, zone) for name in ZONE)):
        seen[np.ix_(silent, columns(name))] = np.nan
    for kind, silent in zip(KINDS, untold.T, strict=True):
        seen[silent, features.NAMES.index(f"visits_{kind}")] = np.nan
        asked = rows[:, features.NAMES.index(f"offer_{kind}")] == 1.0
        seen[silent & asked, features.NAMES.index("visits_this_kind")] = np.nan
    return seen


def blinded(rows: Rows) -> Rows:
    """The rows with neither weather, temperature, zone nor anybody's habits."""
    blind = rows.copy()
    for name in ("weather_", "temperature", "visits_", *ZONE):
        blind[:, columns(name)] = np.nan
    return blind


def columns(prefix: str) -> NDArray[np.int64]:
    """Where the columns stand whose names begin so."""
    return np.flatnonzero([name.startswith(prefix) for name in features.NAMES])
