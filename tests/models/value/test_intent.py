"""Intent weights: exact on data without noise, with valid intervals on noisy data."""

from __future__ import annotations

import numpy as np
import pytest

from models.value.bg_nbd import ValuationError
from models.value.intent import NAMES, IntentWeights, fit_intent


def _columns(rows: int, seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return draws.normal(size=(rows, 4)) * (3.0, 500.0, 0.1, 1.0) + (10.0, 1_000.0, 0.5, 0.0)


def test_y_is_2_mdv_minus_clv_without_noise_gives_2_minus1_0_0() -> None:
    columns = _columns(200, 1)
    found = fit_intent(columns, 2 * columns[:, 0] - columns[:, 1], seed=0)
    assert np.abs(found.effects - (2, -1, 0, 0)).max() < 1e-6
    assert found.penalty == 0.0
    assert found.r2 == pytest.approx(1.0)
    assert found.predict(columns[:5]) == pytest.approx(2 * columns[:5, 0] - columns[:5, 1])


def test_standardised_weights_can_be_compared() -> None:
    columns = _columns(500, 2)
    weights = {weight.name: weight for weight in fit_intent(columns, columns @ (1.0, 0.01, 0.0, 1.0), seed=0).weights}
    assert tuple(weights) == NAMES
    assert weights["MDV"].standard.value == pytest.approx(3.0, rel=0.1)
    assert weights["CLV"].standard.value == pytest.approx(5.0, rel=0.1)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = np.array([0.5, 0.0, 2.0, -1.0])
    held = []
    for seed in range(12):
        columns = np.random.default_rng(seed).normal(size=(120, 4))
        intent = columns @ truth + np.random.default_rng(100 + seed).normal(size=120)
        found = fit_intent(columns, intent, seed)
        held += [weight.effect.low <= value <= weight.effect.high for weight, value in zip(found.weights, truth, strict=True)]
    assert 0.83 <= np.mean(held) <= 1.0


def test_two_collinear_columns_share_the_weight() -> None:
    columns = _columns(300, 4)
    columns[:, 1] = 2 * columns[:, 0]
    found = fit_intent(columns, 4.0 * columns[:, 0], seed=0)
    assert np.abs(found.effects).max() < 5
    assert found.effects[0] + 2 * found.effects[1] == pytest.approx(4.0)


def test_rows_of_one_subject_are_drawn_together() -> None:
    columns, draws = np.random.default_rng(5).normal(size=(40, 4)), np.random.default_rng(6)
    intent = columns[:, 0] + draws.normal(size=40)
    tenfold = (np.repeat(columns, 10, axis=0), np.repeat(intent, 10))
    naive = fit_intent(*tenfold, seed=0).weights[0].effect
    honest = fit_intent(*tenfold, seed=0, subjects=np.repeat(np.arange(40), 10)).weights[0].effect
    assert honest.high - honest.low > 2 * (naive.high - naive.low)


def _of(columns: np.ndarray, intent: np.ndarray) -> IntentWeights:
    return fit_intent(columns, intent, seed=0)


def test_invalid_input_raises() -> None:
    columns = _columns(100, 7)
    for wrong, intent, why in (
        (columns, np.ones(100), "same in every row"),
        (columns[:10], columns[:10, 0], "10 rows are too few"),
        (columns[:, :3], columns[:, 0], "shape"),
        (np.where(columns > 11, np.nan, columns), columns[:, 1], "missing or not finite"),
    ):
        with pytest.raises(ValuationError, match=why):
            _of(wrong, intent)
    with pytest.raises(ValuationError, match="1000 columns are more"):
        fit_intent(np.zeros((10, 1_000)), np.zeros(10), 0, names=tuple(f"a{number}" for number in range(1_000)))


def test_a_column_that_never_changes_is_warned_of_and_weighs_nothing() -> None:
    columns = _columns(100, 8)
    columns[:, 2] = 0.5
    with pytest.warns(UserWarning, match="SBA is constant"):
        found = fit_intent(columns, columns[:, 0], seed=0)
    assert found.effects[2] == 0.0
