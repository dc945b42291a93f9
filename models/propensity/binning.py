"""Columns in bins, with unknown values in a bin of their own, for the estimators that count (CHAID, naive Bayes, scorecard).

Edges are float32 values of the training data, so that a value falls into the same bin here and in ONNX. A nominal column
(codes without order) has an edge just below each code and one at it: every second bin then holds one code, and the bins
between hold codes that training did not have, which count as unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints, Rows

BINS_MAX = 10
CODES_MAX = 64  # of a nominal column; rarer codes count as unknown


class Bins(NamedTuple):
    """Rising edges of one column: bin i holds values above edge i - 1 and up to edge i, the last bin those above all edges."""

    edges: NDArray[np.float32]
    nominal: bool

    @property
    def size(self) -> int:
        """Number of bins of known values; unknown values have bin number `size`."""
        return len(self.edges) + 1

    def of(self, column: Rows) -> Ints:
        """The bin of each value of a column (n,), (n,)."""
        found = np.searchsorted(self.edges, column, side="left").astype(np.int64)
        unknown = np.isnan(column) | (self.nominal & (found % 2 == 0))
        return np.where(unknown, self.size, found)


def column_bins(column: Rows, bins_max: int = BINS_MAX, *, nominal: bool = False) -> Bins:
    """Bins of a column (n,): edges at quantiles of the known values, or around the commonest codes of a nominal column."""
    known = column[np.isfinite(column)]
    if nominal:
        codes, counts = np.unique(known, return_counts=True)
        seen = np.sort(codes[np.argsort(-counts, kind="stable")[:CODES_MAX]])
        return Bins(np.stack((np.nextafter(seen, np.float32(-np.inf)), seen), axis=1).ravel(), nominal=True)
    if not len(known):
        return Bins(np.zeros(0, np.float32), nominal=False)
    shares = np.arange(1, bins_max) / bins_max
    inner = np.unique(np.quantile(known, shares, method="inverted_cdf").astype(np.float32))
    return Bins(inner[inner < known.max()], nominal=False)  # an edge at the maximum would leave its last bin empty


def fit_bins(rows: Rows, bins_max: int = BINS_MAX, nominal: Sequence[int] = ()) -> tuple[Bins, ...]:
    """Bins of every column of rows (n, k); `nominal` numbers the columns of codes."""
    return tuple(column_bins(rows[:, column], bins_max, nominal=column in nominal) for column in range(rows.shape[1]))


def bin_codes(rows: Rows, bins: Sequence[Bins]) -> Ints:
    """The bin of every value of rows (n, k), (n, k)."""
    return np.stack([of.of(rows[:, column]) for column, of in enumerate(bins)], axis=1) if bins else np.zeros((len(rows), 0), np.int64)


def outcome_counts(codes: Ints, taken: Ints, width: int) -> Floats:
    """Rows of each outcome, not taken and taken, in each bin of each column, (k, width, 2), for bins (n, k) and outcomes (n,)."""
    columns = codes.shape[1]
    flat = (codes + np.arange(columns) * width) * 2 + taken[:, np.newaxis]
    return np.bincount(flat.ravel(), minlength=columns * width * 2).astype(np.float64).reshape(columns, width, 2)
