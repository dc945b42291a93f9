"""What may not be proposed: every gate at its edge, every reason within reach, and a local day of 23 or 25 hours."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from gateway.core import context as contexts
from gateway.core.context import Contact, SubjectContext, ZoneContext
from gateway.core.offers import Campaign, Policy
from gateway.core.policy import decision as decisions
from gateway.core.policy.choose import decide
from gateway.core.policy.decision import REASONS, Decision, Reason
from gateway.core.policy.gates import DecisionRequest, closed_to, closed_to_all, is_quiet
from gateway.core.types import AnswerKind, Occasion, Purpose
from tests.kit.street import DAY_MS, HOUR_MS, NOON_MS, Phone, TableScorer, berlin_ms, campaign, make_site, offer

MINUTE_MS = 60_000
NO_LIMITS: dict[str, Any] = {"quiet_from": 0, "quiet_until": 0, "gap_s_min": 0, "per_person_day_max": 60}


def person(*contacts: tuple[str, int, AnswerKind | None], purposes: tuple[Purpose, ...] = ("presence", "offers")) -> SubjectContext:
    """Somebody who was proposed these offers: (offer, at_ms, answer)."""
    made = contexts.consented(None, "s1", Phone().consent(purposes), (), NOON_MS - 30 * DAY_MS)
    return msgspec.structs.replace(made, contacts=tuple(Contact(f"d{n}", *contact) for n, contact in enumerate(contacts)))


def moment(
    subject: SubjectContext | None = None,
    now_ms: int = NOON_MS,
    zone: str = "cafe",
    occasion: Occasion = "entered",
    offers: Campaign | None = None,
    **policy: Any,
) -> DecisionRequest:
    """Somebody enters the cafe at noon under a policy without limits, but for the changes."""
    made = offers or campaign(offer(per_person_day_max=60), **(NO_LIMITS | policy))
    return DecisionRequest(subject or person(), zone, occasion, now_ms, make_site(campaign=made))


def had(count: int, at_ms: int = NOON_MS - HOUR_MS, offer_id: str = "flat-white") -> SubjectContext:
    return person(*[(offer_id, at_ms, None)] * count)


# --- closed to all ---------------------------------------------------------------------------------------


def test_an_open_moment_is_open() -> None:
    assert closed_to_all(moment()) is None
    assert closed_to(offer(), moment()) is None


def test_a_clock_that_cannot_be_right_closes_all() -> None:
    floor_ms = make_site().clock_floor_ms
    assert closed_to_all(moment(now_ms=floor_ms)) is None
    assert closed_to_all(moment(now_ms=floor_ms - 1)) == "clock_untrusted"
    assert closed_to_all(moment(now_ms=0)) == "clock_untrusted"


@pytest.mark.parametrize(
    ("purposes", "reason"),
    [((), "no_consent"), (("presence", "learning", "measurement"), "no_consent"), (("offers",), None)],
)
def test_a_yes_to_presence_is_no_yes_to_offers(purposes: tuple[Purpose, ...], reason: Reason | None) -> None:
    assert closed_to_all(moment(person(purposes=purposes))) == reason


def test_a_yes_runs_out() -> None:
    until_noon = msgspec.structs.replace(person(), consent_expires_at_ms=NOON_MS)
    assert closed_to_all(moment(until_noon, NOON_MS - 1)) is None
    assert closed_to_all(moment(until_noon)) == "no_consent"


@pytest.mark.parametrize(
    ("quiet", "hour", "minute", "closed"),
    [
        ((1320, 420), 21, 59, False),
        ((1320, 420), 22, 0, True),
        ((1320, 420), 23, 59, True),
        ((1320, 420), 0, 0, True),
        ((1320, 420), 6, 59, True),
        ((1320, 420), 7, 0, False),
        ((720, 780), 11, 59, False),
        ((720, 780), 12, 0, True),
        ((720, 780), 12, 59, True),
        ((720, 780), 13, 0, False),
        ((600, 600), 10, 0, False),  # equal means none
        ((0, 0), 0, 0, False),
        ((0, 1439), 23, 59, False),
        ((1439, 0), 23, 59, True),
        ((1439, 0), 0, 0, False),
    ],
)
def test_quiet_hours_by_the_wall(quiet: tuple[int, int], hour: int, minute: int, *, closed: bool) -> None:
    now_ms = berlin_ms(2026, 6, 10, hour, minute)
    limits: dict[str, Any] = {"quiet_from": quiet[0], "quiet_until": quiet[1]}
    assert is_quiet(Policy(**limits), hour * 60 + minute) is closed
    assert closed_to_all(moment(now_ms=now_ms, **limits)) == ("quiet_hours" if closed else None)
    assert closed_to_all(moment(now_ms=now_ms + MINUTE_MS - 1, **limits)) == ("quiet_hours" if closed else None)


def test_quiet_hours_are_those_of_the_season() -> None:
    """22 o'clock in Berlin is 20 UTC in summer and 21 UTC in winter."""
    for summer_or_winter in (berlin_ms(2026, 7, 1, 22), berlin_ms(2026, 12, 1, 22)):
        assert closed_to_all(moment(now_ms=summer_or_winter - 1, quiet_from=1320, quiet_until=420)) is None
        assert closed_to_all(moment(now_ms=summer_or_winter, quiet_from=1320, quiet_until=420)) == "quiet_hours"


