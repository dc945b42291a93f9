"""The online naive Bayes: its arithmetic by hand, its decay, and calibration."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from gateway.core.learned import Predictor
from models.propensity import bayes
from models.propensity.bayes import DAY_MS, OfferBayes
from tests.models.propensity import training_sets

TAKEN, REFUSED = (10.0, 40.0), (90.0, 60.0)


def test_known_answers() -> None:
    assert bayes.contributions(TAKEN, REFUSED) == pytest.approx([-1.06852, 0.68411], abs=1e-5)
    assert bayes.prior_log_odds(50, 150) == pytest.approx(-1.08545, abs=1e-5)
    assert bayes.lifts(TAKEN, REFUSED) == pytest.approx([0.4, 1.6])
    assert bayes.auc(TAKEN, REFUSED) == pytest.approx(0.70)


def test_the_same_through_the_model() -> None:
    predictor = Predictor("visits", (0.5,), (*TAKEN, 0.0), (*REFUSED, 0.0))
    model = OfferBayes("latte", (predictor,), 50.0, 150.0)
    assert model.score({"visits": 0.0}) == pytest.approx(-1.08545 - 1.06852, abs=1e-5)
    assert model.score({"visits": 3.0}) == pytest.approx(-1.08545 + 0.68411, abs=1e-5)
    assert model.score({}) == pytest.approx(-1.08545, abs=1e-5)  # unknown counts nothing while its bin is empty


def test_an_empty_model_gives_one_half() -> None:
    model = OfferBayes("latte", (Predictor("visits", (0.5,), (0.0,) * 3, (0.0,) * 3),))
    assert model.propensity({"visits": 3.0}) == 0.5
    assert model.propensity({}) == 0.5
    assert bayes.contributions((0, 0), (0, 0)).tolist() == [0.0, 0.0]
    assert bayes.auc((0, 0), (0, 0)) == 0.5


def test_a_half_life_later_an_answer_counts_half() -> None:
    model = OfferBayes("latte", (Predictor("visits", (0.5,), (0.0,) * 3, (0.0,) * 3),), half_life_days=10.0)
    model = model.learn({"visits": 1.0}, taken=True, at_ms=DAY_MS)
    model = model.learn({"visits": 1.0}, taken=False, at_ms=11 * DAY_MS)
    assert (model.taken, model.refused) == (0.5, 1.0)
    assert model.predictors[0].taken == (0.0, 0.5, 0.0)
    assert model.predictors[0].refused == (0.0, 1.0, 0.0)
    # A clock that was set back neither restores decayed answers nor decays new ones.
    assert model.learn({"visits": 1.0}, taken=True, at_ms=5 * DAY_MS).taken == 1.5


def test_it_follows_a_preference_that_changes() -> None:
    draws = np.random.default_rng(0)
    model = OfferBayes("latte", (Predictor("rain", (0.5,), (0.0,) * 3, (0.0,) * 3),), half_life_days=5.0)
    for day in range(120):
        for _ in range(10):
            rain = float(draws.integers(2))
            liked = rain == 1.0 if day < 60 else rain == 0.0
            model = model.learn({"rain": rain}, taken=bool(draws.random() < (0.8 if liked else 0.2)), at_ms=(day + 1) * DAY_MS)
        if day == 59:
            assert model.propensity({"rain": 1.0}) > model.propensity({"rain": 0.0}) + 0.3
    assert model.propensity({"rain": 0.0}) > model.propensity({"rain": 1.0}) + 0.3


def test_scoring_never_learns_and_replaying_gives_the_same() -> None:
    data = training_sets.planted(200)
    names = tuple("abcdef")
    first = bayes.fit_priors("latte", names, data.rows, data.taken)
    before = msgspec.json.encode(first)
    row = dict(zip(names, map(float, data.rows[0]), strict=True))
    first.propensity(row)
    assert msgspec.json.encode(first) == before
    again = [bayes.fit_priors("latte", names, data.rows, data.taken).learn(row, taken=True, at_ms=9) for _ in range(2)]
    assert again[0] == again[1]


def test_priors_are_small_and_hold_counts_only() -> None:
    data = training_sets.planted(3_000, 300)
    model = bayes.fit_priors("latte", tuple("abcdef"), data.rows, data.taken)
    content = msgspec.json.encode(model)
    assert len(content) < 8_192
    assert msgspec.json.decode(content, type=OfferBayes) == model
    assert sum(model.predictors[0].taken) == data.taken.sum()
    assert model.active()[:2] == (0, 1)
    assert len(model.active()) < 6  # noise is inactive


def test_propensity_is_calibrated_though_the_sum_is_not() -> None:
    """Five correlated columns: the plain score is overconfident, the calibrated probability is not."""
    draws = np.random.default_rng(0)
    hidden = draws.normal(size=4_000)
    rows = (hidden[:, np.newaxis] + draws.normal(size=(4_000, 5))).astype(np.float32)
    taken = (draws.random(4_000) < 1 / (1 + np.exp(-hidden))).astype(np.int64)
    model = bayes.fit_priors("latte", tuple("abcde"), rows[:3_000], taken[:3_000])
    shown = [{name: float(value) for name, value in zip("abcde", row, strict=True)} for row in rows[3_000:]]
    score = np.array([model.score(row) for row in shown])
    likely = np.array([model.propensity(row) for row in shown])
    sure = score > 1.5
    actual = taken[3_000:][sure].mean()
    assert sure.sum() > 100
    assert abs(likely[sure].mean() - actual) < 0.05
    assert (1 / (1 + np.exp(-score[sure]))).mean() - actual > 0.05


def test_redundant_predictors_share_a_group() -> None:
    data = training_sets.planted(2_000, 200)
    rows = np.hstack((data.rows[:, :2], data.rows[:, :1] * 3 + 1))
    groups = [predictor.group for predictor in bayes.fit_priors("latte", tuple("abc"), rows, data.taken).predictors]
    assert groups[0] == groups[2] != groups[1]
