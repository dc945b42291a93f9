"""Reasons of a decision, as two tables: `GATES` before an offer is scored, `OUTCOMES` after it.

A gate is one row: its reason, its meaning and the condition under which it closes. The order of the rows is the order of the checks;
everything else (REASONS, a decision's own reason, gateway/REASONS.md) is derived from the rows. A gate for one offer is checked for all
offers at once, as an array.

Caps count contacts of the decision log, so there is no second counter that could differ from it. "Today" is the calendar day of
the site's time zone, whether it has 23, 24 or 25 hours. A contact made by a wrong clock counts twice: on the day that was recorded, and
where it belongs by the time that has really passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, NewType, get_args

import numpy as np

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.offers import TRIGGER_FIELDS, Gated
from gateway.core.opening_hours import is_open
from gateway.core.policy import contact_policy, rules, slate
from gateway.core.policy.prepared import Closed, Positions, Prepared, among

PLACED_KEPT_MAX = 1_024  # answers of the gates on zone, occasion and trigger
Reason = NewType("Reason", str)
"""The reason of a row of GATES or OUTCOMES. Made nowhere else; `decision.py` refuses any other text."""


Right = Literal["person", "content", "time", "place"]
"""The four rights of a message: the right content for the right person at the right time and place. Each row checks one of them."""


class Rights(NamedTuple):
    """Which rights a decision has established: a right holds if all of its rows were passed. One that does not hold means silence."""

    person: bool
    content: bool
    time: bool
    place: bool


class Gate(NamedTuple):
    """A gate for all offers, checked once per request."""

    reason: Reason
    meaning: str
    closes: Callable[[Prepared], bool]
    right: Right
    scope: Literal["all"] = "all"


class OfferGate(NamedTuple):
    """A gate for one offer. One that is `placed` depends on zone, occasion and trigger only, so its answers are kept with the campaign."""

    reason: Reason
    meaning: str
    closes: Callable[[Prepared, Positions], Closed]
    right: Right
    scope: Literal["offer"] = "offer"
    placed: bool = False


class Outcome(NamedTuple):
    """A result of scoring and ranking, for an offer that no gate closed."""

    reason: Reason
    meaning: str
    right: Right = "content"
    scope: Literal["rank"] = "rank"


def closed_to_all(prepared: Prepared) -> Reason | None:
    """The reason of the first gate that closes to all offers, or None."""
    for gate in _ALL:
        if gate.closes(prepared):
            return gate.reason
    return None


def gated(prepared: Prepared) -> Gated:
    """The offers after all gates for one offer."""
    request, table = prepared.request, prepared.offers
    key = request.zone, request.occasion, request.fired
    placed = table.placed.get(key)
    if placed is None:
        if len(table.placed) >= PLACED_KEPT_MAX:
            table.placed.clear()
        nothing = np.zeros(0, dtype=np.intp)
        every = Gated(np.arange(len(table.ids), dtype=np.intp), nothing, nothing, np.zeros(len(REASONS), dtype=np.intp))
        placed = table.placed[key] = _passed(prepared, every, _PLACED)
    return _passed(prepared, placed, _UNPLACED)


def _passed(prepared: Prepared, before: Gated, gates: Iterable[OfferGate]) -> Gated:
    """The offers after some more gates; an offer has the reason of the first gate that closes to it."""
    possible, closed, steps = before.possible, [before.closed], [before.steps]
    for gate in gates:
        shut = gate.closes(prepared, possible)
        if np.count_nonzero(shut):  # a third of the time of any()
            closed.append(possible[shut])
            steps.append(np.full(len(closed[-1]), STEPS[gate.reason], dtype=np.intp))
            possible = possible[~shut]
    if len(closed) == 1:
        return before
    counts = before.counts + np.bincount(np.concatenate(steps[1:]), minlength=len(REASONS))
    together = np.concatenate(closed)
    first = np.argsort(together, kind="stable")[: limits.CANDIDATES_KEPT_MAX]
    return Gated(possible, together[first], np.concatenate(steps)[first], counts)


def meanings(rows: Iterable[Gate | OfferGate | Outcome]) -> dict[Reason, str]:
    """Reason -> meaning, in the order of `rows`. Raises ValueError for a row without a meaning and for a reason with two rows."""
    found: dict[Reason, str] = {}
    for row in rows:
        if not row.meaning or row.reason in found:
            raise ValueError(f"the reason {row.reason!r} needs one row with a meaning")
        found[row.reason] = row.meaning
    return found


def is_within(start: int, end: int, minute: int) -> bool:
    """Whether a local minute of the day lies in a span, which may wrap around midnight; an empty span has none."""
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


# --- gates for all offers --------------------------------------------------------------------------------


def _clock_untrusted(prepared: Prepared) -> bool:
    return prepared.request.now_ms < prepared.request.site.clock_floor_ms


def _no_consent(prepared: Prepared) -> bool:
    return not contexts.allows(prepared.request.subject, "offers", prepared.request.now_ms)


def _unconfirmed(prepared: Prepared) -> bool:
    return prepared.request.is_unconfirmed


def _quiet_hours(prepared: Prepared) -> bool:
    policy = prepared.request.site.campaign.policy
    return is_within(policy.quiet_from, policy.quiet_until, prepared.clock.hour * 60 + prepared.clock.minute)


def _blocked_hours(prepared: Prepared) -> bool:
    minute = prepared.clock.hour * 60 + prepared.clock.minute
    return any(is_within(start, end, minute) for start, end in prepared.wishes.hours)


def _cool_down(prepared: Prepared) -> bool:
    """Whether any contact is too recent."""
    beside = {contact.decision for contact in prepared.request.beside}
    recent = prepared.within(prepared.request.site.campaign.policy.gap_s_min)
    return any(contact.decision not in beside for contact in recent)


def _cap_person_day(prepared: Prepared) -> bool:
    return len(prepared.today) >= prepared.request.site.campaign.policy.per_person_day_max


# --- gates for one offer ---------------------------------------------------------------------------------


def _not_here(prepared: Prepared, positions: Positions) -> Closed:
    zone, zones = prepared.request.zone, prepared.offers.zones
    on_screens = prepared.offers.is_screen
    return np.array([zone not in zones[at] or bool(on_screens[at]) for at in positions.tolist()], dtype=np.bool_)


def _not_now(prepared: Prepared, positions: Positions) -> Closed:
    request, offers = prepared.request, prepared.offers
    needs_trigger = request.occasion in TRIGGER_FIELDS
    return np.array(
        [
            offers.ids[at] not in request.fired and (needs_trigger or request.occasion not in offers.occasions[at])
            for at in positions.tolist()
        ],
        dtype=np.bool_,
    )


def _incident(prepared: Prepared, positions: Positions) -> Closed:
    closed: Closed = np.full(len(positions), prepared.request.is_silent) & ~prepared.offers.during_incident[positions]
    return closed


def _closed(prepared: Prepared, positions: Positions) -> Closed:
    """Offers whose shop is closed now; a shop without opening hours is open."""
    site, offers = prepared.request.site, prepared.offers
    hours = [(zone.id, zone.opening_hours) for zone in site.zones.values() if zone.opening_hours is not None]
    shut = {shop for shop, one in hours if not is_open(one, prepared.clock, site.holidays)}
    return among(positions, [at for at in positions.tolist() if offers.shops[at] in shut and not offers.is_service[at]] if shut else [])


def _blocked(prepared: Prepared, positions: Positions) -> Closed:
    return prepared.named(positions, prepared.wishes.blocked)


def _not_live(prepared: Prepared, positions: Positions) -> Closed:
    now_ms, offers = prepared.request.now_ms, prepared.offers
    closed: Closed = (now_ms < offers.starts_ms[positions]) | (offers.ends_ms[positions] <= now_ms)
    return closed


def _cap_offer_day(prepared: Prepared, positions: Positions) -> Closed:
    closed: Closed = prepared.times(positions, prepared.today) >= prepared.offers.per_person_day_max[positions]
    return closed


# --- the tables ------------------------------------------------------------------------------------------

MISSING = Reason("missing")

GATES: tuple[Gate | OfferGate, ...] = (
    Gate(
        Reason("clock_untrusted"),
        "the gateway's clock is not set, so dates, caps and quiet hours cannot be checked",
        _clock_untrusted,
        "time",
    ),
    Gate(Reason("no_consent"), "the person has not consented to offers, or the consent has expired", _no_consent, "person"),
    Gate(
        Reason("unconfirmed"),
        "the person's tag is heard in two places at once, or the person's own device has been silent for too long (app_within_s)",
        _unconfirmed,
        "place",
    ),
    Gate(Reason("quiet_hours"), "it is within the campaign's quiet hours (quiet_from, quiet_until)", _quiet_hours, "time"),
    Gate(Reason("blocked_hours"), "it is within hours without offers that the person stated (wishes)", _blocked_hours, "time"),
    Gate(Reason("cool_down"), "the person's last offer was too recent (gap_s_min)", _cool_down, "time"),
    Gate(
        Reason("cap_person_day"),
        "the person has had the maximum number of offers for one day (per_person_day_max)",
        _cap_person_day,
        "time",
    ),
    OfferGate(Reason("not_here"), "the offer is not for this zone (or for screens only: channel)", _not_here, "place", placed=True),
    OfferGate(
        Reason("not_now"), "the offer is for other occasions, or its trigger has not fired (occasions)", _not_now, "time", placed=True
    ),
    OfferGate(Reason("incident"), "an incident silences the zone, and the offer is no service message for it", _incident, "place"),
    OfferGate(Reason("not_live"), "the offer has not started yet, or has ended", _not_live, "time"),
    OfferGate(MISSING, "a rule of the offer needs an attribute whose value is unknown", rules.unknown, "content"),
    OfferGate(Reason("not_eligible"), "the rule `eligible` of the offer does not hold", rules.failing(0), "person"),
    OfferGate(Reason("not_applicable"), "the rule `applicable` of the offer does not hold", rules.failing(1), "place"),
    OfferGate(Reason("closed"), "the shop of the offer is closed now (zones[].opening_hours)", _closed, "time"),
    OfferGate(Reason("not_suitable"), "the rule `suitable` of the offer does not hold", rules.failing(2), "content"),
    OfferGate(Reason("blocked"), "the person blocked this offer, its category or its shop (wishes)", _blocked, "content"),
    OfferGate(Reason("refused"), "the person dismissed this offer within the policy's period (refusal)", contact_policy.refused, "content"),
    OfferGate(
        Reason("ignored"),
        "the person left proposals like this one unanswered, and they pause (ignored)",
        contact_policy.ignored,
        "content",
    ),
    OfferGate(Reason("in_slate"), "the slate has the offer already (most)", slate.in_slate, "content"),
    OfferGate(Reason("cap_offer_day"), "the person has had this offer as often as allowed on one day", _cap_offer_day, "time"),
    OfferGate(
        Reason("cap_window"),
        "the person has had proposals like this one as often as a window allows (caps)",
        contact_policy.capped,
        "time",
    ),
    OfferGate(
        Reason("budget_spent"), "the offer's budget does not cover one more acceptance (budget, cost)", contact_policy.overspent, "content"
    ),
)
"""Every gate, in the order of the checks: first those for all offers, then those for one offer."""

NO_MODEL = Outcome(Reason("no_model"), "there is no model, or it gave no valid probability for this offer")
SEGMENT_WITHOUT_DISCOUNTS = Outcome(
    Reason("segment_no_discounts"), "the offer is a discount, and people of this segment are not to be pushed with discounts"
)
SURE_THING = Outcome(Reason("sure_thing"), "the offer is a discount, and the person is likely to buy without one by every single measure")
PROPENSITY_LOW = Outcome(Reason("propensity_low"), "the person is too unlikely to take the offer (propensity_min)")
NOT_WORTH_IT = Outcome(Reason("not_worth_it"), "the expected margin does not cover the cost of contacting the person (contact_cost_minor)")
YIELDS = Outcome(Reason("yields"), "a service message, or an offer that the person asked for, goes first (wishes)")
LOWER_RANK = Outcome(Reason("lower_rank"), "another offer has a higher expected value")
SILENCE_DRAWN = Outcome(
    Reason("silence_drawn"), "no offer was worth more than silence in the draw of this decision, which explores (learn)"
)
HELD_OUT = Outcome(
    Reason("held_out"), "the offer would have been sent, but the person belongs to the group without offers, for comparison (holdout)"
)
CHOSEN = Outcome(
    Reason("chosen"),
    "the offer has the highest value, in expectation or in the draw of this decision, and it is above zero; or it was asked for (wishes)",
)
SERVICE = Outcome(Reason("service"), "the message informs or helps, so it is sent without a score and not measured as an offer (kind)")

OUTCOMES: tuple[Outcome, ...] = (
    NO_MODEL,
    SEGMENT_WITHOUT_DISCOUNTS,
    SURE_THING,
    PROPENSITY_LOW,
    NOT_WORTH_IT,
    YIELDS,
    LOWER_RANK,
    SILENCE_DRAWN,
    HELD_OUT,
    CHOSEN,
    SERVICE,
)
"""Every outcome, from the earliest check after scoring to the offer that is chosen."""

REASONS: dict[Reason, str] = meanings((*GATES, *OUTCOMES))
"""Every reason with its meaning, in the order of the checks."""

STEPS: dict[Reason, int] = {reason: step for step, reason in enumerate(REASONS)}
"""The position of each reason in the order of the checks."""

_CHECKED: dict[Right, int] = {row.right: STEPS[row.reason] for row in (*GATES, *OUTCOMES) if row not in (CHOSEN, SERVICE)}


def rights(reason: Reason) -> Rights:
    """The rights that hold for a decision of this reason: those with a last row before the reason's."""
    return Rights(*[_CHECKED[right] < STEPS[reason] for right in get_args(Right)])


_ALL = tuple(row for row in GATES if isinstance(row, Gate))
_PLACED = tuple(row for row in GATES if isinstance(row, OfferGate) and row.placed)
_UNPLACED = tuple(row for row in GATES if isinstance(row, OfferGate) and not row.placed)
