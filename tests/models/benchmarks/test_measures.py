"""The measures of the benchmarks against answers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from models.benchmarks import off_policy
from models.benchmarks.bootstrap import Bootstrap, WeightedRanking
from models.benchmarks.hillstrom import quadrants
from models.benchmarks.off_policy import OffPolicyError
from models.benchmarks.uplift import UpliftRanking
from models.measures import draw_units

TEN = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
BY_SCORE = np.linspace(1.0, 0.1, 10)


def test_lift_and_alift_of_ten_rows() -> None:
    ranking, ones = WeightedRanking(TEN, BY_SCORE), np.ones(10)
    assert ranking.lift(0.2)(ones) == pytest.approx(2.5)
    assert ranking.lift(0.5)(ones) == pytest.approx(1.5)
    assert ranking.captured(0.5)(ones) == pytest.approx(0.75)
    assert ranking.alift(ones) == pytest.approx(0.75)  # (0 + 1+2+3+3+3+4+4+4+4 + 4/2) / 4 / 10
    assert ranking.accuracy(ones) == pytest.approx(0.8)  # of the first six, classified as taken, four are; of the rest none is


def test_alift_runs_from_the_worst_to_the_best_order() -> None:
    taken, ones = np.array([1, 0]), np.ones(2)
    assert WeightedRanking(taken, np.array([0.9, 0.1])).alift(ones) == pytest.approx(0.75)
    assert WeightedRanking(taken, np.array([0.1, 0.9])).alift(ones) == pytest.approx(0.25)
    assert WeightedRanking(taken, np.array([0.5, 0.5])).alift(ones) == pytest.approx(0.5)


def test_auc_and_precision_agree_with_scikit_learn_under_weights_and_ties() -> None:
    draws = np.random.default_rng(3)
    taken, forecast, weights = draws.integers(0, 2, 300), draws.integers(0, 20, 300) / 20, draws.integers(0, 4, 300).astype(np.float64)
    ranking = WeightedRanking(taken, forecast)
    assert ranking.auc(weights) == pytest.approx(roc_auc_score(taken, forecast, sample_weight=weights))
    assert ranking.average_precision(weights) == pytest.approx(average_precision_score(taken, forecast, sample_weight=weights))


def test_rows_of_one_unit_are_drawn_together() -> None:
    units = np.array([0, 0, 1, 1, 2])
    for weights in draw_units(units, seed=1, draws=20):
        assert weights[0] == weights[1]
        assert weights[2] == weights[3]
        assert weights[[0, 2, 4]].sum() == 3.0


def test_the_interval_over_people_is_wider_than_over_rows() -> None:
    """Twenty equal rows a person: an interval over rows would be far too narrow."""
    draws = np.random.default_rng(5)
    taken, forecast = np.repeat(draws.integers(0, 2, 30), 20), np.repeat(draws.random(30), 20)
    measures = {"auc": WeightedRanking(taken, forecast).auc}
    people = Bootstrap(measures, np.repeat(np.arange(30), 20), 0, 200).of("auc")
    rows = Bootstrap(measures, np.arange(600), 0, 200).of("auc")
    assert people.high - people.low > 3 * (rows.high - rows.low)


def test_uplift_and_qini_of_four_customers() -> None:
    """Best first: treated with a visit, untreated without, treated without, untreated with."""
    ranked = UpliftRanking(np.array([0.4, 0.3, 0.2, 0.1]), np.array([1, 0, 1, 0]), np.array([1, 0, 0, 1]), seed=0)
    ones = np.ones(4)
    assert ranked.uplift_at(0.5, ones) == 1.0
    assert ranked.uplift_at(1.0, ones) == 0.0
    assert ranked.qini(ones) == pytest.approx(0.375)  # curve 0, 1/2, 1/2, 1/2, 0; four trapezia of width 1/4; random brings 0


def test_the_wrong_order_has_a_qini_below_random() -> None:
    treated, came = np.array([1, 0, 1, 0]), np.array([1, 0, 0, 1])
    assert UpliftRanking(np.array([0.1, 0.2, 0.3, 0.4]), treated, came, seed=0).qini(np.ones(4)) < 0.0


def test_the_four_quadrants() -> None:
    difference, baseline = np.array([0.05, 0.01, 0.01, -0.01]), np.array([0.1, 0.2, 0.05, 0.2])
    assert quadrants(difference, baseline, effect=0.04, control_rate=0.1).tolist() == [0, 1, 2, 3]


def test_off_policy_estimates_of_three_rows() -> None:
    weights = off_policy.weights_of(np.array([0.5, 0.5, 0.2]), np.array([0.25, 0.5, 0.4]))
    outcome = np.array([1.0, 0.0, 1.0])
    assert weights.tolist() == [2.0, 1.0, 0.5]
    assert off_policy.ips(weights, outcome) == pytest.approx(2.5 / 3)
    assert off_policy.snips(weights, outcome) == pytest.approx(2.5 / 3.5)
    assert off_policy.dr(weights, outcome, np.full(3, 0.5), np.full(3, 0.4)) == pytest.approx(0.4 + 0.75 / 3)
    assert off_policy.overlap(weights).ess == pytest.approx(12.25 / 5.25)


def test_one_row_that_outweighs_all_others_is_refused() -> None:
    """The campaign `women` of the whole Open Bandit sample: one row has a probability of one in a million and a weight of 21,739."""
    overlap = off_policy.overlap(np.append(np.ones(9_999), 1e6 / 46))
    assert overlap.ess == pytest.approx(2.13, abs=0.01)
    assert (round(overlap.weight_max), len(overlap.refused)) == (21_739, 3)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (np.ones(199), "effective sample size 199 is below 200"),
        (np.concatenate((np.full(300, 60.0), np.full(20_000, 0.1))), "of the rows, below 2%"),
        (np.full(1_000, 0.89), "mean weight 0.89 is outside"),
        (np.full(1_000, 1.11), "mean weight 1.11 is outside"),
    ],
)
def test_each_check_refuses_alone(weights: np.ndarray, reason: str) -> None:
    (refused,) = off_policy.overlap(weights).refused
    assert reason in refused


def test_an_overlap_at_the_bounds_is_accepted() -> None:
    assert off_policy.overlap(np.ones(200)).refused == ()


@pytest.mark.parametrize(("other", "logged"), [([0.5], [0.0]), ([0.5], [1.5]), ([1.5], [0.5]), ([0.5, 0.5], [0.5]), ([], [])])
def test_what_is_no_probability_is_refused(other: list[float], logged: list[float]) -> None:
    with pytest.raises(OffPolicyError):
        off_policy.weights_of(np.array(other), np.array(logged))


def test_estimates_find_the_truth_where_policies_overlap() -> None:
    """Two choices, one taken half as often; the log prefers the worse one, the other policy is uniform."""
    draws = np.random.default_rng(7)
    choice = (draws.random(20_000) < 0.3).astype(np.int64)
    outcome = (draws.random(20_000) < np.where(choice == 1, 0.4, 0.2)).astype(np.float64)
    weights = off_policy.weights_of(np.full(20_000, 0.5), np.where(choice == 1, 0.3, 0.7))
    rates = off_policy.smoothed_rates(choice, outcome, np.arange(10_000), 2, strength=10.0)
    found = off_policy.estimates(weights, outcome, rates[choice], np.full(20_000, rates.mean()), seed=0)
    for interval in (found.ips, found.snips, found.dr):
        assert interval.low < 0.3 < interval.high
    assert found.dr.high - found.dr.low < found.ips.high - found.ips.low
    assert outcome.mean() < 0.28  # the log's own mean is another figure
