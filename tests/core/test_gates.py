"""Gates: each one at its edge, every reason is reachable, and local days of 23 and 25 hours."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from gateway.adapters.rules import compiled_rules
from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.attributes.history import Stated
from gateway.core.attributes.schema import parse
from gateway.core.context import Contact, SubjectContext, Wishes, ZoneContext
from gateway.core.learning.state import LearnedState, PersonState
from gateway.core.offers import Campaign, Cap, CapGroup, Ignored, Offer, Policy
from gateway.core.opening_hours import parse as parse_hours
from gateway.core.policy.choose import decide
from gateway.core.policy.decision import Decision
from gateway.core.policy.gates import (
    CHOSEN,
    GATES,
    LOWER_RANK,
    OUTCOMES,
    REASONS,
    SERVICE,
    YIELDS,
    Gate,
    OfferGate,
    Outcome,
    Reason,
    gated,
    is_within,
    meanings,
)
from gateway.core.policy.gates import closed_to_all as first_closed
from gateway.core.policy.learned import Deliberation
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.site import local, local_day_ms
from gateway.core.types import AnswerKind, Named, Occasion, Purpose
from tests.kit import groups
from tests.kit.testbed import DAY_MS, HOUR_MS, NOON_MS, Phone, TableScorer, berlin_ms, campaign, make_site, offer

MINUTE_MS = 60_000
NO_LIMITS: dict[str, Any] = {"quiet_from": 0, "quiet_until": 0, "gap_s_min": 0, "per_person_day_max": 60}


def person(*contacts: tuple[str, int, AnswerKind | None], purposes: tuple[Purpose, ...] = ("presence", "offers")) -> SubjectContext:
    """A person with these contacts: (offer, at_ms, answer)."""
    made = contexts.with_consent(None, "s1", Phone().consent(purposes), (), NOON_MS - 30 * DAY_MS, make_site().plan.history)
    return msgspec.structs.replace(made, contacts=tuple(Contact(f"d{n}", *contact) for n, contact in enumerate(contacts)))


def request(
    subject: SubjectContext | None = None,
    now_ms: int = NOON_MS,
    zone: str = "cafe",
    occasion: Occasion = "entered",
    offers: Campaign | None = None,
    **policy: Any,
) -> DecisionRequest:
    """A person enters the cafe at noon, under a policy without limits except `changes`."""
    made = offers or campaign(offer(per_person_day_max=60), **(NO_LIMITS | policy))
    return DecisionRequest(subject or person(), zone, occasion, now_ms, make_site(campaign=made))


def had(count: int, at_ms: int = NOON_MS - HOUR_MS, offer_id: str = "flat-white") -> SubjectContext:
    return person(*[(offer_id, at_ms, None)] * count)


def wishing(**fields: Any) -> SubjectContext:
    """A person with these wishes."""
    return msgspec.structs.replace(person(), wishes=Wishes(1, **fields))


def closed_to_all(asked: DecisionRequest) -> Reason | None:
    return first_closed(Prepared(asked))


def closed_to(one: Offer, asked: DecisionRequest) -> Reason | None:
    """The reason of the first gate that closes to an offer, as the only one of its campaign."""
    return first_step(Prepared(request_with(asked, one)))


def first_step(prepared: Prepared) -> Reason | None:
    """The reason for which the first offer is closed, or None."""
    steps = gated(prepared).steps
    return list(REASONS)[steps[0]] if len(steps) else None


def request_with(asked: DecisionRequest, *offers: Offer) -> DecisionRequest:
    """The same request under a campaign of these offers; offers with rules need the schema that the rules are written for."""
    made = Campaign(offers, asked.site.campaign.policy)
    site = msgspec.structs.replace(asked.site, campaign=made)
    if made.table.rules:
        rules = compiled_rules(made, RULES_SCHEMA)
        site = msgspec.structs.replace(site, schema=RULES_SCHEMA, columns=("visits",), rules=rules)
    return msgspec.structs.replace(asked, site=site)


# --- closed to all ---------------------------------------------------------------------------------------


def test_an_open_moment_is_open() -> None:
    assert closed_to_all(request()) is None
    assert closed_to(offer(), request()) is None


def test_a_clock_that_cannot_be_right_closes_all() -> None:
    floor_ms = make_site().clock_floor_ms
    assert closed_to_all(request(now_ms=floor_ms)) is None
    assert closed_to_all(request(now_ms=floor_ms - 1)) == "clock_untrusted"
    assert closed_to_all(request(now_ms=0)) == "clock_untrusted"


@pytest.mark.parametrize(
    ("purposes", "reason"),
    [((), "no_consent"), (("presence", "learning", "measurement"), "no_consent"), (("offers",), None)],
)
def test_a_yes_to_presence_is_no_yes_to_offers(purposes: tuple[Purpose, ...], reason: Reason | None) -> None:
    assert closed_to_all(request(person(purposes=purposes))) == reason


def test_a_yes_runs_out() -> None:
    until_noon = msgspec.structs.replace(person(), consent_expires_at_ms=NOON_MS)
    assert closed_to_all(request(until_noon, NOON_MS - 1)) is None
    assert closed_to_all(request(until_noon)) == "no_consent"


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
    assert is_within(limits["quiet_from"], limits["quiet_until"], hour * 60 + minute) is closed
    assert closed_to_all(request(now_ms=now_ms, **limits)) == ("quiet_hours" if closed else None)
    assert closed_to_all(request(now_ms=now_ms + MINUTE_MS - 1, **limits)) == ("quiet_hours" if closed else None)


def test_quiet_hours_are_those_of_the_season() -> None:
    """22 o'clock in Berlin is 20 UTC in summer and 21 UTC in winter."""
    for summer_or_winter in (berlin_ms(2026, 7, 1, 22), berlin_ms(2026, 12, 1, 22)):
        assert closed_to_all(request(now_ms=summer_or_winter - 1, quiet_from=1320, quiet_until=420)) is None
        assert closed_to_all(request(now_ms=summer_or_winter, quiet_from=1320, quiet_until=420)) == "quiet_hours"


