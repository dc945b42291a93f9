"""Fairness by segment: a planted fault is found, and a correct forecast has no remark."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.fairness import fairness
from models.evaluation.lift import EvaluationError

ROWS = 1_200


def rows(seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str], NDArray[np.int64]]:
    """A forecast that is true, two segments of equal size, four rows a person."""
    draws = np.random.default_rng(seed)
    forecast = draws.beta(2, 3, ROWS)
    taken = (draws.uniform(size=ROWS) < forecast).astype(np.int64)
    return taken, forecast, ["north", "south"] * (ROWS // 2), np.arange(ROWS) // 4


def test_a_correct_forecast_has_no_remark() -> None:
    made = fairness(*rows())
    assert [(one.name, one.rows, one.remarks) for one in made.segments] == [("north", 600, ()), ("south", 600, ())]
    assert np.mean([one.addressed for one in made.segments]) == pytest.approx(0.2)


def test_a_forecast_that_is_too_low_for_some_is_found() -> None:
    taken, forecast, segments, people = rows()
    south = np.array(segments) == "south"
    north, found = fairness(taken, np.where(south, forecast - 0.15, forecast).clip(0), segments, people).segments
    assert north.remarks == ()
    assert "forecast too low" in found.remarks
    assert found.calibration_gap is not None
    assert found.calibration_gap.high < 0
    assert any("as often as the segment addressed most" in remark for remark in found.remarks)


def test_a_segment_with_an_auc_of_chance_is_found() -> None:
    taken, forecast, segments, people = rows()
    south = np.array(segments) == "south"
    shuffled = forecast.copy()
    shuffled[south] = np.random.default_rng(3).permutation(forecast[south])
    assert "AUC not distinguishable from chance" in fairness(taken, shuffled, segments, people).segments[1].remarks


def test_a_small_segment_gets_a_remark() -> None:
    taken, forecast, segments, people = rows()
    segments[:10] = ["tiny"] * 10
    (tiny,) = (one for one in fairness(taken, forecast, segments, people).segments if one.name == "tiny")
    assert (tiny.auc, tiny.calibration_gap, tiny.remarks) == (None, None, ("fewer than 50 rows: too few for figures",))


def test_a_segment_of_one_outcome_has_no_auc() -> None:
    taken, forecast, segments, people = rows()
    taken[np.array(segments) == "south"] = 0
    assert fairness(taken, forecast, segments, people).segments[1].auc is None


def test_intervals_are_over_persons_not_rows() -> None:
    """Four copies of every row add no information: by person the interval is about twice as wide as by row."""
    taken, forecast, segments, _ = rows()
    taken, forecast, segments = taken[:300].repeat(4), forecast[:300].repeat(4), ["all"] * ROWS
    by_row, by_person = (
        fairness(taken, forecast, segments, who).segments[0].calibration_gap for who in (np.arange(ROWS), np.arange(ROWS) // 4)
    )
    assert by_row is not None
    assert by_person is not None
    assert (by_person.high - by_person.low) / (by_row.high - by_row.low) == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_a_share_of_the_people_is_addressed(share: float) -> None:
    with pytest.raises(EvaluationError, match="share between 0 and 1"):
        fairness(*rows(), share=share)
