"""What is kept of a person fades, says who told it, and covers no more than they said yes to."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.context import (
    AIR_MS_MAX,
    CROWD_MEAN_MS,
    CROWD_MS_MAX,
    MONTH_MS,
    NOISE_MS_MAX,
    READING_MS_MAX,
    Contact,
    SubjectContext,
    ZoneContext,
)
from gateway.core.types import AnswerKind, Consent, Envelope, Purpose
from tests.kit.street import DAY_MS, HOUR_MS, NOON_MS, Phone


def person(**consent: Any) -> SubjectContext:
    return contexts.with_consent(None, "s1", Phone().consent(**consent), ("tag-1",), NOON_MS)


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
        somebody = contexts.with_visit(somebody, "coffee_house", NOON_MS + visit * 3 * DAY_MS)
    # The sum just after a visit lies half a visit above the mean of the sawtooth.
    assert contexts.visits_month(somebody, NOON_MS + 199 * 3 * DAY_MS)["coffee_house"] == pytest.approx(10.5, abs=0.05)


def test_visits_of_one_kind_leave_others_alone() -> None:
    after = contexts.with_visit(person(visits_month={"bar": 2.0}), "carry_away", NOON_MS)
    assert contexts.visits_month(after, NOON_MS) == {"bar": 2.0, "carry_away": 1.0}


def test_habits_are_bounded_and_finite() -> None:
    told = person(visits_month={"bar": 1e9, "coffee_house": -3.0, "carry_away": math.nan, "restaurant_dear": math.inf})
    assert contexts.visits_month(told, NOON_MS) == {"bar": limits.VISITS_MONTH_MAX, "coffee_house": 0.0}
    for _ in range(200):
        told = contexts.with_visit(told, "bar", NOON_MS)
    assert contexts.visits_month(told, NOON_MS)["bar"] == limits.VISITS_MONTH_MAX


def test_what_is_told_replaces_what_was_seen_for_those_kinds_only() -> None:
    phone = Phone()
    seen = contexts.with_visit(contexts.with_visit(person(), "bar", NOON_MS), "coffee_house", NOON_MS)
    again = contexts.with_consent(seen, "s1", phone.consent(visits_month={"bar": 6.0}), ("tag-1",), NOON_MS)
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
    before = contexts.with_contact(contexts.with_consent(None, "s1", phone.consent(), ("tag-1",), NOON_MS), contact)
    word = phone.consent(("presence",), version=2, expires_at_ms=NOON_MS + DAY_MS)
    after = contexts.with_consent(before, "s1", word, ("tag-2",), NOON_MS + 5)
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
        somebody = contexts.with_contact(somebody, Contact(f"d{index}", "flat-white", NOON_MS + index))
    assert len(somebody.contacts) == limits.CONTACTS_KEPT_MAX
    assert somebody.contacts[-1].decision == f"d{limits.CONTACTS_KEPT_MAX + 9}"
    assert somebody.contacts[0].decision == "d10"


def test_an_answer_belongs_to_its_offer() -> None:
    somebody = contexts.with_contact(contexts.with_contact(person(), Contact("d1", "flat-white", 1)), Contact("d2", "happy-hour", 2))
    after = contexts.with_answer(somebody, "d2", "accepted")
    assert [contact.answer for contact in after.contacts] == [None, "accepted"]
    assert contexts.with_answer(after, "d9", "dismissed") == after


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
    assert contexts.weightier(first, then) == kept
    assert contexts.weightier(None, first) == first


# --- zones -----------------------------------------------------------------------------------------------


def zone(**readings: float) -> ZoneContext:
    context = ZoneContext()
    for quantity, value in readings.items():
        context = contexts.with_reading(context, quantity, value, NOON_MS)
    return context


def test_a_reading_is_the_latest_until_it_is_stale() -> None:
    here = contexts.with_reading(zone(temperature=20.0), "temperature", 21.0, NOON_MS + 1000)
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
    site = contexts.with_reading(contexts.with_reading(ZoneContext(), "temperature", 12.0, NOON_MS), "precipitation", 1.0, NOON_MS)
    fresh = contexts.with_reading(ZoneContext(), "temperature", 24.0, NOON_MS)
    dead = contexts.with_reading(ZoneContext(), "temperature", 99.0, NOON_MS - READING_MS_MAX - 1)
    assert contexts.latest(contexts.merged(site, fresh, NOON_MS), "temperature", NOON_MS) == 24.0
    assert contexts.latest(contexts.merged(site, dead, NOON_MS), "temperature", NOON_MS) == 12.0
    assert contexts.latest(contexts.merged(site, dead, NOON_MS), "precipitation", NOON_MS) == 1.0


def test_each_quantity_says_how_things_are_for_as_long_as_it_can() -> None:
    """A noise is over before a temperature is; what is too old is unknown, and no longer makes the rest look old."""
    here = zone(noise=70.0, pm2_5=12.0, temperature=9.0)
    known = [
        (around.noise_dba, around.pm2_5_ug_m3, around.temperature_c, around.age_min)
        for ms in (0, NOISE_MS_MAX, NOISE_MS_MAX + 1, AIR_MS_MAX + 1, READING_MS_MAX + 1)
        for around in [contexts.surroundings(here, NOON_MS + ms)]
    ]
    assert known == [
        (70.0, 12.0, 9.0, 0.0),
        (70.0, 12.0, 9.0, 30.0),
        (None, 12.0, 9.0, pytest.approx(30.0, abs=0.001)),
        (None, None, 9.0, pytest.approx(120.0, abs=0.001)),
        (None, None, None, None),
    ]


def test_the_age_is_that_of_the_oldest_that_is_told() -> None:
    here = contexts.with_reading(zone(noise=70.0, humidity=40.0), "temperature", 9.0, NOON_MS + 4 * 60_000)
    assert contexts.surroundings(here, NOON_MS + 5 * 60_000).age_min == 5.0
    only_temperature = contexts.with_reading(zone(humidity=40.0), "temperature", 9.0, NOON_MS + 4 * 60_000)
    assert contexts.surroundings(only_temperature, NOON_MS + 5 * 60_000).age_min == 1.0, "no situation is told the humidity"


@pytest.mark.parametrize("step_s", [10, 60, 600])
def test_a_crowd_is_a_flow_whatever_the_pace_of_the_counter(step_s: int) -> None:
    """Twelve people a minute, told every ten seconds, every minute or every ten minutes: 720 an hour."""
    here = ZoneContext()
    for report in range(7_200 // step_s + 1):
        here = contexts.with_count(here, "footfall-1", 12 * step_s // 60, NOON_MS + report * step_s * 1000)
        if not report:
            assert contexts.surroundings(here, NOON_MS).crowd_per_hour is None, "since when these were counted, nobody knows"
    assert contexts.surroundings(here, NOON_MS + 7_200_000).crowd_per_hour == pytest.approx(720.0, rel=1e-9)


def test_a_crowd_that_has_gone_fades() -> None:
    here = contexts.with_count(contexts.with_count(ZoneContext(), "f", 0, NOON_MS), "f", 100, NOON_MS + 60_000)
    assert contexts.surroundings(here, NOON_MS + 60_000).crowd_per_hour == 6_000.0
    later_ms = NOON_MS + 60_000 + CROWD_MEAN_MS
    assert contexts.surroundings(contexts.with_count(here, "f", 0, later_ms), later_ms).crowd_per_hour == pytest.approx(6_000.0 / math.e)


def test_two_reports_at_one_moment_are_added() -> None:
    """After an outage a counter's reports come in one batch, at one moment of ours."""
    start = contexts.with_count(contexts.with_count(ZoneContext(), "f", 0, NOON_MS), "f", 60, NOON_MS + 60_000)
    at_ms = NOON_MS + 120_000
    once = contexts.with_count(start, "f", 60, at_ms)
    both = contexts.with_count(contexts.with_count(start, "f", 30, at_ms), "f", 30, at_ms)
    told, expected = (contexts.surroundings(here, at_ms).crowd_per_hour for here in (both, once))
    assert told == pytest.approx(expected, rel=0.05)
    unknown = contexts.with_count(contexts.with_count(ZoneContext(), "f", 5, NOON_MS), "f", 5, NOON_MS)
    assert contexts.surroundings(unknown, NOON_MS).crowd_per_hour is None


