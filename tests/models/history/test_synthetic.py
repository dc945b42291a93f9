"""Synthetic histories are reproducible and contain the planted pair."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.history import derived
from models.history.reading import open_history
from models.history.scale import STAGES, measure
from models.history.synthetic import PLANTED, generate
from models.patterns.itemsets import frequent_itemsets
from models.patterns.rules import prune, rules_of


def _rows(folder: Path) -> str:
    with open_history(interactions=folder / "interactions", baskets=folder / "baskets") as history:
        rows = (history.sql(f"FROM {table} ORDER BY ALL").fetchall() for table in ("interactions", "baskets"))
        return hashlib.sha256(repr(list(rows)).encode()).hexdigest()


def test_same_seed_same_rows(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(tmp_path / name, 3_000, seed)
    assert _rows(tmp_path / "a") == _rows(tmp_path / "b")
    assert _rows(tmp_path / "a") != _rows(tmp_path / "c")


def test_only_the_planted_pair_is_left_of_all_rules(tmp_path: Path) -> None:
    synthetic = generate(tmp_path / "made", 100_000, seed=1)
    with open_history(baskets=synthetic.baskets) as history:
        assert history.row_counts_of("baskets").used == synthetic.basket_rows
        found = frequent_itemsets(derived.baskets(history, 0.005), 0.005)
    kept = prune(rules_of(found, 0.1)).kept
    assert {frozenset((*rule.left, rule.right)) for rule in kept} == {frozenset(PLANTED)}


def test_a_measurement_takes_every_stage_once() -> None:
    steps: list[str] = []
    measured = measure(3_000, 1, 256, 1, steps.append)
    assert tuple(steps) == STAGES == tuple(stage.name for stage in measured.stages)
    assert measured.rows == measured.stages[1].out
    assert all(stage.peak_mb > 0 for stage in measured.stages)


@pytest.mark.soak
def test_ten_million_rows_fit_into_little_memory() -> None:
    measured = measure(10_000_000, 1, 1_024, 2, lambda _: None)
    assert measured.rows >= 9_500_000
    assert measured.stages[-1].peak_mb < 2_500
