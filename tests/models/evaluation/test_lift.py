"""Lift and capture: the published answer, ties, and the order that one source reverses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.lift import EvaluationError, capture, gains, lift, lift_table

TAKEN = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
FORECAST = np.linspace(0.95, 0.05, 10)


def test_the_published_answer() -> None:
    assert lift(TAKEN, FORECAST, 0.2) == pytest.approx(2.5)
    assert lift(TAKEN, FORECAST, 0.5) == pytest.approx(1.5)
    assert capture(TAKEN, FORECAST, 0.5) == pytest.approx(0.75)


def test_ascending_as_one_source_prints_would_recommend_the_least_likely() -> None:
    assert lift(TAKEN, -FORECAST, 0.2) == 0.0


def test_the_table_adds_up() -> None:
    table = lift_table(TAKEN, FORECAST)
    assert [one.taken_share for one in table.deciles] == pytest.approx(TAKEN.tolist())
    assert [one.forecast_mean for one in table.deciles] == pytest.approx(FORECAST.tolist())
    assert table.deciles[1].lift_so_far == pytest.approx(2.5)
    assert table.deciles[-1].capture_so_far == pytest.approx(1.0)
    assert table.base_rate == pytest.approx(0.4)


def test_tenths_of_rows_that_do_not_divide() -> None:
    draws = np.random.default_rng(1)
    taken = draws.integers(0, 2, 137)
    table = lift_table(taken, draws.uniform(size=137))
    assert sum(one.taken_share for one in table.deciles) / 10 == pytest.approx(taken.mean())


def test_a_constant_forecast_has_lift_one_in_any_order() -> None:
    for order in (TAKEN, TAKEN[::-1]):
        assert [one.lift for one in lift_table(order, np.full(10, 0.4)).deciles] == pytest.approx([1.0] * 10)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=60).filter(
        lambda rows: 0 < sum(y for y, _ in rows) < len(rows)
    )
)
def test_gains_rise_from_0_to_1_in_any_order(rows: list[tuple[int, int]]) -> None:
    taken, forecast = (np.array(column) for column in zip(*rows, strict=True))
    curve = gains(taken, forecast / 4)
    turned = gains(taken[::-1], forecast[::-1] / 4)
    assert curve == pytest.approx(turned)
    assert (np.diff(curve) >= -1e-12).all()
    assert (curve[0], curve[-1]) == pytest.approx((0.0, 1.0))


@pytest.mark.parametrize(
    ("taken", "forecast", "message"),
    [
        ([], [], "cannot be compared"),
        ([1, 0], [0.5], "cannot be compared"),
        ([1, 1], [0.5, 0.6], "same outcome \\(1\\)"),
        ([0, 0], [0.5, 0.6], "same outcome \\(0\\)"),
        ([1, 0], [0.5, float("nan")], "not finite numbers"),
    ],
)
def test_forecasts_without_lift_are_refused(taken: list[int], forecast: list[float], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        gains(np.array(taken, dtype=np.int64), np.array(forecast))


def test_lift_of_no_row() -> None:
    with pytest.raises(EvaluationError, match="above 0"):
        lift(TAKEN, FORECAST, 0.0)
