"""Survey tools: printed loadings, identical items, and factors that were planted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from models.planning.sheets import PlanningError, Sheet
from models.planning.survey import analyse, ave, composite_reliability, cronbach_alpha, factor_analysis, promax, sample_size
from tests.kit.shared import shared_path

CORRELATIONS = np.array([[1, 0.3, 0.2], [0.3, 1, 0.4], [0.2, 0.4, 1]])
LOADINGS = (0.8, 0.7, 0.75, 0.6)
ITEMS = tuple("abcdefghijkl")


@pytest.fixture(scope="module")
def planted() -> NDArray[np.float64]:
    """3,000 answers to twelve items of three correlated factors."""
    draws = np.random.default_rng(0)
    loadings = np.kron(np.eye(3), np.array(LOADINGS)[:, None])
    factors = draws.multivariate_normal(np.zeros(3), CORRELATIONS, 3_000)
    return np.asarray(factors @ loadings.T + draws.normal(size=(3_000, 12)) * np.sqrt(1 - (loadings**2).sum(axis=1)))


def sheet(answers: NDArray[np.float64]) -> Sheet:
    return Sheet(tuple(str(number) for number in range(len(answers))), ITEMS[: answers.shape[1]], answers)


def test_ave_of_the_printed_loadings_is_not_the_printed_ave() -> None:
    """The source prints .673 .655 .690 .761; its own loadings give .588 .622 .605 .636."""
    published = json.loads(shared_path("published/segments.json").read_text("utf-8"))["segments"]
    ours = {name: list(segment["marks"].values()) for name, segment in published.items()}
    assert [ave(loadings) for loadings in ours.values()] == pytest.approx([0.588, 0.622, 0.605, 0.636], abs=5e-4)
    assert [composite_reliability(loadings) for loadings in ours.values()] == pytest.approx([0.877, 0.908, 0.859, 0.913], abs=5e-4)
    wrong = [segment["ave"] - ave(ours[name]) for name, segment in published.items()]
    assert min(wrong) > 0.03


def test_identical_items_have_alpha_one() -> None:
    answers = np.random.default_rng(1).integers(1, 6, (50, 1)).repeat(4, axis=1).astype(np.float64)
    assert cronbach_alpha(answers) == pytest.approx(1.0)


def test_alpha_by_hand() -> None:
    """Variances 1 and 1, of the sum 3: 2 * (1 - 2/3)."""
    answers = np.array([[1.0, 2], [2, 1], [3, 3]])
    assert cronbach_alpha(answers) == pytest.approx(2 * (1 - 2 / 3))


def test_items_that_have_nothing_in_common_have_none() -> None:
    answers = np.random.default_rng(2).normal(size=(5_000, 5))
    assert cronbach_alpha(answers) == pytest.approx(0.0, abs=0.06)


def test_planted_factors_are_found(planted: NDArray[np.float64]) -> None:
    factors = factor_analysis(planted, ITEMS)
    pattern = np.array(factors.loadings)
    assert factors.count == 3
    assert factors.eigenvalues[3] < factors.eigenvalues_random[3]
    home = np.abs(pattern).argmax(axis=1)
    assert [len(set(home[start : start + 4])) for start in (0, 4, 8)] == [1, 1, 1]
    assert pattern[np.arange(12), home] == pytest.approx(LOADINGS * 3, abs=0.05)
    assert np.abs(np.delete(pattern.ravel(), np.arange(12) * 3 + home)).max() < 0.06
    order = home[[0, 4, 8]]
    assert np.array(factors.correlations)[np.ix_(order, order)] == pytest.approx(CORRELATIONS, abs=0.08)


def test_noise_holds_no_second_factor() -> None:
    assert factor_analysis(np.random.default_rng(3).normal(size=(400, 8)), ITEMS[:8]).count == 1


def test_promax_keeps_what_the_factors_explain(planted: NDArray[np.float64]) -> None:
    """Pattern times correlations times pattern is the unrotated loadings' own product."""
    loadings = np.random.default_rng(4).normal(size=(9, 3))
    pattern, correlations = promax(loadings)
    assert pattern @ correlations @ pattern.T == pytest.approx(loadings @ loadings.T)
    assert np.diag(correlations) == pytest.approx(np.ones(3))


def test_distinct_scales_pass(planted: NDArray[np.float64]) -> None:
    report = analyse(sheet(planted), {"x": ITEMS[:4], "y": ITEMS[4:8], "z": ITEMS[8:]})
    for scale in report.scales:
        assert scale.loadings == pytest.approx(LOADINGS, abs=0.05)
        assert scale.ave == pytest.approx(ave(LOADINGS), abs=0.03)
        assert scale.alpha_low < scale.alpha < scale.alpha_high
    assert (report.not_discriminant, report.left_out, report.warnings) == ((), 0, ())


def test_two_scales_of_one_thing_are_not(planted: NDArray[np.float64]) -> None:
    report = analyse(sheet(planted), {"x": (ITEMS[0], ITEMS[2]), "y": (ITEMS[1], ITEMS[3]), "z": ITEMS[8:]})
    assert report.not_discriminant == (("x", "y"),)


def test_empty_answers_are_counted(planted: NDArray[np.float64]) -> None:
    answers = planted[:50, :4].copy()
    answers[:3, 1] = np.nan
    report = analyse(sheet(answers), {"x": ITEMS[:4]})
    assert (report.respondents, report.left_out) == (47, 3)
    assert report.warnings == ("3 respondents with an empty item are left out",)


@pytest.mark.parametrize(
    ("rows", "scales", "complaint"),
    [
        (50, {}, "name at least one scale"),
        (50, {"x": ("a",)}, "at least two are needed"),
        (50, {"x": ("a", "q")}, "no column 'q'"),
        (9, {"x": ("a", "b")}, "only 9 respondents"),
    ],
)
def test_what_cannot_be_examined(planted: NDArray[np.float64], rows: int, scales: dict[str, tuple[str, ...]], complaint: str) -> None:
    with pytest.raises(PlanningError, match=complaint):
        analyse(sheet(planted[:rows]), scales)


def test_an_item_that_everybody_answers_alike(planted: NDArray[np.float64]) -> None:
    answers = planted[:50].copy()
    answers[:, 5] = 3.0
    with pytest.raises(PlanningError, match="answer 'f' alike"):
        analyse(sheet(answers), {"x": ITEMS[:4]})


def test_how_many_to_ask() -> None:
    assert sample_size(0.05) == 385
    assert sample_size(0.05, 1_000) == 278
    assert sample_size(0.05, 1) == 1
    for wrong in (0.0, 1.0, -0.1):
        with pytest.raises(PlanningError, match="between 0 and 1"):
            sample_size(wrong)
