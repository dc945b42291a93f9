"""Aggregators: known answers, and the properties that replay and late facts rest on."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import limits
from gateway.core.attributes.aggregators import DAY_MS, HOUR_MS, Buckets, HistoryFact, Seen, State, Value, aggregator
from gateway.core.attributes.schema import History
from tests.kit.testbed import NOON_MS


def bought(days_ago: float, amount: int = 100, category: str = "tea", **changes: Any) -> HistoryFact:
    return HistoryFact("purchases", NOON_MS - round(days_ago * DAY_MS), category, amount=amount, **changes)


def value(source: History, *facts: HistoryFact, now_ms: int = NOON_MS) -> Value:
    """The value after these facts, each folded at `now_ms`."""
    made, state = aggregator(source), None
    for fact in facts:
        state = made.fold(state, fact, now_ms)
    return None if state is None else made.read(state, now_ms)


def purchases(fold: Any, **changes: Any) -> History:
    return History(of="purchases", fold=fold, **changes)


BASKET = (bought(40, 900), bought(2, 100), bought(1, 300, "cake"), bought(0.25, 200))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (purchases("count"), 4.0),
        (purchases("count", within_days=30), 3.0),
        (purchases("count", within_days=2), 2.0),  # today and yesterday
        (purchases("count", categories=("cake",)), 1.0),
        (purchases("count", half_life_days=1.0), 2.0**-40 + 2.0**-2 + 2.0**-1 + 2.0**-0.25),
        (purchases("sum"), 1500.0),
        (purchases("sum", within_days=30), 600.0),
        (purchases("mean", within_days=30), 200.0),
        (purchases("mean"), 375.0),
        (purchases("last"), 200.0),
        (purchases("last", field="category", categories=("cake",)), "cake"),
        (purchases("recency"), 6.0),
        (purchases("distinct", field="category"), 2.0),
        (purchases("distinct", field="category", within_days=1), 1.0),
        (purchases("share", categories=("cake",)), 0.25),
        (History(of="visits", fold="count"), None),
    ],
)
def test_known_answers(source: History, expected: float | str | None) -> None:
    found = value(source, *BASKET)
    assert found == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected)


def test_a_share_is_of_the_facts_that_it_is_taken_of() -> None:
    """One of four contacts was accepted; the "shown" before it is no acceptance."""
    contacts = [HistoryFact("contacts", NOON_MS - n * HOUR_MS, "tea") for n in range(4)]
    answers = [HistoryFact("answers", NOON_MS, "tea", answer=answer) for answer in ("shown", "accepted")]
    accepted = History(of="answers", fold="share", answers=("accepted",), per="contacts")
    assert value(accepted, *contacts, *answers) == 0.25
    assert value(accepted, *answers) is None, "nothing to take a share of"
    assert value(History(of="answers", fold="share", answers=("accepted",)), *answers) == 0.5


def test_a_steady_habit_becomes_its_rate() -> None:
    """A visit every third day is ten a month: a mean life of 30 days is a half-life of 30 ln 2 days."""
    source = History(of="visits", fold="count", half_life_days=30.0 * math.log(2.0))
    made, state, at_ms = aggregator(source), None, NOON_MS
    for visit in range(200):
        at_ms = NOON_MS + visit * 3 * DAY_MS
        state = made.fold(state, HistoryFact("visits", at_ms), at_ms)
    assert state is not None
    assert made.read(state, at_ms) == pytest.approx(10.5, abs=0.05), "half a visit above the mean, just after a visit"


def test_a_clock_set_back_neither_adds_nor_removes() -> None:
    source = purchases("count", half_life_days=1.0)
    made = aggregator(source)
    state = made.fold(None, bought(0), NOON_MS)
    assert state is not None
    assert made.read(state, NOON_MS - 30 * DAY_MS) == 1.0


@pytest.mark.parametrize(
    ("source", "then", "later"),
    [
        (purchases("count", within_days=2), 1.0, 2.0),
        (purchases("sum", within_days=2), 100.0, 200.0),
        (purchases("sum", half_life_days=1.0), 100.0, 200.0),
        (purchases("distinct", field="category", within_days=2), 1.0, 2.0),
        (purchases("last", field="category"), "tea", "cake"),
    ],
    ids=lambda value: value.fold if isinstance(value, History) else "",
)
def test_after_the_clock_was_set_back_old_facts_and_new_ones_count(source: History, then: Value, later: Value) -> None:
    """A fact of a clock that was ten days fast: it counts as of now, and does not hide a fact that follows."""
    made = aggregator(source)
    state = made.fold(None, bought(-10), NOON_MS + 10 * DAY_MS)
    assert state is not None
    assert made.read(state, NOON_MS) == then
    state = made.fold(state, bought(0, category="cake"), NOON_MS)
    assert state is not None
    assert made.read(state, NOON_MS) == later
    assert not isinstance(state, Buckets) or len(state.ages) == 1, "facts of the future are merged into today, so states stay bounded"


def test_how_long_ago_is_unknown_for_a_fact_from_before_the_clock_was_set() -> None:
    fact = HistoryFact("purchases", 60_000, amount=1)
    assert value(purchases("recency"), fact) is None
    assert value(purchases("recency"), fact, now_ms=3 * HOUR_MS + 60_000) == 3.0, "both by the same clock"


def test_a_mean_does_not_fade() -> None:
    """After 20 years both sums are too small for a float, and their ratio is still the mean."""
    source = purchases("mean", half_life_days=3.0)
    made, state = aggregator(source), None
    for fact in (bought(0, 100), bought(0, 300)):
        state = made.fold(state, fact, NOON_MS)
    assert state is not None
    assert made.read(state, NOON_MS + 7_300 * DAY_MS) == 200.0


def test_a_share_is_at_most_one() -> None:
    """Two answers to one offer, of which the offer is too old for the window."""
    offer = HistoryFact("contacts", NOON_MS, "tea")
    answers = [HistoryFact("answers", NOON_MS, "tea", answer="accepted"), HistoryFact("answers", NOON_MS, "tea", answer="redeemed")]
    assert value(History(of="answers", fold="share", answers=("accepted", "redeemed"), per="contacts"), offer, *answers) == 1.0


def test_without_a_window_a_value_is_remembered_for_ever() -> None:
    assert value(purchases("distinct", field="category"), bought(0), now_ms=NOON_MS + 2 * limits.WITHIN_DAYS_MAX * DAY_MS) == 1.0


def test_a_fact_from_before_the_clock_was_set_has_not_decayed() -> None:
    made = aggregator(purchases("count", half_life_days=1.0))
    state = made.fold(None, HistoryFact("purchases", 60_000, amount=1), 60_000)
    assert state is not None
    assert made.read(state, NOON_MS) == 1.0
    again = made.fold(state, bought(0), NOON_MS)
    assert again is not None
    assert made.read(again, NOON_MS) == 2.0


def test_an_older_fact_that_arrives_late_does_not_become_the_last() -> None:
    assert value(purchases("last"), bought(1, 5), bought(2, 7)) == 5.0
    assert value(purchases("recency"), bought(1), bought(2)) == 24.0


def test_a_fact_from_the_future_counts_as_of_now() -> None:
    assert value(purchases("recency"), bought(-3)) == 0.0
    assert value(purchases("count", within_days=1), bought(-3)) == 1.0


def test_states_are_small() -> None:
    """The largest states that there can be, as they are stored."""
    made, state = aggregator(purchases("sum", within_days=limits.WITHIN_DAYS_MAX)), None
    for day in range(2 * limits.WITHIN_DAYS_MAX):
        state = made.fold(state, bought(-day, 10**9), NOON_MS + day * DAY_MS)
    assert isinstance(state, Buckets)
    assert len(state.ages) == limits.WITHIN_DAYS_MAX
    assert len(msgspec.msgpack.encode(state)) < 12_000
    made, state = aggregator(purchases("distinct", field="offer")), None
    for number in range(3 * limits.DISTINCT_VALUES_MAX):
        state = made.fold(state, bought(0, offer=f"{'o' * 60}{number}"), NOON_MS)
    assert isinstance(state, Seen)
    assert len(state.keys) == limits.DISTINCT_VALUES_MAX
    assert len(msgspec.msgpack.encode(state)) < 6_000


# --- properties -----------------------------------------------------------------------------------------------

DAYS_BACK = st.integers(0, 60 * DAY_MS)
FACTS = st.lists(st.tuples(DAYS_BACK, st.integers(0, 10_000), st.sampled_from(("tea", "cake", "pie"))), min_size=1, max_size=30)
SOURCES = [
    purchases("count", within_days=7),
    purchases("sum", within_days=30),
    purchases("mean", within_days=14),
    purchases("count"),
    purchases("sum", half_life_days=5.0),
    purchases("mean", half_life_days=5.0),
    purchases("share", categories=("tea",), within_days=9),
    purchases("distinct", field="category", within_days=10),
    purchases("recency"),
]


def made_of(drawn: list[tuple[int, int, str]]) -> list[HistoryFact]:
    return [HistoryFact("purchases", NOON_MS - back_ms, category, amount=amount) for back_ms, amount, category in drawn]


@given(FACTS, st.randoms(use_true_random=False), st.sampled_from(SOURCES))
def test_the_order_of_arrival_does_not_matter(drawn: list[tuple[int, int, str]], random: Any, source: History) -> None:
    facts = made_of(drawn)
    shuffled = facts.copy()
    random.shuffle(shuffled)
    first, second = value(source, *facts), value(source, *shuffled)
    assert first == (pytest.approx(second, rel=1e-9, abs=1e-9) if isinstance(second, float) else second)


@given(FACTS, st.integers(1, 40))
def test_day_buckets_equal_a_scan_of_all_facts(drawn: list[tuple[int, int, str]], within: int) -> None:
    facts = made_of(drawn)
    today = NOON_MS // DAY_MS
    inside = [fact for fact in facts if today - within < fact.at_ms // DAY_MS <= today]
    counted = value(purchases("count", within_days=within), *facts)
    summed = value(purchases("sum", within_days=within), *facts)
    assert counted == len(inside)
    assert summed == sum(fact.amount or 0 for fact in inside)


@given(FACTS, st.integers(1, 40), st.integers(0, 50))
def test_day_buckets_that_advance_with_the_clock_equal_a_scan(drawn: list[tuple[int, int, str]], within: int, later: int) -> None:
    """Each fact is folded when it happens, and the value is read some days after the last one."""
    made, state = aggregator(purchases("sum", within_days=within)), None
    facts = sorted(made_of(drawn), key=lambda fact: fact.at_ms)
    for fact in facts:
        state = made.fold(state, fact, fact.at_ms)
    now_ms = NOON_MS + later * DAY_MS
    expected = sum(fact.amount or 0 for fact in facts if fact.at_ms // DAY_MS > now_ms // DAY_MS - within)
    assert isinstance(state, Buckets)
    assert len(state.ages) <= within
    assert made.read(state, now_ms) == expected


@given(FACTS, st.floats(0.1, 100.0))
def test_a_half_life_equals_its_closed_form(drawn: list[tuple[int, int, str]], half_life_days: float) -> None:
    facts = made_of(drawn)
    expected = math.fsum(0.5 ** ((NOON_MS - fact.at_ms) / (half_life_days * DAY_MS)) for fact in facts)
    assert value(purchases("count", half_life_days=half_life_days), *facts) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50)
@given(FACTS, st.sampled_from(SOURCES))
def test_a_state_survives_its_bytes(drawn: list[tuple[int, int, str]], source: History) -> None:
    made, state = aggregator(source), None
    for fact in made_of(drawn):
        state = made.fold(state, fact, NOON_MS)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([state]), type=list[State | None]) == [state]
    assert state is None or isinstance(state, made.kind)
