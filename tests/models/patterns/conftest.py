"""Groceries baskets, mined once for all tests of this folder."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from models.history.derived import Baskets
from models.patterns.basket_file import read_basket_file
from models.patterns.itemsets import Itemsets, frequent_itemsets
from models.patterns.rules import Rule, rules_of
from tests.kit.shared import shared_path

SUPPORT = 0.001


class Groceries(NamedTuple):
    """All baskets, those over frequent items, the frequent sets, and every rule with a confidence of at least one half."""

    everything: Baskets
    baskets: Baskets
    sets: Itemsets
    rules: tuple[Rule, ...]


@pytest.fixture(scope="session")
def groceries() -> Groceries:
    path = shared_path("data/tables/groceries/groceries_baskets.txt.gz")
    baskets = read_basket_file(path, ";", SUPPORT)
    sets = frequent_itemsets(baskets, SUPPORT)
    return Groceries(read_basket_file(path, ";", 0.0), baskets, sets, rules_of(sets, 0.5))
