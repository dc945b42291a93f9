"""Association rules, the known answers: Groceries (Hahsler, Hornik, Reutterer 2006) as arules counts them.

Support 0.001 means at least 9.835, so 10 of 9,835 baskets; a rule has one item on the right and at most ten in all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mlxtend.frequent_patterns import fpgrowth

from models.patterns.rules import prune, rules_of
from tests.models.patterns.conftest import SUPPORT, Groceries


def test_groceries_have_9835_baskets_of_169_items_and_whole_milk_in_2513(groceries: Groceries) -> None:
    every = groceries.everything
    assert (every.total, len(every.items)) == (9_835, 169)
    assert int((every.columns == every.items.index("whole milk")).sum()) == 2_513
    assert groceries.sets.counts[(groceries.sets.items.index("whole milk"),)] == 2_513


@pytest.mark.parametrize(("confidence", "count"), [(0.8, 410), (0.6, 2_918), (0.5, 5_668)])
def test_groceries_known_answers(groceries: Groceries, confidence: float, count: int) -> None:
    assert sum(rule.confidence >= confidence for rule in groceries.rules) == count


def test_rules_with_an_empty_left_side_are_counted(groceries: Groceries) -> None:
    bare = [rule for rule in rules_of(groceries.sets, 0.19) if not rule.left]
    assert {rule.right: rule.baskets for rule in bare} == {"whole milk": 2_513, "other vegetables": 1_903}
    assert all(rule.lift == 1.0 and rule.q == 1.0 for rule in bare)


def test_mlxtend_finds_the_same_sets(groceries: Groceries) -> None:
    holds = np.zeros((groceries.baskets.total, len(groceries.baskets.items)), dtype=bool)
    holds[groceries.baskets.rows, groceries.baskets.columns] = True
    theirs = fpgrowth(pd.DataFrame(holds), min_support=SUPPORT)
    counted = {
        tuple(sorted(items)): round(support * len(holds)) for items, support in zip(theirs["itemsets"], theirs["support"], strict=True)
    }
    assert counted == groceries.sets.counts
    assert len(counted) == 13_492


def test_most_rules_are_redundant(groceries: Groceries) -> None:
    pruned = prune(groceries.rules)
    assert len(pruned.kept) + sum(pruned.dropped.values()) == len(groceries.rules)
    assert 0 < len(pruned.kept) < len(groceries.rules) / 10
    strongest = {rule.lift: rule for rule in pruned.kept}[max(rule.lift for rule in pruned.kept)]
    assert strongest.improvement >= 0.01
    # The best-known rule of the table: liquor and wine imply beer, with lift 11.2.
    assert any(
        rule.left == ("liquor", "red/blush wine") and rule.right == "bottled beer" and round(rule.lift, 1) == 11.2 for rule in pruned.kept
    )
