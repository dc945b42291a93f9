"""The learned policy as values: prospects of an offer, keys of the state, and the rules of the purposes."""

from __future__ import annotations

import math
import random
from collections import Counter

import msgspec
import numpy as np
import pytest

from gateway.core.attributes.schema import Attribute, Between, Clock, Schema
from gateway.core.context import Contact
from gateway.core.learning import anyway, outlook, person, predictors
from gateway.core.learning.anyway import Habit, Visits
from gateway.core.learning.busy import Busy, relative
from gateway.core.learning.outlook import DEVIATIONS, Outlook, prospects
from gateway.core.learning.policy import Learner
from gateway.core.learning.regression import Weights
from gateway.core.learning.state import ALL, LearnedState, PersonState, Share, state_of
from gateway.core.learning.types import Ended, Moment, Outcome, Settings, Weighed
from gateway.core.offers import Offer, Policy

DAY_MS = 86_400_000
SCHEMA = Schema(
    categories=("tea", "cake"),
    zone_kinds=("tea",),
    currency="EUR",
    attributes=(
        Attribute("hour", "moment", "number", clock=Clock("hour")),
        Attribute("walk", "offer", "number", between=Between("walk_min")),
        Attribute("fond", "offer", "number", between=Between("by_category", {"tea": "fond_tea"})),
        Attribute("fond_tea", "person", "number", purposes=("offers",)),
    ),
)
COLUMNS = ("fond", "walk", "hour", "fond_tea")
OFFERS = tuple(
    Offer(id_, category, ("plaza", "shop"), "shop", value, 0, 400 * DAY_MS, 2.0, id_, occasions=("entered", "dwelled"))
    for id_, category, value in (("green", "tea", 300), ("black", "tea", 200), ("pie", "cake", 250))
)


def learner(**settings: float) -> Learner:
    return Learner(SCHEMA, COLUMNS, OFFERS, Policy(contact_cost_minor=20.0), Settings(**settings))  # type: ignore[arg-type]


def moment(at_ms: int = DAY_MS, zone: str = "plaza", occasion: str = "entered", contacts: tuple[Contact, ...] = ()) -> Moment:
    rows = np.array([[1.0, 2.0, 12.0, 1.0]] * len(OFFERS), dtype=np.float32)
    return Moment(zone, occasion, at_ms, contacts, np.arange(3), np.array((0.4, 0.3, 0.2)), rows)


def lived(count: int, *, learning: bool = True, seed: int = 3, in_turn: bool = False) -> tuple[LearnedState, PersonState]:
    """A person who takes .7 of the tea and .1 of the cake, over `count` moments an hour apart; offers as chosen, or `in_turn`."""
    policy, state, me, draws = learner(), LearnedState(), PersonState(), random.Random(seed)  # noqa: S311 (a test repeats its draws)
    for at in range(count):
        here = moment(DAY_MS + at * 3_600_000)
        weighed = policy.weigh(state, me, here)
        chosen = policy.chosen(state, weighed.arms, policy.ruled(here), [draws.random() for _ in range(5)]).position
        chosen = at % len(OFFERS) if in_turn else chosen
        changed, me = policy.seen(state, me, here, weighed, None if chosen is None else OFFERS[chosen], draws.random(), learning=learning)
        state = state.plus(changed)
        if chosen is not None:
            ended: Ended = "accepted" if draws.random() < (0.7 if OFFERS[chosen].category == "tea" else 0.1) else "dismissed"
            outcome = Outcome(OFFERS[chosen], weighed.known(chosen), ended, here.now_ms + 60_000, learning)
            changed, me = policy.after(state, me, outcome)
            state = state.plus(changed)
    return state, me


# --- prospects -------------------------------------------------------------------------------------------------

SAME = Outlook(deviations=tuple(float(at == 0.0) for at in DEVIATIONS))


