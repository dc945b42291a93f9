"""Splits by subject, calibration that is chosen by inner folds, and a comparison by log-loss."""

from __future__ import annotations

import numpy as np
import pytest

from models.propensity import calibration, cross_validation
from models.propensity.boosting import Recipe
from models.propensity.estimators import estimators, fit_estimator
from models.propensity.training_set import (
    SplitError,
    TrainingError,
    TrainingSet,
    check_split,
    folds,
    training_set_of_columns,
    validated,
)
from tests.models.propensity import training_sets

QUICK = (Recipe(rounds=30, rate=0.2, depth=3, leaf_rows_min=10),)


# --- splits -------------------------------------------------------------------------------------
def test_subjects_on_both_sides_are_counted_and_refused() -> None:
    groups = np.array([0, 0, 1, 1, 2, 3])
    check_split(groups, np.array([0, 1]), np.array([2, 3, 4]))
    with pytest.raises(SplitError, match="2 of 4 people are on both sides"):
        check_split(groups, np.array([0, 2, 4]), np.array([1, 3, 5]))


def test_folds_by_subject_test_every_row_once() -> None:
    data = training_sets.planted()
    seen: list[int] = []
    for train, test in folds(data, 5, seed=0):
        assert not set(data.groups[train]) & set(data.groups[test])
        seen += test.tolist()
    assert sorted(seen) == list(range(600))


def test_folds_by_time_train_on_the_past_of_others() -> None:
    data = training_sets.planted()._replace(times=np.arange(600))
    judged = 0
    for train, test in folds(data, 5, seed=0):
        assert data.times is not None
        assert data.times[train].max() < data.times[test].min()
        assert not set(data.groups[train]) & set(data.groups[test])
        judged += len(test)
    assert judged == 180  # the later three tenths, each row once


# --- training sets that cannot be used ----------------------------------------------------------
def refused(data: TrainingSet, message: str) -> bool:
    with pytest.raises(TrainingError, match=message):
        validated(data)
    return True


def test_an_unusable_training_set_is_refused_with_counts() -> None:
    data = training_sets.planted()
    assert refused(data._replace(taken=np.ones(600, np.int64)), "all 600 rows have the same outcome")
    assert refused(data._replace(taken=(np.arange(600) < 4).astype(np.int64)), "4 of 600 rows were taken")
    assert refused(data.take(np.arange(10)), "10 usable rows of . respondents are too few: at least 200")
    assert refused(data._replace(groups=np.arange(600) % 3), "600 usable rows of 3 respondents")
    assert refused(
        data._replace(rows=np.zeros((600, 1_901), np.float32)), "1,901 columns, one a value of a category: a model has from 1 to 1,900"
    )
    assert refused(data._replace(rows=np.ones((600, 4), np.float32)), "none of 4 columns varies")
    assert refused(data._replace(taken=np.arange(600) % 3), "an outcome is 0 or 1, and this table also has 2")
    assert refused(data._replace(groups=np.arange(5)), "600 rows, 600 outcomes and 5 people")


def test_weaknesses_are_remarked_with_counts() -> None:
    data = training_sets.planted(columns=1_000)
    data.rows[:, 998] = np.nan
    data.rows[:, 999] = 1.0
    data.rows[0, 0] = np.inf
    finite, remarks = validated(data)
    assert np.isnan(finite.rows[0, 0])
    text = "\n".join(remarks)
    assert "1 infinite values are read as unknown" in text
    assert "1 of 1000 columns are unknown in every row" in text
    assert "1 of 1000 columns have the same value in every row" in text
    assert "1000 columns on 600 rows of 60 people" in text
    assert validated(training_sets.planted())[1] == ()


def test_missing_columns_are_named_and_counted() -> None:
    columns = {name: np.zeros(5, np.float32) for name in ("hour", "travel")}
    with pytest.raises(TrainingError, match="2 of 4 columns are missing: expiry, noise"):
        training_set_of_columns(columns, ("hour", "expiry", "travel", "noise"), np.zeros(5, np.int64), np.arange(5))
    made = training_set_of_columns(columns, ("travel", "hour"), np.zeros(5, np.int64), np.arange(5))
    assert (made.rows.shape, made.names) == ((5, 2), ("travel", "hour"))


