"""Off-policy estimates by hand, and checks that refuse thin support and accept sound support."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gateway.core.measure import off_policy
from gateway.core.measure.overlap import CHECKS, Overlap, overlap
from gateway.core.measure.pareto import k_hat, shape_of
from models.off_policy.estimates import OffPolicyError, estimates, weights_of
from tests.models.off_policy import planted


def test_off_policy_estimates_of_three_rows() -> None:
    weights = off_policy.weights_of(np.array([0.5, 0.5, 0.2]), np.array([0.25, 0.5, 0.4]))
    outcome = np.array([1.0, 0.0, 1.0])
    assert weights.tolist() == [2.0, 1.0, 0.5]
    assert off_policy.ips(weights, outcome) == pytest.approx(2.5 / 3)
    assert off_policy.snips(weights, outcome) == pytest.approx(2.5 / 3.5)
    assert off_policy.dr(weights, outcome, np.full(3, 0.5), np.full(3, 0.4)) == pytest.approx(0.4 + 0.75 / 3)
    assert _overlap(weights).ess == pytest.approx(12.25 / 5.25)


def _overlap(weights: np.ndarray) -> Overlap:
    return overlap(weights, np.full(len(weights), 0.5))


def test_one_row_that_outweighs_all_others_is_refused() -> None:
    """The campaign `women` of the whole Open Bandit sample: one row has a probability of one in a million and a weight of 21,739."""
    overlap = _overlap(np.append(np.ones(9_999), 1e6 / 46))
    assert overlap.ess == pytest.approx(2.13, abs=0.01)
    assert round(overlap.weight_max) == 21_739
    assert [reason[:25] for reason in overlap.refused] == ["effective sample size 2.1", "effective sample size is "]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (np.ones(199), "effective sample size 199 is below 200"),
        (np.concatenate((np.full(300, 60.0), np.full(20_000, 0.1))), "of the rows, below 2%"),
        (np.full(1_000, 0.94), "could not make 6.0%"),
        (np.full(1_000, 1.11), "mean weight 1.11 is outside"),
    ],
)
def test_each_check_refuses_alone(weights: np.ndarray, reason: str) -> None:
    (refused,) = _overlap(weights).refused
    assert reason in refused


def test_a_mean_weight_of_less_than_nine_tenths_is_refused_unless_it_is_chance() -> None:
    assert [reason[:16] for reason in _overlap(np.full(1_000, 0.89)).refused] == ["mean weight 0.89", "the log could no"]
    varied = np.tile([0.0, 0.0, 0.0, 0.0, 4.4], 210)  # mean 0.88, standard error 0.05, ESS 210
    assert _overlap(varied).refused == ()


def test_an_overlap_at_the_bounds_is_accepted() -> None:
    assert _overlap(np.ones(200)).refused == ()


@pytest.mark.parametrize(("other", "logged"), [([0.5], [0.0]), ([0.5], [1.5]), ([1.5], [0.5]), ([0.5, 0.5], [0.5]), ([], [])])
def test_what_is_no_probability_is_refused(other: list[float], logged: list[float]) -> None:
    with pytest.raises(OffPolicyError):
        weights_of(np.array(other), np.array(logged))


def test_estimates_find_the_truth_where_policies_overlap() -> None:
    """Two choices, one taken half as often; the log prefers the worse one, the other policy is uniform."""
    draws = np.random.default_rng(7)
    choice = (draws.random(20_000) < 0.3).astype(np.int64)
    outcome = (draws.random(20_000) < np.where(choice == 1, 0.4, 0.2)).astype(np.float64)
    weights = off_policy.weights_of(np.full(20_000, 0.5), np.where(choice == 1, 0.3, 0.7))
    rates = off_policy.smoothed_rates(choice, outcome, np.arange(10_000), 2, strength=10.0)
    found = estimates(weights, outcome, rates[choice], np.full(20_000, rates.mean()), seed=0)
    for interval in (found.ips, found.snips, found.dr):
        assert interval.low < 0.3 < interval.high
    assert found.dr.high - found.dr.low < found.ips.high - found.ips.low
    assert outcome.mean() < 0.28  # the log's own mean is another figure


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9, 1.5])
def test_the_shape_of_a_pareto_tail_is_found(shape: float) -> None:
    uniform = np.random.default_rng(1).random(4_000)
    values = ((1 - uniform) ** -shape - 1) / shape
    assert shape_of(values) == pytest.approx(shape, abs=0.08)
    assert (k_hat(1 + values) > 0.7) == (shape > 0.7)


def test_weights_without_a_tail_have_no_shape() -> None:
    assert k_hat(np.ones(1_000)) == float("-inf")
    assert k_hat(np.array([1.0, 2.0])) == float("-inf")


def test_a_choice_that_was_never_logged_is_missing_mass() -> None:
    sound, p_select = np.ones(5_000), np.full(5_000, 0.5)
    assert overlap(sound, p_select, unseen=0.04).refused == ()
    (reason,) = overlap(sound, p_select, unseen=0.06).refused
    assert "could not make 6.0%" in reason


def test_rows_below_the_floor_count_as_missing() -> None:
    """Four rows of 5,000 have probabilities below 3 / 5,000 and a tenth of the weight: few of the other policy's choices are supported."""
    weights, p_select = np.full(5_000, 0.9), np.full(5_000, 0.5)
    weights[:4], p_select[:4] = 125.0, 5e-4
    assert any("floor 0.0006" in reason for reason in overlap(weights, p_select).refused)
    p_select[:4] = 1e-3
    assert not any("floor" in reason for reason in overlap(weights, p_select).refused)


