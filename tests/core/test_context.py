"""Contexts of people and zones: decay of visits, consent by purpose, answers, sensor values and crowds."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.context import (
    AIR_MS_MAX,
    NOISE_MS_MAX,
    READING_MS_MAX,
    Contact,
    SubjectContext,
    ZoneContext,
)
from gateway.core.counting import CROWD_MEAN_MS, CROWD_MS_MAX
from gateway.core.types import AnswerKind, Consent, Count, Purpose
from tests.kit.testbed import DAY_MS, HOUR_MS, NOON_MS, Phone, make_site

PLAN = make_site().plan.history
QUANTITIES = make_site().plan.quantities


def person(**consent: Any) -> SubjectContext:
    return contexts.with_consent(None, "s1", Phone().consent(**consent), ("tag-1",), NOON_MS, PLAN)


# --- consent ---------------------------------------------------------------------------------------------


def test_consent_covers_its_purposes_until_its_last_millisecond() -> None:
    context = person(purposes=("presence",), expires_at_ms=NOON_MS + HOUR_MS)
    expected: dict[tuple[Purpose, int], bool] = {
        ("presence", NOON_MS): True,
        ("presence", NOON_MS + HOUR_MS - 1): True,
        ("presence", NOON_MS + HOUR_MS): False,
        ("offers", NOON_MS): False,
    }
    assert {key: contexts.allows(context, *key) for key in expected} == expected


def test_consent_without_an_end_holds() -> None:
    assert contexts.allows(person(), "learning", limits.CLOCK_CEILING_MS)


def test_a_renewed_yes_keeps_contacts_and_takes_the_new_word() -> None:
    phone = Phone()
    contact = Contact("gw-t.1", "flat-white", NOON_MS)
    before = contexts.with_contact(contexts.with_consent(None, "s1", phone.consent(), ("tag-1",), NOON_MS, PLAN), contact)
    word = phone.consent(("presence",), version=2, expires_at_ms=NOON_MS + DAY_MS)
    after = contexts.with_consent(before, "s1", word, ("tag-2",), NOON_MS + 5, PLAN)
    assert after.contacts == (contact,)
    assert (after.purposes, after.tags) == (("presence",), ("tag-2",))
    assert (after.consent_seq, after.consent_expires_at_ms) == (2, NOON_MS + DAY_MS)


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
    context = person()
    for index in range(limits.CONTACTS_KEPT_MAX + 10):
        context = contexts.with_contact(context, Contact(f"d{index}", "flat-white", NOON_MS + index))
    assert len(context.contacts) == limits.CONTACTS_KEPT_MAX
    assert context.contacts[-1].decision == f"d{limits.CONTACTS_KEPT_MAX + 9}"
    assert context.contacts[0].decision == "d10"


def test_an_answer_belongs_to_its_offer() -> None:
    context = contexts.with_contact(contexts.with_contact(person(), Contact("d1", "flat-white", 1)), Contact("d2", "happy-hour", 2))
    after = contexts.with_answer(context, "d2", "accepted")
    assert [contact.answer for contact in after.contacts] == [None, "accepted"]
    assert contexts.with_answer(after, "d9", "dismissed") == after


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        ("shown", "opened", "opened"),
        ("opened", "dismissed", "dismissed"),
        ("dismissed", "shown", "dismissed"),  # arrived late: the refusal stays
        ("redeemed", "accepted", "redeemed"),
        ("dismissed", "accepted", "accepted"),  # a change of mind
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
        ({"temperature": 30.0}, None),  # temperature alone gives no weather
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


def test_the_total_of_a_rain_gauge_is_weather() -> None:
    """A bucket of 0.2 mm, read each minute: one tip in five minutes are 2.4 mm/h; a reset is no rain, and a gap only a new start."""
    here, minute = ZoneContext(), 60_000

    def read(total: float, at_min: int) -> float | None:
        nonlocal here
        here = contexts.with_rain(here, "gauge", total, NOON_MS + at_min * minute)
        return contexts.latest(here, "precipitation", NOON_MS + at_min * minute)

    assert [read(40.0, at) for at in range(5)] == [None] * 5
    assert read(40.2, 5) == pytest.approx(2.4)
    assert contexts.weather(here, NOON_MS + 5 * minute) == "rainy"
    assert read(40.2, 10) == 0.0
    assert read(0.0, 15) == 0.0, "a reset states nothing"
    assert read(0.6, 20) == pytest.approx(7.2)
    assert read(9.0, 20 + 181) is None, "the last rate is outdated, and a gap gives none"
    assert read(9.1, 211) == pytest.approx(0.6)
    assert read(99_000.0, 221) == pytest.approx(0.6), "no rain is that strong"
    assert contexts.rebased(here, minute).gauges["gauge"] == (99_000.0, NOON_MS + 222 * minute)


def test_where_a_zone_is_silent_the_site_speaks() -> None:
    """A sensor that died four hours ago does not hide the weather station."""
    site = contexts.with_reading(contexts.with_reading(ZoneContext(), "temperature", 12.0, NOON_MS), "precipitation", 1.0, NOON_MS)
    fresh = contexts.with_reading(ZoneContext(), "temperature", 24.0, NOON_MS)
    dead = contexts.with_reading(ZoneContext(), "temperature", 99.0, NOON_MS - READING_MS_MAX - 1)
    assert contexts.latest(contexts.merged(site, fresh, NOON_MS), "temperature", NOON_MS) == 24.0
    assert contexts.latest(contexts.merged(site, dead, NOON_MS), "temperature", NOON_MS) == 12.0
    assert contexts.latest(contexts.merged(site, dead, NOON_MS), "precipitation", NOON_MS) == 1.0


def test_each_quantity_says_how_things_are_for_as_long_as_it_can() -> None:
    """Noise is outdated before temperature; outdated values are unknown and do not count for the age."""
    here = zone(noise=70.0, pm2_5=12.0, temperature=9.0)
    known = [
        (
            *(contexts.latest(here, name, NOON_MS + ms) for name in ("noise", "pm2_5", "temperature")),
            contexts.age_min(here, NOON_MS + ms, QUANTITIES),
        )
        for ms in (0, NOISE_MS_MAX, NOISE_MS_MAX + 1, AIR_MS_MAX + 1, READING_MS_MAX + 1)
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
    assert contexts.age_min(here, NOON_MS + 5 * 60_000, QUANTITIES) == 5.0
    only_temperature = contexts.with_reading(zone(humidity=40.0), "temperature", 9.0, NOON_MS + 4 * 60_000)
    assert contexts.age_min(only_temperature, NOON_MS + 5 * 60_000, QUANTITIES) == 1.0, "no situation is told the humidity"


def counted(here: ZoneContext, counter: str, people: int, now_ms: int) -> ZoneContext:
    return contexts.with_count(here, Count(counter, "people", people), now_ms)


def flow(here: ZoneContext, now_ms: int) -> float | None:
    return contexts.latest(here, "people_per_hour", now_ms)


@pytest.mark.parametrize("step_s", [10, 60, 600])
def test_a_crowd_is_a_flow_whatever_the_pace_of_the_counter(step_s: int) -> None:
    """Twelve people a minute, reported every ten seconds, every minute or every ten minutes: 720 an hour."""
    here = ZoneContext()
    for report in range(7_200 // step_s + 1):
        here = counted(here, "footfall-1", 12 * step_s // 60, NOON_MS + report * step_s * 1000)
        if not report:
            assert flow(here, NOON_MS) is None, "since when these were counted, nobody knows"
    assert flow(here, NOON_MS + 7_200_000) == pytest.approx(720.0, rel=1e-9)


def test_a_crowd_that_has_gone_fades() -> None:
    here = counted(counted(ZoneContext(), "f", 0, NOON_MS), "f", 100, NOON_MS + 60_000)
    assert flow(here, NOON_MS + 60_000) == 6_000.0
    later_ms = NOON_MS + 60_000 + CROWD_MEAN_MS
    assert flow(counted(here, "f", 0, later_ms), later_ms) == pytest.approx(6_000.0 / math.e)


def test_two_reports_at_one_moment_are_added() -> None:
    """After an outage a counter's reports come in one batch, at one moment of ours."""
    start = counted(counted(ZoneContext(), "f", 0, NOON_MS), "f", 60, NOON_MS + 60_000)
    at_ms = NOON_MS + 120_000
    once = counted(start, "f", 60, at_ms)
    both = counted(counted(start, "f", 30, at_ms), "f", 30, at_ms)
    told, expected = (flow(here, at_ms) for here in (both, once))
    assert told == pytest.approx(expected, rel=0.05)
    unknown = counted(counted(ZoneContext(), "f", 5, NOON_MS), "f", 5, NOON_MS)
    assert flow(unknown, NOON_MS) is None


