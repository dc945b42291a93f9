"""Known answers of the learner, its exploration and its alarms; every function is pure and repeatable."""

from __future__ import annotations

import math
import random
from collections import Counter

import msgspec
import pytest

from gateway.core.learned import OfferPriors, Predictor
from gateway.core.learning import anyway, bayes, calibration, drift, explore, person
from gateway.core.learning.explore import Arm

TAKEN, REFUSED = (10.0, 40.0), (90.0, 60.0)
PREDICTORS = (("a", (0.0,), 0), ("b", (0.0, 1.0), 1))
DAY_MS = 86_400_000


def learned(rows: list[tuple[tuple[float, float], bool]], half_life_days: float = 90.0) -> OfferPriors:
    model = bayes.empty("tea", PREDICTORS, half_life_days)
    for at, (values, taken) in enumerate(rows):
        model = bayes.learn(model, values, bayes.score(bayes.compiled([model]), values), taken=taken, at_ms=DAY_MS + at)
    return model


def answers(count: int, seed: int = 0) -> list[tuple[tuple[float, float], bool]]:
    """Rows of which the first predictor decides: .8 of the offers are taken above 0, .2 below."""
    draws = random.Random(seed)  # noqa: S311 (a test repeats its draws)
    values = [(draws.uniform(-1, 1), draws.uniform(-1, 2)) for _ in range(count)]
    return [(row, draws.random() < (0.8 if row[0] > 0 else 0.2)) for row in values]


# --- naive Bayes -----------------------------------------------------------------------------------------------


def test_contributions_prior_lifts_and_auc_of_the_published_bins() -> None:
    assert bayes.contributions([(TAKEN, REFUSED)]) == pytest.approx((-1.06852, 0.68411), abs=1e-5)
    assert bayes.prior_log_odds([(50.0, 150.0)]) == pytest.approx(-1.08545, abs=1e-5)
    assert bayes.lifts(TAKEN, REFUSED) == pytest.approx((0.4, 1.6))
    assert bayes.auc(TAKEN, REFUSED) == pytest.approx(0.70)


def test_an_empty_model_gives_one_half() -> None:
    tables = bayes.compiled([bayes.empty("tea", PREDICTORS, 90.0)] * 3)
    assert bayes.propensity(tables, (0.3, math.nan)) == 0.5


def test_the_useful_predictor_is_active_and_noise_is_not() -> None:
    model = learned(answers(3_000))
    assert bayes.active_predictors(model) == {0}
    tables = bayes.compiled([model])
    assert bayes.propensity(tables, (0.5, 0.0)) == pytest.approx(0.8, abs=0.06)
    assert bayes.propensity(tables, (-0.5, 0.0)) == pytest.approx(0.2, abs=0.06)


def test_a_predictor_needs_two_standard_errors() -> None:
    """Mann-Whitney: with 50 and 150 rows the standard error is sqrt(201 / 90,000) = .0473, so .70 is active and .59 is not."""
    assert bayes.auc_error(50.0, 150.0) == pytest.approx(0.04726, abs=1e-5)
    assert bayes.auc_error(0.0, 150.0) == math.inf

    def active(taken: tuple[float, float], refused: tuple[float, float]) -> bool:
        predictor = Predictor("a", (0.0,), (*taken, 0.0), (*refused, 0.0))
        return bool(bayes.active_predictors(OfferPriors("tea", (predictor,), sum(taken), sum(refused))))

    assert active(TAKEN, REFUSED)
    assert not active((23.0, 27.0), (96.0, 54.0))
    assert active((230.0, 270.0), (960.0, 540.0))


def test_of_a_group_only_the_best_predictor_is_active() -> None:
    rows = [((values[0], values[0] + 0.5), taken) for values, taken in answers(600)]
    model = learned(rows)
    assert bayes.active_predictors(model) == {0, 1}
    grouped = msgspec.structs.replace(model, predictors=tuple(msgspec.structs.replace(one, group=0) for one in model.predictors))
    assert bayes.active_predictors(grouped) == {0}


