"""A simulated dry run in sentences: the share of people that get each offer, spend, limits, and offers that were never sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from dashboard.studio.dry_runs import OfferFigures, Simulated
from gateway.core.offers import Campaign, Offer

Money = Callable[[float], str]

REASONS: Mapping[str, str] = {
    "clock_untrusted": "the gateway's clock was not set",
    "no_consent": "the person had not agreed to offers",
    "unconfirmed": "it was not certain that the person was there",
    "quiet_hours": "quiet hours",
    "blocked_hours": "hours without offers that the person had chosen",
    "cool_down": "the last offer was too recent",
    "cap_person_day": "the person already had as many offers as a day allows",
    "not_here": "another zone",
    "not_now": "another occasion",
    "incident": "an incident in the zone",
    "not_live": "outside of its dates",
    "missing": "a value that its rule needs was unknown",
    "not_eligible": "its rule for the person did not hold",
    "not_applicable": "its rule for the place did not hold",
    "closed": "its shop was closed",
    "not_suitable": "its rule for the moment did not hold",
    "blocked": "the person had blocked it",
    "refused": "the person had dismissed it before",
    "ignored": "the person had left such offers unanswered",
    "in_slate": "it was on the list already",
    "cap_offer_day": "the person already had it as often as a day allows",
    "cap_window": "the person already had such offers as often as a limit allows",
    "budget_spent": "its budget was spent",
    "no_model": "no model could rate it",
    "segment_no_discounts": "it is a discount, and the person is not to be pushed with one",
    "sure_thing": "it is a discount, and the person would have bought without it",
    "propensity_low": "the person was too unlikely to take it",
    "not_worth_it": "the expected margin did not cover the cost of the contact",
    "yields": "an information, or an offer that the person asked for, went first",
    "lower_rank": "another offer was worth more",
    "silence_drawn": "silence was chosen, to learn",
    "held_out": "the person was held out, for comparison",
    "service": "it was an information and no offer",
}
"""Reason of the gateway -> text for the page."""
OF_ALL = ("cap_person_day", "cool_down", "quiet_hours")
CAPS = (*OF_ALL, "cap_offer_day", "cap_window")


class Row(NamedTuple):
    """An offer of the draft: numbers for 100 people and a day, amounts in minor units; `before` is None for a new offer."""

    title: str
    reached: float
    messages: float
    before: float | None
    accepted: float
    spend: float
    held_back: str


class Outlook(NamedTuple):
    """The rows, most sent first, sums for 100 people and a day, and sentences."""

    rows: list[Row]
    messages: float
    before: float
    spend: float
    margin: float
    caps: list[str]
    budgets: list[str]
    never: list[str]
    notes: list[str]


def outlook(found: Simulated, campaign: Campaign, money: Money) -> Outlook:
    """The last campaign of `found`, which is `campaign`, beside the first."""
    draft, before = found.campaigns[-1], found.campaigns[0].offers if len(found.campaigns) > 1 else {}
    scale = 100 / (max(1, found.people) * found.days)
    contact = campaign.policy.contact_cost_minor
    pairs = [(offer, draft.offers[offer.id]) for offer in campaign.offers if offer.id in draft.offers]
    rows = [
        Row(
            title=offer.title,
            reached=one.people / max(1, found.people),
            messages=one.messages * scale,
            before=before[offer.id].messages * scale if offer.id in before else None,
            accepted=one.accepted * scale,
            spend=(one.messages * contact + one.accepted * offer.cost_minor) * scale,
            held_back=_held_back(one),
        )
        for offer, one in pairs
    ]
    titles = {offer.id: offer.title for offer in campaign.offers}
    stands_for = {new: known for new, known in found.stands_for.items() if new in titles}
    return Outlook(
        rows=sorted(rows, key=lambda row: -row.messages),
        messages=sum(row.messages for row in rows),
        before=sum(one.messages for one in before.values()) * scale,
        spend=sum(row.spend for row in rows),
        margin=sum(one.accepted * offer.value_minor for offer, one in pairs) * scale,
        caps=list(_caps(pairs)),
        budgets=[line for offer, one in pairs if (line := _budget(offer, one.accepted * scale, money))],
        never=[f"{offer.title}: not sent once. Held back most by: {_held_back(one)}." for offer, one in pairs if not one.messages],
        notes=[
            f"The city does not know {titles[new]}; its people answer it as they answer {titles.get(known, known)}."
            for new, known in stands_for.items()
        ],
    )


def _held_back(one: OfferFigures) -> str:
    """The reason of its own that held an offer back most, with its share of the moments in its zones; else a limit of all offers."""
    every = {reason: count for reason, count in one.reasons.items() if reason != "chosen"}
    silent = {reason: count for reason, count in every.items() if reason not in OF_ALL} or every
    if not silent:
        return "nothing" if one.messages else "nobody came to its zones at its occasions"
    reason = max(silent, key=lambda name: silent[name])
    return f"{REASONS.get(reason, reason)} ({100 * silent[reason] / sum(one.reasons.values()):.0f} % of the moments)"


def _caps(pairs: list[tuple[Offer, OfferFigures]]) -> Iterator[str]:
    """A sentence for each limit that was hit, those of all offers once."""
    for cap in CAPS:
        hits = [(100 * one.reasons.get(cap, 0) / max(1, sum(one.reasons.values())), offer.title) for offer, one in pairs]
        hit = sorted((one for one in hits if one[0] >= 0.5), reverse=True)
        if not hit:
            continue
        if cap in OF_ALL:
            yield f"All offers: {REASONS[cap]}, in {hit[0][0]:.0f} % of the moments."
        else:
            listed = ", ".join(f"{title} ({share:.0f} %)" for share, title in hit)
            yield f"{REASONS[cap].capitalize()}: {listed} of the moments."


def _budget(offer: Offer, accepted: float, money: Money) -> str:
    """How long a budget lasts for each 100 people a day; empty without one."""
    if offer.budget_minor is None or not offer.cost_minor:
        return ""
    most = offer.budget_minor // offer.cost_minor
    begin = f"{offer.title}: {money(offer.budget_minor)} on each gateway cover {most} acceptances"
    if accepted <= 0:
        return f"{begin}; none came in the city."
    return f"{begin}. With 100 people a day at a gateway that is {most / accepted:.0f} days."