# --- calibration --------------------------------------------------------------------------------
def test_isotonic_regression_is_chosen_for_a_bent_score_only() -> None:
    draws = np.random.default_rng(0)
    score = draws.uniform(-4, 4, 8_000)
    straight = (draws.random(8_000) < 1 / (1 + np.exp(-(2 * score + 1)))).astype(np.int64)
    stepped = (draws.random(8_000) < np.where(score < -1, 0.05, np.where(score < 2, 0.4, 0.5))).astype(np.int64)
    people = np.arange(8_000)
    found = calibration.choose(score, straight, people)
    assert isinstance(found, calibration.Sigmoid)
    assert (found.slope, found.intercept) == pytest.approx((2.0, 1.0), abs=0.2)
    bent = calibration.choose(score, stepped, people)
    assert isinstance(bent, calibration.Isotonic)
    calibrated = 1 / (1 + np.exp(-bent.apply(np.array([-3.0, 0.5, 3.5]))))
    assert calibrated == pytest.approx([0.05, 0.4, 0.5], abs=0.05)


def test_the_isotonic_line_rises_with_a_bounded_slope() -> None:
    draws = np.random.default_rng(1)
    score = np.round(draws.normal(size=4_000), 1)
    line = calibration.fit_isotonic(score, (draws.random(4_000) < (score > 0.05)).astype(np.int64))
    slopes = np.diff(line.y) / np.diff(line.x)
    assert slopes.min() >= 0.0
    assert slopes.max() <= calibration.SLOPE_MAX + 1e-9


def test_few_rows_are_calibrated_by_the_sigmoid() -> None:
    draws = np.random.default_rng(2)
    found = calibration.choose(draws.normal(size=100), draws.integers(0, 2, 100), np.arange(100))
    assert found.name == "sigmoid"
    same = calibration.choose(np.zeros(400), (np.arange(400) < 100).astype(np.int64), np.arange(400))
    assert same.apply(np.zeros(1))[0] == pytest.approx(np.log(1 / 3), abs=0.01)


# --- comparison ---------------------------------------------------------------------------------
def test_the_least_log_loss_wins() -> None:
    data = training_sets.exclusive_or()
    validation = cross_validation.cross_validate(data, estimators(["logistic", "mlp", "naive-bayes"]), seed=0)
    assert validation.of[0].estimator == validation.best.estimator == "mlp"
    losses = [of.figures.log_loss for of in validation.of]
    assert losses == sorted(losses)
    by_name = {of.estimator: of for of in validation.of}
    assert by_name["mlp"].error == by_name["mlp"].hybrid_loss == 0
    assert abs(by_name["logistic"].error - 0.5) < 0.1
    assert by_name["logistic"].hybrid_loss == round(by_name["logistic"].error * 400)
    assert validation.above("mlp", "logistic").low > 0.3


def test_ties_go_to_brier_then_to_error() -> None:
    data = training_sets.planted(300, 60)
    (of, *_) = cross_validation.cross_validate(data, estimators(["hybrid"]), seed=0).of
    worse_brier, worse_error = (
        cross_validation.EstimatorFigures(
            "b", type(of.figures)(of.figures.auc, 0.0, of.figures.brier + 0.01, of.figures.log_loss, 0.0), 0.0, 0, (), ()
        ),
        cross_validation.EstimatorFigures("e", of.figures, of.error + 0.1, 0, (), ()),
    )
    assert sorted([worse_brier, worse_error, of], key=cross_validation._order) == [of, worse_error, worse_brier]


def test_a_leak_between_folds_shows() -> None:
    """The control: outcomes depend on the subject alone. Folds by subject cannot forecast them, folds by row do."""
    draws = np.random.default_rng(5)
    data = TrainingSet(
        np.repeat(draws.random((60, 5)), 20, axis=0).astype(np.float32),
        np.repeat(draws.integers(0, 2, 60), 20),
        np.repeat(np.arange(60), 20),
    )
    compete = estimators(["boosting"], recipes=QUICK)
    assert cross_validation.cross_validate(data, compete, 0).best.figures.auc.value < 0.65
    assert cross_validation.cross_validate(data._replace(groups=np.arange(1200)), compete, 0).best.figures.auc.value > 0.95


def test_a_comparison_by_time_tests_the_future() -> None:
    data = training_sets.planted(1_000, 100)._replace(times=np.random.default_rng(0).permutation(1_000))
    validation = cross_validation.cross_validate(data, estimators(["logistic"]), 0, views={"twice": data.rows * 2})
    assert len(validation.rows) == 300
    assert data.times is not None
    assert data.times[validation.rows].min() >= 699
    assert validation.best.figures.auc.value > 0.7
    assert not np.allclose(validation.forecasts["logistic", "twice"], validation.forecasts["logistic", "as is"])


def test_the_same_seed_gives_the_same_model() -> None:
    data = training_sets.planted()
    for estimator in estimators(recipes=QUICK):
        first, second = (fit_estimator(estimator, data, 4).propensity(data.rows) for _ in range(2))
        assert first.tolist() == second.tolist(), estimator.name


def test_a_comparison_of_no_estimator_is_refused() -> None:
    with pytest.raises(TrainingError, match="no estimator was named"):
        cross_validation.cross_validate(training_sets.planted(), (), 0)
