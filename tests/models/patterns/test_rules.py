"""Rules: figures by hand and by SciPy, and each pruning test alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, false_discovery_control

from models.patterns.itemsets import frequent_itemsets
from models.patterns.rules import chi_square, prune, rules_of
from tests.models.patterns.toy import baskets_of, drawn


def test_the_figures_of_a_rule_by_hand() -> None:
    found = {
        (rule.left, rule.right): rule
        for rule in rules_of(frequent_itemsets(baskets_of("ab", "ab", "ab", "a", "b", "c", "c", "c"), 0.1), 0.0)
    }
    rule = found[("a",), "b"]
    assert (rule.baskets, rule.left_baskets, rule.right_baskets, rule.total) == (3, 4, 4, 8)
    assert (rule.confidence, rule.lift, rule.leverage, rule.improvement) == (0.75, 1.5, 0.125, 0.25)
    assert rule.chi2 == pytest.approx(2.0)


def test_chi_square_is_scipys() -> None:
    draws = np.random.default_rng(1)
    for _ in range(20):
        table = draws.integers(1, 60, size=(2, 2))
        both, left, right, total = (np.array([float(n)]) for n in (table[0, 0], table[0].sum(), table[:, 0].sum(), table.sum()))
        assert chi_square(both, left, right, total)[0] == pytest.approx(chi2_contingency(table, correction=False)[0])
    assert chi_square(*(np.array([5.0]) for _ in range(4)))[0] == 0.0


def test_noise_is_pruned_by_chance() -> None:
    draws = np.random.default_rng(2)
    noise = [set(np.flatnonzero(draws.random(20) < 0.2)) for _ in range(500)]
    baskets = baskets_of(*("".join(chr(97 + int(item)) for item in basket) for basket in noise if basket))
    pruned = prune(rules_of(frequent_itemsets(baskets, 0.01), 0.0), lift_min=0.0, leverage_min=-1.0, improvement_min=-1.0)
    assert pruned.dropped["chance"] > 1_000
    assert len(pruned.kept) <= 2


def test_q_corrects_for_every_rule_tried() -> None:
    baskets, _ = drawn(300, 6, 5)
    sets = frequent_itemsets(baskets, 0.02, length_max=2)
    every = [rule for rule in rules_of(sets, 0.0) if rule.left]
    p = [chi2_contingency([[rule.baskets, rule.left_baskets - rule.baskets],
                           [rule.right_baskets - rule.baskets, rule.total - rule.left_baskets - rule.right_baskets + rule.baskets]],
                          correction=False)[1] for rule in every]  # fmt: skip
    assert [rule.q for rule in every] == pytest.approx(list(false_discovery_control(p)))
    sure = [rule for rule in rules_of(sets, 0.6) if rule.left]
    assert sure == [rule for rule in every if rule.confidence >= 0.6]


def test_a_rule_no_better_than_a_shorter_one_is_redundant() -> None:
    # b follows a; c is in half of all baskets and has nothing to do with it.
    found = rules_of(frequent_itemsets(baskets_of("ab", "abc", "a", "ac", "c", "", "cb", "", repeat=40), 0.01), 0.0)
    longer = next(rule for rule in found if rule.left == ("a", "c") and rule.right == "b")
    assert longer.improvement <= 0
    assert ("a", "c") not in {rule.left for rule in prune(found).kept if rule.right == "b"}


def test_a_chance_companion_of_a_true_pair_is_dropped() -> None:
    # Confidence 0.81 with the companion, 0.79 without: a difference that chance often makes.
    texts = ["abc"] * 81 + ["ac"] * 19 + ["ab"] * 79 + ["a"] * 21 + [""] * 600 + ["c"] * 200
    found = rules_of(frequent_itemsets(baskets_of(*texts), 0.01), 0.5)
    companion = next(rule for rule in found if rule.left == ("a", "c"))
    assert companion.improvement == pytest.approx(0.01)
    assert companion.chi2 > 300
    assert companion.q > 0.5
    assert {rule.left for rule in prune(found, improvement_min=0.001).kept if rule.right == "b"} == {("a",)}


@pytest.mark.parametrize(
    ("test", "limit"), [("lift", {"lift_min": 9.0}), ("leverage", {"leverage_min": 0.9}), ("improvement", {"improvement_min": 0.9})]
)
def test_each_pruning_test_drops_and_counts(test: str, limit: dict[str, float]) -> None:
    found = rules_of(frequent_itemsets(baskets_of("ab", "ab", "ab", "a", "c", "", "", "", repeat=50), 0.1), 0.0)
    assert ("a",) in {rule.left for rule in prune(found).kept}
    pruned = prune(found, **limit)
    assert not pruned.kept
    assert pruned.dropped[test] >= 1


def test_no_sets_no_rules() -> None:
    assert rules_of(frequent_itemsets(baskets_of("abc", "def"), 1.0), 0.5) == ()