def worth(one: Outlook, days: float, *, moments: float = 1.0, cap: float = 1e9, cost: float = 0.0, dismissed: float = 0.5) -> float:
    shares, worths = np.array([one.deviations]).T / sum(one.deviations), np.full((len(DEVIATIONS), 1), 100.0)
    columns = np.array([[0.0], [moments], [days], [cap]])
    return float(prospects(shares, columns[0], worths, *columns[1:], cost_minor=cost, dismissed=dismissed)[0])


def test_prospects_of_equal_moments_have_a_closed_form() -> None:
    """Propensity .5, worth 100, dismissed .5: a message brings 50 and ends it with .25, so M moments bring 200 (1 - exp(-M / 4))."""
    assert worth(SAME, 4.0) == pytest.approx(200.0 * (1.0 - math.exp(-1.0)))
    assert worth(SAME, 1e9) == pytest.approx(200.0)
    assert worth(SAME, 0.0) == 0.0
    assert worth(SAME, 4.0, cost=60.0) == 0.0


def test_without_dismissals_nothing_can_be_lost_by_a_message() -> None:
    assert worth(SAME, 7.0, dismissed=0.0) == pytest.approx(350.0)


def test_a_cap_bounds_the_messages_of_a_day() -> None:
    """Of many moments a day at most one message: 350 in a week; of one moment, .632 (at least one of a Poisson process with mean 1)."""
    assert worth(SAME, 7.0, moments=500.0, cap=1.0, dismissed=0.0) == pytest.approx(350.0)
    assert worth(SAME, 7.0, moments=1.0, cap=1.0, dismissed=0.0) == pytest.approx(350.0 * 0.632, rel=1e-3)


def test_prospects_wait_for_the_better_moments() -> None:
    """Half of the moments have log-odds -2 and half 2: of many, only the better ones are used, and they bring more than equal ones.

    Sent at those, with p = .8808: 88.08 / (.5 x (1 - p)) of 1,000 moments, until it is dismissed.
    """
    mixed = Outlook(deviations=tuple(float(at in {-2.0, 2.0}) for at in DEVIATIONS))
    assert worth(mixed, 1_000.0) == pytest.approx(88.08 / 0.05960, rel=1e-3)
    assert worth(mixed, 1_000.0) > 5 * worth(SAME, 1_000.0)


def test_the_log_odds_of_moments_become_the_outlook() -> None:
    found, draws = Outlook(), random.Random(4)  # noqa: S311 (as above)
    for _ in range(1_500):
        deviation = draws.gauss(0.0, 1.0)
        found = found.plus(-1.0, deviation, 0.3 + 0.1 * deviation)
    shares = np.array(found.deviations) / sum(found.deviations)
    assert float(shares @ np.array(DEVIATIONS)) == pytest.approx(0.0, abs=0.1)
    assert float(shares @ np.array(DEVIATIONS) ** 2) ** 0.5 == pytest.approx(1.0, abs=0.1)
    assert found.level.mean == pytest.approx(-1.0)
    assert found.anyway.mean == pytest.approx(0.3, abs=0.01)
    assert found.slope == pytest.approx(0.1, abs=0.01)
    assert Outlook().slope == 0.0
    assert sum(found.plus(0.0, 0.0, 0.0).deviations) <= outlook.ROWS_MAX + 1


def test_a_habit_is_visits_over_those_expected_drawn_to_one() -> None:
    often, never = Habit(), Habit()
    assert often.factor == 1.0
    for _ in range(120):
        often, never = often.plus(0.25, visited=True), never.plus(0.25, visited=False)
    assert often.factor == pytest.approx((120.0 + anyway.PRIOR_VISITS) / (30.0 + anyway.PRIOR_VISITS))
    assert never.factor == pytest.approx(anyway.PRIOR_VISITS / (30.0 + anyway.PRIOR_VISITS))
    for _ in range(10_000):
        often = often.plus(0.25, visited=False)
    assert often.factor < 0.1, "older visits fade"
    assert often.expected <= anyway.EXPECTED_MAX


