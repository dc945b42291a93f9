"""Known answers of the measures, and intervals that cover a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.core.measure.exposure import coverage, diversity, gini, novelty_bits, serendipity
from gateway.core.measure.fairness import fairness
from gateway.core.measure.forecasts import calibration_error, deciles
from gateway.core.measure.holdout import sample_ratio
from gateway.core.measure.lift import PEOPLE_MIN, VISITS_MIN, lift, margin_lift, scarce
from gateway.core.measure.rates import Sums, sums, wilson


def counted(events: int, people: int) -> Sums:
    """One row a person, of which the first `events` are 1."""
    values = np.zeros(people)
    values[:events] = 1.0
    return Sums(np.ones(people), values)


# --- known answers -----------------------------------------------------------------------------------------


def test_incremental_lift_with_its_interval() -> None:
    """3,500 of 50,000 against 300 of 5,000."""
    found = lift(counted(3_500, 50_000).rate, counted(300, 5_000).rate)
    assert found.ratio.value == pytest.approx(0.16667, abs=5e-6)
    assert found.error == pytest.approx(0.06802, abs=5e-6)
    assert found.z == pytest.approx(2.450, abs=5e-4)
    assert [found.ratio.low, found.ratio.high] == pytest.approx([0.0334, 0.3000], abs=5e-5)
    assert found.difference.value == pytest.approx(0.01)


def test_sample_ratio_alarm() -> None:
    """430 of 10,000 at 5 % is quiet, 425 is an alarm; below five expected people nothing is tested."""
    quiet, alarm = sample_ratio(430, 10_000, 0.05), sample_ratio(425, 10_000, 0.05)
    assert quiet is not None
    assert alarm is not None
    assert (quiet.expected, quiet.alarm, alarm.alarm) == (500.0, False, True)
    assert quiet.p == pytest.approx(0.0013, abs=5e-5)
    assert alarm.p == pytest.approx(0.0006, abs=5e-5)
    assert sample_ratio(0, 99, 0.05) is None
    assert sample_ratio(0, 1_000, 0.0) is None


def test_exposure_gini_coverage_and_novelty() -> None:
    assert (gini([1, 1, 1, 1]), gini([4, 0, 0, 0]), gini([]), gini([0, 0])) == (0.0, 0.75, 0.0, 0.0)
    assert (coverage([4, 0, 0, 0]), coverage([])) == (0.25, 0.0)
    assert novelty_bits([0.5, 0.25, 0.125]) == 2.0
    assert novelty_bits([0.5, 0.25], [3.0, 1.0]) == 1.25
    assert novelty_bits([]) == 0.0


def test_serendipity_is_the_relevant_beyond_the_popular() -> None:
    assert serendipity(["tea", "tea", "cake", "pie"], {"tea"}) == 0.5
    assert (serendipity(["tea"], {"tea"}), serendipity(["pie"], {"tea"}), serendipity([], {"tea"})) == (0.0, 1.0, 0.0)


def test_diversity_is_the_mean_distance_of_two_items() -> None:
    """Identical items 0, without a common feature 1; of {a, b}, {a, b}, {a, c} the distances are 0, 2/3 and 2/3."""
    assert diversity([{"a"}, {"a"}, {"a"}]) == 0.0
    assert diversity([{"a"}, {"b"}]) == 1.0
    assert diversity([{"a", "b"}, {"a", "b"}, {"a", "c"}]) == pytest.approx(4 / 9)
    assert (diversity([]), diversity([{"a"}]), diversity([set(), set()])) == (0.0, 0.0, 0.0)


def test_wilson_interval() -> None:
    """Known answers: 0 of 10, 10 of 10, and 8 of 10 (Newcombe 1998, method 3)."""
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=5e-5)
    assert (wilson(0, 10).low, wilson(10, 10).high) == (0.0, 1.0)
    found = wilson(8, 10)
    assert [found.low, found.high] == pytest.approx([0.4902, 0.9433], abs=5e-5)
    for successes, trials in ((1, 0), (-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="is no share"):
            wilson(successes, trials)


def test_calibration_error_and_deciles() -> None:
    forecast = np.repeat([0.1, 0.3], 50)
    taken = np.tile([1.0, 0.0, 0.0, 0.0, 0.0], 20)  # a fifth of both halves
    assert calibration_error(forecast, taken) == pytest.approx(0.1)
    assert calibration_error(np.full(100, 0.2), taken) == pytest.approx(0.0)
    sent = np.ones(100)
    sent[99] = 0.0
    found = deciles(forecast, sent, taken)
    assert [one.rows for one in found] == [10] * 10
    assert [one.forecast for one in found] == pytest.approx([0.3] * 5 + [0.1] * 5)
    assert found[0].taken is not None
    assert found[0].taken.value == 0.2
    assert found[4].held_out == pytest.approx(0.1)
    assert deciles(forecast[:9], sent[:9], taken[:9]) == ()
    unsent = deciles(forecast, np.zeros(100), taken)
    assert {one.taken for one in unsent} == {None}


def test_margin_of_visits_that_would_have_come_anyway_is_not_added() -> None:
    """Visits at equal rates add nothing; at twice the rate, half of the margin is added."""
    margins = np.zeros(1_000)
    margins[:50] = 400.0
    assert margin_lift(counted(100, 1_000), margins, counted(10, 100)).value == pytest.approx(0.0)
    twice = margin_lift(counted(100, 1_000), margins, counted(5, 100))
    assert twice.value == pytest.approx(10.0)  # half of 50 x 400 over 1,000 rows
    assert twice.low < 10.0 < twice.high


def test_rows_of_one_person_count_as_one_witness() -> None:
    """Ten equal rows of each person say no more than one: the variance stays."""
    people = np.repeat(np.arange(200), 10)
    one = counted(50, 200)
    ten = sums(people, np.repeat(one.values, 10))
    assert ten.rate.value == one.rate.value
    assert ten.rate.variance == pytest.approx(one.rate.variance)
    assert ten.rate.people == 200


# --- too little, and impossible input ----------------------------------------------------------------------


def test_the_scarcest_count_is_named() -> None:
    enough = counted(VISITS_MIN, PEOPLE_MIN)
    assert scarce(enough, enough) is None
    few = scarce(enough, counted(5, 10))
    assert few is not None
    assert (few.name, few.have, few.need) == ("people held out", 10, PEOPLE_MIN)
    visits = scarce(counted(1, PEOPLE_MIN), enough)
    assert visits is not None
    assert (visits.name, visits.have) == ("visits of people who are sent offers", 1)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="ratio to a rate of 0"):
        lift(counted(1, 10).rate, counted(0, 10).rate)
    with pytest.raises(ValueError, match="without visits"):
        margin_lift(counted(0, 10), np.zeros(10), counted(1, 10))
    with pytest.raises(ValueError, match="needs a row"):
        _ = Sums(np.zeros(0), np.zeros(0)).rate
    with pytest.raises(ValueError, match="needs a row"):
        calibration_error(np.zeros(0), np.zeros(0))


# --- fairness ----------------------------------------------------------------------------------------------


def test_a_segment_that_is_left_out_is_refused() -> None:
    offered = {"few": counted(300, 1_000), "many": counted(600, 1_000), "tiny": counted(0, 5)}
    few, many, tiny = fairness(offered, {}, {})
    assert few.against_most is not None
    assert few.against_most.value == pytest.approx(0.5)
    assert few.refused == ("gets offers 50% as often as the segment that gets most, below four fifths",)
    assert (many.refused, tiny.against_most, tiny.refused) == ((), None, ())


def test_a_difference_by_chance_is_not_refused() -> None:
    few, _ = fairness({"few": counted(27, 40), "many": counted(36, 40)}, {}, {})
    assert few.against_most is not None
    assert few.against_most.value < 0.8 < few.against_most.high
    assert few.refused == ()


def test_wrong_forecasts_of_a_segment_are_refused() -> None:
    offered = {"few": counted(500, 1_000)}
    gaps = {"few": Sums(np.ones(500), np.tile([0.5, -0.2], 250))}
    (refused,) = fairness(offered, gaps, {"few": 50})
    assert refused.gap is not None
    assert refused.gap.value == pytest.approx(0.15)
    assert refused.refused == ("forecasts are 0.15 too high, above 0.1",)
    (unjudged,) = fairness(offered, gaps, {"few": 4})
    assert (unjudged.gap, unjudged.refused) == (None, ())


# --- coverage of a known truth -----------------------------------------------------------------------------


def covered(seeds: range, *, people: int, share: float, base: float, effect: float) -> tuple[int, int, int]:
    """How many of the seeds have intervals of ratio, difference and added margin that hold the truth."""
    ratios = differences = margins = 0
    for seed in seeds:
        draws = np.random.default_rng(seed)
        held = draws.random(people) < share
        rows = (1.0 + draws.poisson(5.0, people)).astype(np.float64)
        chance = draws.beta(2.0, 2.0 / base - 2.0, people) * np.where(held, 1.0, 1.0 + effect)
        visits = draws.binomial(rows.astype(int), np.minimum(chance, 1.0)).astype(float)
        margin = (300.0 * draws.binomial(visits.astype(int), 0.5)).astype(np.float64)
        treated, control = Sums(rows[~held], visits[~held]), Sums(rows[held], visits[held])
        found, added = lift(treated.rate, control.rate), margin_lift(treated, margin[~held], control)
        ratios += found.ratio.low <= effect <= found.ratio.high
        differences += found.difference.low <= effect * base <= found.difference.high
        margins += added.low <= effect * base * 150.0 <= added.high
    return ratios, differences, margins


def test_intervals_of_the_lift_cover_the_truth_in_ninety_of_a_hundred() -> None:
    assert min(covered(range(100), people=3_000, share=0.05, base=0.05, effect=0.5)) >= 90


def test_intervals_that_ignore_people_do_not_cover() -> None:
    """The negative control: rows of one person as independent, with people of very different habits."""
    hits = 0
    for seed in range(100):
        draws = np.random.default_rng(seed)
        held = draws.random(1_000) < 0.2
        visits = draws.binomial(40, draws.beta(0.2, 1.8, 1_000)).astype(float)
        arms = []
        for own in (visits[~held], visits[held]):
            ones = np.zeros(40 * len(own))
            ones[: int(own.sum())] = 1.0
            arms.append(Sums(np.ones(len(ones)), ones).rate)
        found = lift(*arms).difference
        hits += found.low <= 0.0 <= found.high
    assert hits < 70


@pytest.mark.soak
@pytest.mark.parametrize("effect", [-0.3, 0.0, 0.2, 0.5])
@pytest.mark.parametrize("base", [0.02, 0.1, 0.3])
def test_intervals_of_the_lift_cover_the_truth_over_thousands_of_logs(base: float, effect: float) -> None:
    found = covered(range(1_000), people=6_000, share=0.05, base=base, effect=effect)
    assert min(found) >= 920, found
