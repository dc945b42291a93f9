"""The engine with a real store: consent, visit, decision, trigger, answer, counts and records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core import limits
from gateway.core.context import READING_MS_MAX
from gateway.core.learning.explore import in_holdout
from gateway.core.policy.decision import Decision
from gateway.core.presence import PresenceRules
from gateway.core.privacy import laplace
from gateway.core.records import OUTCOMES, GatewayHealth, HourCounts, OfferCounts
from gateway.core.state import Changes
from gateway.core.types import Count, Fact, Position, Reading, Sighting, Status, TimePassed
from tests.kit.attributes import COLUMNS, person_values
from tests.kit.testbed import (
    DAY_MS,
    FAINT_DBM,
    HOUR_MS,
    NOON_MS,
    Gateway,
    Phone,
    TableScorer,
    berlin_ms,
    campaign,
    make_site,
    offer,
    purchase,
)

RULES = PresenceRules()


def enter(gateway: Gateway, phone: Phone, anchor: str = "scan-cafe") -> Changes:
    """The person enters: two clear samples a second apart."""
    gateway.apply(phone.near(anchor))
    gateway.clock.advance(1000)
    return gateway.apply(phone.near(anchor))


def known(decision: Decision) -> dict[str, float | None]:
    """Column -> value of the first candidate, None where unknown."""
    return {
        column: None if math.isnan(value) else value for column, value in zip(COLUMNS, decision.candidates[0].row().tolist(), strict=True)
    }


def offered(gateway: Gateway, phone: Phone) -> str:
    """A consenting person enters the cafe and is proposed something: the decision's code."""
    gateway.apply(phone.consent())
    (trigger,) = enter(gateway, phone).decisions.triggers
    return trigger.id


# --- the whole way ---------------------------------------------------------------------------------------