def test_a_burst_after_an_outage_is_no_stampede() -> None:
    """Reports that were waiting at the broker come milliseconds apart: they were not gathered in that time."""
    here = ZoneContext()
    for report in range(3):
        here = contexts.with_count(here, "f", 10, NOON_MS + report)
    flow = contexts.surroundings(here, NOON_MS + 3).crowd_per_hour
    assert flow is not None
    assert flow < 4_000.0, "ten people a report are some thousands an hour at most, not millions"


def test_what_was_told_before_the_clock_was_set_has_not_faded() -> None:
    """A machine without a battery clock wakes in 1970; habits told then are not half a century old."""
    told = Consent(Envelope("phone-1", "a", 1), ("presence",), 1, visits_month={"bar": 4.0})
    person = contexts.with_consent(None, "s", told, (), 60_000)
    assert contexts.visits_month(person, NOON_MS) == {"bar": 4.0}
    again = contexts.with_visit(person, "bar", NOON_MS)
    assert contexts.visits_month(again, NOON_MS) == {"bar": 5.0}
    assert contexts.visits_month(again, NOON_MS + MONTH_MS)["bar"] == pytest.approx(5.0 / math.e)


def test_doors_add_up_and_a_dead_counter_is_left_out() -> None:
    here = ZoneContext()
    for minute, counters in enumerate((("a", "b"), ("a", "b"), ("a",))):
        for counter in counters:
            here = contexts.with_count(here, counter, 10, NOON_MS + minute * 60_000)
    around = contexts.surroundings(here, NOON_MS + 120_000)
    assert around.crowd_per_hour == pytest.approx(1_200.0)
    assert around.age_min == 1.0, "the second door was last heard of a minute ago"
    dead_ms = NOON_MS + 60_000 + CROWD_MS_MAX + 1
    assert contexts.surroundings(contexts.with_count(here, "a", 590, dead_ms), dead_ms).crowd_per_hour == pytest.approx(600.0)