def test_a_person_keeps_the_habits_of_the_shops_with_the_most_visits() -> None:
    many = {f"shop-{number}": Habit(float(number), 0.0) for number in range(100)}
    kept = anyway.bounded(many)
    assert len(kept) == anyway.HABITS_MAX
    assert kept == {shop: habit for shop, habit in many.items() if habit.expected >= 100 - anyway.HABITS_MAX}
    assert anyway.bounded(kept) is kept


def test_the_habit_of_a_person_lowers_the_worth_of_an_offer() -> None:
    """.25 of all people visit the shop after this moment, this person twice as often: half of the acceptances replace a purchase."""
    places = {"shop": Visits(1e6, 25e4), anyway.place("shop", "plaza", "entered"): Visits(1e6, 25e4)}
    policy, state, here = learner(buys=1.0), LearnedState(visits=places), moment()
    keen = PersonState(habits={"shop": Habit(1e6, 2e6)})
    some, more = policy.weigh(state, PersonState(), here), policy.weigh(state, keen, here)
    assert some.anyway == pytest.approx([0.25] * 3, abs=1e-4)
    assert more.anyway == pytest.approx([0.5] * 3, abs=1e-4)
    assert more.usually == pytest.approx(some.usually)
    assert more.worth_minor == pytest.approx(some.worth_minor * 2.0 / 3.0, rel=1e-3)


def test_silent_moments_become_the_habit_of_a_person() -> None:
    """A visit of the shop within the hour after one of two silent moments, where half of all people visit it."""
    half = {"shop": Visits(1e6, 5e5), anyway.place("shop", "plaza", "entered"): Visits(1e6, 5e5)}
    policy, state, me = learner(), LearnedState(visits=half), PersonState()
    for at_ms, zone, occasion in (
        (0, "plaza", "entered"),
        (1_800_000, "shop", "dwelled"),
        (9_000_000, "plaza", "entered"),
        (18_000_000, "plaza", "entered"),
    ):
        _, me = policy.seen(state, me, Moment(zone, occasion, DAY_MS + at_ms, ()), None, None, 0.5, learning=False)
    shop = me.habits["shop"]
    assert shop.visited == 2.0, "of the moments at 0 and at half past, and not of that at 2.5 h"
    assert shop.expected == pytest.approx(0.5 * 3, abs=0.1)


# --- predictors ------------------------------------------------------------------------------------------------


def test_predictors_follow_from_the_schema_and_the_model() -> None:
    found = predictors.plan(SCHEMA, COLUMNS)
    assert [one.name for one in found.predictors] == ["level", "recent", "new", "score", "busy", "hour", "walk", "fond"]
    rows = moment().rows.copy()
    rows[1, 1] = np.nan
    read = found.rows(np.array([0.1, 0.1, -3.0]), rows, recent=0.7, new=np.array([True, False, False]), busy=np.array([0.01, 0.9, 9.0]))
    assert read.bins[0].tolist() == [0, 0, 0, 6, 0, 11, 4, 2]
    assert read.bins[:, 4].tolist() == [0, 5, 7]
    assert read.bins[1, 6] == len(predictors.NUMBER_EDGES) + 1
    assert read.bins[2, 3] == 0
    assert read.times[:, 1:3].tolist() == [[0.7, 1.0], [0.7, 0.0], [0.7, 0.0]]
    assert [one.name for one in predictors.plan(SCHEMA, ()).predictors] == ["level", "recent", "new", "score", "busy"]


def test_before_any_answer_the_propensity_is_the_score_drawn_to_one_half() -> None:
    """The weights and the person's effects are not known yet: log-odds / sqrt(1 + pi/8 variance)."""
    policy, here = learner(), moment(contacts=(Contact("d", "green", 0), Contact("d", "black", 0), Contact("d", "pie", 0)))
    spread = sum(sum(of[at].max() for at in (0, 3, 4, 5, 6, 7)) for of in policy.plan.variances) + sum(person.VARIANCES)
    for propensity, score in zip(policy.weigh(LearnedState(), PersonState(), here).propensity, here.scores, strict=True):
        odds = math.log(score / (1 - score)) / math.sqrt(1 + math.pi / 8 * spread)
        assert propensity == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-6)


