"""CHAID decision tree (Kass 1980), at the significance level of 0.2 that the source asks for.

Each column has a few categories: quantile bins or codes, and unknown values, which may join any other category. Categories
with the same outcomes are merged. The p value of the merged table is multiplied by the number of possible merges and
by the number of columns tested (Bonferroni), and the column with the least p value splits the node if that is below the
level. Without the correction, a level of 0.2 splits nine of ten tables of noise.

The tree is then pruned: a fourth of the subjects are held out while it grows, and a node that does not lower the log-loss
is removed. Leaf probabilities are computed from all rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.arrays import Floats, Ints, Rows
from models.propensity import chi_square
from models.propensity.base import Classifier, smoothed_log_odds
from models.propensity.binning import BINS_MAX, Bins, bin_codes, fit_bins, outcome_counts
from models.propensity.merging import Merged, merge_any, merge_neighbours
from models.propensity.trees import TreeBuilder

HOLDOUT_ONE_IN = 4  # subjects are held out for pruning
STRENGTH = 5.0  # rows with the overall rate that each leaf starts with


class Node:
    """A node: log-odds of its rows, and for a split its column, the child of each category, (categories,), and the children."""

    def __init__(self, log_odds: float) -> None:
        self.log_odds = log_odds
        self.column = -1
        self.child_of: Ints = np.zeros(0, np.int64)
        self.children: list[Node] = []


class Split:
    """A candidate split: adjusted p value, column, and the group of each category, (categories,)."""

    def __init__(self, p: float, column: int, group_of: Ints) -> None:
        self.p, self.column, self.group_of = p, column, group_of


class Chaid(Classifier):
    """The tree. `nominal` numbers the columns of codes without order; `bonferroni=False` leaves out the correction."""

    _bins: tuple[Bins, ...]
    _root: Node
    _rate: float

    def __init__(
        self,
        alpha_split: float = 0.20,
        alpha_merge: float = 0.05,
        *,
        depth_max: int = 6,
        leaf_rows_min: int = 30,
        nominal: Sequence[int] = (),
        bonferroni: bool = True,
        prune: bool = True,
        seed: int = 0,
    ) -> None:
        self.alpha_split, self.alpha_merge = alpha_split, alpha_merge
        self.depth_max, self.leaf_rows_min = depth_max, leaf_rows_min
        self.nominal, self.bonferroni, self.prune, self.seed = nominal, bonferroni, prune, seed

    @property
    def leaves(self) -> int:
        """Number of leaves; 1 if no split was significant."""
        return _leaves(self._root)

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:
        """Grow the tree, prune it, and compute the leaves from all rows."""
        self._bins = fit_bins(rows, BINS_MAX, self.nominal)
        self._rate = (float(taken.sum()) + 0.5) / (len(taken) + 1.0)
        codes = bin_codes(rows, self._bins)
        held_out = self._held_out(len(taken) if groups is None else groups)
        at = np.arange(len(taken))
        self._root = self._grown(codes, taken, at[~held_out], 0)
        if self.prune:
            _pruned_loss(self._root, codes, taken, at[held_out])
        self._count(self._root, codes, taken, at)

    def _log_odds(self, rows: Rows) -> Floats:
        codes = bin_codes(rows, self._bins)
        log_odds = np.zeros(len(rows))
        _answer(self._root, codes, np.arange(len(rows)), log_odds)
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """The tree, with every split of many ways as a chain of splits of two."""
        builder = TreeBuilder()
        builder.start()
        self._written(builder, self._root)
        return (builder.build(0.0),)

    def _held_out(self, groups: Ints | int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        numbers = np.arange(groups) if isinstance(groups, int) else np.unique(groups, return_inverse=True)[1]
        people = int(numbers.max()) + 1
        if not self.prune:
            return np.zeros(len(numbers), bool)
        shuffled = np.random.default_rng(self.seed).permutation(people)
        held_out: np.ndarray[tuple[int], np.dtype[np.bool_]] = shuffled[numbers] % HOLDOUT_ONE_IN == 0
        return held_out

    def _grown(self, codes: Ints, taken: Ints, at: Ints, depth: int) -> Node:
        node = Node(self._of_leaf(taken[at]))
        if depth == self.depth_max or len(at) < 2 * self.leaf_rows_min:
            return node
        split = self.best_split(codes[at], taken[at])
        if split is None or split.p > self.alpha_split:
            return node
        node.column, node.child_of = split.column, split.group_of
        goes = split.group_of[codes[at, split.column]]
        node.children = [self._grown(codes, taken, at[goes == child], depth + 1) for child in range(int(split.group_of.max()) + 1)]
        return node

    def best_split(self, codes: Ints, taken: Ints) -> Split | None:
        """The split of least adjusted p value for categories (n, k) and outcomes (n,), or None if no column has two groups."""
        sizes = np.array([of.size for of in self._bins])
        counts = outcome_counts(codes, taken, int(sizes.max()) + 1)
        unknown = counts[np.arange(len(sizes)), sizes]
        known = np.where((np.arange(int(sizes.max())) < sizes[:, np.newaxis])[:, :, np.newaxis], counts[:, :-1], 0.0)
        merged = merge_neighbours(known, unknown, self.alpha_merge, self.leaf_rows_min)
        for column in self.nominal:
            alone = merge_any(known[[column]], unknown[[column]], self.alpha_merge, self.leaf_rows_min)
            for part, whole in zip(alone, merged, strict=True):
                whole[column] = part[0]
        tried = int((merged.categories > 1).sum())
        able = np.flatnonzero(merged.groups > 1)
        if not len(able):
            return None
        multipliers = [self._multiplier(int(column), merged, tried) for column in able]
        p = np.minimum(merged.p[able] * np.array(multipliers, np.float64), 1.0)
        column = int(able[np.argmin(p)])
        return Split(float(p.min()), column, _group_of(merged.label[column], counts[column], self._bins[column]))

    def _multiplier(self, column: int, merged: Merged, tried: int) -> int:
        """Number of possible merges of the column, times the number of columns that were tested."""
        if not self.bonferroni:
            return 1
        categories, groups, of = int(merged.categories[column]), int(merged.groups[column]), self._bins[column]
        if of.nominal:
            return tried * chi_square.nominal_multiplier(categories, groups)
        floating = merged.label[column, -1] >= 0
        return tried * (chi_square.floating_multiplier if floating else chi_square.ordinal_multiplier)(categories, groups)

    def _count(self, node: Node, codes: Ints, taken: Ints, at: Ints) -> None:
        node.log_odds = self._of_leaf(taken[at])
        goes = node.child_of[codes[at, node.column]] if node.children else np.zeros(0, np.int64)
        for number, child in enumerate(node.children):
            self._count(child, codes, taken, at[goes == number])

    def _of_leaf(self, taken: Ints) -> float:
        return float(smoothed_log_odds(np.array([taken.sum()], np.float64), np.array([len(taken)], np.float64), self._rate, STRENGTH)[0])

    def _written(self, builder: TreeBuilder, node: Node) -> int:
        if not node.children:
            return builder.leaf(node.log_odds)
        of = self._bins[node.column]
        if node.child_of[-1] in node.child_of[:-1]:
            return self._known(builder, node, 0, of.size - 1)
        root = builder.reserve()
        unknown = self._written(builder, node.children[node.child_of[-1]])
        builder.split_unknown(root, node.column, unknown, self._known(builder, node, 0, of.size - 1))
        return root

    def _known(self, builder: TreeBuilder, node: Node, low: int, high: int) -> int:
        """The node for the bins `low` to `high`: the child that all share, else a split between two bins.

        Unknown values go to a side that contains the child of unknown, so that this child is not written twice.
        """
        goes = node.child_of[low : high + 1]
        borders = np.flatnonzero(np.diff(goes))
        if not len(borders):
            return self._written(builder, node.children[goes[0]])
        at, border = builder.reserve(), low + int(borders[len(borders) // 2])
        yes, no = self._known(builder, node, low, border), self._known(builder, node, border + 1, high)
        unknown_yes = bool(node.child_of[-1] in goes[: border - low + 1])
        builder.split(at, node.column, float(self._bins[node.column].edges[border]), yes, no, unknown_yes=unknown_yes)
        return at


def _group_of(label: Ints, counts: Floats, of: Bins) -> Ints:
    """The group of each bin of one column, unknown last: an empty bin joins its neighbour, an empty unknown the largest group."""
    group_of = np.append(label[: of.size], label[-1])
    if group_of[-1] < 0:
        rows = np.bincount(group_of[:-1][group_of[:-1] >= 0], counts[: of.size].sum(axis=1)[group_of[:-1] >= 0])
        group_of[-1] = int(np.argmax(rows))
    known = np.flatnonzero(group_of[:-1] >= 0)
    for category in np.flatnonzero(group_of < 0):
        below = known[known < category]
        beside = below[-1] if len(below) else known[0]
        group_of[category] = group_of[-1 if of.nominal else beside]
    return group_of


def _pruned_loss(node: Node, codes: Ints, taken: Ints, at: Ints) -> float:
    """Remove every split below `node` that does not lower the summed log-loss of the rows `at`, and return that loss."""
    alone = float(np.logaddexp(0.0, np.where(taken[at] == 1, -node.log_odds, node.log_odds)).sum())
    if not node.children:
        return alone
    goes = node.child_of[codes[at, node.column]]
    below = sum(_pruned_loss(child, codes, taken, at[goes == number]) for number, child in enumerate(node.children))
    if below >= alone:
        node.children = []
        return alone
    return below


def _answer(node: Node, codes: Ints, at: Ints, log_odds: Floats) -> None:
    if not node.children:
        log_odds[at] = node.log_odds
        return
    goes = node.child_of[codes[at, node.column]]
    for number, child in enumerate(node.children):
        _answer(child, codes, at[goes == number], log_odds)


def _leaves(node: Node) -> int:
    return sum(map(_leaves, node.children)) if node.children else 1