def test_the_gap_ends_with_its_last_second() -> None:
    once = person(("happy-hour", NOON_MS, None))
    assert closed_to_all(moment(once, NOON_MS + 599_999, gap_s_min=600)) == "gap"
    assert closed_to_all(moment(once, NOON_MS + 600_000, gap_s_min=600)) is None
    assert closed_to_all(moment(once, NOON_MS, gap_s_min=0)) is None
    # A clock set back since then fails closed: nobody is asked twice because of it.
    assert closed_to_all(moment(once, NOON_MS - 1000, gap_s_min=600)) == "gap"


@pytest.mark.parametrize(("cap", "before", "reason"), [(0, 0, "cap_person_day"), (1, 0, None), (1, 1, "cap_person_day"), (2, 1, None)])
def test_a_cap_of_none_and_of_one_a_day(cap: int, before: int, reason: Reason | None) -> None:
    assert closed_to_all(moment(had(before), per_person_day_max=cap)) == reason


def test_the_day_begins_at_local_midnight() -> None:
    midnight_ms = berlin_ms(2026, 6, 11)
    late = had(1, midnight_ms - 1)
    assert closed_to_all(moment(late, midnight_ms - 1, per_person_day_max=1)) == "cap_person_day"
    assert closed_to_all(moment(late, midnight_ms, per_person_day_max=1)) is None
    early = had(1, midnight_ms)
    assert closed_to_all(moment(early, berlin_ms(2026, 6, 11, 23, 59, 59, 999), per_person_day_max=1)) == "cap_person_day"
    assert closed_to_all(moment(early, berlin_ms(2026, 6, 12), per_person_day_max=1)) is None


@pytest.mark.parametrize(
    ("day", "hours"),
    [((2026, 3, 29), 23), ((2026, 6, 10), 24), ((2026, 10, 25), 25)],
)
def test_a_day_is_as_long_as_the_calendar_says(day: tuple[int, int, int], hours: int) -> None:
    """Europe/Berlin goes from 2 to 3 in March, and through 2 o'clock twice in October."""
    start_ms = berlin_ms(*day)
    last_ms = start_ms + hours * HOUR_MS - 1
    first = had(1, start_ms)
    assert closed_to_all(moment(first, last_ms, per_person_day_max=1)) == "cap_person_day"
    assert closed_to_all(moment(first, last_ms + 1, per_person_day_max=1)) is None


