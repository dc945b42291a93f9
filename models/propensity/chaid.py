"""CHAID: a tree that splits where a chi-square test is surprised (Kass 1980), as the source asks for: at a level of 0.2.

Each column is a few categories (quantile bins, or codes; unknown is one that may join any other). Those whose outcomes do
not differ are merged, the p value of what remains is multiplied by the number of ways in which it could have been merged
and by the number of columns that were tried, and the most surprising column splits, if it is surprising enough. A level of
0.2 without that correction finds a split in nine of ten tables of noise.

A generous level needs a second look: a fourth of the people are set aside while the tree grows, and a branch that does
not forecast them better than its root is cut off. Then every leaf counts all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from models.arrays import Floats, Ints, Rows
from models.propensity import chi_square
from models.propensity.base import Classifier, smoothed_log_odds
from models.propensity.binning import BINS_MAX, Bins, binned, cut_all, tables
from models.propensity.merging import Merged, merge_any, merge_neighbours
from models.propensity.trees import TreeBuilder

ASIDE = 4  # every fourth person judges the branches
STRENGTH = 5.0  # rows' worth of belief that a leaf is like everybody


class Branch:
    """A node: the log-odds of its rows; and where it splits, by which column and which category goes to which child."""

    def __init__(self, log_odds: float) -> None:
        self.log_odds = log_odds
        self.column = -1
        self.child_of: Ints = np.zeros(0, np.int64)
        self.children: list[Branch] = []


class Split:
    """One way to split: adjusted p value, column, and the group of each category."""

    def __init__(self, p: float, column: int, group_of: Ints) -> None:
        self.p, self.column, self.group_of = p, column, group_of


class Chaid(Classifier):
    """The tree. `nominal` are columns of codes without order; `bonferroni=False` is there to show what goes wrong without it."""

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
        self._alpha_split, self._alpha_merge = alpha_split, alpha_merge
        self._depth_max, self._leaf_rows_min = depth_max, leaf_rows_min
        self._nominal, self._bonferroni, self._prune, self._seed = tuple(nominal), bonferroni, prune, seed
        self._bins: tuple[Bins, ...]
        self._root: Branch
        self._rate: float

    @property
    def leaves(self) -> int:
        """How many leaves the tree has; 1 means that nothing was surprising."""
        return _leaves(self._root)

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:
        """Grow, cut back, count."""
        self._bins = cut_all(rows, BINS_MAX, self._nominal)
        self._rate = (float(taken.sum()) + 0.5) / (len(taken) + 1.0)
        codes = binned(rows, self._bins)
        aside = self._aside(len(taken) if groups is None else groups)
        everyone = np.arange(len(taken))
        self._root = self._grown(codes, taken, everyone[~aside], 0)
        if self._prune:
            _cut_back(self._root, codes, taken, everyone[aside])
        self._count(self._root, codes, taken, everyone)
        return self

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        codes = binned(rows, self._bins)
        log_odds = np.zeros(len(rows))
        _answer(self._root, codes, np.arange(len(rows)), log_odds)
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """The tree, with every split of many ways as a chain of splits of two."""
        builder = TreeBuilder()
        builder.start()
        self._written(builder, self._root)
        return (builder.build(0.0),)

    def _aside(self, groups: Ints | int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        numbers = np.arange(groups) if isinstance(groups, int) else np.unique(groups, return_inverse=True)[1]
        people = int(numbers.max()) + 1
        if not self._prune:
            return np.zeros(len(numbers), bool)
        shuffled = np.random.default_rng(self._seed).permutation(people)
        aside: np.ndarray[tuple[int], np.dtype[np.bool_]] = shuffled[numbers] % ASIDE == 0
        return aside

    def _grown(self, codes: Ints, taken: Ints, at: Ints, depth: int) -> Branch:
        branch = Branch(self._log_odds(taken[at]))
        if depth == self._depth_max or len(at) < 2 * self._leaf_rows_min:
            return branch
        split = self.best_split(codes[at], taken[at])
        if split is None or split.p > self._alpha_split:
            return branch
        branch.column, branch.child_of = split.column, split.group_of
        goes = split.group_of[codes[at, split.column]]
        branch.children = [self._grown(codes, taken, at[goes == child], depth + 1) for child in range(int(split.group_of.max()) + 1)]
        return branch

    def best_split(self, codes: Ints, taken: Ints) -> Split | None:
        """The most surprising way to split rows with these categories, or None where no column has two groups."""
        sizes = np.array([of.size for of in self._bins])
        counts = tables(codes, taken, int(sizes.max()) + 1)
        unknown = counts[np.arange(len(sizes)), sizes]
        known = np.where((np.arange(int(sizes.max())) < sizes[:, np.newaxis])[:, :, np.newaxis], counts[:, :-1], 0.0)
        merged = merge_neighbours(known, unknown, self._alpha_merge, self._leaf_rows_min)
        for column in self._nominal:
            alone = merge_any(known[[column]], unknown[[column]], self._alpha_merge, self._leaf_rows_min)
            for part, whole in zip(alone, merged, strict=True):
                whole[column] = part[0]
        tried = int((merged.categories > 1).sum())
        able = np.flatnonzero(merged.groups > 1)
        if not len(able):
            return None
        ways = [self._ways(int(column), merged, tried) for column in able]
        p = np.minimum(merged.p[able] * np.array(ways, np.float64), 1.0)
        column = int(able[np.argmin(p)])
        return Split(float(p.min()), column, _group_of(merged.label[column], counts[column], self._bins[column]))

    def _ways(self, column: int, merged: Merged, tried: int) -> int:
        """How many chances the column and its rivals had to surprise."""
        if not self._bonferroni:
            return 1
        categories, groups, of = int(merged.categories[column]), int(merged.groups[column]), self._bins[column]
        if of.nominal:
            return tried * chi_square.ways_nominal(categories, groups)
        floating = merged.label[column, -1] >= 0
        return tried * (chi_square.ways_floating if floating else chi_square.ways_ordinal)(categories, groups)

    def _count(self, branch: Branch, codes: Ints, taken: Ints, at: Ints) -> None:
        branch.log_odds = self._log_odds(taken[at])
        goes = branch.child_of[codes[at, branch.column]] if branch.children else np.zeros(0, np.int64)
        for number, child in enumerate(branch.children):
            self._count(child, codes, taken, at[goes == number])

    def _log_odds(self, taken: Ints) -> float:
        return float(smoothed_log_odds(np.array([taken.sum()], np.float64), np.array([len(taken)], np.float64), self._rate, STRENGTH)[0])

    def _written(self, builder: TreeBuilder, branch: Branch) -> int:
        if not branch.children:
            return builder.leaf(branch.log_odds)
        of = self._bins[branch.column]
        if branch.child_of[-1] in branch.child_of[:-1]:
            return self._known(builder, branch, 0, of.size - 1)
        root = builder.reserve()
        unknown = self._written(builder, branch.children[branch.child_of[-1]])
        builder.split_unknown(root, branch.column, unknown, self._known(builder, branch, 0, of.size - 1))
        return root

    def _known(self, builder: TreeBuilder, branch: Branch, low: int, high: int) -> int:
        """The node for the bins `low` to `high`: where they all go to one child that child, else a border between two of them.

        The unknown are sent to a side where some bin has their child, so that child is not written a second time for them.
        """
        goes = branch.child_of[low : high + 1]
        borders = np.flatnonzero(np.diff(goes))
        if not len(borders):
            return self._written(builder, branch.children[goes[0]])
        at, border = builder.reserve(), low + int(borders[len(borders) // 2])
        yes, no = self._known(builder, branch, low, border), self._known(builder, branch, border + 1, high)
        unknown_yes = bool(branch.child_of[-1] in goes[: border - low + 1])
        builder.split(at, branch.column, float(self._bins[branch.column].edges[border]), yes, no, unknown_yes=unknown_yes)
        return at


def _group_of(label: Ints, counts: Floats, of: Bins) -> Ints:
    """The group of each bin of one column, unknown last. What no row had goes with its neighbour, the unknown with the largest group."""
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


def _cut_back(branch: Branch, codes: Ints, taken: Ints, at: Ints) -> float:
    """The summed log-loss of the rows `at` below `branch`, after every split was removed that does not lower it."""
    alone = float(np.logaddexp(0.0, np.where(taken[at] == 1, -branch.log_odds, branch.log_odds)).sum())
    if not branch.children:
        return alone
    goes = branch.child_of[codes[at, branch.column]]
    below = sum(_cut_back(child, codes, taken, at[goes == number]) for number, child in enumerate(branch.children))
    if below >= alone:
        branch.children = []
        return alone
    return below


def _answer(branch: Branch, codes: Ints, at: Ints, log_odds: Floats) -> None:
    if not branch.children:
        log_odds[at] = branch.log_odds
        return
    goes = branch.child_of[codes[at, branch.column]]
    for number, child in enumerate(branch.children):
        _answer(child, codes, at[goes == number], log_odds)


def _leaves(branch: Branch) -> int:
    return sum(map(_leaves, branch.children)) if branch.children else 1
