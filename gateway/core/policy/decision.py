"""What a choice is written down as: every candidate, and the one reason for each that was not chosen."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.types import Occasion

Reason = Literal[
    "chosen",
    "outranked",
    "clock_untrusted",
    "no_consent",
    "quiet_hours",
    "gap",
    "cap_person_day",
    "not_here",
    "not_now",
    "not_live",
    "refused",
    "cap_offer_day",
    "no_model",
    "propensity_low",
    "not_worth_it",
]

REASONS: dict[Reason, str] = {
    "chosen": "it was worth more than every other candidate and than silence",
    "outranked": "another candidate was worth more",
    "clock_untrusted": "the gateway did not know the time, so dates, caps and quiet hours could not be checked",
    "no_consent": "the person has not said yes to offers, or the yes has run out",
    "quiet_hours": "nobody is disturbed at this hour",
    "gap": "the last offer was too short a while ago",
    "cap_person_day": "the person has had as many offers today as one may have",
    "not_here": "the offer is not proposed in this zone",
    "not_now": "the offer is proposed on another occasion (entering or dwelling)",
    "not_live": "today is outside the offer's dates",
    "refused": "the person dismissed this offer today",
    "cap_offer_day": "the person has had this offer today as often as one may have it",
    "no_model": "no model could say how likely the offer is to be taken",
    "propensity_low": "the offer is too unlikely to be taken",
    "not_worth_it": "its expected margin does not pay for disturbing a person: silence is worth more",
}
"""Every reason code with its meaning, in the order in which the gates ask."""


class Candidate(msgspec.Struct, frozen=True):
    """One offer as it was judged. `propensity` and `worth_minor` are None where a gate dropped it first."""

    offer: str
    reason: Reason
    propensity: float | None = None
    worth_minor: float | None = None
    features: tuple[float | None, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """An offer chosen, or silence (`offer` is None), always with a reason.

    `p_select` is the probability with which the policy chose what it chose: 1 for a policy without chance.
    """

    id: str
    subject: str
    zone: str
    occasion: Occasion
    at_ms: int
    offer: str | None
    reason: Reason
    candidates: tuple[Candidate, ...]
    p_select: float = 1.0
    model: str = ""
