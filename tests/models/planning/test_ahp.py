"""AHP on the published matrix, which its source calls consistent although it is not."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.planning.ahp import RANDOM_INDEX, comparison_matrix, group_weights, matrix_weights
from models.planning.judgements import Judgements
from models.planning.sheets import PlanningError, Sheet
from tests.kit.shared import shared_path

LETTERS = "abcdefghij"


def crisp(sheet: Sheet) -> Judgements:
    return Judgements(sheet, sheet, sheet)


def sheet(upper: list[list[float]], names: tuple[str, ...]) -> Sheet:
    cells = np.full((len(names), len(names)), np.nan)
    for i, row in enumerate(upper):
        cells[i, i + 1 : i + 1 + len(row)] = row
    return Sheet(names, names, cells)


@pytest.fixture
def published() -> dict[str, Any]:
    return dict(json.loads(shared_path("published/ahp_new_paradigms.json").read_text("utf-8")))


def test_the_published_matrix_is_flagged(published: dict[str, Any]) -> None:
    """According to the source every consistency ratio is below 0.1; this matrix, as printed, has 0.170."""
    result = matrix_weights(
        comparison_matrix(crisp(sheet(published["upper_triangle"], tuple(published["labels"]))))[1], published["labels"]
    )
    assert result.consistency_ratio == pytest.approx(0.170, abs=5e-4)
    assert not result.is_consistent
    assert result.eigenvector == pytest.approx((0.4889, 0.2401, 0.1429, 0.0630, 0.0373, 0.0279), abs=5e-5)
    assert result.column_mean == pytest.approx(tuple(published["checked"]["column_sum_mean_from_reciprocals"]), abs=5e-4)
    assert result.column_mean == pytest.approx(tuple(published["published_weights"]), abs=2e-3)  # what was printed, rounded cells and all
    assert result.worst is not None
    assert (result.worst.first, result.worst.third) == ("Fourth industrial revolution", "Co-creation")
    assert result.worst.implied == pytest.approx(6.01 * 5.17)


def consistent(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights[:, None] / weights[None, :]


@pytest.mark.parametrize("size", range(2, 11))
def test_judgements_that_follow_from_weights_give_them_back(size: int) -> None:
    weights = np.random.default_rng(size).uniform(1, 3, size)
    result = matrix_weights(consistent(weights), LETTERS[:size])
    for way in (result.eigenvector, result.row_geometric_mean, result.column_mean):
        assert way == pytest.approx(tuple(weights / weights.sum()), abs=1e-9)
    assert result.consistency_ratio == pytest.approx(0, abs=1e-9)
    assert result.worst is None


def test_judgements_at_random_are_about_as_inconsistent_as_saaty_found() -> None:
    """The mean consistency ratio of random reciprocal matrices is 1 by definition of the random index."""
    draws = np.random.default_rng(7)
    scale = np.array([1 / 9, 1 / 8, 1 / 7, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for size in (4, 6, 8):
        ratios = []
        for _ in range(300):
            matrix = np.eye(size)
            for i, j in combinations(range(size), 2):
                matrix[i, j] = draws.choice(scale)
                matrix[j, i] = 1 / matrix[i, j]
            ratios.append(matrix_weights(matrix, LETTERS[:size]).consistency_ratio)
        assert np.mean(ratios) == pytest.approx(1.0, abs=0.08), RANDOM_INDEX[size - 1]


def test_a_group_is_the_geometric_mean_and_stays_reciprocal() -> None:
    one, two = consistent(np.array([4.0, 2.0, 1.0])), consistent(np.array([1.0, 2.0, 4.0]))
    group = group_weights([np.stack([one] * 3), np.stack([two] * 3)], "abc")
    assert group.group.eigenvector == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert [judge.eigenvector[0] for judge in group.judges] == pytest.approx([4 / 7, 1 / 7])


def test_the_worst_triad_is_where_the_fault_was_put() -> None:
    matrix = consistent(np.array([8.0, 4.0, 2.0, 1.0]))
    matrix[0, 2], matrix[2, 0] = 1 / 4, 4.0
    worst = matrix_weights(matrix, "abcd").worst
    assert worst is not None
    assert {"a", "c"} < {worst.first, worst.second, worst.third}


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([[1, 20], [np.nan, 1]], "holds 20; comparisons go from 1/9 to 9"),
        ([[1, np.nan], [np.nan, 1]], "holds nan"),
        ([[1, 4], [0.16, 1]], "one is a misprint"),
        ([[1]], "a judge can compare 2 to 10"),
    ],
)
def test_an_invalid_comparison_matrix_raises(cells: list[list[float]], complaint: str) -> None:
    names = tuple(LETTERS[: len(cells)])
    with pytest.raises(PlanningError, match=complaint):
        comparison_matrix(crisp(Sheet(names, names, np.array(cells, dtype=np.float64))))


def test_rows_and_columns_must_be_the_same() -> None:
    with pytest.raises(PlanningError, match="same criteria"):
        comparison_matrix(crisp(Sheet(("a", "b"), ("b", "a"), np.ones((2, 2)))))