def test_same_answers_same_model_and_old_ones_fade() -> None:
    assert learned(answers(50)) == learned(answers(50))
    model = learned(answers(50), half_life_days=1.0)
    later = bayes.learn(model, (0.5, 0.5), 0.0, taken=True, at_ms=model.at_ms + DAY_MS)
    assert later.taken == pytest.approx(model.taken / 2 + 1)
    assert later.refused == pytest.approx(model.refused / 2)
    assert sum(later.predictors[0].taken) == pytest.approx(later.taken)
    assert bayes.learn(model, (0.5, 0.5), 0.0, taken=True, at_ms=0).at_ms == model.at_ms


def test_the_state_of_an_offer_does_not_grow() -> None:
    sizes = {len(msgspec.msgpack.encode(learned(answers(count)))) for count in (200, 400)}
    assert len(sizes) == 1
    assert max(sizes) < 1_000


def test_pooling_starts_an_offer_at_its_category_and_lets_it_go() -> None:
    """Without answers an offer has the category's propensity; after many of its own, its own."""
    category = learned([((0.5, 0.5), at % 10 == 0) for at in range(400)])
    fresh = bayes.compiled([bayes.empty("tea", PREDICTORS, 90.0), category])
    assert bayes.propensity(fresh, (0.5, 0.5)) == pytest.approx(0.1, abs=0.03)
    own = learned([((0.5, 0.5), at % 10 != 0) for at in range(400)])
    assert bayes.propensity(bayes.compiled([own, category]), (0.5, 0.5)) == pytest.approx(0.9, abs=0.05)


def test_calibration_finds_the_line_of_an_overconfident_score() -> None:
    """Answers drawn at logistic(.4 + .5 x score) give that line back; a model without answers leaves the score as it is."""
    shares = [calibration.logistic(0.4 + 0.5 * centre) for centre in calibration.CENTRES]
    taken, refused = [1000 * share for share in shares], [1000 * (1 - share) for share in shares]
    assert calibration.fitted([(taken, refused)]) == pytest.approx((0.4, 0.5), abs=0.01)
    none = [0.0] * len(shares)
    assert calibration.fitted([(none, none)]) == (0.0, 1.0)
    assert calibration.fitted([(none, none), (taken, refused)]) == calibration.fitted([(taken, refused)])


# --- one person ------------------------------------------------------------------------------------------------


KEYS = ("category:tea", "green-tea")


def test_the_effect_of_a_person_finds_the_own_level() -> None:
    """400 answers at logistic(.5) to offers that all people take with log-odds -1."""
    draws, effects = random.Random(1), dict[str, person.Effect]()  # noqa: S311 (as above)
    for at in range(400):
        effects = person.with_answer(effects, KEYS, -1.0, taken=draws.random() < calibration.logistic(0.5), at_ms=DAY_MS + at)
    assert person.probability(-1.0, person.together(effects, KEYS)) == pytest.approx(calibration.logistic(0.5), abs=0.06)


def test_a_person_without_answers_has_the_propensity_of_all_people() -> None:
    for odds in (-2.0, -0.3, 1.4):
        assert person.probability(odds, person.together({}, KEYS)) == pytest.approx(calibration.logistic(odds), abs=1e-9)


def test_an_answer_moves_the_effect_of_the_category_more_and_that_of_another_offer_follows() -> None:
    """Both share the surprise by their variances, .8 and .4; another offer of the category knows the first one only."""
    effects = person.with_answer({}, KEYS, 0.0, taken=True, at_ms=DAY_MS)
    category, offer = effects[KEYS[0]], effects[KEYS[1]]
    assert category.mean == pytest.approx(2 * offer.mean) == pytest.approx(0.8 * 0.5 / (1 + 0.25 * 1.2))
    assert category.variance == pytest.approx(0.8 - 0.8**2 * 0.25 / (1 + 0.25 * 1.2))
    other = person.together(effects, ("category:tea", "black-tea"))
    assert 0.0 < other.mean < person.together(effects, KEYS).mean


def test_an_effect_fades_to_the_prior() -> None:
    effects = person.with_answer({}, KEYS, 0.0, taken=True, at_ms=DAY_MS)
    faded = person.with_answer(effects, KEYS, 0.0, taken=False, at_ms=DAY_MS * 10_000)
    assert faded[KEYS[0]].mean == pytest.approx(person.with_answer({}, KEYS, 0.0, taken=False, at_ms=DAY_MS)[KEYS[0]].mean, abs=1e-6)


