"""Occasions beyond entering and dwelling, each with a campaign that has an offer for it and one that has none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core import limits
from gateway.core.campaign.triggers import WEEKDAYS, EventFilter, Schedule, Threshold, Weekday, due_between, next_ms
from gateway.core.campaign.units import minute_of_day
from gateway.core.occasions import SCHEDULE_LATE_MS_MAX
from gateway.core.offers import TRIGGER_FIELDS, Offer
from gateway.core.policy.decision import Decision
from gateway.core.state import Changes
from gateway.core.types import Count, Event, Reading, TimePassed
from tests.kit.testbed import BERLIN, NOON_MS, Gateway, Phone, berlin_ms, campaign, offer, purchase


def with_offers(gateway: Gateway, *offers: Offer) -> None:
    """The gateway's campaign becomes these offers, without a cool-down and a holdout."""
    made = campaign(*offers, gap_s_min=0, per_person_day_max=60, holdout=0.0)
    gateway.site = msgspec.structs.replace(gateway.site, campaign=made)


def arrive(gateway: Gateway, phone: Phone) -> Changes:
    """A consenting person enters the cafe."""
    gateway.apply(phone.consent())
    return gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))


# --- leaving ---------------------------------------------------------------------------------------------


def test_leaving_is_an_occasion(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=("left",)))
    phone = Phone()
    (entered,) = arrive(gateway, phone).decisions.made
    assert (entered.offer, entered.reason) == (None, "not_now")
    (left,) = [one for changes in gateway.pass_time(40_000) for one in changes.decisions.made]
    assert (left.occasion, left.zone, left.offer) == ("left", "cafe", "flat-white")


def test_leaving_is_not_asked_of_a_campaign_without_offers_for_it(gateway: Gateway) -> None:
    arrive(gateway, Phone())
    assert not [one for changes in gateway.pass_time(40_000) for one in changes.decisions.made]


def test_a_visit_that_ends_with_the_consent_is_no_occasion(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=("left",)))
    phone = Phone()
    arrive(gateway, phone)
    narrowed = gateway.apply(phone.consent(purposes=("offers",)))
    assert [one.kind for one in narrowed.visits.transitions] == ["left"]
    assert not narrowed.decisions.made


# --- a purchase ------------------------------------------------------------------------------------------


def test_a_redeemed_purchase_is_an_occasion_for_its_person(gateway: Gateway) -> None:
    with_offers(gateway, offer(), offer("next-time", occasions=("purchased",), zones=("bar",)))
    phone = Phone()
    (first,) = arrive(gateway, phone).decisions.made
    changes = gateway.apply(purchase("till-bar", 1, decision=first.id))
    (decision,) = changes.decisions.made
    assert (decision.occasion, decision.zone, decision.offer, decision.subject) == ("purchased", "bar", "next-time", first.subject)
    assert [one.target for one in changes.decisions.triggers] == [phone.device]
    assert not gateway.apply(purchase("till-bar", 1, decision=first.id)).decisions.made, "a repeated purchase is none"


def test_a_purchase_without_a_person_is_no_occasion(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=("purchased",)))
    arrive(gateway, Phone())
    assert not gateway.apply(purchase("till-cafe", 1), purchase("till-cafe", 2, decision="gw-t.unknown")).decisions.made


def test_a_purchase_is_not_asked_of_a_campaign_without_offers_for_it(gateway: Gateway) -> None:
    phone = Phone()
    (first,) = arrive(gateway, phone).decisions.made
    assert not gateway.apply(purchase("till-cafe", 1, decision=first.id)).decisions.made


# --- times of day ----------------------------------------------------------------------------------------


def at(*times: str, weekdays: tuple[Weekday, ...] = WEEKDAYS) -> dict[str, Any]:
    """Fields of an offer that is proposed at local times of day."""
    return {"occasions": ("scheduled",), "schedule": Schedule(tuple(map(minute_of_day, times)), weekdays)}


def made(changes_list: list[Changes]) -> list[Decision]:
    return [one for changes in changes_list for one in changes.decisions.made]