def _accepted(kind: Callable[[int], planted.Log], seeds: range) -> float:
    logs = [kind(seed) for seed in seeds]
    return float(np.mean([not overlap(log.weights, log.p_select, log.unseen).refused for log in logs]))


def test_sound_support_is_accepted_and_thin_support_refused() -> None:
    """Seeds that no bound was set by."""
    assert _accepted(planted.sound, range(100)) >= 0.95
    assert _accepted(planted.thin, range(100)) <= 0.05


def test_estimates_from_accepted_logs_hold_the_truth() -> None:
    inside = []
    for seed in range(300, 312):
        log = planted.sound(seed)
        if not overlap(log.weights, log.p_select, log.unseen).refused:
            rate = np.full(len(log.outcome), log.outcome.mean())
            found = estimates(log.weights, log.outcome, rate, rate, seed)
            inside.append([one.low <= log.truth <= one.high for one in (found.ips, found.snips, found.dr, found.switch_dr)])
    assert np.mean(inside, axis=0).min() >= 0.85


@pytest.mark.soak
def test_the_guard_errs_in_at_most_one_of_twenty_logs() -> None:
    assert _accepted(planted.sound, range(1_000, 4_000)) >= 0.95
    assert _accepted(planted.thin, range(1_000, 4_000)) <= 0.05


def test_every_check_is_a_row() -> None:
    assert [check.name for check in CHECKS] == [
        "effective sample size",
        "share of the rows",
        "mean weight",
        "missing mass",
        "Pareto k-hat",
    ]


def test_switch_dr_of_four_rows() -> None:
    """The threshold is 2: the row with the weight 3 counts with the forecast alone."""
    weights, outcome = np.array([3.0, 1.0, 0.5, 2.0]), np.array([1.0, 0.0, 1.0, 1.0])
    kept = off_policy.switched(weights)
    assert kept.tolist() == [0.0, 1.0, 0.5, 2.0]
    found = off_policy.dr(kept, outcome, np.full(4, 0.5), np.full(4, 0.4))
    assert found == pytest.approx((0.4 + (0.4 - 0.5) + (0.4 + 0.25) + (0.4 + 1.0)) / 4)


def test_switch_dr_leaves_a_huge_weight_out() -> None:
    outcome = np.random.default_rng(0).binomial(1, 0.2, 5_000).astype(np.float64)
    weights, forecast = np.full(5_000, 0.9), np.full(5_000, 0.2)
    weights[0], outcome[0] = 2_000.0, 1.0
    with_all, without = (off_policy.dr(one, outcome, forecast, forecast) for one in (weights, off_policy.switched(weights)))
    assert with_all > 0.4
    assert without == pytest.approx(0.2, abs=0.01)