def test_a_burst_after_an_outage_is_no_stampede() -> None:
    """Reports that were queued at the broker arrive milliseconds apart, but cover a longer time."""
    here = ZoneContext()
    for report in range(3):
        here = counted(here, "f", 10, NOON_MS + report)
    burst = flow(here, NOON_MS + 3)
    assert burst is not None
    assert burst < 4_000.0, "ten people a report are some thousands an hour at most, not millions"


def test_doors_add_up_and_a_dead_counter_is_left_out() -> None:
    here = ZoneContext()
    for minute, counters in enumerate((("a", "b"), ("a", "b"), ("a",))):
        for counter in counters:
            here = counted(here, counter, 10, NOON_MS + minute * 60_000)
    assert flow(here, NOON_MS + 120_000) == pytest.approx(1_200.0)
    assert contexts.age_min(here, NOON_MS + 120_000, QUANTITIES) == 1.0, "the second door was last heard of a minute ago"
    dead_ms = NOON_MS + 60_000 + CROWD_MS_MAX + 1
    assert flow(counted(here, "a", 590, dead_ms), dead_ms) == pytest.approx(600.0)


def test_after_a_long_silence_a_counter_begins_anew() -> None:
    here = counted(counted(ZoneContext(), "f", 0, NOON_MS), "f", 100, NOON_MS + 60_000)
    late_ms = NOON_MS + 60_000 + CROWD_MS_MAX + 1
    assert flow(counted(here, "f", 9_000, late_ms), late_ms) is None


def test_a_zones_own_counter_wins_over_the_sites() -> None:
    def crowd(people: int) -> ZoneContext:
        return counted(counted(ZoneContext(), "f", 0, NOON_MS), "f", people, NOON_MS + 60_000)

    now_ms = NOON_MS + 60_000
    both = contexts.merged(crowd(10), crowd(1), now_ms)
    assert flow(both, now_ms) == pytest.approx(60.0)
    assert flow(contexts.merged(crowd(10), ZoneContext(), now_ms), now_ms) == pytest.approx(600.0)
    loud = contexts.merged(zone(noise=50.0), zone(noise=80.0), NOON_MS)
    assert contexts.latest(loud, "noise", NOON_MS) == 80.0
    late_ms = NOON_MS + NOISE_MS_MAX + 1
    again = contexts.merged(contexts.with_reading(ZoneContext(), "noise", 50.0, late_ms), zone(noise=80.0), late_ms)
    assert contexts.latest(again, "noise", late_ms) == 50.0, "a microphone that died does not hide the site's"