def stay(gateway: Gateway, phone: Phone, ms: int) -> list[Changes]:
    """The person stays in the cafe for some time."""
    changes_list: list[Changes] = []
    for _ in range(ms // 20_000):
        changes_list += gateway.pass_time(20_000)
        changes_list.append(gateway.apply(phone.near("scan-cafe")))
    return changes_list


def test_a_time_of_day_is_an_occasion_for_people_present(gateway: Gateway) -> None:
    with_offers(gateway, offer(**at("12:02", "15:00")))
    phone, gone = Phone(), Phone("phone-0002")
    arrive(gateway, phone)
    arrive(gateway, gone)
    (decision,) = [one for one in made(stay(gateway, phone, 180_000)) if one.occasion == "scheduled"]
    assert (decision.offer, decision.zone, decision.at_ms) == ("flat-white", "cafe", NOON_MS + 120_000)


@pytest.mark.parametrize(
    ("minutes", "weekdays", "after", "expected"),
    [
        ("12:00", WEEKDAYS, berlin_ms(2026, 6, 10, 11, 59, 59), berlin_ms(2026, 6, 10, 12)),
        ("12:00", WEEKDAYS, berlin_ms(2026, 6, 10, 12), berlin_ms(2026, 6, 11, 12)),
        ("23:59", ("mo",), berlin_ms(2026, 6, 10, 12), berlin_ms(2026, 6, 15, 23, 59)),
        ("00:00", WEEKDAYS, berlin_ms(2026, 6, 10, 23, 59, 59), berlin_ms(2026, 6, 11)),
        ("02:30", WEEKDAYS, berlin_ms(2026, 3, 29), berlin_ms(2026, 3, 29, 3, 30)),  # the clock skips from 2 to 3
        ("02:30", WEEKDAYS, berlin_ms(2026, 10, 25), berlin_ms(2026, 10, 25, 2, 30)),  # occurs twice: the first
        ("02:30", WEEKDAYS, berlin_ms(2026, 10, 25, 2, 30), berlin_ms(2026, 10, 26, 2, 30)),  # and not the second
    ],
)
def test_the_next_time_of_day(minutes: str, weekdays: tuple[Weekday, ...], after: int, expected: int) -> None:
    schedule = Schedule((minute_of_day(minutes),), weekdays)
    assert next_ms([schedule], BERLIN, after) == expected
    assert due_between([schedule], BERLIN, after, expected) == {schedule}
    assert not due_between([schedule], BERLIN, after, expected - 1)


def test_a_restart_neither_repeats_nor_loses_a_time_of_day(gateway: Gateway) -> None:
    with_offers(gateway, offer(**at("12:02"), per_person_day_max=60))
    phone = Phone()
    arrive(gateway, phone)
    gateway.pass_time(10_000)  # the first look sets the mark
    gateway.apply(phone.near("scan-cafe"))
    gateway.restart(off_ms=SCHEDULE_LATE_MS_MAX - 10_000)  # until 12:10
    late = made(gateway.pass_time(1_000))
    assert [one.occasion for one in late] == ["scheduled"]
    gateway.restart()
    assert not [one for one in made(gateway.pass_time(1_000)) if one.occasion == "scheduled"]


def test_a_time_of_day_long_past_is_not_made_up_for(gateway: Gateway) -> None:
    with_offers(gateway, offer(**at("12:02")))
    phone = Phone()
    arrive(gateway, phone)
    gateway.pass_time(10_000)
    gateway.restart(off_ms=SCHEDULE_LATE_MS_MAX + 120_000)
    assert not [one for one in made(gateway.pass_time(1_000)) if one.occasion == "scheduled"]


def test_a_clock_that_is_set_back_does_not_repeat_a_time_of_day(gateway: Gateway) -> None:
    with_offers(gateway, offer(**at("12:02"), per_person_day_max=60))
    phone = Phone()
    arrive(gateway, phone)
    assert len([one for one in made(stay(gateway, phone, 140_000)) if one.occasion == "scheduled"]) == 1
    gateway.clock.step(-60_000)
    gateway.state.rebase(-60_000)
    assert not [one for one in made(stay(gateway, phone, 140_000)) if one.occasion == "scheduled"]


def test_a_crowd_is_decided_for_in_parts_and_nobody_is_lost_or_repeated(gateway: Gateway) -> None:
    with_offers(gateway, offer(**at("12:02")))
    crowd = [Phone(f"phone-{number:04}") for number in range(2 * limits.FIRING_SUBJECTS_MAX + 5)]
    gateway.apply(*[phone.consent() for phone in crowd])
    gateway.apply(TimePassed())
    gateway.clock.advance(119_000)
    for _ in range(2):
        gateway.apply(*[phone.near("scan-cafe") for phone in crowd])
    gateway.clock.advance(1_000)
    sizes: list[int] = []
    targets: list[str] = []
    for step in range(4):
        changes = gateway.apply(TimePassed())
        sizes.append(len(changes.decisions.made))
        targets += [one.target for one in changes.decisions.triggers]
        if step == 1:
            gateway.restart()
    assert sizes == [limits.FIRING_SUBJECTS_MAX, limits.FIRING_SUBJECTS_MAX, 5, 0]
    assert sorted(targets) == [phone.device for phone in crowd]
    assert not gateway.rows("firings")


def test_a_firing_names_no_person(gateway: Gateway) -> None:
    with_offers(gateway, offer(**at("12:02")))
    crowd = [Phone(f"phone-{number:04}") for number in range(limits.FIRING_SUBJECTS_MAX + 1)]
    gateway.apply(*[phone.consent() for phone in crowd])
    gateway.apply(TimePassed())
    gateway.clock.advance(120_000)
    for _ in range(2):
        gateway.apply(*[phone.near("scan-cafe") for phone in crowd])
    last = max(one.subject for one in gateway.apply(TimePassed()).decisions.made)
    assert len(gateway.rows("firings")) == 1
    (device,) = [device for device, subject in gateway.state.people.identities.items() if subject == last and device.startswith("phone")]
    gateway.apply(next(phone for phone in crowd if phone.device == device).withdrawal())
    assert last not in gateway.dump()


# --- thresholds ------------------------------------------------------------------------------------------


def test_a_threshold_with_hysteresis_is_crossed_once() -> None:
    hot = Threshold("temperature", at_least=25.0, hysteresis=2.0)
    sides, side = [], False
    for value in (24.9, 25.0, 24.0, 23.1, 23.0, 24.9, 25.0):
        side = hot.is_over(value, was_over=side)
        sides.append(side)
    assert sides == [False, True, True, True, False, False, True]
    cold = Threshold("temperature", at_most=0.0, hysteresis=1.0)
    assert [cold.is_over(0.5, was_over=False), cold.is_over(0.0, was_over=False), cold.is_over(0.9, was_over=True)] == [False, True, True]
    assert not cold.is_over(1.0, was_over=True)
    assert Threshold("temperature", at_least=25.0).is_over(25.0, was_over=True), "without hysteresis the bound itself counts"
    assert not Threshold("temperature", at_least=25.0).is_over(24.9, was_over=True)


@pytest.mark.parametrize("bounds", [{}, {"at_least": 1.0, "at_most": 2.0}])
def test_a_threshold_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either at_least or at_most"):
        Threshold("temperature", **bounds)


def temperature(gateway: Gateway, value: float, device: str = "sensor-cafe") -> list[Decision]:
    """The decisions that a reading leads to."""
    gateway.apply(Reading(device, "temperature", value, gateway.clock.now_ms()))
    return gateway.apply(TimePassed()).decisions.made


HOT: dict[str, Any] = {"occasions": ("reading",), "threshold": Threshold("temperature", at_least=25.0, hysteresis=2.0)}


def test_a_crossed_threshold_is_an_occasion_for_people_present(gateway: Gateway) -> None:
    with_offers(gateway, offer("cold-brew", **HOT, per_person_day_max=60), offer("ice", zones=("bar",), **HOT))
    arrive(gateway, Phone())
    assert not temperature(gateway, 24.0)
    (decision,) = temperature(gateway, 26.0)
    assert (decision.occasion, decision.zone, decision.offer) == ("reading", "cafe", "cold-brew")
    assert not temperature(gateway, 27.0), "it stays hot"
    assert not temperature(gateway, 24.0), "within the hysteresis"
    assert not temperature(gateway, 26.0)
    assert not temperature(gateway, 22.0)
    gateway.restart()
    assert len(temperature(gateway, 26.0)) == 1, "the side is kept over a restart"


def test_the_first_value_only_sets_the_side(gateway: Gateway) -> None:
    with_offers(gateway, offer(**HOT))
    arrive(gateway, Phone())
    assert not temperature(gateway, 30.0)


def test_a_sensor_of_the_whole_site_crosses_where_people_are(gateway: Gateway) -> None:
    with_offers(gateway, offer(**HOT))
    arrive(gateway, Phone())
    temperature(gateway, 20.0, "weather-1")
    (decision,) = temperature(gateway, 30.0, "weather-1")
    assert decision.zone == "cafe"


def test_only_the_offers_whose_trigger_fired_are_candidates(gateway: Gateway) -> None:
    frost = Threshold("temperature", at_most=0.0)
    with_offers(gateway, offer("cold-brew", **HOT), offer("mulled-wine", occasions=("reading",), threshold=frost, value_minor=900))
    arrive(gateway, Phone())
    temperature(gateway, 20.0)
    (decision,) = temperature(gateway, 30.0)
    assert {one.offer: one.reason for one in decision.candidates} == {"cold-brew": "chosen", "mulled-wine": "not_now"}


def test_the_flow_of_people_is_a_quantity(gateway: Gateway) -> None:
    crowded = Threshold("people_per_hour", at_least=1_000.0)
    with_offers(gateway, offer(occasions=("reading",), threshold=crowded))
    arrive(gateway, Phone())
    found: list[Decision] = []
    for people in (0, 1, 1, 100, 100, 100):  # the mean of ten minutes rises by some 600 an hour with each of the last
        gateway.clock.advance(10_000)
        gateway.apply(Count("sensor-cafe", "people", people), Phone().near("scan-cafe"))
        found += gateway.apply(TimePassed()).decisions.made
    assert [one.occasion for one in found if one.occasion != "dwelled"] == ["reading"]


# --- external events -------------------------------------------------------------------------------------

LATE_TRAIN: dict[str, Any] = {"occasions": ("event",), "event": EventFilter("train.late", "/trains", 3_600)}


def event(number: str = "1", **fields: Any) -> Event:
    return Event(**({"device": "weather-1", "source": "/trains", "id": number, "kind": "train.late"} | fields))


def after_event(gateway: Gateway, *events: Event) -> list[Decision]:
    """The decisions that events lead to."""
    gateway.apply(*events)
    return gateway.apply(TimePassed()).decisions.made


def test_an_event_is_an_occasion_once_for_people_present(gateway: Gateway) -> None:
    with_offers(gateway, offer(**LATE_TRAIN, per_person_day_max=60))
    arrive(gateway, Phone())
    (decision,) = after_event(gateway, event(), event())
    assert (decision.occasion, decision.offer) == ("event", "flat-white")
    gateway.restart()
    assert gateway.apply(event(device="sensor-cafe")).discarded == {"repeated": 1}, "by source and id, whichever device states it"
    assert len(after_event(gateway, event("2"))) == 1


@pytest.mark.parametrize("fields", [{"kind": "train.early"}, {"source": "/buses"}, {"zone": "bar"}])
def test_an_event_of_another_kind_or_place_is_no_occasion(gateway: Gateway, fields: dict[str, str]) -> None:
    with_offers(gateway, offer(**LATE_TRAIN))
    arrive(gateway, Phone())
    assert not after_event(gateway, event(**fields))


def test_a_device_that_is_not_declared_states_no_event(gateway: Gateway) -> None:
    with_offers(gateway, offer(**LATE_TRAIN))
    assert gateway.apply(event(device="somebody")).discarded == {"unmapped_device": 1}


@pytest.mark.parametrize(("age_s", "is_offered"), [(0, True), (3_599, True), (3_600, False)])
def test_people_who_enter_while_the_event_lasts_are_offered(gateway: Gateway, age_s: int, is_offered: bool) -> None:  # noqa: FBT001
    with_offers(gateway, offer(**LATE_TRAIN))
    gateway.apply(event(at_ms=gateway.clock.now_ms()))
    gateway.clock.advance(age_s * 1_000)
    gateway.restart()
    (decision,) = arrive(gateway, Phone()).decisions.made
    assert (decision.occasion, decision.offer) == ("entered", "flat-white" if is_offered else None)


def test_an_event_that_has_expired_is_late(gateway: Gateway) -> None:
    with_offers(gateway, offer(**LATE_TRAIN))
    now_ms = gateway.clock.now_ms()
    assert gateway.apply(event(at_ms=now_ms - 3_600_000)).discarded == {"late": 1}
    assert gateway.apply(event("2", expires_at_ms=now_ms)).discarded == {"late": 1}
    assert not gateway.apply(event("3", at_ms=now_ms - 3_599_999)).discarded
    gateway.clock.advance(1)
    gateway.apply(TimePassed())
    assert not gateway.rows("live"), "what is over is forgotten"


@pytest.mark.parametrize("field", ["schedule", "threshold", "event"])
def test_an_occasion_without_its_trigger_is_refused(field: str) -> None:
    occasion = next(name for name, needed in TRIGGER_FIELDS.items() if needed == field)
    with pytest.raises(ValueError, match=f"'{occasion}' and the field {field} go together"):
        campaign(offer(occasions=(occasion,)))
