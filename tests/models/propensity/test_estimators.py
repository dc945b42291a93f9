"""Effects that each estimator finds, and those that it cannot represent."""

from __future__ import annotations

import numpy as np
import pytest

from models.propensity.boosting import Recipe
from models.propensity.estimators import NAMES, estimators, fit_estimator
from models.propensity.hybrid import Hybrid, hybrid_loss
from models.propensity.logistic import Logistic
from models.propensity.mlp import Mlp
from models.propensity.naive_bayes import NaiveBayes
from models.propensity.per_parameter import PerParameter, suitable, sure_things
from models.propensity.training_set import TrainingError
from tests.models.propensity import training_sets

QUICK = (Recipe(rounds=30, rate=0.2, depth=3, leaf_rows_min=10),)


def test_exclusive_or_needs_a_network() -> None:
    data = training_sets.exclusive_or()
    linear, network = (model.fit(data.rows, data.taken).predict(data.rows) for model in (Logistic(), Mlp(penalty=1.0)))
    assert abs((linear == data.taken).mean() - 0.5) < 0.05
    assert (network == data.taken).all()


def test_a_network_answers_as_scikit_learn_would() -> None:
    data = training_sets.planted()
    network = Mlp().fit(data.rows, data.taken)
    theirs = network._model.predict_proba(network._preprocessor.transform(data.rows))
    assert network.predict_proba(data.rows) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_effect_is_found_and_calibrated(name: str) -> None:
    learn, judge = training_sets.planted(1_500, 150, seed=1), training_sets.planted(1_500, 150, seed=2)
    (estimator,) = estimators([name], recipes=QUICK)
    likely = fit_estimator(estimator, learn, seed=0).predict_proba(judge.rows)
    assert likely.shape == (1_500, 2)
    assert np.allclose(likely.sum(axis=1), 1.0)
    assert ((likely[:, 1] > 0.5) == judge.taken).mean() > 0.66
    assert abs(likely[:, 1].mean() - judge.taken.mean()) < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_unknown_is_a_value_like_others(name: str) -> None:
    """Rows that are unknown in the third column are taken more often; every estimator has to find that."""
    data = training_sets.planted(2_000, 200, seed=3, unknown=0.3)
    (estimator,) = estimators([name], recipes=QUICK)
    fitted = fit_estimator(estimator, data, seed=0)
    rows = np.zeros((2, 6), np.float32)
    rows[1, 2] = np.nan
    known, unknown = fitted.propensity(rows)
    assert unknown > known + 0.03


def test_directions_hold() -> None:
    """A longer way never raises the probability, although by chance the data say so in places."""
    draws = np.random.default_rng(0)
    rows = draws.uniform(0, 30, (400, 2)).astype(np.float32)
    taken = draws.integers(0, 2, 400)
    likely = (
        QUICK[0]
        .make(("travel", "expiry"))
        .fit(rows, taken)
        .decision_function(np.stack((np.linspace(0, 30, 50), np.full(50, 5.0)), axis=1).astype(np.float32))
    )
    assert np.all(np.diff(likely) <= 0)


def test_an_unknown_estimator_is_named() -> None:
    with pytest.raises(TrainingError, match=r"no estimator 'forest'; there are logistic, chaid"):
        estimators(["forest"])


# --- the hybrid ---------------------------------------------------------------------------------
TARGET, LIKELY = np.array([1, 1, 0, 0, 1]), np.array([0.9, 0.4, 0.3, 0.1, 0.8])


def test_hybrid_loss_counts_errors_and_the_printed_formula_does_not() -> None:
    assert hybrid_loss(TARGET, LIKELY) == 1
    printed = int((~((TARGET > 0) ^ (LIKELY > 0.5))).sum())  # Σ overline(ΦλT ⊕ M): the overline turns errors into agreement
    assert printed == 4
    assert hybrid_loss(TARGET, TARGET) == 0
    # The minimum of the printed formula is the forecast that is wrong for every row.
    assert int((~((TARGET > 0) ^ (1 - TARGET > 0.5))).sum()) == 0


def test_hybrid_loss_depends_on_segment_and_intention() -> None:
    """A target in a segment whose λ is 0, or without intention, does not count as a purchase."""
    assert hybrid_loss(TARGET, LIKELY, segment=np.array([0, 1, 1, 1, 1])) == 2
    assert hybrid_loss(TARGET, LIKELY, intention=0.0) == 2
    assert hybrid_loss(TARGET, LIKELY, threshold=0.85) == 2


def test_without_lambda_half_of_two_opposite_segments_is_misclassified() -> None:
    draws = np.random.default_rng(0)
    segment = np.repeat([0, 1], 200)
    rows = np.column_stack((draws.normal(size=400), segment == 0, segment == 1)).astype(np.float32)
    with_lambda = Hybrid(dummies=(1, 2)).fit(rows, segment).predict_proba(rows)[:, 1]
    without = Hybrid().fit(rows[:, :1], segment).predict_proba(rows[:, :1])[:, 1]
    assert hybrid_loss(segment, with_lambda) == 0
    assert hybrid_loss(segment, without) / 400 == pytest.approx(0.5, abs=0.06)


def test_segments_become_dummies() -> None:
    data = training_sets.planted()._replace(segments=np.arange(600) % 3)
    wider, dummies = data.with_dummies()
    assert dummies == (6, 7, 8)
    assert wider.rows[:, 6:].sum(axis=1).tolist() == [1.0] * 600
    assert training_sets.planted().with_dummies()[1] == ()


# --- one parameter at a time --------------------------------------------------------------------
def test_a_sure_thing_gets_no_discount() -> None:
    values = np.array([[0.6, 0.7, 0.51, 0.9], [0.6, 0.7, 0.5, 0.9], [0.9, 0.9, 0.9, 0.1], [0.9, 0.9, 0.9, np.nan]])
    assert sure_things(values).tolist() == [True, False, False, False]
    assert suitable(values, is_discount=True).tolist() == [False, True, True, True]
    assert suitable(values, is_discount=False).all()


def test_each_parameter_alone_is_calibrated() -> None:
    draws = np.random.default_rng(0)
    parameters = draws.random((5_000, 4)).astype(np.float32)  # MDV, CLV, SBA, IBA
    taken = (draws.random(5_000) < parameters[:, 0]).astype(np.int64)
    critical = PerParameter().fit(parameters, taken).critical_values(parameters)
    assert critical.shape == (5_000, 4)
    strong = critical[:, 0] > 0.7
    assert taken[strong].mean() == pytest.approx(critical[strong, 0].mean(), abs=0.03)
    assert np.ptp(critical[:, 1:]) < 0.15  # three parameters without effect stay near the overall share


def test_of_two_equal_columns_one_is_active() -> None:
    data = training_sets.planted(2_000, 200)
    doubled = np.hstack((data.rows, data.rows[:, :1]))
    active = NaiveBayes().fit(doubled, data.taken).active
    assert len({0, 6} & set(active)) == 1
