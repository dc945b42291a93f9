"""One-sample t-tests of criteria: by hand, and against chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from models.planning.criteria import check_criteria, holm
from models.planning.sheets import PlanningError, Sheet


def sheet(*columns: list[float]) -> Sheet:
    cells = np.array(columns, dtype=np.float64).T
    return Sheet(tuple(str(number + 1) for number in range(len(cells))), tuple("abcdefghij"[: len(columns)]), cells)


def test_t_by_hand() -> None:
    """Mean 4, deviation 1/√2, five ratings against 3: t is √10 with 4 degrees of freedom, d is √2."""
    (criterion,) = check_criteria(sheet([3, 4, 5, 4, 4]), 1, 5)
    assert (criterion.answers, criterion.degrees, criterion.mean.value) == (5, 4, 4.0)
    assert criterion.t == pytest.approx(math.sqrt(10))
    assert criterion.p == pytest.approx(0.0341, abs=5e-5)
    assert criterion.p_holm == criterion.p
    assert criterion.effect == pytest.approx(math.sqrt(2))
    assert criterion.mean.high - 4 == pytest.approx(2.7764 / math.sqrt(10), abs=1e-4)
    assert criterion.verdict == "above the middle"


def test_holm_multiplies_the_least_p_by_the_number_of_tests() -> None:
    """The p values are .0341, .0341 and .3739. The least are multiplied by 3, and none may become smaller than one before."""
    tested = check_criteria(sheet([3, 4, 5, 4, 4], [3, 2, 1, 2, 2], [3, 4, 3, 3, 3]), 1, 5)
    assert [c.p for c in tested] == pytest.approx([0.0341, 0.0341, 0.3739], abs=5e-5)
    assert [c.p_holm for c in tested] == pytest.approx([0.1023, 0.1023, 0.3739], abs=2e-4)
    assert {c.verdict for c in tested} == {"not distinguishable from the middle"}


def test_holm_equals_that_of_statsmodels() -> None:
    p = np.random.default_rng(3).uniform(size=50) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_noise_is_rarely_called_important_with_the_correction_and_mostly_without() -> None:
    """Ten criteria without effect: about 40 % of the studies have a p below .05, about 5 % after the correction."""
    draws = np.random.default_rng(1)
    plain = corrected = 0
    for _ in range(100):
        tested = check_criteria(noise(draws, 35), 1, 5)
        plain += any(c.p < 0.05 for c in tested)
        corrected += any(c.p_holm < 0.05 for c in tested)
    assert 30 < plain < 50
    assert corrected <= 10


def noise(draws: np.random.Generator, respondents: int) -> Sheet:
    ratings: NDArray[np.float64] = draws.integers(1, 6, (respondents, 10)).astype(np.float64)
    return Sheet(tuple(map(str, range(respondents))), tuple("abcdefghij"), ratings)


def test_a_criterion_below_the_middle_and_an_empty_rating() -> None:
    (criterion,) = check_criteria(sheet([1, 2, 1, 2, 1, math.nan, 2]), 1, 5)
    assert (criterion.answers, criterion.verdict) == (6, "below the middle")


@pytest.mark.parametrize(
    ("ratings", "low", "high", "complaint"),
    [
        ([1, 2, 6], 1, 5, "row 3, column 'a' holds 6, outside the scale 1 to 5"),
        ([4, 4, 4], 1, 5, "all ratings of 'a' are 4"),
        ([4, math.nan, 3], 1, 5, "has 2 ratings"),
        ([1, 2, 3], 5, 1, "has no middle"),
    ],
)
def test_what_cannot_be_tested(ratings: list[float], low: float, high: float, complaint: str) -> None:
    with pytest.raises(PlanningError, match=complaint):
        check_criteria(sheet(ratings), low, high)
