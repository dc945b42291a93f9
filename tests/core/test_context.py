"""What is kept of a person fades, says who told it, and covers no more than they said yes to."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.context import MONTH_MS, READING_MS_MAX, Contact, SubjectContext, ZoneContext
from gateway.core.types import AnswerKind, Consent, Purpose
from tests.kit.street import DAY_MS, HOUR_MS, NOON_MS, Phone


def person(**consent: Any) -> SubjectContext:
    return contexts.consented(None, "s1", Phone().consent(**consent), ("tag-1",), NOON_MS)


# --- habits ----------------------------------------------------------------------------------------------


def test_habits_fade_with_a_mean_life_of_a_month() -> None:
    told = person(visits_month={"bar": 4.0})
    assert contexts.visits_month(told, NOON_MS) == {"bar": 4.0}
    assert contexts.visits_month(told, NOON_MS + MONTH_MS)["bar"] == pytest.approx(4.0 / math.e)
    assert contexts.visits_month(told, NOON_MS + 120 * MONTH_MS)["bar"] < 1e-9


def test_a_steady_habit_becomes_its_rate() -> None:
    """One visit every third day is ten a month, whatever the person began with."""
    somebody = person()
    for visit in range(200):
        somebody = contexts.visited(somebody, "coffee_house", NOON_MS + visit * 3 * DAY_MS)
    # The sum just after a visit lies half a visit above the mean of the sawtooth.
    assert contexts.visits_month(somebody, NOON_MS + 199 * 3 * DAY_MS)["coffee_house"] == pytest.approx(10.5, abs=0.05)


def test_visits_of_one_kind_leave_others_alone() -> None:
    after = contexts.visited(person(visits_month={"bar": 2.0}), "carry_away", NOON_MS)
    assert contexts.visits_month(after, NOON_MS) == {"bar": 2.0, "carry_away": 1.0}


def test_habits_are_bounded_and_finite() -> None:
    told = person(visits_month={"bar": 1e9, "coffee_house": -3.0, "carry_away": math.nan, "restaurant_dear": math.inf})
    assert contexts.visits_month(told, NOON_MS) == {"bar": limits.VISITS_MONTH_MAX, "coffee_house": 0.0}
    for _ in range(200):
        told = contexts.visited(told, "bar", NOON_MS)
    assert contexts.visits_month(told, NOON_MS)["bar"] == limits.VISITS_MONTH_MAX


def test_what_is_told_replaces_what_was_seen_for_those_kinds_only() -> None:
    phone = Phone()
    seen = contexts.visited(contexts.visited(person(), "bar", NOON_MS), "coffee_house", NOON_MS)
    again = contexts.consented(seen, "s1", phone.consent(visits_month={"bar": 6.0}), ("tag-1",), NOON_MS)
    assert contexts.visits_month(again, NOON_MS) == {"bar": 6.0, "coffee_house": 1.0}


def test_a_clock_set_back_adds_no_visits() -> None:
    told = person(visits_month={"bar": 4.0})
    assert contexts.visits_month(told, NOON_MS - MONTH_MS) == {"bar": 4.0}


# --- consent ---------------------------------------------------------------------------------------------


def test_consent_covers_its_purposes_until_its_last_millisecond() -> None:
    somebody = person(purposes=("presence",), expires_at_ms=NOON_MS + HOUR_MS)
    expected: dict[tuple[Purpose, int], bool] = {
        ("presence", NOON_MS): True,
        ("presence", NOON_MS + HOUR_MS - 1): True,
        ("presence", NOON_MS + HOUR_MS): False,
        ("offers", NOON_MS): False,
    }
    assert {key: contexts.allows(somebody, *key) for key in expected} == expected


def test_consent_without_an_end_holds() -> None:
    assert contexts.allows(person(), "learning", limits.CLOCK_CEILING_MS)


def test_a_renewed_yes_keeps_contacts_and_takes_the_new_word() -> None:
    phone = Phone()
    contact = Contact("gw-t.1", "flat-white", NOON_MS)
    before = contexts.contacted(contexts.consented(None, "s1", phone.consent(), ("tag-1",), NOON_MS), contact)
    word = phone.consent(("presence",), version=2, expires_at_ms=NOON_MS + DAY_MS)
    after = contexts.consented(before, "s1", word, ("tag-2",), NOON_MS + 5)
    assert after.contacts == (contact,)
    assert (after.purposes, after.consent_version, after.tags) == (("presence",), 2, ("tag-2",))
    assert (after.consent_seq, after.consented_at_ms, after.consent_expires_at_ms) == (2, NOON_MS + 5, NOON_MS + DAY_MS)


@pytest.mark.parametrize(("boot", "seq", "stale"), [("b1", 4, True), ("b1", 5, True), ("b1", 6, False), ("b2", 1, False)])
def test_a_word_is_overtaken_by_a_later_one_of_the_same_start(boot: str, seq: int, *, stale: bool) -> None:
    phone = Phone(boot=boot)
    phone.seq = seq - 1
    word: Consent = phone.consent()
    spoken = msgspec.structs.replace(person(), consent_boot="b1", consent_seq=5)
    assert contexts.is_stale(spoken, word) is stale
    assert not contexts.is_stale(None, word)


# --- contacts and answers --------------------------------------------------------------------------------


def test_contacts_are_kept_newest_and_bounded() -> None:
    somebody = person()
    for index in range(limits.CONTACTS_KEPT_MAX + 10):
        somebody = contexts.contacted(somebody, Contact(f"d{index}", "flat-white", NOON_MS + index))
    assert len(somebody.contacts) == limits.CONTACTS_KEPT_MAX
    assert somebody.contacts[-1].decision == f"d{limits.CONTACTS_KEPT_MAX + 9}"
    assert somebody.contacts[0].decision == "d10"


def test_an_answer_belongs_to_its_offer() -> None:
    somebody = contexts.contacted(contexts.contacted(person(), Contact("d1", "flat-white", 1)), Contact("d2", "happy-hour", 2))
    after = contexts.answered(somebody, "d2", "accepted")
    assert [contact.answer for contact in after.contacts] == [None, "accepted"]
    assert contexts.answered(after, "d9", "dismissed") == after


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        ("shown", "opened", "opened"),
        ("opened", "dismissed", "dismissed"),
        ("dismissed", "shown", "dismissed"),  # arrived late: what they refused stays refused
        ("redeemed", "accepted", "redeemed"),
        ("dismissed", "accepted", "accepted"),  # they thought better of it
        ("accepted", "dismissed", "dismissed"),
    ],
)
def test_a_lesser_answer_does_not_undo_a_greater_one(first: AnswerKind, then: AnswerKind, kept: AnswerKind) -> None:
    assert contexts.greater(first, then) == kept
    assert contexts.greater(None, first) == first


# --- zones -----------------------------------------------------------------------------------------------


def zone(**readings: float) -> ZoneContext:
    context = ZoneContext()
    for quantity, value in readings.items():
        context = contexts.reading(context, quantity, value, NOON_MS)
    return context


def test_a_reading_is_the_latest_until_it_is_stale() -> None:
    here = contexts.reading(zone(temperature=20.0), "temperature", 21.0, NOON_MS + 1000)
    assert contexts.latest(here, "temperature", NOON_MS + 1000 + READING_MS_MAX) == 21.0
    assert contexts.latest(here, "temperature", NOON_MS + 1001 + READING_MS_MAX) is None
    assert contexts.latest(here, "humidity", NOON_MS) is None


@pytest.mark.parametrize(
    ("readings", "weather"),
    [
        ({}, None),
        ({"temperature": 30.0}, None),  # warmth alone tells no weather
        ({"precipitation": 0.0}, "sunny"),
        ({"precipitation": 0.099}, "sunny"),
        ({"precipitation": 0.1}, "rainy"),
        ({"precipitation": 2.0, "temperature": 1.1}, "rainy"),
        ({"precipitation": 2.0, "temperature": 1.0}, "snowy"),
        ({"precipitation": 0.0, "temperature": -9.0}, "sunny"),
    ],
)
def test_weather_is_read_off_rain_and_frost(readings: dict[str, float], weather: str | None) -> None:
    assert contexts.weather(zone(**readings), NOON_MS) == weather
    assert contexts.weather(zone(**readings), NOON_MS + READING_MS_MAX + 1) is None


def test_where_a_zone_is_silent_the_site_speaks() -> None:
    """A sensor that died four hours ago does not hide the weather station."""
    site = contexts.reading(contexts.reading(ZoneContext(), "temperature", 12.0, NOON_MS), "precipitation", 1.0, NOON_MS)
    fresh = contexts.reading(ZoneContext(), "temperature", 24.0, NOON_MS)
    dead = contexts.reading(ZoneContext(), "temperature", 99.0, NOON_MS - READING_MS_MAX - 1)
    assert contexts.latest(contexts.together(site, fresh, NOON_MS), "temperature", NOON_MS) == 24.0
    assert contexts.latest(contexts.together(site, dead, NOON_MS), "temperature", NOON_MS) == 12.0
    assert contexts.latest(contexts.together(site, dead, NOON_MS), "precipitation", NOON_MS) == 1.0