def test_a_shop_without_visits_at_an_hour_or_weekday_is_known_from_the_visits() -> None:
    """Of 20 visits an hour, 24 hours over 14 days, the shop has each second one, but none at night (0 to 6) and none on the third day."""
    site, shop, start = Busy(), Busy(), 2 * DAY_MS
    for hour in range(24 * 14):
        for number in range(20):
            at_ms = start + hour * 3_600_000
            site = site.plus(at_ms)
            if hour % 24 >= 6 and (hour // 24) % 7 != 2 and number % 2:
                shop = shop.plus(at_ms)
    assert relative(Busy(), Busy(), start) == 1.0
    assert relative(shop, site, start + 3 * 3_600_000) < 0.05
    assert relative(shop, site, start + (2 * 24 + 12) * 3_600_000) < 0.05
    assert relative(shop, site, start + 12 * 3_600_000) > 0.9


# --- the state -------------------------------------------------------------------------------------------------


def test_rows_of_the_state_give_the_state_again_and_a_change_holds_its_keys_only() -> None:
    state, me = lived(120)
    assert state_of(state.rows()) == state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(me), type=PersonState) == me
    policy, here = learner(), moment(DAY_MS * 9)
    known = policy.weigh(state, me, here).known(0)
    changed, _ = policy.after(state, me, Outcome(OFFERS[0], known, "accepted", DAY_MS * 9, learning=True))
    assert {key for key, _ in changed.rows()} == {"models/green", "models/category:tea", f"models/{ALL}", "shares/taken", "shares/redeemed"}


def test_the_same_log_gives_the_same_state_also_over_a_restart() -> None:
    assert lived(80) == lived(80)
    policy, (state, me), here = learner(), lived(80), moment(DAY_MS * 9)
    again = learner().weigh(state_of(state.rows()), me, here)
    for before, after in zip(policy.weigh(state, me, here).arms, again.arms, strict=True):
        assert before.tolist() == after.tolist()


def test_without_the_purpose_learning_no_row_of_the_state_changes_but_the_person_is_known_better() -> None:
    state, me = lived(120, learning=False)
    assert state == LearnedState()
    assert me.effects["category:tea"].mean > 0.2


def test_answers_raise_the_tea_and_lower_the_cake() -> None:
    """The person's own, and those of all people for another person."""
    state, me = lived(600, in_turn=True)
    here = moment(DAY_MS * 60)
    assert learner().weigh(state, me, here).propensity == pytest.approx((0.7, 0.7, 0.1), abs=0.12)
    stranger = learner().weigh(state, PersonState(), here).propensity
    assert min(stranger[:2]) > 0.5, "drawn to one half, because another person may differ"
    assert stranger[2] < 0.35


def test_a_refusal_costs_more_the_better_the_prospects_are() -> None:
    state, me = lived(200, in_turn=True)
    here = moment(DAY_MS * 20)
    close, far = (learner(look_ahead_days=days).weigh(state, me, here) for days in (0.0, 30.0))
    cost = close.propensity * close.worth_minor - close.net_minor
    assert cost == pytest.approx([cost[0]] * 3)
    more = close.net_minor - far.net_minor
    assert more[0] > 10.0
    assert more[0] > 2 * more[2] >= 0.0


