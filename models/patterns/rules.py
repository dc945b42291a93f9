"""Rules "who has these also has that", and the few of them that say something.

Most rules that clear a support and a confidence are redundant: the item is popular anyway, or a shorter rule says the
same. So a rule is kept only if it clears four hurdles: lift (it raises the chance), leverage (in enough baskets to
matter), improvement (more confident than every rule with fewer items on its left, the empty left side included), and
chi-square with Benjamini-Hochberg over all rules tried. Chance has to be ruled out twice: left and right must belong
together at all, and each item on the left must tell something where the others are in the basket already; the weakest of these
tests counts. (Without the second, one true pair drags a dozen chance companions along.) One item stands on the right; all
that is computed follows from the counts of frequent sets.
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
    """`left` in the basket, then `right` too.

    `baskets` hold all of them; `chi2` tests left against right, `q` is the p of the weakest test after Benjamini-Hochberg.

    `improvement` is how much surer the rule is than the surest rule with fewer items on its left.
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
    """The rules that are left, best first, and how many fell at which hurdle."""

    kept: tuple[Rule, ...]
    dropped: dict[str, int]


def rules_of(sets: Itemsets, confidence_min: float) -> tuple[Rule, ...]:
    """Every rule with one item on the right, also those with an empty left side, whose confidence is high enough.

    All rules that the sets give are tested, and `q` corrects for all of them: looking at the sure ones only would forget
    how many were tried. An empty left side tests nothing and has q 1.
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
    """The rules that clear every hurdle; each other one is counted at the first hurdle that it does not clear."""
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
    """Pearson's statistic of 2 x 2 tables of left and right, 0 where a side is everybody or nobody."""
    spread = left * (total - left) * right * (total - right)
    excess = total * both - left * right
    return np.divide(total * excess**2, spread, out=np.zeros_like(spread), where=spread > 0)


def _least_of_each_item(sets: Itemsets, tried: list[Tried]) -> Floats:
    """For each rule the least statistic of any item on its left against the right side, among baskets that hold the others."""
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
        improvement=both / left_baskets - _surest_shorter(sets, left, right),
    )


def _count(sets: Itemsets, items: tuple[int, ...]) -> int:
    return sets.counts[items] if items else sets.total


def _surest_shorter(sets: Itemsets, left: tuple[int, ...], right: int) -> float:
    """The highest confidence of any rule to `right` whose left side is a proper part of `left`; 0 where there is none."""
    shorter = (part for size in range(len(left)) for part in combinations(left, size))
    return max((sets.counts[tuple(sorted((*part, right)))] / _count(sets, part) for part in shorter), default=0.0)