def test_the_hour_that_comes_twice() -> None:
    first_ms, second_ms = berlin_ms(2026, 10, 25, 2, 30), berlin_ms(2026, 10, 25, 2, 30, fold=1)
    assert second_ms - first_ms == HOUR_MS
    assert closed_to_all(moment(had(1, first_ms), second_ms, gap_s_min=3601)) == "gap", "an hour passed, whatever the wall says"
    assert closed_to_all(moment(had(1, first_ms), second_ms, gap_s_min=3600)) is None
    for now_ms in (first_ms, second_ms):
        assert closed_to_all(moment(now_ms=now_ms, quiet_from=120, quiet_until=180)) == "quiet_hours"


def test_the_hour_that_never_comes() -> None:
    """Quiet from 2 to 3 on the night without them: nothing is quiet, and nothing breaks."""
    last_ms = berlin_ms(2026, 3, 29, 1, 59, 59, 999)
    assert closed_to_all(moment(now_ms=last_ms, quiet_from=120, quiet_until=180)) is None
    assert closed_to_all(moment(now_ms=last_ms + 1, quiet_from=120, quiet_until=180)) is None
    assert last_ms + 1 == berlin_ms(2026, 3, 29, 3)


# --- closed to one ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "reason"), [("cafe", None), ("square", None), ("bar", "not_here"), ("elsewhere", "not_here")])
def test_an_offer_has_its_zones(zone: str, reason: Reason | None) -> None:
    assert closed_to(offer(), moment(zone=zone)) == reason


@pytest.mark.parametrize(
    ("occasions", "occasion", "reason"),
    [
        (("entered",), "entered", None),
        (("entered",), "dwelled", "not_now"),
        (("dwelled",), "entered", "not_now"),
        (("entered", "dwelled"), "dwelled", None),
        ((), "entered", "not_now"),
    ],
)
def test_an_offer_has_its_occasions(occasions: tuple[Occasion, ...], occasion: Occasion, reason: Reason | None) -> None:
    assert closed_to(offer(occasions=occasions), moment(occasion=occasion)) == reason


def test_an_offer_lives_from_its_start_to_before_its_end() -> None:
    today = offer(starts_ms=NOON_MS, ends_ms=NOON_MS + 10)
    assert [closed_to(today, moment(now_ms=NOON_MS + ms)) for ms in (-1, 0, 9, 10)] == ["not_live", None, None, "not_live"]


@pytest.mark.parametrize(
    ("at_ms", "answer", "offer_id", "reason"),
    [
        (berlin_ms(2026, 6, 10), "dismissed", "flat-white", "refused"),
        (berlin_ms(2026, 6, 9, 23, 59, 59, 999), "dismissed", "flat-white", None),
        (berlin_ms(2026, 6, 10), "dismissed", "happy-hour", None),
        (berlin_ms(2026, 6, 10), "opened", "flat-white", None),
        (berlin_ms(2026, 6, 10), None, "flat-white", None),
    ],
)
def test_what_was_refused_today_does_not_come_back_today(at_ms: int, answer: AnswerKind, offer_id: str, reason: Reason | None) -> None:
    assert closed_to(offer(per_person_day_max=60), moment(person((offer_id, at_ms, answer)))) == reason


@pytest.mark.parametrize(("cap", "before", "reason"), [(0, 0, "cap_offer_day"), (1, 0, None), (1, 1, "cap_offer_day"), (3, 2, None)])
def test_an_offer_has_its_own_cap(cap: int, before: int, reason: Reason | None) -> None:
    assert closed_to(offer(per_person_day_max=cap), moment(had(before))) == reason
    assert closed_to(offer(per_person_day_max=1), moment(had(before, offer_id="happy-hour"))) is None
    assert closed_to(offer(per_person_day_max=1), moment(had(before, NOON_MS - DAY_MS))) is None