def test_the_gap_ends_with_its_last_second() -> None:
    once = person(("happy-hour", NOON_MS, None))
    assert closed_to_all(request(once, NOON_MS + 599_999, gap_s_min=600)) == "cool_down"
    assert closed_to_all(request(once, NOON_MS + 600_000, gap_s_min=600)) is None
    assert closed_to_all(request(once, NOON_MS, gap_s_min=0)) is None
    # A clock that was set back since then fails closed: no second proposal.
    assert closed_to_all(request(once, NOON_MS - 1000, gap_s_min=600)) == "cool_down"


@pytest.mark.parametrize(("cap", "before", "reason"), [(0, 0, "cap_person_day"), (1, 0, None), (1, 1, "cap_person_day"), (2, 1, None)])
def test_a_cap_of_none_and_of_one_a_day(cap: int, before: int, reason: Reason | None) -> None:
    assert closed_to_all(request(had(before), per_person_day_max=cap)) == reason


def test_the_day_begins_at_local_midnight() -> None:
    midnight_ms = berlin_ms(2026, 6, 11)
    late = had(1, midnight_ms - 1)
    assert closed_to_all(request(late, midnight_ms - 1, per_person_day_max=1)) == "cap_person_day"
    assert closed_to_all(request(late, midnight_ms, per_person_day_max=1)) is None
    early = had(1, midnight_ms)
    assert closed_to_all(request(early, berlin_ms(2026, 6, 11, 23, 59, 59, 999), per_person_day_max=1)) == "cap_person_day"
    assert closed_to_all(request(early, berlin_ms(2026, 6, 12), per_person_day_max=1)) is None


