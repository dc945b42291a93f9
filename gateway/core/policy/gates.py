"""Gates: what may not be proposed, asked before anything is scored.

Caps are derived from the decision log (the subject's contacts), never from a counter beside it, and
"today" is the calendar day of the site's own clock, whatever daylight saving does to its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core import context as contexts
from gateway.core.site import Site, local

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext
    from gateway.core.offers import Offer, Policy
    from gateway.core.policy.decision import Reason
    from gateway.core.types import Occasion


class DecisionRequest(msgspec.Struct, frozen=True):
    """Who is where, when, and what brought it up."""

    subject: SubjectContext
    zone: str
    occasion: Occasion
    now_ms: int
    site: Site


def closed_to_all(moment: DecisionRequest) -> Reason | None:
    """Why no offer at all may be proposed at this moment, or None."""
    policy, subject = moment.site.campaign.policy, moment.subject
    if moment.now_ms < moment.site.clock_floor_ms:
        return "clock_untrusted"
    if not contexts.allows(subject, "offers", moment.now_ms):
        return "no_consent"
    clock = local(moment.now_ms, moment.site.timezone)
    if is_quiet(policy, clock.hour * 60 + clock.minute):
        return "quiet_hours"
    if any(moment.now_ms - contact.at_ms < policy.gap_s_min * 1000 for contact in subject.contacts):
        return "gap"
    if _today(moment) >= policy.per_person_day_max:
        return "cap_person_day"
    return None


def closed_to(offer: Offer, moment: DecisionRequest) -> Reason | None:
    """Why this offer may not be proposed at this moment, or None."""
    if moment.zone not in offer.zones:
        return "not_here"
    if moment.occasion not in offer.occasions:
        return "not_now"
    if not offer.starts_ms <= moment.now_ms < offer.ends_ms:
        return "not_live"
    day = local(moment.now_ms, moment.site.timezone).date()
    for contact in moment.subject.contacts:
        if contact.offer != offer.id or contact.answer != "dismissed":
            continue
        if local(contact.at_ms, moment.site.timezone).date() == day:
            return "refused"
    if _today(moment, offer.id) >= offer.per_person_day_max:
        return "cap_offer_day"
    return None


def is_quiet(policy: Policy, minute: int) -> bool:
    """Whether a local minute of the day lies in the quiet hours, which may wrap around midnight."""
    start, end = policy.quiet_from, policy.quiet_until
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def _today(moment: DecisionRequest, offer: str | None = None) -> int:
    """How many offers (or how often this one) the person has been proposed on this local day."""
    day = local(moment.now_ms, moment.site.timezone).date()
    return sum(
        1
        for contact in moment.subject.contacts
        if (offer is None or contact.offer == offer) and local(contact.at_ms, moment.site.timezone).date() == day
    )