def test_fatigue_of_earlier_messages_is_part_of_the_price() -> None:
    """Log-odds -.5 for each recent contact, p about .3: the mean loss of messages one hour after another is r x .5 x p (1 - p) x worth."""
    policy = learner(look_ahead_days=0.0)
    means = np.zeros(policy.plan.shape)
    means[1, 0] = -0.5
    state = LearnedState(models={ALL: Weights(means.tobytes(), np.full(policy.plan.shape, 0.01).tobytes())})
    here = moment(contacts=(Contact("d", "green", DAY_MS - 3_600_000),))
    weighed = policy.weigh(state, PersonState(), here)
    assert weighed.fatigue_minor == pytest.approx(0.5 * 0.5 * weighed.propensity * (1 - weighed.propensity) * weighed.worth_minor)
    changed, _ = policy.seen(state, PersonState(), here, weighed, OFFERS[1], 0.5, learning=True)
    after = policy.weigh(state.plus(changed), PersonState(), here)
    assert after.net_minor[0] == pytest.approx(weighed.net_minor[0] - weighed.fatigue_minor[1])


def test_a_discount_for_a_visit_that_comes_anyway_is_not_sent() -> None:
    """Worth 300 with 200 off: with a visit and a purchase in all silent moments it loses 200, without support it is worth 300.

    An offer without a discount then adds nothing. With a purchase in half of the silent moments both bring 250 less.
    """
    dear = Offer("dear", "tea", ("plaza",), "shop", 300, 0, 400 * DAY_MS, 2.0, "dear", price_minor=500, discount=0.4)
    plain = msgspec.structs.replace(dear, id="plain", value_minor=500, discount=None)
    policy = Learner(SCHEMA, COLUMNS, (dear, plain), Policy(contact_cost_minor=20.0), Settings(buys=1.0))
    here = moment()._replace(positions=np.arange(2), scores=np.array((0.9, 0.9)), rows=moment().rows[:2])
    share = LearnedState().shares.get("redeemed", Share()).mean(*Settings().redeemed)

    def after(decisions: float, visited: float) -> Weighed:
        places = {"shop": Visits(decisions, visited), anyway.place("shop", "plaza", "entered"): Visits(decisions, visited)}
        return policy.weigh(LearnedState(visits=places), PersonState(), here)

    assert after(0.0, 0.0).worth_minor == pytest.approx(np.array((300.0, 500.0)) * share)
    assert after(1e6, 5e5).worth_minor == pytest.approx(np.array((50.0, 250.0)) * share, abs=0.1)
    sure = after(1e6, 1e6)
    assert sure.worth_minor == pytest.approx(np.array((-200.0, 0.0)) * share, abs=0.1)
    assert policy.chosen(LearnedState(), sure.arms, None, [0.0, 0.5, 1.0, 1.0]).position is None, "also at the highest draw"


# --- choice ----------------------------------------------------------------------------------------------------


def test_an_arm_is_worth_its_margin_less_its_price() -> None:
    state, me = lived(200)
    weighed = learner(lever=0.0).weigh(state, me, moment(DAY_MS * 20))
    assert weighed.arms.values(np.zeros(3)) == pytest.approx(weighed.net_minor)


def test_offers_that_were_shown_less_than_an_even_share_have_a_lower_price() -> None:
    """Shown 10, 30 and 20 times, with ten more each 20, 40 and 30 (Gini .148): the logarithms of 30 / 20, 30 / 40 and 1."""
    state = LearnedState(shown={"green": 10.0, "black": 30.0, "pie": 20.0})
    levered, plain = (learner(lever=lever).weigh(state, PersonState(), moment()).arms for lever in (0.5, 0.0))
    unit = 0.5 * 0.8 * sum(one.value_minor for one in OFFERS) / len(OFFERS)  # of the accepted offers .8 are redeemed
    strength = (4.0 / 27.0 / 0.12) ** 4
    assert (plain.cost - levered.cost) / unit == pytest.approx((strength * math.log(1.5), -strength * math.log(4 / 3), 0.0))
    assert levered.worth.tolist() == plain.worth.tolist()
    rare = learner(lever=0.5).weigh(LearnedState(shown={"black": 1e6}), PersonState(), moment()).arms
    assert (plain.cost - rare.cost) / unit == pytest.approx((4.0, -4.0, 4.0)), "bounded"


