"""CHAID splits where it should, and hardly ever in noise."""

from __future__ import annotations

import numpy as np
import pytest

from models.propensity import chi_square
from models.propensity.chaid import Chaid
from tests.models.propensity import training_sets


def table_rows(counts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The rows behind a table of counts: one 0/1 column, and the outcome in the table's columns."""
    cells = [(row, outcome) for row, line in enumerate(counts) for outcome, count in enumerate(line) for _ in range(count)]
    return np.array([[row] for row, _ in cells], np.float32), np.array([outcome for _, outcome in cells], np.int64)


@pytest.mark.parametrize(
    ("counts", "statistic", "p", "splits_at"),
    [([[30, 70], [20, 80]], 2.6667, 0.1025, {0.20: True, 0.05: False}), ([[26, 74], [20, 80]], 1.0163, 0.3134, {0.20: False, 0.05: False})],
)
def test_known_answers(counts: list[list[int]], statistic: float, p: float, splits_at: dict[float, bool]) -> None:
    assert chi_square.chi_square(np.array(counts, float)) == pytest.approx(statistic, abs=1e-4)
    assert float(chi_square.p_value(np.array(counts, float))) == pytest.approx(p, abs=1e-4)
    rows, taken = table_rows(counts)
    for level, splits in splits_at.items():
        assert (Chaid(level, prune=False).fit(rows, taken).leaves == 2) == splits


def test_ten_noise_predictors_split_nine_of_ten_times_without_correction() -> None:
    """1 - .8^10 = .893, and with the correction for ten tries 1 - .98^10 = .183. Six thousand tables of noise, 0/1 columns."""
    draws = np.random.default_rng(1)
    sizes = draws.binomial(400, 0.5, (6_000, 10))
    tables = np.zeros((6_000, 10, 2, 2))
    tables[:, :, 0, 0] = draws.binomial(sizes, 0.5)
    tables[:, :, 0, 1] = sizes - tables[:, :, 0, 0]
    tables[:, :, 1, 0] = draws.binomial(400 - sizes, 0.5)
    tables[:, :, 1, 1] = 400 - sizes - tables[:, :, 1, 0]
    best = chi_square.p_value(tables).min(axis=1)
    assert (best <= 0.20).mean() == pytest.approx(0.89, abs=0.02)
    assert (best * 10 <= 0.20).mean() == pytest.approx(0.18, abs=0.02)


def test_trees_on_noise_split_as_often_as_the_tables_say() -> None:
    """The same through the whole tree, 200 times."""
    draws = np.random.default_rng(2)
    split = {True: 0, False: 0}
    for _ in range(200):
        rows, taken = draws.integers(0, 2, (400, 10)).astype(np.float32), draws.integers(0, 2, 400)
        for bonferroni in split:
            split[bonferroni] += Chaid(depth_max=1, bonferroni=bonferroni, prune=False).fit(rows, taken).leaves > 1
    assert 0.83 <= split[False] / 200 <= 0.95
    assert 0.11 <= split[True] / 200 <= 0.26


def test_kass_multipliers() -> None:
    assert [chi_square.ordinal_multiplier(5, groups) for groups in (1, 2, 3, 5)] == [1, 4, 6, 1]
    assert [chi_square.nominal_multiplier(5, groups) for groups in (1, 2, 3, 4, 5)] == [1, 15, 25, 10, 1]
    # Three ordered categories and a floating one in two groups: alone, or one of two borders times two sides to join.
    assert chi_square.floating_multiplier(4, 2) == 1 + 2 * 2
    assert chi_square.floating_multiplier(2, 2) == 1


def test_unknown_joins_the_category_it_resembles() -> None:
    draws = np.random.default_rng(3)
    column = draws.choice(np.array([0.0, 1.0, np.nan], np.float32), 3_000)
    likely = np.where(np.isnan(column), 0.8, np.where(column == 1.0, 0.8, 0.2))
    tree = Chaid().fit(column[:, np.newaxis], (draws.random(3_000) < likely).astype(np.int64))
    low, high, unknown = tree.predict_proba(np.array([[0.0], [1.0], [np.nan]], np.float32))[:, 1]
    assert low < 0.3
    assert unknown == high > 0.7


def test_codes_without_order_are_merged_across() -> None:
    """Codes 1, 4 and 9 share a group though 2 and 3 lie between; a code without training rows counts as unknown."""
    draws = np.random.default_rng(4)
    code = draws.choice(np.array([1, 2, 3, 4, 9], np.float32), 4_000, p=[0.3, 0.25, 0.2, 0.15, 0.1])
    likely = np.where(np.isin(code, [1, 4, 9]), 0.7, 0.3)
    tree = Chaid(alpha_merge=0.001, nominal=(0,)).fit(code[:, np.newaxis], (draws.random(4_000) < likely).astype(np.int64))
    answers = tree.predict_proba(np.array([[1], [4], [9], [2], [3], [7], [np.nan]], np.float32))[:, 1]
    assert tree.leaves == 2
    assert len(set(answers[:3])) == len(set(answers[3:5])) == len(set(answers[5:])) == 1
    assert answers[0] > answers[3] + 0.3


def test_pruning_removes_splits_on_noise() -> None:
    """Without a correction the tree grows on noise; held-out subjects prune it."""
    draws = np.random.default_rng(5)
    rows, taken = draws.normal(size=(2_000, 10)).astype(np.float32), draws.integers(0, 2, 2_000)
    grown = Chaid(0.5, bonferroni=False, prune=False).fit(rows, taken)
    cut = Chaid(0.5, bonferroni=False).fit(rows, taken)
    assert cut.leaves < grown.leaves / 2


def test_subjects_are_held_out_whole() -> None:
    tree = Chaid()
    groups = np.repeat(np.arange(100), 7)
    held_out = tree._held_out(groups)
    assert 0.2 < held_out.mean() < 0.3
    assert len(np.unique(groups[held_out])) + len(np.unique(groups[~held_out])) == 100


def test_a_thousand_columns_are_fine() -> None:
    data = training_sets.planted(columns=1_000)
    tree = Chaid(prune=False).fit(data.rows, data.taken, data.groups)
    assert tree.leaves > 1
    assert (tree.predict(data.rows) == data.taken).mean() > 0.6