@pytest.mark.parametrize(
    ("day", "hours"),
    [((2026, 3, 29), 23), ((2026, 6, 10), 24), ((2026, 10, 25), 25)],
)
def test_a_day_is_as_long_as_the_calendar_says(day: tuple[int, int, int], hours: int) -> None:
    """Europe/Berlin goes from 2 to 3 in March, and through 2 o'clock twice in October."""
    start_ms = berlin_ms(*day)
    last_ms = start_ms + hours * HOUR_MS - 1
    first = had(1, start_ms)
    assert closed_to_all(request(first, last_ms, per_person_day_max=1)) == "cap_person_day"
    assert closed_to_all(request(first, last_ms + 1, per_person_day_max=1)) is None


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/New_York", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe"]
)
def test_a_day_begins_and_ends_where_its_date_does(name: str) -> None:
    """Every half hour of 2011, with clocks that change at midnight and a day that Samoa left out."""
    timezone = ZoneInfo(name)
    start_ms = round(datetime(2011, 1, 1, tzinfo=timezone).timestamp() * 1000)
    dates = [local(start_ms + at * HOUR_MS // 2, timezone).date() for at in range(366 * 48)]
    edges = [at for at in range(1, len(dates)) if dates[at] != dates[at - 1]]
    for first, after in itertools.pairwise(edges):
        bounds = start_ms + first * HOUR_MS // 2, start_ms + after * HOUR_MS // 2
        for now_ms in (bounds[0], sum(bounds) // 2, bounds[1] - 1):
            assert local_day_ms(local(now_ms, timezone)) == bounds, dates[first]


def test_the_hour_that_comes_twice() -> None:
    first_ms, second_ms = berlin_ms(2026, 10, 25, 2, 30), berlin_ms(2026, 10, 25, 2, 30, fold=1)
    assert second_ms - first_ms == HOUR_MS
    assert closed_to_all(request(had(1, first_ms), second_ms, gap_s_min=3601)) == "cool_down", "an hour passed, whatever the wall says"
    assert closed_to_all(request(had(1, first_ms), second_ms, gap_s_min=3600)) is None
    for now_ms in (first_ms, second_ms):
        assert closed_to_all(request(now_ms=now_ms, quiet_from=120, quiet_until=180)) == "quiet_hours"


def test_the_hour_that_never_comes() -> None:
    """Quiet hours from 2 to 3 in the night without that hour: no minute is quiet."""
    last_ms = berlin_ms(2026, 3, 29, 1, 59, 59, 999)
    assert closed_to_all(request(now_ms=last_ms, quiet_from=120, quiet_until=180)) is None
    assert closed_to_all(request(now_ms=last_ms + 1, quiet_from=120, quiet_until=180)) is None
    assert last_ms + 1 == berlin_ms(2026, 3, 29, 3)


# --- closed to one ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "reason"), [("cafe", None), ("square", None), ("bar", "not_here"), ("elsewhere", "not_here")])
def test_an_offer_has_its_zones(zone: str, reason: Reason | None) -> None:
    assert closed_to(offer(), request(zone=zone)) == reason


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
    assert closed_to(offer(occasions=occasions), request(occasion=occasion)) == reason


def test_an_offer_lives_from_its_start_to_before_its_end() -> None:
    today = offer(starts_ms=NOON_MS, ends_ms=NOON_MS + 10)
    assert [closed_to(today, request(now_ms=NOON_MS + ms)) for ms in (-1, 0, 9, 10)] == ["not_live", None, None, "not_live"]


@pytest.mark.parametrize(
    ("at_ms", "answer", "offer_id", "reason"),
    [
        (berlin_ms(2026, 6, 10), "dismissed", "flat-white", "refused"),
        (NOON_MS - 30 * DAY_MS + 1, "dismissed", "flat-white", "refused"),
        (NOON_MS - 30 * DAY_MS, "dismissed", "flat-white", None),
        (NOON_MS + DAY_MS, "dismissed", "flat-white", "refused"),
        (berlin_ms(2026, 6, 10), "dismissed", "happy-hour", None),
        (berlin_ms(2026, 6, 10), "opened", "flat-white", None),
        (berlin_ms(2026, 6, 10), None, "flat-white", None),
    ],
)
def test_a_dismissed_offer_pauses_for_the_period_of_refusal(at_ms: int, answer: AnswerKind, offer_id: str, reason: Reason | None) -> None:
    assert closed_to(offer(per_person_day_max=60), request(person((offer_id, at_ms, answer)))) == reason


@pytest.mark.parametrize(("cap", "before", "reason"), [(0, 0, "cap_offer_day"), (1, 0, None), (1, 1, "cap_offer_day"), (3, 2, None)])
def test_an_offer_has_its_own_cap(cap: int, before: int, reason: Reason | None) -> None:
    assert closed_to(offer(per_person_day_max=cap), request(had(before))) == reason
    assert closed_to(offer(per_person_day_max=1), request(had(before, offer_id="happy-hour"))) is None
    assert closed_to(offer(per_person_day_max=1), request(had(before, NOON_MS - DAY_MS))) is None


def test_a_cap_that_memory_cannot_count_to_is_refused() -> None:
    """Caps are counted on the stored contacts: a cap above their number would never be reached."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"per_person_day_max": limits.CONTACTS_KEPT_MAX + 1}, Policy)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(offer(per_person_day_max=limits.CONTACTS_KEPT_MAX + 1)), type(offer()))
    assert msgspec.convert({"per_person_day_max": limits.CONTACTS_KEPT_MAX}, Policy).per_person_day_max == limits.CONTACTS_KEPT_MAX


# --- windows of the contact policy -------------------------------------------------------------------------

TEA, CAKE = offer("tea", per_person_day_max=60), offer("cake", per_person_day_max=60)
BAR = offer("pint", category="bar", shop="bar", per_person_day_max=60)


def reasons(subject: SubjectContext, now_ms: int = NOON_MS, used: Mapping[str, int] | None = None, **policy: Any) -> dict[str, str | None]:
    """The reason of the first gate that closes, by offer: tea and cake have one category and one shop, the pint has others."""
    made = request(subject, now_ms, offers=campaign(TEA, CAKE, BAR, **(NO_LIMITS | policy)))
    prepared = Prepared(msgspec.structs.replace(made, used_minor=used or {}))
    closed = gated(prepared)
    steps = dict(zip(closed.closed.tolist(), closed.steps.tolist(), strict=True))
    return {one.id: list(REASONS)[steps[at]] if at in steps else None for at, one in enumerate((TEA, CAKE, BAR))}


@pytest.mark.parametrize(
    ("per", "closed"),
    [("person", {"tea", "cake", "pint"}), ("category", {"tea", "cake"}), ("shop", {"tea", "cake"}), ("offer", {"tea"})],
)
def test_a_cap_of_a_window_closes_its_group(per: CapGroup, closed: set[str]) -> None:
    twice = person(("tea", NOON_MS - DAY_MS, None), ("tea", NOON_MS - 2 * DAY_MS, None))
    found = reasons(twice, caps=(Cap(per, 2, 3 * 86_400),))
    assert {id_ for id_, reason in found.items() if reason == "cap_window"} == closed
    assert set(reasons(twice, caps=(Cap(per, 3, 3 * 86_400),)).values()) == {None}
    assert set(reasons(twice, caps=(Cap(per, 2, 2 * 86_400),)).values()) == {None}, "a contact at the very edge of the window counts"


def test_zero_is_a_cap_and_no_cap_is_none() -> None:
    assert set(reasons(person(), caps=(Cap("person", 0, 60),)).values()) == {"cap_window"}
    assert set(reasons(person()).values()) == {None}


def test_two_ignored_in_thirty_days_are_silent_for_sixty() -> None:
    rule = Ignored("offer", 2, 30 * 86_400, 60 * 86_400)
    last_ms = NOON_MS - DAY_MS
    twice = person(("tea", last_ms - 30 * DAY_MS, "shown"), ("tea", last_ms, None))
    assert reasons(twice, ignored=(rule,)) == {"tea": "ignored", "cake": None, "pint": None}
    assert reasons(twice, now_ms=last_ms + 60 * DAY_MS - 1, ignored=(rule,))["tea"] == "ignored"
    assert reasons(twice, now_ms=last_ms + 60 * DAY_MS, ignored=(rule,))["tea"] is None
    apart = person(("tea", last_ms - 30 * DAY_MS - 1, None), ("tea", last_ms, None))
    assert reasons(apart, ignored=(rule,))["tea"] is None
    for answer in ("accepted", "redeemed"):
        answered = person(("tea", last_ms - DAY_MS, None), ("tea", last_ms, answer))
        assert reasons(answered, ignored=(rule,))["tea"] is None


def test_a_proposal_on_its_way_is_not_ignored_yet() -> None:
    rule = Ignored("category", 1, 86_400, 86_400)
    for age_s, reason in ((119, None), (120, "ignored")):
        found = reasons(person(("tea", NOON_MS - age_s * 1000, None)), ignored=(rule,), trigger_expiry_s=120)
        assert found == {"tea": reason, "cake": reason, "pint": None}


@pytest.mark.parametrize(("used", "reason"), [(0, None), (900, None), (901, "budget_spent"), (5_000, "budget_spent")])
def test_a_budget_covers_whole_acceptances(used: int, reason: Reason | None) -> None:
    one = offer(budget_minor=1_000, cost_minor=100)
    asked = msgspec.structs.replace(request(), used_minor={"flat-white": used})
    assert closed_to(one, asked) == reason


# --- rules ---------------------------------------------------------------------------------------------------


def ruled(told: dict[str, Stated], **rules: str) -> DecisionRequest:
    """A person with these stated values meets an offer with rules."""
    one = offer(per_person_day_max=60, **rules)
    made = campaign(one, **NO_LIMITS)
    site = make_site(campaign=made, schema=RULES_SCHEMA, columns=("visits",), rules=compiled_rules(made, RULES_SCHEMA))
    subject = msgspec.structs.replace(person(), told=site.plan.history.stated(told, ("presence", "offers")))
    return DecisionRequest(subject, "cafe", "entered", NOON_MS, site)


RULES_SCHEMA = parse(
    {
        "categories": ["coffee_house", "bar"],
        "currency": "EUR",
        "zone_kinds": ["coffee_house", "bar"],
        "attributes": [
            {"name": "visits", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "told": {}},
            {"name": "member", "about": "person", "dtype": "flag", "purposes": ["offers"], "told": {}},
            {"name": "taste", "about": "person", "dtype": "category", "values": ["tea", "cake"], "purposes": ["offers"], "told": {}},
            {"name": "hour", "about": "moment", "dtype": "number", "unit": "h", "clock": {"field": "hour"}},
        ],
    }
)


@pytest.mark.parametrize("field", ["eligible", "applicable", "suitable"])
def test_rules_close_by_the_values_of_attributes(field: str) -> None:
    rule = {field: "(visits > 2 || member) && taste == 'cake' && hour >= 12"}
    cases: tuple[tuple[dict[str, Stated], str | None], ...] = (
        ({"visits": 3.0, "member": False, "taste": "cake"}, None),
        ({"visits": 2.0, "member": True, "taste": "cake"}, None),
        ({"visits": 2.0, "member": False, "taste": "cake"}, f"not_{field}"),
        ({"visits": 3.0, "member": False, "taste": "tea"}, f"not_{field}"),
        ({"visits": 3.0, "taste": "cake"}, "missing"),
        ({}, "missing"),
    )
    for told, reason in cases:
        assert first_step(Prepared(ruled(told, **rule))) == reason, told


def test_a_missing_attribute_is_named_in_the_decision() -> None:
    made = decide(ruled({"visits": 3.0}, eligible="visits > 2", suitable="!member"), ZoneContext(), TableScorer(), "gw-t.1")
    (candidate,) = made.candidates
    assert (made.reason, candidate.reason, candidate.missing) == ("missing", "missing", "member")


@pytest.mark.parametrize("at_ms", [-1, 2**53, 10**30])
def test_a_time_beyond_what_a_column_holds_is_refused(at_ms: int) -> None:
    for field in ("starts_ms", "ends_ms"):
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert(msgspec.to_builtins(offer()) | {field: at_ms}, Offer)


# --- every row -------------------------------------------------------------------------------------------


def closing(gate: Gate | OfferGate, prepared: Prepared) -> bool:
    """Whether a gate closes to the first offer."""
    return gate.closes(prepared) if isinstance(gate, Gate) else bool(gate.closes(prepared, np.zeros(1, dtype=np.intp))[0])


def open_at(hours: str, now_ms: int = NOON_MS) -> DecisionRequest:
    """A request while the cafe has these opening hours."""
    asked = request(now_ms=now_ms)
    cafe = msgspec.structs.replace(asked.site.zones["cafe"], opening_hours=parse_hours(hours))
    return msgspec.structs.replace(asked, site=msgspec.structs.replace(asked.site, zones={**asked.site.zones, "cafe": cafe}))


OFTEN = offer(per_person_day_max=60)
CLOSED: dict[str, tuple[DecisionRequest, Offer]] = {
    "clock_untrusted": (request(now_ms=make_site().clock_floor_ms - 1), offer(starts_ms=0)),
    "no_consent": (request(person(("flat-white", NOON_MS - HOUR_MS, None), purposes=("presence",))), OFTEN),
    "unconfirmed": (msgspec.structs.replace(request(), is_unconfirmed=True), OFTEN),
    "quiet_hours": (request(quiet_from=12 * 60, quiet_until=13 * 60), OFTEN),
    "blocked_hours": (request(wishing(hours=((12 * 60, 12 * 60 + 1),))), OFTEN),
    "cool_down": (request(had(1), gap_s_min=3601), OFTEN),
    "cap_person_day": (request(had(1), per_person_day_max=1), OFTEN),
    "not_here": (request(zone="bar"), OFTEN),
    "not_now": (request(occasion="dwelled"), OFTEN),
    "incident": (msgspec.structs.replace(request(), is_silent=True), OFTEN),
    "not_live": (request(), offer(ends_ms=NOON_MS)),
    "missing": (ruled({}, eligible="member"), offer(per_person_day_max=60, eligible="member")),
    "not_eligible": (ruled({}, eligible="hour < 12"), offer(per_person_day_max=60, eligible="hour < 12")),
    "not_applicable": (ruled({}, applicable="hour < 12"), offer(per_person_day_max=60, applicable="hour < 12")),
    "closed": (open_at("Mo-Su 14:00-18:00"), OFTEN),
    "not_suitable": (ruled({}, suitable="hour < 12"), offer(per_person_day_max=60, suitable="hour < 12")),
    "blocked": (request(wishing(blocked=Named(shops=("cafe",)))), OFTEN),
    "refused": (request(person(("flat-white", NOON_MS - HOUR_MS, "dismissed"))), OFTEN),
    "ignored": (request(had(1), ignored=(Ignored("offer", 1, 86_400, 86_400),)), OFTEN),
    "in_slate": (msgspec.structs.replace(request(), beside=(Contact("d9", "flat-white", NOON_MS),)), OFTEN),
    "cap_offer_day": (request(had(1)), offer()),
    "cap_window": (request(had(1), caps=(Cap("shop", 1, 86_400),)), OFTEN),
    "budget_spent": (request(), offer(per_person_day_max=60, budget_minor=99, cost_minor=100)),
}
"""For each gate a request and an offer to which that gate closes, and no other one."""


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.reason)
def test_each_gate_closes_by_itself(gate: Gate | OfferGate) -> None:
    asked, one = CLOSED[gate.reason]
    assert [row.reason for row in GATES if closing(row, Prepared(request_with(asked, one)))] == [gate.reason]
    made = decide(request_with(asked, one), ZoneContext(), TableScorer(), "gw-t.1")
    assert (made.offer, made.reason, [candidate.reason for candidate in made.candidates]) == (None, gate.reason, [gate.reason])


def test_gates_are_checked_in_the_order_of_their_rows() -> None:
    """Every mixture of the cases above: of the gates that close, the first row answers."""
    asked = [asked for asked, _ in CLOSED.values()]
    subjects = {repr(one.subject): one.subject for one in asked}.values()
    sites = {repr(one.site): one.site for one in asked}.values()
    places = {(one.zone, one.occasion, one.now_ms, one.is_silent, one.beside, one.is_unconfirmed) for one in asked}
    offers = {repr(one): one for _, one in CLOSED.values()}.values()
    together: set[tuple[Reason, Reason]] = set()
    for subject, site, place, one in itertools.product(subjects, sites, places, offers):
        zone, occasion, now_ms, is_silent, beside, is_unconfirmed = place
        mixed = DecisionRequest(subject, zone, occasion, now_ms, site, is_silent=is_silent, beside=beside, is_unconfirmed=is_unconfirmed)
        prepared = Prepared(request_with(mixed, one))
        closed = [gate.reason for gate in GATES if closing(gate, prepared)]
        assert (first_closed(prepared) or first_step(prepared)) == next(iter(closed), None)
        together.update(itertools.combinations(closed, 2))
    rows = [gate.reason for gate in GATES]
    assert {first for first, _ in together} == set(rows[:-1]), "a gate that never closes together with a later one"
    assert {later for _, later in together} == set(rows[1:]), "a gate that never closes together with an earlier one"


def decided(propensity: float | None = 0.5, *offers: Offer, **policy: Any) -> Decision:
    asked = request(offers=campaign(*(offers or (offer(),)), **(NO_LIMITS | policy)))
    return decide(asked, ZoneContext(), TableScorer(propensity), "gw-t.1")


def silent() -> Decision:
    """A decision in whose draw an offer with an expected value above zero lost to silence: the first of many seeds."""
    learning = NO_LIMITS | {"learn": True, "buying_share": 0.0, "refusal_s": 1, "contact_cost_minor": 170.0}
    asked = request(offers=campaign(offer(), **learning))
    assert asked.site.learner is not None
    for seed in range(2_000):
        thought = Deliberation(asked.site.learner, LearnedState(), PersonState(), demoted=False)
        made = decide(msgspec.structs.replace(asked, seed=seed), ZoneContext(), TableScorer(), "gw-t.1", thought)
        if made.offer is None:
            return made
    raise AssertionError("no draw was silent")


RANKED: dict[str, Decision] = {
    "silence_drawn": silent(),
    "no_model": decided(None),
    "segment_no_discounts": groups.decided(groups.person("loyal"), groups.ConstantScorer(), discount=0.2),
    "sure_thing": groups.decided(groups.person("sure"), groups.ConstantScorer(), groups.site(groups.NO_SEGMENTS, discount=0.2)),
    "propensity_low": decided(0.09),
    "not_worth_it": decided(0.5, contact_cost_minor=250.0),
    "service": decided(0.5, offer("help", value_minor=0, kind="service")),
    "yields": decided(0.5, offer(value_minor=1), offer("help", value_minor=0, kind="service")),
    "lower_rank": decided(0.5, offer("other", value_minor=501), offer()),
    "held_out": decide(
        msgspec.structs.replace(request(offers=campaign(offer(), **NO_LIMITS)), held_out=True), ZoneContext(), TableScorer(), "gw-t.1"
    ),
    "chosen": decided(),
}


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.reason)
def test_each_outcome_is_reached(outcome: Outcome) -> None:
    made = RANKED[outcome.reason]
    assert outcome.reason in {candidate.reason for candidate in made.candidates}
    assert made.reason == {LOWER_RANK: CHOSEN, YIELDS: SERVICE}.get(outcome, outcome).reason


@pytest.mark.parametrize("turned", [False, True], ids=["in the campaign's order", "reversed"])
def test_a_decision_states_the_reason_of_the_offer_that_came_furthest(*, turned: bool) -> None:
    """Two offers of neighbouring reasons, in either order: the decision states the reason that is checked later."""
    contacts = person(("flat-white", NOON_MS - HOUR_MS, "dismissed"), ("happy-hour", NOON_MS - HOUR_MS, None))
    variants = {
        "not_here": offer("a", zones=("bar",)),
        "not_now": offer("b", occasions=("dwelled",)),
        "not_live": offer("c", ends_ms=NOON_MS),
        "refused": offer(per_person_day_max=60),
        "cap_offer_day": offer("happy-hour"),
        "not_worth_it": offer("d", value_minor=1),
        "chosen": offer("e"),
    }
    order = [reason for reason in REASONS if reason in variants]
    assert order == list(variants)
    for earlier, later in itertools.pairwise(order):
        offers = [variants[earlier], variants[later]]
        asked = request(contacts, offers=campaign(*(reversed(offers) if turned else offers), **NO_LIMITS))
        made = decide(asked, ZoneContext(), TableScorer(), "gw-t.1")
        assert {candidate.offer: candidate.reason for candidate in made.candidates} == {
            variants[earlier].id: earlier,
            variants[later].id: later,
        }
        assert made.reason == later


# --- nothing beside the tables ---------------------------------------------------------------------------


def test_all_reasons_come_from_the_tables() -> None:
    assert list(REASONS) == [row.reason for row in (*GATES, *OUTCOMES)]
    assert CLOSED.keys() == {gate.reason for gate in GATES}
    assert RANKED.keys() == {outcome.reason for outcome in OUTCOMES}
    scopes = [gate.scope for gate in GATES]
    assert scopes == sorted(scopes), "gates for all offers are checked first, so their rows come first"
    placed = [gate.placed for gate in GATES if isinstance(gate, OfferGate)]
    assert placed == sorted(placed, reverse=True), "gates on zone and occasion are checked before the other gates for one offer"


@pytest.mark.parametrize("row", [Outcome(Reason("rainy"), ""), Outcome(Reason("chosen"), "again")], ids=["no meaning", "twice"])
def test_a_row_without_a_meaning_of_its_own_is_refused(row: Outcome) -> None:
    with pytest.raises(ValueError, match=f"'{row.reason}' needs one row with a meaning"):
        meanings((*GATES, *OUTCOMES, row))


def test_a_reason_outside_the_tables_is_not_written() -> None:
    made = RANKED["chosen"]
    rainy = msgspec.structs.replace(made.candidates[0], reason=Reason("rainy"))
    for changes in ({"reason": "rainy"}, {"candidates": (*made.candidates, rainy)}):
        with pytest.raises(ValueError, match="'rainy' is not the reason of a gate or an outcome"):
            Decision(**(msgspec.structs.asdict(made) | changes))
        logged = msgspec.msgpack.encode(msgspec.structs.asdict(made) | changes)
        with pytest.raises(msgspec.ValidationError, match="'rainy' is not the reason of a gate or an outcome"):
            msgspec.msgpack.decode(logged, type=Decision)
