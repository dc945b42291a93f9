"""Columns made fit for a linear model or a network: filled, flagged, scaled and bounded.

Unknown values become the column's median; where training had unknown values, a flag column is added. Values are divided by
their standard deviation and bounded at eight of it, so that one broken sensor cannot outweigh all other columns. A column
that never varied in training is left out. Everything is computed in float32, in the order of the ONNX graph.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints, Rows
from models.propensity.training_set import informative_columns

DEVIATIONS_MAX = 8.0
_DEVIATION_MIN = 1e-30  # its inverse is still a float32


class Preprocessor(NamedTuple):
    """Columns that are used and, of those, columns with a flag; mean, 1 / deviation and scaled median of the used ones, (used,)."""

    used: Ints
    flagged: Ints
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    unknown: NDArray[np.float32]

    def transform(self, rows: Rows) -> Floats:
        """The used columns, scaled, and the flags, (n, used + flagged), for rows (n, k): float64 that hold float32 values."""
        part = rows[:, self.used]
        with np.errstate(over="ignore"):  # a value that overflows is bounded below
            scaled = np.where(np.isnan(part), self.unknown, (part - self.mean) * self.scale)
        bounded = np.clip(scaled, np.float32(-DEVIATIONS_MAX), np.float32(DEVIATIONS_MAX))
        return np.hstack((bounded, np.isnan(rows[:, self.flagged]))).astype(np.float64)


class FirstLayer(NamedTuple):
    """`transform(rows) @ weights + bias`: weights (used + flagged, units), bias (units,)."""

    preprocessor: Preprocessor
    weights: Floats
    bias: Floats


def fit_preprocessor(rows: Rows) -> Preprocessor:
    """Medians, means and deviations of training rows (n, k); infinite values are left out."""
    used = informative_columns(rows)
    used = used if len(used) else np.zeros(1, np.int64)  # where nothing varies, one column stands in that gets no weight
    part = np.where(np.isfinite(rows[:, used]), rows[:, used], np.nan).astype(np.float64)
    part[:, np.isnan(part).all(axis=0)] = 0.0
    median = np.nanmedian(part, axis=0).astype(np.float32)
    filled = np.where(np.isnan(part), median, part)
    deviation = filled.std(axis=0)
    mean = filled.mean(axis=0).astype(np.float32)
    scale = (1.0 / np.where(deviation > _DEVIATION_MIN, deviation, 1.0)).astype(np.float32)
    return Preprocessor(
        used=used,
        flagged=used[np.isnan(rows[:, used]).any(axis=0)],
        mean=mean,
        scale=scale,
        unknown=(median - mean) * scale,
    )
