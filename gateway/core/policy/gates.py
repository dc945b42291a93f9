"""Reasons of a decision, as two tables: `GATES` before an offer is scored, `OUTCOMES` after it.

A gate is one row: its reason, its meaning and the condition under which it closes. The order of the rows is the order of the checks;
everything else (REASONS, a decision's own reason, the table in gateway/README.md) is derived from the rows.

Caps count contacts of the decision log, so there is no second counter that could differ from it. "Today" is the calendar day of
the site's time zone, whether it has 23, 24 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple, NewType

import msgspec

from gateway.core import context as contexts
from gateway.core.site import Site, local

if TYPE_CHECKING:
    from gateway.core.context import Contact, SubjectContext
    from gateway.core.offers import Offer, Policy
    from gateway.core.types import Occasion

Reason = NewType("Reason", str)
"""The reason of a row of GATES or OUTCOMES. Made nowhere else; `decision.py` refuses any other text."""


class DecisionRequest(msgspec.Struct, frozen=True):
    """The subject, zone, occasion and time for which an offer may be chosen."""

    subject: SubjectContext
    zone: str
    occasion: Occasion
    now_ms: int
    site: Site
    dwell_s: float = 0.0


class Gate(NamedTuple):
    """A gate for all offers, checked once per request."""

    reason: Reason
    meaning: str
    closes: Callable[[DecisionRequest], bool]
    scope: Literal["all"] = "all"


class OfferGate(NamedTuple):
    """A gate for one offer, checked for each offer of the campaign."""

    reason: Reason
    meaning: str
    closes: Callable[[DecisionRequest, Offer], bool]
    scope: Literal["offer"] = "offer"


class Outcome(NamedTuple):
    """A result of scoring and ranking, for an offer that no gate closed."""

    reason: Reason
    meaning: str
    scope: Literal["rank"] = "rank"


def closed_to_all(request: DecisionRequest) -> Reason | None:
    """The reason of the first gate that closes to all offers, or None."""
    for gate in _ALL:
        if gate.closes(request):
            return gate.reason
    return None


def closed_to(offer: Offer, request: DecisionRequest) -> Reason | None:
    """The reason of the first gate that closes to this offer, or None."""
    for gate in _OFFER:
        if gate.closes(request, offer):
            return gate.reason
    return None


def meanings(rows: Iterable[Gate | OfferGate | Outcome]) -> dict[Reason, str]:
    """Reason -> meaning, in the order of `rows`. Raises ValueError for a row without a meaning and for a reason with two rows."""
    found: dict[Reason, str] = {}
    for row in rows:
        if not row.meaning or row.reason in found:
            raise ValueError(f"the reason {row.reason!r} needs one row with a meaning")
        found[row.reason] = row.meaning
    return found


def is_quiet(policy: Policy, minute: int) -> bool:
    """Whether a local minute of the day lies in the quiet hours, which may wrap around midnight."""
    start, end = policy.quiet_from, policy.quiet_until
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


# --- gates for all offers --------------------------------------------------------------------------------


def _clock_untrusted(request: DecisionRequest) -> bool:
    return request.now_ms < request.site.clock_floor_ms


def _no_consent(request: DecisionRequest) -> bool:
    return not contexts.allows(request.subject, "offers", request.now_ms)


def _quiet_hours(request: DecisionRequest) -> bool:
    clock = local(request.now_ms, request.site.timezone)
    return is_quiet(request.site.campaign.policy, clock.hour * 60 + clock.minute)


def _cool_down(request: DecisionRequest) -> bool:
    """Whether any contact is too recent. One in the future counts as well: the clock was set back, and it stays closed."""
    cool_down_ms = request.site.campaign.policy.gap_s_min * 1000
    return any(request.now_ms - contact.at_ms < cool_down_ms for contact in request.subject.contacts)


def _cap_person_day(request: DecisionRequest) -> bool:
    return len(_today(request)) >= request.site.campaign.policy.per_person_day_max


# --- gates for one offer ---------------------------------------------------------------------------------


def _not_here(request: DecisionRequest, offer: Offer) -> bool:
    return request.zone not in offer.zones


def _not_now(request: DecisionRequest, offer: Offer) -> bool:
    return request.occasion not in offer.occasions


def _not_live(request: DecisionRequest, offer: Offer) -> bool:
    return not offer.starts_ms <= request.now_ms < offer.ends_ms


def _refused(request: DecisionRequest, offer: Offer) -> bool:
    return any(contact.answer == "dismissed" for contact in _today(request, offer.id))


def _cap_offer_day(request: DecisionRequest, offer: Offer) -> bool:
    return len(_today(request, offer.id)) >= offer.per_person_day_max


def _today(request: DecisionRequest, offer: str | None = None) -> list[Contact]:
    """Contacts of the local day: of all offers, or of one."""
    contacts = [contact for contact in request.subject.contacts if offer is None or contact.offer == offer]
    if not contacts:
        return contacts
    timezone = request.site.timezone
    day = local(request.now_ms, timezone).date()
    return [contact for contact in contacts if local(contact.at_ms, timezone).date() == day]


# --- the tables ------------------------------------------------------------------------------------------

GATES: tuple[Gate | OfferGate, ...] = (
    Gate(
        Reason("clock_untrusted"),
        "the gateway's clock is not set, so dates, caps and quiet hours cannot be checked",
        _clock_untrusted,
    ),
    Gate(Reason("no_consent"), "the person has not consented to offers, or the consent has expired", _no_consent),
    Gate(Reason("quiet_hours"), "it is within the campaign's quiet hours (quiet_from, quiet_until)", _quiet_hours),
    Gate(Reason("cool_down"), "the person's last offer was too recent (gap_s_min)", _cool_down),
    Gate(Reason("cap_person_day"), "the person has had the maximum number of offers for one day (per_person_day_max)", _cap_person_day),
    OfferGate(Reason("not_here"), "the offer is not for this zone", _not_here),
    OfferGate(Reason("not_now"), "the offer is for another occasion (entering or dwelling)", _not_now),
    OfferGate(Reason("not_live"), "the offer has not started yet, or has ended", _not_live),
    OfferGate(Reason("refused"), "the person dismissed this offer today", _refused),
    OfferGate(Reason("cap_offer_day"), "the person has had this offer as often as allowed on one day", _cap_offer_day),
)
"""Every gate, in the order of the checks: first those for all offers, then those for one offer."""

NO_MODEL = Outcome(Reason("no_model"), "there is no model, or it gave no valid probability for this offer")
PROPENSITY_LOW = Outcome(Reason("propensity_low"), "the person is too unlikely to take the offer (propensity_min)")
NOT_WORTH_IT = Outcome(Reason("not_worth_it"), "the expected margin does not cover the cost of contacting the person (contact_cost_minor)")
LOWER_RANK = Outcome(Reason("lower_rank"), "another offer has a higher expected value")
CHOSEN = Outcome(Reason("chosen"), "the offer has the highest expected value, and it is above zero")

OUTCOMES: tuple[Outcome, ...] = (NO_MODEL, PROPENSITY_LOW, NOT_WORTH_IT, LOWER_RANK, CHOSEN)
"""Every outcome, from the earliest check after scoring to the offer that is chosen."""

REASONS: dict[Reason, str] = meanings((*GATES, *OUTCOMES))
"""Every reason with its meaning, in the order of the checks."""

_ALL = tuple(row for row in GATES if isinstance(row, Gate))
_OFFER = tuple(row for row in GATES if isinstance(row, OfferGate))
