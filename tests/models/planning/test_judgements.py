"""Judgements in words and as triangular numbers, and Buckley's fuzzy weights."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from models.planning.ahp import comparison_matrix, fuzzy_weights, group_weights, matrix_weights
from models.planning.judgements import SCALE, Judgements, Triangle, judgement, read_judgements
from models.planning.sheets import PlanningError, Sheet
from tests.kit.shared import shared_path

TEXT = ",a,b,c\na,,{ab},{ac}\nb,,,{bc}\nc,,,\n"


@pytest.mark.parametrize(
    ("text", "triangle"),
    [
        ("equally important", (1, 1, 1)),
        ("Moderately more important", (2, 3, 4)),
        ("strong", (4, 5, 6)),
        ("very strongly more", (6, 7, 8)),
        ("Extremely more preferred", (8, 9, 9)),
        ("weakly more important", (1, 2, 3)),
        ("equally to moderately", (1, 2, 3)),
        ("moderately to strongly more important", (3, 4, 5)),
        ("strong plus", (5, 6, 7)),
        ("very, very strongly more important", (7, 8, 9)),
        ("moderately less important", (1 / 4, 1 / 3, 1 / 2)),
        ("extremely less", (1 / 9, 1 / 9, 1 / 8)),
        ("3", (3, 3, 3)),
        ("1/3", (1 / 3, 1 / 3, 1 / 3)),
        ("2 3 4", (2, 3, 4)),
        ("1/4 1/3 1/2", (1 / 4, 1 / 3, 1 / 2)),
    ],
)
def test_texts_of_cells(text: str, triangle: tuple[float, float, float]) -> None:
    assert judgement(text) == triangle


def test_the_scale_holds_one_to_nine_in_words() -> None:
    assert set(SCALE.values()) == set(range(1, 10))
    assert math.isnan(judgement("").middle)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("modarately more", "do you mean 'moderate'"),
        ("equally less important", "is no judgement"),
        ("more important", "is no judgement"),
        ("strongly more or less important", "is no judgement"),
        ("4 3 2", "three ascending positive numbers"),
        ("2 3", "three ascending positive numbers"),
        ("-1 0 1", "three ascending positive numbers"),
        ("nan", "is no judgement"),
    ],
)
def test_a_text_that_is_no_judgement_is_refused_by_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "judge.csv"
    path.write_text(TEXT.format(ab=f'"{text}"', ac=1, bc=1))
    with pytest.raises(PlanningError, match="line 2, column 'b' holds ") as error:
        read_judgements(path)
    assert complaint in str(error.value)


def test_words_give_the_weights_of_their_numbers(tmp_path: Path) -> None:
    """The middle of a phrase is Saaty's number: same eigenvector, same consistency, the vague width beside it."""
    words, numbers = tmp_path / "words.csv", tmp_path / "numbers.csv"
    words.write_text(TEXT.format(ab="moderately more important", ac="strongly more important", bc="equally to moderately more"))
    numbers.write_text(TEXT.format(ab=3, ac=5, bc=2))
    worded, numbered = (group_weights([comparison_matrix(read_judgements(path))], "abc") for path in (words, numbers))
    assert worded.group == numbered.group
    assert numbered.fuzzy.is_crisp
    assert not worded.fuzzy.is_crisp
    assert all(low < middle < high for low, middle, high in zip(worded.fuzzy.low, worded.fuzzy.middle, worded.fuzzy.high, strict=True))
    assert worded.fuzzy.middle == numbered.fuzzy.middle


def test_two_criteria_by_hand() -> None:
    """Rows (√2, √3, 2) and (1/2, 1/√3, 1/√2); the low of one is divided by the sum of the highs."""
    matrix = np.array([[[1, 2], [1 / 4, 1]], [[1, 3], [1 / 3, 1]], [[1, 4], [1 / 2, 1]]])
    fuzzy = fuzzy_weights(matrix)
    assert fuzzy.low == pytest.approx((math.sqrt(2) / (2 + math.sqrt(1 / 2)), 0.5 / (2 + math.sqrt(1 / 2))))
    assert fuzzy.middle == pytest.approx((3 / 4, 1 / 4))
    assert fuzzy.high == pytest.approx((2 / (math.sqrt(2) + 0.5), math.sqrt(1 / 2) / (math.sqrt(2) + 0.5)))
    centroids = [sum(parts) / 3 for parts in zip(fuzzy.low, fuzzy.middle, fuzzy.high, strict=True)]
    assert fuzzy.weights == pytest.approx([centroid / sum(centroids) for centroid in centroids])


@pytest.mark.parametrize("size", range(2, 11))
def test_crisp_judgements_give_the_crisp_weights(size: int) -> None:
    draws = np.random.default_rng(size)
    upper = np.exp(np.triu(draws.uniform(-2, 2, (size, size)), 1))
    matrix = np.triu(upper, 1) + np.tril(1 / upper.T, -1) + np.eye(size)
    fuzzy = fuzzy_weights(np.stack([matrix] * 3))
    crisp = matrix_weights(matrix, "abcdefghij"[:size]).row_geometric_mean
    for part in (fuzzy.low, fuzzy.middle, fuzzy.high, fuzzy.weights):
        assert part == pytest.approx(crisp, abs=1e-12, rel=0)


def test_the_published_judgements_as_crisp_numbers(tmp_path: Path) -> None:
    """The source names Buckley's row geometric mean; from its matrix as printed it is .484 .242 .138 .069 .039 .029."""
    published = json.loads(shared_path("published/ahp_new_paradigms.json").read_text("utf-8"))
    path = tmp_path / "published.csv"
    rows = [[""] * (place + 1) + [f"{value}" for value in upper] for place, upper in enumerate([*published["upper_triangle"], []])]
    path.write_text(
        "\n".join(",".join(row) for row in (["", *"abcdef"], *([name, *row] for name, row in zip("abcdef", rows, strict=True))))
    )
    group = group_weights([comparison_matrix(read_judgements(path))], "abcdef")
    assert group.fuzzy.weights == pytest.approx(published["checked"]["row_geometric_mean_from_printed_matrix"], abs=8e-3)
    assert group.fuzzy.weights == pytest.approx(group.group.row_geometric_mean, abs=1e-12, rel=0)
    assert not group.group.is_consistent


def test_vaguer_judgements_give_wider_weights() -> None:
    def width(spread: float) -> float:
        matrix = comparison_matrix(judgements(Triangle(5 - spread, 5, 5 + spread)))
        fuzzy = fuzzy_weights(matrix)
        return fuzzy.high[0] - fuzzy.low[0]

    assert 0 == width(0) < width(1) < width(2)


def judgements(triangle: Triangle) -> Judgements:
    sheets = []
    for value in triangle:
        cells = np.full((2, 2), np.nan)
        cells[0, 1] = value
        sheets.append(cells)
    return Judgements(*(Sheet(("a", "b"), ("a", "b"), cells) for cells in sheets))


def test_the_reverse_of_a_phrase_is_its_reciprocal(tmp_path: Path) -> None:
    path = tmp_path / "judge.csv"
    path.write_text(",a,b\na,,moderately more important\nb,moderately less important,\n")
    assert comparison_matrix(read_judgements(path))[:, 1, 0] == pytest.approx([1 / 4, 1 / 3, 1 / 2])
    path.write_text(",a,b\na,,moderately more important\nb,strongly less important,\n")
    with pytest.raises(PlanningError, match="one is a misprint"):
        comparison_matrix(read_judgements(path))
