"""Known answers of the learner, its exploration and its alarms; every function is pure and repeatable."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from gateway.core.learning import anyway, drift, explore, person, regression
from gateway.core.learning.explore import Arms

DAY_MS = 86_400_000


# --- one person ------------------------------------------------------------------------------------------------


KEYS = ("all", "category:tea", "green-tea")


def answered(effects: dict[str, person.Effect], *, taken: bool, at_ms: int, log_odds: float = 0.0) -> dict[str, person.Effect]:
    own = person.faded(effects, KEYS, at_ms)
    both = person.together(own, KEYS)
    return {**effects, **person.with_step(own, *regression.step(log_odds + both.mean, both.variance, taken=taken))}


def test_the_effects_of_a_person_find_the_own_level() -> None:
    """400 answers at logistic(.5) to offers that all people take with log-odds -1."""
    draws, effects = random.Random(1), dict[str, person.Effect]()  # noqa: S311 (as above)
    for at in range(400):
        effects = answered(effects, taken=draws.random() < 0.6225, at_ms=DAY_MS + at, log_odds=-1.0)
    assert person.together(effects, KEYS).mean == pytest.approx(1.5, abs=0.25)


def test_an_answer_moves_the_effects_by_their_variances_and_another_offer_follows() -> None:
    """From .2, .6 and .2, summing to 1: a mean by variance x .5 / (1 + .25), a variance by its square x .25 / (1 + .25)."""
    effects = answered({}, taken=True, at_ms=DAY_MS)
    for key, variance in zip(KEYS, (0.2, 0.6, 0.2), strict=True):
        assert effects[key].mean == pytest.approx(variance * 0.5 / 1.25)
        assert effects[key].variance == pytest.approx(variance - variance**2 * 0.25 / 1.25)
    other = person.together(effects, ("all", "category:tea", "black-tea"))
    assert 0.0 < other.mean < person.together(effects, KEYS).mean


def test_a_person_keeps_the_newest_effects() -> None:
    effects = {f"offer-{at}": person.Effect(0.0, 0.2, at) for at in range(person.EFFECTS_MAX)}
    found = person.merged(effects, {"new": person.Effect(0.1, 0.2, 999), "offer-7": person.Effect(0.3, 0.1, 999)})
    assert len(found) == person.EFFECTS_MAX
    assert {"new", "offer-7", "offer-1"} <= found.keys()
    assert "offer-0" not in found


def test_an_effect_fades_to_the_prior() -> None:
    effects = answered({}, taken=True, at_ms=DAY_MS)
    faded = person.faded(effects, KEYS, DAY_MS + 180 * DAY_MS)
    assert faded[KEYS[1]].mean == pytest.approx(effects[KEYS[1]].mean / 2)
    assert faded[KEYS[1]].variance == pytest.approx((effects[KEYS[1]].variance + 0.6) / 2)
    assert person.faded(effects, KEYS, 0)[KEYS[1]] == effects[KEYS[1]]


# --- regression ------------------------------------------------------------------------------------------------

SHAPE = (2, 3)
PRIORS = [np.full(SHAPE, 0.25), np.full(SHAPE, 1.0)]


def taught(rows: list[tuple[tuple[int, int], bool]]) -> list[regression.Weights]:
    chain = [regression.start(prior) for prior in PRIORS]
    for at, (bins, taken) in enumerate(rows):
        chain = regression.learned(
            chain, PRIORS, regression.Outcome(np.array(bins), np.ones(2), 0.0, 0.0, taken, DAY_MS + at), SHAPE, half_life_days=90.0
        )
    return chain


def chances(chain: list[regression.Weights], bins: tuple[int, int]) -> float:
    mean, variance = regression.of_chain([model.arrays(SHAPE) for model in chain], np.array(bins), np.ones(2))
    return float(regression.probability(np.array(mean), np.array(variance)))


def test_no_answers_give_one_half_and_one_answer_a_known_step() -> None:
    """Four weights of a row with variances .25, .25, 1, 1: the answer has curve .25, so each moves by variance x .5 / (1 + .25 x 2.5)."""
    start = [regression.start(prior) for prior in PRIORS]
    assert chances(start, (0, 1)) == 0.5
    means, variances = taught([((0, 1), True)])[1].arrays(SHAPE)
    assert means.tolist() == [[pytest.approx(0.5 / 1.625), 0, 0], [0, pytest.approx(0.5 / 1.625), 0]]
    assert variances[0, 0] == pytest.approx(1.0 - 0.25 / 1.625)
    assert variances[0, 1] == 1.0


def test_two_predictors_that_say_the_same_are_not_counted_twice() -> None:
    """Answers of .8 and .2 by bin: the second predictor repeats the first. Naive Bayes would say .94."""
    draws = random.Random(6)  # noqa: S311 (as above)
    rows = [((at % 2, at % 2), draws.random() < (0.8 if at % 2 else 0.2)) for at in range(2_000)]
    assert chances(taught(rows), (1, 1)) == pytest.approx(0.8, abs=0.03)
    assert chances(taught(rows), (0, 0)) == pytest.approx(0.2, abs=0.03)


def test_an_offer_without_answers_has_the_weights_of_the_wider_model_and_old_answers_fade() -> None:
    chain = taught([((0, 0), True)] * 200)
    fresh = [regression.start(PRIORS[0]), chain[1]]
    assert 0.85 < chances(fresh, (0, 0)) < chances(chain, (0, 0))
    late = regression.Outcome(np.array([2, 2]), np.ones(2), 0.0, 0.0, taken=True, at_ms=DAY_MS * 91 + 199)
    means, variances = regression.learned(chain, PRIORS, late, SHAPE, 90.0)[1].arrays(SHAPE)
    before, spread = chain[1].arrays(SHAPE)
    assert means[0, 0] == pytest.approx(before[0, 0] / 2)
    assert variances[0, 0] == pytest.approx((1.0 + spread[0, 0]) / 2)


# --- exploration -----------------------------------------------------------------------------------------------


def betas(*rows: tuple[float, ...]) -> Arms:
    """Arms with the log-odds of Beta posteriors, from rows of taken and refused, and of worth 1 and cost 0 if these do not follow."""
    counts = np.array([row[:2] for row in rows])
    digamma = np.log(counts) - 1 / (2 * counts) - 1 / (12 * counts**2)
    trigamma = 1 / counts + 1 / (2 * counts**2) + 1 / (6 * counts**3)
    worth, cost = np.array([row[2:] or (1.0, 0.0) for row in rows], dtype=float).T
    return Arms(digamma[:, 0] - digamma[:, 1], np.sqrt(trigamma.sum(axis=1)), worth, cost)


def test_thompson_of_two_known_posteriors() -> None:
    """P[Beta(31,171) > Beta(21,181)] = .934."""
    found = explore.probabilities(betas((31, 171), (21, 181)), floor=0.0)
    assert found[0] == pytest.approx(0.934, abs=0.002)
    assert sum(found) == pytest.approx(1.0, abs=1e-3)


ARMS = betas((8, 12, 200.0, 60.0), (3, 4, 180.0, 60.0), (30, 70, 250.0, 60.0), (2, 20, 300.0, 60.0))


@pytest.mark.parametrize("floor", [0.0, 0.03, 0.5])
def test_logged_probabilities_are_those_of_the_choice(floor: float) -> None:
    """Chi-square of 4,000 choices against p_select stays below the .999 quantile for 4 degrees of freedom (18.47); wrong ones exceed it."""
    stated, draws, count = explore.probabilities(ARMS, floor), random.Random(5), 4_000  # noqa: S311 (as above)
    seen = Counter(explore.select(ARMS, [draws.random() for _ in range(4)], draws.random(), floor) for _ in range(count))
    expected = [*stated, 1 - sum(stated)]
    observed = [seen[at] for at in range(4)] + [seen[None]]

    def chi_square(shares: list[float]) -> float:
        return sum((got - count * share) ** 2 / (count * share) for got, share in zip(observed, shares, strict=True) if share > 1e-9)

    assert chi_square(expected) < 18.47
    assert chi_square([0.25, 0.25, 0.25, 0.15, 0.1]) > 18.47


def test_the_floor_of_a_message_is_never_undercut() -> None:
    """Given a message, every arm has the floor, also one that is worth less than its cost; more arms than 1/floor share a fifth."""
    arms = betas((90, 10, 100.0, 5.0), *[(12, 88, 100.0, 5.0)] * 6, (1, 99, 100.0, 50.0))
    found = explore.probabilities(arms, floor=0.01)
    assert min(found) >= 0.01 * sum(found) * (1 - 1e-9)
    crowded = explore.probabilities(arms, floor=1.0)
    assert min(crowded) == pytest.approx(0.2 / 8 * sum(crowded), abs=1e-6)


def test_all_negative_is_silence() -> None:
    arms, nothing = betas((2, 98, 100.0, 90.0), (3, 97, 100.0, 90.0)), ARMS.take([])
    assert explore.select(arms, [0.5, 0.5], 0.0, 0.05) is None
    assert sum(explore.probabilities(arms, 0.05)) == pytest.approx(0.0, abs=1e-6)
    assert explore.select(nothing, [], 0.5, 0.05) is None
    assert explore.probabilities(nothing, 0.05) == ()


@pytest.mark.parametrize(("positives", "share"), [(0, 0.02), (50, 0.265), (100, 0.51), (200, 1.0), (1_000, 1.0)])
def test_ramp(positives: float, share: float) -> None:
    assert explore.ramp(positives) == pytest.approx(share)


def test_holdout_is_persistent_salted_and_five_percent() -> None:
    subjects = [f"s{number}" for number in range(20_000)]
    held = [subject for subject in subjects if explore.in_holdout("salt", subject)]
    assert len(held) == pytest.approx(1_000, abs=4 * math.sqrt(950))
    assert held == [subject for subject in subjects if explore.in_holdout("salt", subject)]
    other = {subject for subject in subjects if explore.in_holdout("pepper", subject)}
    assert len(other & set(held)) < 120


# --- purchases without an offer --------------------------------------------------------------------------------


def test_the_rate_of_a_place_starts_at_the_shop_and_becomes_its_own() -> None:
    where = ("cafe", "plaza", "entered")
    assert anyway.rate({}, *where) == 0.0, "without support the propensity decides"
    visits = {"cafe": anyway.Visits(80.0, 20.0)}
    assert anyway.rate(visits, *where) == pytest.approx(0.2)
    visits[anyway.place(*where)] = anyway.Visits(980.0, 880.0)
    assert anyway.rate(visits, *where) == pytest.approx(884 / 1000)


# --- drift -----------------------------------------------------------------------------------------------------


def test_drift_of_a_known_sequence() -> None:
    """Errors of .2: quiet. Each error of .5 adds less than .25 to the sum, so 30 is passed after more than 120; the mean rises a little."""
    state = drift.Drift()
    for _ in range(1_000):
        state = drift.with_error(state, 0.2)
    assert not state.alarm
    states = [state]
    while len(states) < 200:
        states.append(drift.with_error(states[-1], 0.5))
    steps = [one.alarm for one in states].index(True)
    assert 120 < steps < 150
    assert drift.with_error(states[-1], 0.2).alarm  # an alarm stays until the model is replaced


def test_drift_is_quiet_on_noise_and_on_improvement() -> None:
    draws, state = random.Random(2), drift.Drift()  # noqa: S311 (as above)
    for _ in range(5_000):
        state = drift.with_error(state, (draws.random() < 0.4) * 1.0)
    assert not state.alarm
    for _ in range(1_000):
        state = drift.with_error(state, 0.0)
    assert not state.alarm


@pytest.mark.parametrize(
    ("champion", "challenger", "demoted"),
    [
        ((0.60, 500), (0.50, 500), True),
        ((0.60, 500), (0.595, 500), False),
        ((0.60, 100), (0.50, 100), False),
        ((0.50, 500), (0.60, 500), False),
    ],
)
def test_demotion_needs_a_margin_and_enough_answers(champion: tuple[float, int], challenger: tuple[float, int], *, demoted: bool) -> None:
    assert drift.demotes(drift.Losses(*champion), drift.Losses(*challenger)) == demoted


def test_losses_are_the_mean_log_loss() -> None:
    losses = drift.Losses()
    for propensity, taken in ((0.8, True), (0.8, False), (0.5, True)):
        losses = losses.plus(propensity, taken=taken)
    assert losses.mean == pytest.approx(-(math.log(0.8) + math.log(0.2) + math.log(0.5)) / 3)
