"""Training finds a planted effect and no effect in shuffled outcomes, and never tests on subjects that it was fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold

from models import measures, training
from models.propensity.boosting import DIRECTIONS, Recipe
from models.propensity.masking import MASKED_SHARE, mask
from models.propensity.training_set import TrainingError
from models.tables.coupon import INPUTS, Coupons, read_coupons
from tests.kit.shared import shared_path
from tests.models import tables

COUPONS = "data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz"
SMALL = training.feature_estimators(INPUTS, ["boosting"], (Recipe(rounds=30, rate=0.15, depth=3, leaf_rows_min=20),))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Coupons:
    return read_coupons(tables.write(tmp_path_factory.mktemp("tables") / "planted.csv", tables.planted(60, 20, seed=1)))


def test_a_planted_effect_is_found(history: Coupons) -> None:
    comparison, _, _ = training.compare(training.coupon_training_set(history, seed=0), 0, SMALL, raw=history.raw, repetitions=1)
    assert comparison.estimator == "boosting"
    assert comparison.champion.auc.low > 0.75
    assert comparison.champion.auc.low < comparison.champion.auc.value < comparison.champion.auc.high
    # visits_this_kind joins coupon and habit; one-hot texts alone have no such interaction.
    assert comparison.difference.low > 0
    # Without the habits only the expiry is known: worse, and still better than chance.
    assert 0.5 < comparison.blind_auc < comparison.champion.auc.value - 0.05
    assert comparison.remarks == ("4 of 25 columns are unknown in every row: the model does not use them",)


def test_the_best_of_all_estimators_is_chosen(history: Coupons) -> None:
    compete = training.feature_estimators(INPUTS, ["hybrid", "logistic", "per-parameter"])
    comparison, _, _ = training.compare(training.coupon_training_set(history, seed=0), 0, compete, repetitions=1)
    losses = {of.estimator: of.figures.log_loss for of in comparison.estimators}
    assert set(losses) == {"hybrid", "logistic", "per-parameter"}
    assert comparison.estimator == min(losses, key=lambda estimator: losses[estimator])
    # The champion's own figures are of the choice inside the folds, so its log-loss is not below that of the best in hindsight.
    assert comparison.champion.log_loss >= comparison.estimators[0].figures.log_loss
    assert comparison.expected.low < comparison.champion.auc.low < comparison.champion.auc.high < comparison.expected.high
    (winner,) = (estimator for estimator in compete if estimator.name == comparison.estimator)
    assert training.fit_champion(training.coupon_training_set(history, seed=0), 0, winner).estimator == comparison.estimator


def test_without_texts_or_logistic_there_is_no_baseline(history: Coupons) -> None:
    with pytest.raises(TrainingError, match="needs the estimator logistic"):
        training.compare(training.coupon_training_set(history, seed=0), 0, SMALL)


def test_shuffled_outcomes_give_an_auc_of_one_half(history: Coupons) -> None:
    shuffled = history._replace(taken=np.random.default_rng(3).permutation(history.taken))
    comparison, _, _ = training.compare(training.coupon_training_set(shuffled, seed=0), 0, SMALL, raw=history.raw, repetitions=1)
    assert abs(comparison.champion.auc.value - 0.5) < 0.05
    assert abs(comparison.logistic.auc.value - 0.5) < 0.05


def test_the_same_seed_gives_the_same_champion(history: Coupons) -> None:
    first, second = (training.fit_champion(training.coupon_training_set(history, 4), 4, SMALL[0]) for _ in range(2))
    rows = history.rows[:100]
    assert first.propensity(rows).tolist() == second.propensity(rows).tolist()
    assert first.calibration.name == second.calibration.name


def test_constraints_hold_everywhere(history: Coupons) -> None:
    champion = training.fit_champion(training.coupon_training_set(history, 0), 0, SMALL[0])
    rows = history.rows[:200]
    for name, sign in DIRECTIONS.items():
        steps = np.linspace(0.0, 30.0, 31)
        moved = np.repeat(rows[:, np.newaxis, :], len(steps), axis=1)
        moved[:, :, INPUTS.columns.index(name)] = steps
        forecast = champion.propensity(moved.reshape(-1, rows.shape[1])).reshape(len(rows), -1)
        assert np.all(sign * np.diff(forecast, axis=1) >= 0), name


def test_a_column_without_data_changes_nothing(history: Coupons) -> None:
    """Noise, air and crowd are unknown in this table: were they absent, the same trees would come out."""
    data = training.coupon_training_set(history, 0)
    known = np.flatnonzero(~np.isnan(data.rows).all(axis=0))
    assert data.masked is not None
    narrow = data._replace(rows=data.rows[:, known], masked=data.masked[:, known], names=tuple(INPUTS.columns[k] for k in known))
    recipe = Recipe(rounds=10)
    wide_answer = recipe.make(INPUTS.columns).fit(data.rows, data.taken).decision_function(data.rows)
    assert wide_answer.tolist() == recipe.make(narrow.names).fit(narrow.rows, narrow.taken).decision_function(narrow.rows).tolist()


def test_masking_hides_the_stated_share(history: Coupons) -> None:
    rows = history.rows
    seen = mask(rows, INPUTS, seed=2)
    hidden = np.isnan(seen).mean(axis=0)
    weather = [INPUTS.columns.index(f"weather_{word}") for word in ("sunny", "rainy", "snowy")]
    assert hidden[weather] == pytest.approx([MASKED_SHARE] * 3, abs=0.05)
    assert (np.isnan(seen[:, weather]).sum(axis=1) % 3 == 0).all()  # all columns of the weather are masked together
    assert abs(hidden[INPUTS.columns.index("visits_bar")] - (1 - (1 - MASKED_SHARE) * (1 - MASKED_SHARE / 2))) < 0.05
    assert hidden[INPUTS.columns.index("hour")] == 0
    known = ~np.isnan(seen)
    assert np.array_equal(seen[known], rows[known])
    # Habits of the offered kind are masked in both of their columns.
    for kind in INPUTS.schema.zone_kinds:
        asked = rows[:, INPUTS.columns.index(f"offer_{kind}")] == 1
        own, this = (np.isnan(seen[asked, INPUTS.columns.index(f"visits_{name}")]) for name in (kind, "this_kind"))
        assert np.array_equal(own, this)


def test_a_few_rows_are_refused(tmp_path: Path) -> None:
    history = read_coupons(tables.write(tmp_path / "ten.csv", tables.planted(5, 2, seed=1)))
    with pytest.raises(TrainingError, match="10 usable rows of 5 respondents are too few"):
        training.coupon_training_set(history, 0)


def test_a_single_outcome_is_refused(history: Coupons) -> None:
    with pytest.raises(TrainingError, match="same outcome"):
        training.coupon_training_set(history._replace(taken=np.ones_like(history.taken)), 0)


def test_measures_agree_with_scikit_learn() -> None:
    draws = np.random.default_rng(0)
    taken, weights = draws.integers(0, 2, 500), draws.integers(0, 4, 500).astype(np.float64)
    for forecast in (draws.random(500), draws.integers(0, 5, 500) / 5.0):
        area = measures.Ranking(taken, forecast).auc(weights)
        assert area == pytest.approx(roc_auc_score(taken, forecast, sample_weight=weights), abs=1e-12)
        assert measures.average_precision(taken, forecast) == pytest.approx(average_precision_score(taken, forecast), abs=1e-12)


def test_intervals_are_over_respondents_not_rows() -> None:
    """Twenty equal rows of a respondent count as one: the interval does not shrink with their number."""
    draws = np.random.default_rng(0)
    taken, forecast = draws.integers(0, 2, 80), draws.random(80)
    once = measures.areas(taken, np.arange(80), (forecast,), seed=1).of(0)
    many = measures.areas(np.repeat(taken, 20), np.repeat(np.arange(80), 20), (np.repeat(forecast, 20),), seed=1).of(0)
    assert (many.low, many.high) == pytest.approx((once.low, once.high), abs=1e-9)


def test_known_answer_plain_logistic_on_the_coupon_table() -> None:
    """Published for the whole table (12,684 rows, all columns, grouped): .714. On the 8,913 rows shared here: .7157 by this split.

    The tolerance of .006 is a third of the interval over respondents (.709 … .740 on our columns).
    """
    table = pd.read_csv(shared_path(COUPONS), dtype=str).fillna("missing")
    raw = table.drop(columns=["Y", "respondent"]).to_numpy(dtype=str)
    taken = table["Y"].to_numpy(dtype=np.int64)
    forecast = np.zeros(len(taken))
    for train, test in GroupKFold(5).split(raw, groups=table["respondent"]):
        forecast[test] = training.plain_logistic(raw[train], taken[train]).predict_proba(raw[test])[:, 1]
    assert roc_auc_score(taken, forecast) == pytest.approx(0.714, abs=0.006)


def test_the_champion_is_above_plain_logistic_on_the_coupon_table() -> None:
    """The benchmark asks for +.02 on the same columns; measured +.053 (.042 … .064). One recipe here, to be quick."""
    history = read_coupons(shared_path(COUPONS))
    compete = training.feature_estimators(INPUTS, ["boosting"], (Recipe(rounds=80, rate=0.1, depth=4),))
    comparison, _, _ = training.compare(training.coupon_training_set(history, 0), 0, compete, raw=history.raw, repetitions=1)
    assert comparison.logistic.auc.value == pytest.approx(0.7256, abs=0.006)
    assert comparison.difference.low > 0.02
    assert comparison.champion.calibration_error < 0.04
    assert comparison.blind_auc > 0.70