def test_the_price_of_exposure_is_that_of_a_new_process_also_when_an_offer_begins_within_the_hour() -> None:
    offers = (*OFFERS[:2], msgspec.structs.replace(OFFERS[2], starts_ms=DAY_MS + 15 * 60_000))
    state, begun = LearnedState(shown={"green": 10.0, "black": 90.0}), []
    for times in ((0, 30), (30,)):
        policy = Learner(SCHEMA, COLUMNS, offers, Policy(contact_cost_minor=20.0), Settings())
        begun.append([policy.weigh(state, PersonState(), moment(DAY_MS + at * 60_000)).arms.cost.tolist() for at in times][-1])
    assert begun[0] == begun[1]


def test_exposures_that_are_nearly_even_cost_no_margin() -> None:
    shown = {"green": 100.0, "black": 110.0, "pie": 104.0}
    levered, plain = (learner(lever=lever).weigh(LearnedState(shown=shown), PersonState(), moment()).arms for lever in (0.5, 0.0))
    assert levered.cost == pytest.approx(plain.cost, abs=0.1)


@pytest.mark.parametrize("count", [0, 60, 300])
def test_logged_selection_passes_a_chi_square(count: int) -> None:
    """3,000 choices against the logged p_select, in the ramp and after it: below the .999 quantile for 3 degrees of freedom (16.27)."""
    state, me = lived(count)
    policy, here, draws = learner(), moment(DAY_MS * 20), random.Random(7)  # noqa: S311 (as above)
    weighed = policy.weigh(state, me, here)
    chosen = [policy.chosen(state, weighed.arms, policy.ruled(here), [draws.random() for _ in range(5)]) for _ in range(3_000)]
    p_select, seen = {one.position: one.p_select for one in chosen}, Counter(one.position for one in chosen)
    stated = [p_select.get(at, 0.0) for at in (0, 1, 2, None)]
    assert sum(stated) == pytest.approx(1.0, abs=2e-3)
    observed = [*(seen[at] for at in range(3)), seen[None]]
    parts = [(got - 3_000 * share) ** 2 / (3_000 * share) for got, share in zip(observed, stated, strict=True) if share > 1e-6]
    assert sum(parts) < 16.27
    assert all(not got for got, share in zip(observed, stated, strict=True) if share <= 1e-6)


def test_a_cold_start_imitates_the_rules() -> None:
    """Without answers 98 % of the choices are the offer with the highest score x value."""
    policy, here = learner(), moment()
    weighed = policy.weigh(LearnedState(), PersonState(), here)
    chosen = policy.chosen(LearnedState(), weighed.arms, policy.ruled(here), [0.02, 0.5, 0.5, 0.5, 0.5])
    assert (chosen.position, chosen.imitated) == (0, True)
    assert chosen.p_select >= 0.98
    trained = learner(positives=300.0)
    assert not trained.chosen(LearnedState(), weighed.arms, trained.ruled(here), [0.999, 0.5, 0.5, 0.5, 0.5]).imitated


# --- visits ----------------------------------------------------------------------------------------------------


def test_silent_moments_count_when_their_horizon_is_over() -> None:
    """Silence on the plaza at 0:00 and 5:00, the shop at 0:30: of two closed moments one was followed by a visit."""
    policy, state, me = learner(), LearnedState(), PersonState()
    for minutes, zone, occasion in ((0, "plaza", "entered"), (30, "shop", "dwelled"), (300, "plaza", "entered"), (600, "plaza", "entered")):
        here = Moment(zone, occasion, DAY_MS + minutes * 60_000, ())
        changed, me = policy.seen(state, me, here, None, None, 0.5, learning=True)
        state = state.plus(changed)
    assert state.visits["shop|plaza|entered"] == Visits(2.0, 1.0)
    assert state.visits["shop"].decisions == 3.0
    assert len(me.silent) == 1
