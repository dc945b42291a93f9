"""Frequent itemsets, compared with mlxtend."""

from __future__ import annotations

import pandas as pd
import pytest
from mlxtend.frequent_patterns import fpgrowth

from models.history.derived import Baskets
from models.history.mapping import HistoryError
from models.patterns import itemsets
from models.patterns.basket_file import read_basket_file
from models.patterns.itemsets import PatternError, frequent_itemsets, sample_baskets
from tests.models.patterns.toy import baskets_of, drawn


def test_sets_by_hand() -> None:
    found = frequent_itemsets(baskets_of("abc", "abc", "ab", "c"), 0.5)
    assert found.counts == {(0,): 3, (1,): 3, (2,): 3, (0, 1): 3, (0, 2): 2, (1, 2): 2, (0, 1, 2): 2}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("length_max", [1, 2, 3, 10])
def test_mlxtend_finds_the_same_in_random_baskets(seed: int, length_max: int) -> None:
    baskets, holds = drawn(257, 12, seed)  # not a multiple of 64: the last block of bits is not full
    theirs = fpgrowth(pd.DataFrame(holds), min_support=0.05, max_len=length_max)
    expected = {tuple(sorted(items)): round(support * 257) for items, support in zip(theirs["itemsets"], theirs["support"], strict=True)}
    assert frequent_itemsets(baskets, 0.05, length_max).counts == expected


def test_a_thousand_items_of_which_none_is_frequent() -> None:
    baskets, _ = drawn(50, 1_000, 1, chance=0.001)
    assert frequent_itemsets(baskets, 0.5).counts == {}


def test_ten_baskets_are_mined_as_well() -> None:
    assert frequent_itemsets(baskets_of("ab", repeat=10), 0.5).counts == {(0,): 10, (1,): 10, (0, 1): 10}


def test_invalid_input_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PatternError, match="not a share"):
        frequent_itemsets(baskets_of("ab"), 0.0)
    empty = baskets_of("a")
    with pytest.raises(PatternError, match="no basket"):
        frequent_itemsets(Baskets(empty.rows[:0], empty.columns[:0], (), 0), 0.1)
    monkeypatch.setattr(itemsets, "SETS_MAX", 20)
    with pytest.raises(PatternError, match="raise the support"):
        frequent_itemsets(baskets_of("abcdefgh", repeat=3), 0.1)


def test_a_sample_holds_whole_baskets_and_about_the_number_of_rows() -> None:
    baskets, _ = drawn(400, 12, 3)
    for rows in (50, 500, 1_000):
        part = sample_baskets(baskets, rows, seed=1)
        assert part is not None
        assert rows - 24 <= len(part.rows) <= rows
        assert part.rows.max() < part.total < 400
    assert sample_baskets(baskets, 10**6, seed=1) is baskets
    assert sample_baskets(baskets, 0, seed=1) is None


def test_lines_that_hold_no_basket_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_text("\n ; \n", encoding="utf-8")
    with pytest.raises(HistoryError, match="no basket"):
        read_basket_file(path, ";", 0.1)
    path.write_text("tea;tea;milk\n", encoding="utf-8")
    assert len(read_basket_file(path, ";", 0.1).rows) == 2