def test_after_a_long_silence_a_counter_begins_anew() -> None:
    here = contexts.with_count(contexts.with_count(ZoneContext(), "f", 0, NOON_MS), "f", 100, NOON_MS + 60_000)
    late_ms = NOON_MS + 60_000 + CROWD_MS_MAX + 1
    assert contexts.surroundings(contexts.with_count(here, "f", 9_000, late_ms), late_ms).crowd_per_hour is None


def test_a_zones_own_counter_wins_over_the_sites() -> None:
    def crowd(people: int) -> ZoneContext:
        return contexts.with_count(contexts.with_count(ZoneContext(), "f", 0, NOON_MS), "f", people, NOON_MS + 60_000)

    now_ms = NOON_MS + 60_000
    both = contexts.merged(crowd(10), crowd(1), now_ms)
    assert contexts.surroundings(both, now_ms).crowd_per_hour == pytest.approx(60.0)
    assert contexts.surroundings(contexts.merged(crowd(10), ZoneContext(), now_ms), now_ms).crowd_per_hour == pytest.approx(600.0)
    loud = contexts.merged(zone(noise=50.0), zone(noise=80.0), NOON_MS)
    assert contexts.surroundings(loud, NOON_MS).noise_dba == 80.0
    late_ms = NOON_MS + NOISE_MS_MAX + 1
    again = contexts.merged(contexts.with_reading(ZoneContext(), "noise", 50.0, late_ms), zone(noise=80.0), late_ms)
    assert contexts.surroundings(again, late_ms).noise_dba == 50.0, "a microphone that died does not hide the site's"
