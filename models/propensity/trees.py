"""Sums of decision trees as arrays, for the estimators that scikit-learn does not have.

A `TreeSum` holds exactly what the ONNX operator TreeEnsembleRegressor needs. CHAID writes its one tree into it; naive Bayes
and the scorecard write one small tree a column that looks up the weight of a bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints
from models.propensity.binning import Bins


class TreeSum(NamedTuple):
    """A constant, and trees to be added to it, as arrays over the nodes, (nodes,).

    At an inner node a row goes to `yes` if its value is at most `split`, or if it is unknown and `unknown_yes` is set. Where
    `only_unknown` is set, only an unknown value goes to `yes`. `weight` counts at leaves.
    """

    base: float
    tree: Ints
    node: Ints
    leaf: NDArray[np.bool_]
    only_unknown: NDArray[np.bool_]
    column: Ints
    split: NDArray[np.float32]
    yes: Ints
    no: Ints
    unknown_yes: NDArray[np.bool_]
    weight: Floats


class TreeBuilder:
    """Collects the nodes of a `TreeSum`, one after the other."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, int, bool, bool, int, float, int, int, bool, float]] = []
        self._tree = -1
        self._next = 0

    def start(self) -> None:
        """Begin a new tree; the next node is its root."""
        self._tree += 1
        self._next = 0

    def leaf(self, weight: float) -> int:
        """Number of a new leaf."""
        at = self.reserve()
        self._nodes.append((self._tree, at, True, False, 0, 0.0, 0, 0, False, weight))
        return at

    def reserve(self) -> int:
        """Number of a node that `split` or `split_unknown` fills later: a root has to come before its children."""
        self._next += 1
        return self._next - 1

    def split(self, at: int, column: int, split: float, yes: int, no: int, *, unknown_yes: bool = False) -> None:
        """Let node `at` send values of `column` that are at most `split` to node `yes`, others to node `no`."""
        self._nodes.append((self._tree, at, False, False, column, split, yes, no, unknown_yes, 0.0))

    def split_unknown(self, at: int, column: int, yes: int, no: int) -> None:
        """Let node `at` send unknown values of `column` to node `yes`, others to node `no`."""
        self._nodes.append((self._tree, at, False, True, column, 0.0, yes, no, True, 0.0))

    def build(self, base: float) -> TreeSum:
        """All nodes in the order of trees and numbers. Without nodes the result is one tree that adds zero."""
        if not self._nodes:
            self.start()
            self.leaf(0.0)
        fields = zip(*sorted(self._nodes), strict=True)
        kinds = (np.int64, np.int64, np.bool_, np.bool_, np.int64, np.float32, np.int64, np.int64, np.bool_, np.float64)
        return TreeSum(base, *(np.array(values, dtype=kind) for values, kind in zip(fields, kinds, strict=True)))


def lookup_trees(bins: Sequence[Bins], weights: Sequence[Floats], base: float) -> TreeSum:
    """`base` plus the weight of each column's bin: `weights[column]` has `size` + 1 entries, the last one for unknown values."""
    builder = TreeBuilder()
    for column, (of, weight) in enumerate(zip(bins, weights, strict=True)):
        if not weight.any():
            continue
        builder.start()
        root = builder.reserve()
        unknown = builder.leaf(float(weight[-1]))
        known = _between(builder, column, of, weight, 0, of.size - 1)
        builder.split_unknown(root, column, unknown, known)
    return builder.build(base)


def _between(builder: TreeBuilder, column: int, of: Bins, weight: Floats, low: int, high: int) -> int:
    """Number of the node that finds the bin between `low` and `high` by bisection."""
    if low == high:
        unseen = of.nominal and low % 2 == 0
        return builder.leaf(float(weight[-1] if unseen else weight[low]))
    at, middle = builder.reserve(), (low + high) // 2
    yes = _between(builder, column, of, weight, low, middle)
    no = _between(builder, column, of, weight, middle + 1, high)
    builder.split(at, column, float(of.edges[middle]), yes, no)
    return at
