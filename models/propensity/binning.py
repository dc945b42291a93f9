"""Columns in bins: where a value lies, not how large it is, and unknown as a bin of its own.

Counting estimators (CHAID, naive Bayes, one parameter at a time) see a column as a few bins. The edges are float32 that
occur in the data, so that a value is in the same bin here and on a gateway, to the last bit. A nominal column (codes
without order) is the same thing with an edge just below and at each code: every second bin then holds exactly one code,
and the bins between hold codes that nobody has seen, which count as unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints, Rows

BINS_MAX = 10
CODES_MAX = 64  # codes of a nominal column; rarer ones count as unseen


class Bins(NamedTuple):
    """The edges of one column, float32 and rising: bin i holds what is above edge i - 1 and not above edge i; the last one the rest."""

    edges: NDArray[np.float32]
    nominal: bool

    @property
    def size(self) -> int:
        """Bins of known values; the unknown have the bin after the last."""
        return len(self.edges) + 1

    def of(self, column: Rows) -> Ints:
        """The bin of each value, (n,); `size` for what is unknown or, in a nominal column, a code that was never seen."""
        found = np.searchsorted(self.edges, column, side="left").astype(np.int64)
        unknown = np.isnan(column) | (self.nominal & (found % 2 == 0))
        return np.where(unknown, self.size, found)


def cut(column: Rows, bins_max: int = BINS_MAX, *, nominal: bool = False) -> Bins:
    """Edges at the quantiles of the known values (or around the commonest codes of a nominal column)."""
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


def cut_all(rows: Rows, bins_max: int = BINS_MAX, nominal: Sequence[int] = ()) -> tuple[Bins, ...]:
    """`cut` for every column of (n, k) rows."""
    return tuple(cut(rows[:, column], bins_max, nominal=column in nominal) for column in range(rows.shape[1]))


def binned(rows: Rows, bins: Sequence[Bins]) -> Ints:
    """The bin of every value, (n, k)."""
    return np.stack([of.of(rows[:, column]) for column, of in enumerate(bins)], axis=1) if bins else np.zeros((len(rows), 0), np.int64)


def tables(codes: Ints, taken: Ints, width: int) -> Floats:
    """How often each bin of each column was refused and taken, (k, width, 2)."""
    columns = codes.shape[1]
    flat = (codes + np.arange(columns) * width) * 2 + taken[:, np.newaxis]
    return np.bincount(flat.ravel(), minlength=columns * width * 2).astype(np.float64).reshape(columns, width, 2)
