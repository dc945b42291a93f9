"""The measures of the benchmarks against answers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from models.benchmarks.benchmark import Line
from models.benchmarks.hillstrom import quadrants
from models.benchmarks.splitting import RANKED, Findings, ranking_makers, splits_of
from models.benchmarks.weighted_ranking import WeightedRanking
from models.measures import Interval, draw_units
from models.put_aside import put_aside
from models.uplift.ranking import UpliftRanking

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
    people, widths = np.repeat(np.arange(30), 20), []
    for units in (people, np.arange(600)):
        splits = splits_of(taken, units, 3, 0, aside=False)
        found = Findings(ranking_makers(taken, {"any": forecast}, RANKED), splits, units, 0).of("any AUC")
        widths.append(found.high - found.low)
    assert widths[0] > 2 * widths[1]


def test_a_third_of_the_units_is_put_aside_whatever_the_other_rows_are() -> None:
    units = np.repeat(np.arange(3_000), 2)
    aside = put_aside(units, "salt")
    assert aside.mean() == pytest.approx(1 / 3, abs=0.03)
    assert (aside[::2] == aside[1::2]).all()
    assert (put_aside(units[4_000:], "salt") == aside[4_000:]).all()
    assert (put_aside(units, "another") != aside).any()


def test_rows_put_aside_are_in_no_fold_and_are_measured_by_the_last_model() -> None:
    taken, people = np.random.default_rng(0).integers(0, 2, 400), np.repeat(np.arange(100), 4)
    splits = splits_of(taken, people, 4, 0, aside=True)
    assert splits.aside is not None
    developed, out = splits.aside
    assert sorted([*developed, *out]) == list(range(400))
    assert not set(people[developed]) & set(people[out])
    assert sorted(np.concatenate([test for _, test in splits.folds])) == developed.tolist()
    forecast = np.where(np.isin(np.arange(400), out), taken, 0.5)
    line = Findings(ranking_makers(taken, {"any": forecast}, RANKED), splits, people, 0).line("AUC", "any AUC")
    assert (line.ours.value, line.aside, line.covered) == (0.5, 1.0, False)


def test_a_figure_without_an_expected_interval_is_neither_inside_nor_outside() -> None:
    line = Line(figure="f", ours=Interval(value=0.5, low=0.4, high=0.6), aside=0.5)
    assert line.covered is None


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