# --- exploration -----------------------------------------------------------------------------------------------


def test_thompson_of_two_known_posteriors() -> None:
    """P[Beta(31,171) > Beta(21,181)] = .934."""
    found = explore.probabilities([Arm(31, 171), Arm(21, 181)], floor=0.0)
    assert found[0] == pytest.approx(0.934, abs=0.002)
    assert sum(found) == pytest.approx(1.0, abs=1e-3)


ARMS = [Arm(8, 12, 200.0, 60.0), Arm(3, 4, 180.0, 60.0), Arm(30, 70, 250.0, 60.0), Arm(2, 20, 300.0, 60.0)]


@pytest.mark.parametrize("floor", [0.0, 0.03, 0.5])
def test_logged_probabilities_are_those_of_the_choice(floor: float) -> None:
    """Chi-square of 4,000 choices against p_select stays below the .999 quantile for 4 degrees of freedom (18.47); wrong ones exceed it."""
    stated, draws, count = explore.probabilities(ARMS, floor), random.Random(5), 4_000  # noqa: S311 (as above)
    seen = Counter(explore.select(ARMS, [draws.random() for _ in ARMS], draws.random(), floor) for _ in range(count))
    expected = [*stated, 1 - sum(stated)]
    observed = [seen[at] for at in range(len(ARMS))] + [seen[None]]

    def chi_square(shares: list[float]) -> float:
        return sum((got - count * share) ** 2 / (count * share) for got, share in zip(observed, shares, strict=True) if share > 1e-9)

    assert chi_square(expected) < 18.47
    assert chi_square([0.25, 0.25, 0.25, 0.15, 0.1]) > 18.47


def test_the_floor_of_a_message_is_never_undercut() -> None:
    """Given a message, every arm has the floor, also one that is worth less than its cost; more arms than 1/floor share a fifth."""
    arms = [Arm(90, 10, 100.0, 5.0), *(Arm(12, 88, 100.0, 5.0) for _ in range(6)), Arm(1, 99, 100.0, 50.0)]
    found = explore.probabilities(arms, floor=0.01)
    assert min(found) >= 0.01 * sum(found) * (1 - 1e-9)
    crowded = explore.probabilities(arms, floor=1.0)
    assert min(crowded) == pytest.approx(0.2 / 8 * sum(crowded), abs=1e-6)


def test_all_negative_is_silence() -> None:
    arms = [Arm(1, 99, 100.0, 90.0), Arm(2, 98, 100.0, 90.0)]
    assert explore.select(arms, [0.5, 0.5], 0.0, 0.05) is None
    assert sum(explore.probabilities(arms, 0.05)) == pytest.approx(0.0, abs=1e-6)
    assert explore.select([], [], 0.5, 0.05) is None
    assert explore.probabilities([], 0.05) == ()


@pytest.mark.parametrize(("positives", "share"), [(0, 0.02), (50, 0.265), (100, 0.51), (200, 1.0), (1_000, 1.0)])
def test_ramp(positives: float, share: float) -> None:
    assert explore.ramp(positives) == pytest.approx(share)


def test_holdout_is_persistent_salted_and_five_percent() -> None:
    subjects = [f"s{number}" for number in range(20_000)]
    held = [subject for subject in subjects if explore.in_holdout("salt", subject)]
    assert len(held) == pytest.approx(1_000, abs=4 * math.sqrt(950))
    assert not explore.sample_ratio_alarm(len(held), len(subjects))
    assert held == [subject for subject in subjects if explore.in_holdout("salt", subject)]
    other = {subject for subject in subjects if explore.in_holdout("pepper", subject)}
    assert len(other & set(held)) < 120


def test_sample_ratio_alarm() -> None:
    """Of 10,000: 430 has p .0013 and is quiet, 425 has p .0006 and is an alarm."""
    assert not explore.sample_ratio_alarm(430, 10_000)
    assert explore.sample_ratio_alarm(425, 10_000)


# --- purchases without an offer --------------------------------------------------------------------------------


def test_the_rate_of_a_place_starts_at_the_shop_and_becomes_its_own() -> None:
    where = ("cafe", "plaza", "entered")
    assert anyway.rate({}, *where) == 0.5
    visits = {"cafe": anyway.Visits(98.0, 19.0)}
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