def test_a_cap_that_memory_cannot_count_to_is_refused() -> None:
    """Caps are counted on the contacts that are kept: a cap above their number would never be reached."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"per_person_day_max": 65}, Policy)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(offer(per_person_day_max=65)), type(offer()))
    assert msgspec.convert({"per_person_day_max": 64}, Policy).per_person_day_max == 64


# --- every reason ----------------------------------------------------------------------------------------


def decided(subject: SubjectContext, now_ms: int = NOON_MS, propensity: float | None = 0.5, **policy: Any) -> Decision:
    at = moment(subject, now_ms, offers=campaign(**policy))
    return decide(at, ZoneContext(), TableScorer(propensity), "gw-t.1")


REACHED: dict[Reason, Decision] = {
    "chosen": decided(person()),
    "outranked": decide(
        moment(zone="station", offers=campaign()), ZoneContext(), TableScorer(), "gw-t.1"
    ),  # flat-white is worth less there than happy-hour
    "clock_untrusted": decided(person(), 0),
    "no_consent": decided(person(purposes=("presence",))),
    "quiet_hours": decided(person(), berlin_ms(2026, 6, 10, 3)),
    "gap": decided(had(1, NOON_MS - 1)),
    "cap_person_day": decided(had(4)),
    "not_here": decide(moment(zone="square", offers=campaign()), ZoneContext(), TableScorer(), "gw-t.1"),
    "not_now": decide(moment(occasion="dwelled", offers=campaign()), ZoneContext(), TableScorer(), "gw-t.1"),
    "not_live": decided(person(), berlin_ms(2029, 1, 1, 12)),
    "refused": decided(person(("flat-white", NOON_MS - HOUR_MS, "dismissed"))),
    "cap_offer_day": decided(had(1)),
    "no_model": decided(person(), propensity=None),
    "propensity_low": decided(person(), propensity=0.09),
    "not_worth_it": decided(person(), propensity=0.5, contact_cost_minor=250.0),
}


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_can_be_reached(reason: Reason) -> None:
    assert reason in {candidate.reason for candidate in REACHED[reason].candidates}
    assert REASONS[reason]


def test_reasons_stand_in_the_order_in_which_the_gates_ask() -> None:
    assert list(REASONS) == list(get_args(decisions.Reason))
    # Somebody to whom everything is closed: lifting the first reason shows the next.
    bad = offer(zones=("bar",), starts_ms=0, ends_ms=1, occasions=("dwelled",), per_person_day_max=0)
    refused_now = person(("flat-white", NOON_MS, "dismissed"), purposes=("presence",))
    closed: dict[str, Any] = {"quiet_from": 0, "quiet_until": 1439, "gap_s_min": 600, "per_person_day_max": 1}
    trusted = make_site(clock_floor_ms=NOON_MS + 1, campaign=campaign(bad, **closed))
    asked: list[Reason | None] = [closed_to_all(DecisionRequest(refused_now, "cafe", "entered", NOON_MS, trusted))]
    asked.append(closed_to_all(moment(refused_now, **closed)))
    yes = msgspec.structs.replace(refused_now, purposes=("offers",))
    asked.append(closed_to_all(moment(yes, **closed)))
    asked.append(closed_to_all(moment(yes, **(closed | {"quiet_until": 0}))))
    asked.append(closed_to_all(moment(yes, **(closed | {"quiet_until": 0, "gap_s_min": 0}))))
    lifts: tuple[dict[str, Any], ...] = ({}, {"zones": ("cafe",)}, {"occasions": ("entered",)}, {"ends_ms": NOON_MS * 2})
    for lifted in lifts:
        bad = msgspec.structs.replace(bad, **lifted)
        asked.append(closed_to(bad, moment(yes)))
    asked.append(closed_to(bad, moment(msgspec.structs.replace(yes, contacts=()))))
    order = [reason for reason in REASONS if reason in asked]
    assert asked == order
    assert len(order) == 10