def test_from_a_yes_to_a_record(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone()
    gateway.apply(TimePassed())
    yes = gateway.apply(phone.consent(told={"visits_month_bar": 2.0}))
    assert yes.totals == {"kept": 1, "facts": 1}
    arrived = enter(gateway, phone)
    (transition,), (decision,), (trigger,) = arrived.visits.transitions, arrived.decisions.made, arrived.decisions.triggers
    assert (transition.kind, transition.zone, transition.at_ms) == ("entered", "cafe", NOON_MS + 1000)
    assert (decision.offer, decision.reason, decision.occasion, decision.subject) == ("flat-white", "chosen", "entered", transition.subject)
    assert (trigger.id, trigger.target, trigger.offer, trigger.zone) == (decision.id, phone.device, "flat-white", "cafe")
    assert trigger.expires_at_ms == NOON_MS + 1000 + 120_000
    assert gateway.store.waiting_triggers() == [trigger]
    assert gateway.decision(decision.id) == (decision, None)

    for kind in ("shown", "opened", "accepted"):
        gateway.apply(phone.answer(decision.id, kind))
    assert gateway.decision(decision.id) == (decision, "accepted")
    gateway.apply(purchase("till-cafe", 1, category="coffee_house", decision=decision.id))
    gateway.apply(phone.answer(decision.id, "redeemed"))
    assert gateway.contacts() == [("hours", "cafe", "", "")], "one contact, however many answers"

    monkeypatch.setattr(laplace, "discrete_laplace", lambda *_: 0)
    gateway.pass_time(HOUR_MS)
    assert gateway.contacts() == []
    health, sent = gateway.records()
    assert isinstance(health, GatewayHealth)
    assert isinstance(sent, HourCounts)
    assert dict(zip(sent.zones, sent.counts, strict=True)) == {"bar": 0, "cafe": 1, "square": 0, "station": 0}
    assert (sent.window_start_ms, health.window_start_ms, health.backlog) == (NOON_MS, NOON_MS, 0)
    gateway.clock.advance(2 * HOUR_MS)
    gateway.apply(TimePassed())
    assert gateway.contacts() == [("offers", "cafe", "flat-white", "redeemed")], "one cell, when the window of the offer is over"
    gateway.clock.advance(DAY_MS)
    gateway.apply(TimePassed())
    closed = {
        one.offer: dict(zip(one.zones, batched(one.counts), strict=True)) for one in gateway.records() if isinstance(one, OfferCounts)
    }
    assert closed["flat-white"] == {"cafe": (0, 0, 0, 0, 0, 0, 0, 1), "square": (0,) * 8, "station": (0,) * 8}
    assert sum(sum(counts) for by_zone in closed.values() for counts in by_zone.values()) == 1
    assert phone.device not in str(gateway.records())
    assert transition.subject not in str(gateway.records())


def batched(counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Counts by zone."""
    return [counts[at : at + len(OUTCOMES)] for at in range(0, len(counts), len(OUTCOMES))]


def test_a_held_out_contact_counts_in_offers_only(gateway: Gateway) -> None:
    gateway.apply(TimePassed())
    held = next(Phone(f"phone-{number:04}") for number in range(1_000) if in_holdout("", f"phone-{number:04}", 0.05))
    gateway.apply(held.consent())
    enter(gateway, held)
    assert gateway.contacts() == []
    gateway.pass_time(3 * HOUR_MS)
    gateway.apply(TimePassed())
    assert gateway.contacts() == [("offers", "cafe", "flat-white", "held_out")]


def test_the_next_window_holds_only_what_is_new(gateway: Gateway) -> None:
    gateway.apply(TimePassed())
    offered(gateway, Phone())
    gateway.pass_time(2 * HOUR_MS)
    # The records of a window leave once; their ids are unique.
    ids = [id_ for id_, *_ in gateway.rows("outbox")]
    assert len(ids) == len(set(ids)) == 4
    assert [record.window_start_ms for record in gateway.records()] == [NOON_MS, NOON_MS, NOON_MS + HOUR_MS, NOON_MS + HOUR_MS]


def test_a_restart_keeps_the_contacts_and_the_period(gateway: Gateway) -> None:
    gateway.apply(TimePassed())
    offered(gateway, Phone())
    before = gateway.contacts(), gateway.state.counts.period
    gateway.restart()
    assert (gateway.contacts(), gateway.state.counts.period) == before
    assert before[0] == [("hours", "cafe", "", "")]


def test_without_a_trustworthy_clock_no_window_opens_and_nobody_is_disturbed(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, site=make_site(clock_floor_ms=NOON_MS + HOUR_MS))
    phone = Phone()
    gateway.apply(phone.consent(), TimePassed())
    (decision,) = enter(gateway, phone).decisions.made
    assert (decision.offer, decision.reason) == (None, "clock_untrusted")
    assert gateway.state.counts.period is None
    opened = [stop.counts.opened.window_start_ms for stop in gateway.pass_time(HOUR_MS) if stop.counts.opened is not None]
    assert opened == [NOON_MS + HOUR_MS]
    assert gateway.rows("outbox") == []
    gateway.close()


def test_a_full_outbox_gathers_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.apply(TimePassed())
    offered(gateway, Phone())
    monkeypatch.setattr(limits, "OUTBOX_RECORDS_MAX", 0)
    gateway.clock.advance(HOUR_MS)
    assert gateway.apply(TimePassed()).counts.closing is None
    offered(gateway, Phone("phone-0002"))
    assert gateway.contacts() == [("hours", "cafe", "", "")] * 2, "nothing was lost"
    monkeypatch.undo()
    assert gateway.apply(TimePassed()).counts.closing is not None
    assert len(gateway.records()) == 2


# --- time ------------------------------------------------------------------------------------------------


def test_time_alone_makes_people_dwell_and_leave(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(TimePassed(), phone.consent())
    enter(gateway, phone)
    kinds: list[tuple[str, int]] = []
    for _ in range(7):
        for stop in gateway.pass_time(10_000):
            kinds += [(transition.kind, transition.at_ms) for transition in stop.visits.transitions]
        gateway.apply(phone.near("scan-cafe"))
    for stop in gateway.pass_time(5 * 60_000):
        kinds += [(transition.kind, transition.at_ms) for transition in stop.visits.transitions]
    entered_ms = NOON_MS + 1000
    assert kinds == [("dwelled", entered_ms + RULES.dwell_ms), ("left", entered_ms + 70_000)]
    assert gateway.rows("presences") == []
    assert gateway.state.visits.next_due_ms() is None


def test_a_stay_counts_as_a_visit_and_a_walk_past_does_not(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    subject = gateway.state.people.identities[phone.device]
    gateway.pass_time(40_000)
    context = gateway.store.context(subject)
    assert context is not None
    assert context.history == {}
    enter(gateway, phone)
    for _ in range(4):
        gateway.pass_time(20_000)
        gateway.apply(phone.near("scan-cafe"))
    gateway.restart()
    context = gateway.store.context(subject)
    assert context is not None
    values = person_values(gateway.site.plan.history, context.history, context.purposes, gateway.clock.now_ms())
    assert values["visits_coffee_house"] == pytest.approx(1.0, abs=1e-4)


def test_dwelling_is_an_occasion_of_its_own(tmp_path: Path) -> None:
    cup = offer("second-cup", zones=("cafe",), occasions=("dwelled",))
    gateway = Gateway(tmp_path, site=make_site(campaign=campaign(cup)))
    phone = Phone()
    gateway.apply(phone.consent())
    (decision,) = enter(gateway, phone).decisions.made
    assert (decision.offer, decision.reason) == (None, "not_now")
    gateway.pass_time(25_000)
    gateway.apply(phone.near("scan-cafe"))
    gateway.pass_time(25_000)
    gateway.apply(phone.near("scan-cafe"))
    triggers = [trigger for stop in gateway.pass_time(20_000) for trigger in stop.decisions.triggers]
    assert [trigger.offer for trigger in triggers] == ["second-cup"]
    gateway.close()


def test_a_visit_and_its_timer_move_with_a_set_clock(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    gateway.clock.step(-3 * HOUR_MS)
    gateway.state.rebase(gateway.clock.take_step())
    assert gateway.apply(TimePassed()).visits.transitions == []
    kinds = [transition.kind for stop in gateway.pass_time(31_000) for transition in stop.visits.transitions]
    assert kinds == ["left"]


# --- sightings and positions -----------------------------------------------------------------------------


def test_either_end_may_be_the_fixed_one(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    gateway.apply(phone.hears("beacon-cafe"))
    changes = gateway.apply(phone.hears("beacon-cafe"))
    assert [transition.zone for transition in changes.visits.transitions] == ["cafe"]
    # The scanner in the same zone holds the same visit.
    assert gateway.apply(phone.near("scan-cafe")).visits.transitions == []
    assert len(gateway.state.visits.presences) == 1


def test_a_position_is_in_a_zone_or_out_or_says_nothing(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    steps: list[tuple[Position, list[str]]] = [
        (phone.at(200.0), []),
        (phone.at(49.0, accuracy_m=5.0), []),  # perhaps outside
        (phone.at(40.0, accuracy_m=5.0), ["entered"]),
        (phone.at(52.0, accuracy_m=5.0), []),  # perhaps still inside
        (phone.at(900.0, accuracy_m=2000.0), []),  # a fix from a cell tower
        (phone.at(60.0, accuracy_m=5.0), ["left"]),
    ]
    for position, kinds in steps:
        gateway.clock.advance(1000)
        changes = gateway.apply(position)
        assert [transition.kind for transition in changes.visits.transitions] == kinds, position
        assert all(transition.zone == "square" for transition in changes.visits.transitions)


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (Sighting("phone-9999", "tag-x", -50.0), "unmapped_anchor"),
        (Sighting("scan-cafe", "somebody", -50.0), "not_consented"),
        (Sighting("scan-cafe", "somebody", -50.0, at_ms=NOON_MS - limits.SIGHTING_AGE_MS_MAX - 1), "late"),
        (Position("phone-9999", 52.52, 13.405), "not_consented"),
        (Reading("sensor-9", "temperature", 3.0), "unmapped_device"),
        (Count("sensor-9", "people", 3), "unmapped_device"),
        (Count("sensor-cafe", "pigeon", 3), "unused_count"),
        (purchase("till-unknown", 1), "unmapped_device"),
        (Phone().answer("gw-other.0123456789abcdef"), "other_gateway"),
        (Phone().answer("gw-t.0123456789abcdef"), "unknown_decision"),
        (Phone().answer("gw-t"), "other_gateway"),
        (Phone().withdrawal(), "not_consented"),
    ],
)
def test_what_is_discarded_says_why_and_changes_nothing(gateway: Gateway, observation: Any, reason: str) -> None:
    before = gateway.dump()
    changes = gateway.apply(observation)
    assert changes.discarded == {reason: 1}
    assert not changes.totals
    assert not changes.is_durable
    assert gateway.dump() == before


def test_a_late_sighting_says_where_somebody_was(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    edge_ms = gateway.clock.now_ms() - limits.SIGHTING_AGE_MS_MAX
    for at_ms, kept in ((edge_ms - 1, False), (edge_ms, True), (gateway.clock.now_ms() + 86_400_000, True), (None, True)):
        changes = gateway.apply(Sighting("scan-bar", phone.tag, FAINT_DBM, at_ms=at_ms))
        assert changes.discarded == ({} if kept else {"late": 1})
        changes = gateway.apply(Position(phone.device, 10.0, 10.0, at_ms=at_ms))
        assert changes.discarded == ({} if kept else {"late": 1})


def test_a_sign_of_life_is_kept_and_changes_nothing(gateway: Gateway) -> None:
    changes = gateway.apply(Status("scan-cafe"))
    assert (changes.totals, changes.discarded, changes.is_durable) == ({"kept": 1}, {}, False)


# --- sensor values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fallen_mm", "rainy"), [(0.0, 0.0), (0.6, 1.0)])
def test_the_model_hears_of_the_rain_of_a_gauge_that_states_totals(gateway: Gateway, fallen_mm: float, rainy: float) -> None:
    gateway.apply(Reading("weather-1", "rain_total", 40.0))
    gateway.clock.advance(600_000)
    gateway.apply(Reading("weather-1", "rain_total", 40.0 + fallen_mm))
    gateway.apply((phone := Phone()).consent())
    (decision,) = enter(gateway, phone).decisions.made
    assert known(decision)["weather_rainy"] == rainy


def test_the_model_hears_of_the_weather_here_and_else_of_the_sites(gateway: Gateway) -> None:
    scorer = gateway.scorer
    assert isinstance(scorer, TableScorer)
    gateway.apply(Reading("weather-1", "temperature", 9.0), Reading("weather-1", "precipitation", 2.0))
    gateway.apply(Reading("sensor-cafe", "temperature", 21.0), Count("sensor-cafe", "people", 7))
    gateway.apply((first := Phone()).consent())
    (decision,) = enter(gateway, first).decisions.made
    features = known(decision)
    assert (features["temperature"], features["weather_rainy"]) == (21.0, 1.0)

    gateway.clock.advance(READING_MS_MAX)
    gateway.apply(Reading("weather-1", "temperature", 5.0))
    gateway.apply((second := Phone("phone-0002")).consent())
    (decision,) = enter(gateway, second).decisions.made
    features = known(decision)
    assert (features["temperature"], features["weather_rainy"]) == (5.0, None), "the cafe's sensor has been silent for too long"


def test_the_model_hears_of_noise_air_and_crowd(gateway: Gateway) -> None:
    """Twelve people in each report per minute are 720 an hour; the oldest reading is a minute old."""
    gateway.apply(Count("sensor-cafe", "people", 3), Reading("weather-1", "noise", 55.0))
    for _ in range(3):
        gateway.clock.advance(60_000)
        gateway.apply(Count("sensor-cafe", "people", 12), Reading("sensor-cafe", "noise", 71.0), Reading("weather-1", "pm2_5", 8.0))
    gateway.clock.advance(60_000)
    gateway.apply((phone := Phone()).consent())
    (decision,) = enter(gateway, phone).decisions.made
    features = known(decision)
    assert (features["noise"], features["air"]) == (71.0, 8.0)
    assert features["crowd"] == pytest.approx(720.0)
    assert features["context_age"] == pytest.approx(1.0, abs=0.1)


# --- facts once ------------------------------------------------------------------------------------------


def test_a_repeated_fact_has_no_effect(gateway: Gateway) -> None:
    phone = Phone()
    code = offered(gateway, phone)
    facts: list[Fact] = [purchase("till-cafe", 1), phone.answer(code, "dismissed"), phone.consent(("presence", "offers"))]
    for fact in facts:
        gateway.apply(fact)
    before = gateway.dump()
    for _ in range(2):
        for fact in facts:
            changes = gateway.apply(fact)
            assert changes.discarded == {"repeated": 1}
            assert not changes.is_durable
        gateway.restart()
    assert gateway.dump() == before


def test_a_fact_that_stands_twice_in_a_batch_counts_once(gateway: Gateway) -> None:
    sold = purchase("till-cafe", 1)
    changes = gateway.apply(sold, sold, purchase("till-cafe", 2), sold)
    assert (changes.totals["kept"], changes.discarded) == (2, {"repeated": 2})
    assert len(gateway.rows("facts")) == 2
    consent = Phone().consent()
    changes = gateway.apply(consent, consent)
    assert changes.discarded == {"repeated": 1}
    assert len(gateway.rows("contexts")) == 1


def test_answers_count_only_from_whom_was_asked(gateway: Gateway) -> None:
    phone, other = Phone(), Phone("phone-0002")
    code = offered(gateway, phone)
    gateway.apply(other.consent())
    for stranger in (other, Phone("phone-0003")):
        changes = gateway.apply(stranger.answer(code, "redeemed"))
        assert changes.discarded == {"not_theirs": 1}
    assert gateway.decision(code) is not None
    assert gateway.apply(phone.answer(code, "redeemed")).discarded == {}


def test_a_visit_to_a_zone_that_left_the_config_ends(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    zones = {id_: zone for id_, zone in gateway.site.zones.items() if id_ != "cafe"}
    gateway.site = msgspec.structs.replace(gateway.site, zones=zones, campaign=campaign(offer(zones=("bar",), shop="bar")))
    changes = gateway.pass_time(3 * 60_000)
    kinds = [one.kind for change in changes for one in change.visits.transitions]
    assert kinds == ["left"]


def test_an_answer_that_is_sent_again_as_another_fact_counts_once(gateway: Gateway) -> None:
    phone = Phone()
    code = offered(gateway, phone)
    counted = [gateway.apply(phone.answer(code, "accepted")).totals["accepted"] for _ in range(2)]
    changes = gateway.apply(phone.answer(code, "dismissed"), phone.answer(code, "dismissed"))
    assert (counted, changes.totals["dismissed"], changes.discarded) == ([1, 0], 1, {"repeated": 1})


def test_an_answer_that_comes_late_undoes_no_refusal(gateway: Gateway) -> None:
    phone = Phone()
    code = offered(gateway, phone)
    gateway.apply(phone.answer(code, "dismissed"))
    gateway.apply(phone.answer(code, "shown"))
    gateway.apply(phone.answer(code, "opened"), phone.answer(code, "shown"))
    found = gateway.decision(code)
    assert found is not None
    assert found[1] == "dismissed"
    gateway.restart()
    gateway.pass_time(10 * 60_000)
    (decision,) = enter(gateway, phone).decisions.made
    reasons = {candidate.offer: candidate.reason for candidate in decision.candidates}
    assert reasons["flat-white"] == "refused"


def test_caps_outlive_a_restart_and_end_with_the_local_day(gateway: Gateway) -> None:
    phone = Phone()
    offered(gateway, phone)
    chosen: list[tuple[str | None, str]] = []
    for off_ms in (11 * 60_000, berlin_ms(2026, 6, 11, 8) - NOON_MS):
        gateway.restart(off_ms)
        gateway.pass_time(limits.CLOCK_SETTLE_MS + 1_000)  # before, the time in which it was off does not count
        (decision,) = enter(gateway, phone).decisions.made
        chosen.append((decision.offer, decision.reason))
    assert chosen == [(None, "cap_offer_day"), ("flat-white", "chosen")]


def test_purchases_are_kept_by_zone(gateway: Gateway) -> None:
    gateway.apply(purchase("till-bar", 1, 990, category="bar"))
    assert [row[1:] for row in gateway.rows("facts")] == [("purchase", NOON_MS, None, "bar", None, "bar", 990, None, None)]
