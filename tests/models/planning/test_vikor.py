"""Entropy weights and VIKOR against the published tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.planning.sheets import PlanningError, Sheet
from models.planning.vikor import entropy_weights, rank
from tests.kit.shared import shared_path

SETS = {
    **dict.fromkeys((1.0, 0.9, 0.8, 0.7), ("A6", "A9", "A4")),
    **dict.fromkeys((0.6, 0.5, 0.4, 0.3), ("A6", "A9")),
    0.2: ("A6", "A9", "A2"),
    0.1: ("A6", "A2", "A9"),
}


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return dict(json.loads(shared_path("published/entropy_vikor_segments.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def sheet(published: dict[str, Any]) -> Sheet:
    rows = {"A1": published["a1_row_recovered"], **published["decision_matrix"]}
    return Sheet(tuple(rows), tuple(published["criteria"]), np.array(list(rows.values())))


def test_entropy_weights_are_the_published_ones(published: dict[str, Any], sheet: Sheet) -> None:
    entropy = entropy_weights(sheet.cells, sheet.columns)
    assert entropy.weights == pytest.approx(tuple(published["published_entropy"]["weights"]), abs=2e-3)
    assert entropy.entropy == pytest.approx(tuple(published["published_entropy"]["E"]), abs=6e-4)


def test_every_q_is_the_published_one(published: dict[str, Any], sheet: Sheet) -> None:
    ranking = rank(sheet, published["published_entropy"]["weights"], sweep=published["v"])
    compared = 0
    for name, q in published["published_Q"].items():
        if name == "A1":
            continue  # its row was lost in print
        ours = [compromise.q[sheet.rows.index(name)] for compromise in ranking.sweep]
        assert ours == pytest.approx(q, abs=2e-4), name
        compared += len(q)
    assert compared == 80


def test_the_sets_are_the_published_ones(published: dict[str, Any], sheet: Sheet) -> None:
    ranking = rank(sheet, published["published_entropy"]["weights"], sweep=published["v"])
    assert {compromise.v: compromise.proposed for compromise in ranking.sweep} == SETS
    assert not any(compromise.has_advantage for compromise in ranking.sweep)  # one winner would be a misuse
    assert {name for compromise in ranking.sweep for name in compromise.proposed} == {"A6", "A9", "A4", "A2"}  # the four segments


def test_one_that_is_best_in_everything_stands_alone() -> None:
    ranking = rank(Sheet(("x", "y", "z"), ("a", "b"), np.array([[9.0, 9], [1, 2], [2, 1]])), (1, 1))
    assert {compromise.proposed for compromise in ranking.sweep} == {("x",)}


def test_a_cost_turns_the_order_round() -> None:
    made = Sheet(("cheap", "dear"), ("price",), np.array([[1.0], [9.0]]))
    assert rank(made, (1,)).sweep[0].proposed == ("dear",)
    assert rank(made, (1,), costs=("price",)).sweep[0].proposed == ("cheap",)


def test_a_best_that_is_not_stable_shares_with_the_next() -> None:
    """By Q at v = 0.5 the balanced one is far ahead, but neither the sum nor the regret of the others puts it first."""
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(2_000):
        ranking = rank(
            Sheet(("x", "y", "z", "w"), ("a", "b", "c"), rng.uniform(1, 9, (4, 3))), rng.uniform(0.1, 1, 3).tolist(), sweep=(0.5,)
        )
        (one,) = ranking.sweep
        assert one.q[ranking.alternatives.index(one.proposed[0])] == min(one.q)
        if one.has_advantage:
            assert len(one.proposed) == (1 if one.is_stable else 2)
            seen += not one.is_stable
    assert seen > 0


@pytest.mark.parametrize(
    ("cells", "weights", "costs", "complaint"),
    [
        ([[1.0, 2.0]], (1, 1), (), "one alternative only"),
        ([[1.0, 2.0], [1.0, 2.0]], (1, 1), (), "equal in every criterion"),
        ([[1.0, 2.0], [2.0, 1.0]], (1,), (), "need as many weights"),
        ([[1.0, 2.0], [2.0, 1.0]], (1, -1), (), "none negative"),
        ([[1.0, 2.0], [2.0, 1.0]], (1, 1), ("c",), "no criterion is called 'c'"),
    ],
)
def test_what_cannot_be_ranked(cells: list[list[float]], weights: tuple[float, ...], costs: tuple[str, ...], complaint: str) -> None:
    names = tuple("xyz"[: len(cells)])
    with pytest.raises(PlanningError, match=complaint):
        rank(Sheet(names, ("a", "b"), np.array(cells)), weights, costs=costs)


def test_entropy_needs_positive_figures_that_differ() -> None:
    with pytest.raises(PlanningError, match="'b' has others"):
        entropy_weights(np.array([[1.0, 0.0], [1.0, 1.0]]), "ab")
    with pytest.raises(PlanningError, match="no entropy weights"):
        entropy_weights(np.ones((3, 2)), "ab")
