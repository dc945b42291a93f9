"""Association rules with one item on the right, and pruning.

Most rules above a support and a confidence are redundant: the item is popular anyway, or a shorter rule predicts it as well. A rule is
kept only if it passes four tests: lift (it raises the probability), leverage (in enough baskets to matter), improvement (more confident
than every rule with fewer items on its left, the empty left side included; Bayardo, Agrawal, Gunopulos 2000), and chi-square with
Benjamini-Hochberg over all rules tried. Chance has to be ruled out twice: for the whole left side against the right, and for each item on
the left among the baskets that hold the other ones; the weakest of these tests counts. (Without the second test, one true pair brings a
dozen chance companions with it.) All figures follow from the counts of frequent sets.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, false_discovery_control

from models.patterns.itemsets import Itemsets

Floats = NDArray[np.float64]
Tried = tuple[tuple[int, ...], int, tuple[int, ...]]  # left, right, and both in order

LIFT_MIN = 1.2
LEVERAGE_MIN = 1e-4
ALPHA = 0.05
IMPROVEMENT_MIN = 0.01


class Rule(msgspec.Struct, frozen=True):
    """Rule that baskets with `left` also hold `right`; counts are baskets.

    `baskets` is the count of left and right together; `chi2` tests left against right, `q` is the p value of the weakest test after
    Benjamini-Hochberg. `improvement` is the gain in confidence over the most confident rule with fewer items on its left.
    """

    left: tuple[str, ...]
    right: str
    baskets: int
    left_baskets: int
    right_baskets: int
    total: int
    confidence: float
    lift: float
    leverage: float
    chi2: float
    q: float
    improvement: float


class Pruned(NamedTuple):
    """Rules that are kept, by falling leverage, and the number of rules dropped by each test."""

    kept: tuple[Rule, ...]
    dropped: dict[str, int]


def rules_of(sets: Itemsets, confidence_min: float) -> tuple[Rule, ...]:
    """Rules with one item on the right and a confidence of at least `confidence_min`, also those with an empty left side.

    All rules of the sets are tested, and `q` corrects for all of them: correcting over the confident ones only would ignore how many were
    tried. A rule with an empty left side is not tested and has q 1.
    """
    tried = [(items[:place] + items[place + 1 :], items[place], items) for items in sets.counts for place in range(len(items))]
    if not tried:
        return ()
    counts = [(sets.counts[items], _count(sets, lefts), sets.counts[(right,)], sets.total) for lefts, right, items in tried]
    both, left, right, total = np.array(counts, dtype=np.float64).T
    statistic = chi_square(both, left, right, total)
    weakest = np.minimum(statistic, _least_of_each_item(sets, tried))
    q = np.ones(len(tried))
    tested = np.array([bool(lefts) for lefts, _, _ in tried])
    if tested.any():
        q[tested] = false_discovery_control(chi2.sf(weakest[tested], df=1))
    return tuple(
        _rule(sets, tried[row][0], tried[row][1], float(statistic[row]), float(q[row]))
        for row in np.flatnonzero(both >= confidence_min * left - 1e-9)
    )


def prune(
    rules: tuple[Rule, ...],
    *,
    lift_min: float = LIFT_MIN,
    leverage_min: float = LEVERAGE_MIN,
    alpha: float = ALPHA,
    improvement_min: float = IMPROVEMENT_MIN,
) -> Pruned:
    """Rules that pass every test; each other rule is counted at the first test that it fails."""
    dropped = dict.fromkeys(("lift", "leverage", "chance", "improvement"), 0)
    kept: list[Rule] = []
    for rule in rules:
        if rule.lift < lift_min:
            dropped["lift"] += 1
        elif rule.leverage < leverage_min:
            dropped["leverage"] += 1
        elif rule.q > alpha:
            dropped["chance"] += 1
        elif rule.improvement < improvement_min:
            dropped["improvement"] += 1
        else:
            kept.append(rule)
    kept.sort(key=lambda rule: (-rule.leverage, rule.left, rule.right))
    return Pruned(tuple(kept), dropped)


def chi_square(both: Floats, left: Floats, right: Floats, total: Floats) -> Floats:
    """Pearson's statistic (n,) of 2 x 2 tables, from counts of both, left, right and total; 0 where a margin is 0 or the total."""
    spread = left * (total - left) * right * (total - right)
    excess = total * both - left * right
    return np.divide(total * excess**2, spread, out=np.zeros_like(spread), where=spread > 0)


def _least_of_each_item(sets: Itemsets, tried: list[Tried]) -> Floats:
    """Least statistic (rules,) of any item on the left against the right side, among the baskets that hold the other items."""
    tests: list[tuple[int, int, int, int, int]] = []
    for row, (left, right, items) in enumerate(tried):
        if len(left) < 2:
            continue
        for place in range(len(left)):
            others = left[:place] + left[place + 1 :]
            with_right = sets.counts[tuple(sorted((*others, right)))]
            tests.append((row, sets.counts[items], sets.counts[left], with_right, sets.counts[others]))
    least = np.full(len(tried), np.inf)
    if tests:
        row, both, added, with_right, among = np.array(tests, dtype=np.float64).T
        np.minimum.at(least, row.astype(np.int64), chi_square(both, added, with_right, among))
    return least


def _rule(sets: Itemsets, left: tuple[int, ...], right: int, statistic: float, q: float) -> Rule:
    both, left_baskets, right_baskets = sets.counts[tuple(sorted((*left, right)))], _count(sets, left), sets.counts[(right,)]
    return Rule(
        left=tuple(sets.items[item] for item in left),
        right=sets.items[right],
        baskets=both,
        left_baskets=left_baskets,
        right_baskets=right_baskets,
        total=sets.total,
        confidence=both / left_baskets,
        lift=both * sets.total / (left_baskets * right_baskets),
        leverage=both / sets.total - left_baskets * right_baskets / sets.total**2,
        chi2=statistic,
        q=q,
        improvement=both / left_baskets - _best_shorter(sets, left, right),
    )


def _count(sets: Itemsets, items: tuple[int, ...]) -> int:
    return sets.counts[items] if items else sets.total


def _best_shorter(sets: Itemsets, left: tuple[int, ...], right: int) -> float:
    """Highest confidence of a rule to `right` with a proper subset of `left` on its left side; 0 if there is none."""
    shorter = (part for size in range(len(left)) for part in combinations(left, size))
    return max((sets.counts[tuple(sorted((*part, right)))] / _count(sets, part) for part in shorter), default=0.0)
