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

from models.propensity.graph import Ensemble, Floats, Ints, Rows

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


class Grower:
    """Collects trees for `Graph.trees`, one node after the other."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, int, bool, bool, int, float, int, int, bool, float]] = []
        self._tree = -1
        self._next = 0

    def start(self) -> None:
        """A new tree: what `branch` or `leaf` adds first is its root."""
        self._tree += 1
        self._next = 0

    def leaf(self, weight: float) -> int:
        """A leaf; gives its number."""
        at = self.place()
        self._nodes.append((self._tree, at, True, False, 0, 0.0, 0, 0, False, weight))
        return at

    def place(self) -> int:
        """A number for a node that is filled later: a root has to come first."""
        self._next += 1
        return self._next - 1

    def fill(self, at: int, column: int, split: float, yes: int, no: int, *, unknown_yes: bool = False) -> None:
        """Node `at` asks whether `column` is at most `split`."""
        self._nodes.append((self._tree, at, False, False, column, split, yes, no, unknown_yes, 0.0))

    def fill_unknown(self, at: int, column: int, yes: int, no: int) -> None:
        """Node `at` asks whether `column` is unknown."""
        self._nodes.append((self._tree, at, False, True, column, 0.0, yes, no, True, 0.0))

    def ensemble(self) -> Ensemble:
        """All that was collected, in the order of trees and nodes; where nothing was, one tree that adds nothing."""
        if not self._nodes:
            self.start()
            self.leaf(0.0)
        fields = zip(*sorted(self._nodes), strict=True)
        kinds = (np.int64, np.int64, np.bool_, np.bool_, np.int64, np.float32, np.int64, np.int64, np.bool_, np.float64)
        return Ensemble(*(np.array(values, dtype=kind) for values, kind in zip(fields, kinds, strict=True)))


def sums(bins: Sequence[Bins], values: Sequence[Floats]) -> Ensemble:
    """One small tree a column, which turns its bin into its value: `values[column]` has `size` + 1 entries, unknown last."""
    grower = Grower()
    for column, (of, worth) in enumerate(zip(bins, values, strict=True)):
        if np.ptp(worth) == 0.0 and worth[0] == 0.0:
            continue
        grower.start()
        root = grower.place()
        unknown = grower.leaf(float(worth[-1]))
        known = _among(grower, column, of, worth, 0, of.size - 1)
        grower.fill_unknown(root, column, unknown, known)
    return grower.ensemble()


def _among(grower: Grower, column: int, of: Bins, worth: Floats, low: int, high: int) -> int:
    """The node that finds the bin between `low` and `high`, splitting in the middle."""
    if low == high:
        unseen = of.nominal and low % 2 == 0
        return grower.leaf(float(worth[-1] if unseen else worth[low]))
    at, middle = grower.place(), (low + high) // 2
    yes = _among(grower, column, of, worth, low, middle)
    no = _among(grower, column, of, worth, middle + 1, high)
    grower.fill(at, column, float(of.edges[middle]), yes, no)
    return at
