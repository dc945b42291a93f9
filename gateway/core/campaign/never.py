"""Offers of a valid campaign that can never be sent, and why: faults that no single value shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.core.attributes.convert import Fault
from gateway.core.nearest import nearest
from gateway.core.offers import Campaign, Offer


def never_sent(campaign: Campaign, zones: Collection[str] | None, now_ms: int) -> list[Fault]:
    """One fault for each reason, with the path of the setting. `zones` are those of a gateway, or None without a config."""
    policy = campaign.policy
    found: list[Fault] = []
    if policy.per_person_day_max == 0:
        found.append(Fault(("policy", "per_person_day_max"), "0 allows no offer to any person on any day"))
    for at, offer in enumerate(campaign.offers):
        found += [Fault(("offers", at, field), text) for field, text in _reasons(offer, campaign, zones, now_ms)]
    return found


def _reasons(offer: Offer, campaign: Campaign, zones: Collection[str] | None, now_ms: int) -> Iterator[tuple[str, str]]:
    """(field, text) of each reason for which an offer can never be sent."""
    policy = campaign.policy
    if offer.per_person_day_max == 0:
        yield "per_person_day_max", f"{offer.id!r} is never sent: 0 allows no proposal on any day"
    if offer.ends_ms <= now_ms:
        yield "ends", f"{offer.id!r} is never sent: it has ended"
    if offer.kind != "service" and offer.channel != "screen" and offer.value_minor <= policy.contact_cost_minor:
        text = f"{offer.id!r} is never sent: its margin, {offer.value_minor} minor units, is not above the contact cost"
        yield "margin", f"{text}, {policy.contact_cost_minor:g}"
    if zones is not None and not set(offer.zones) & set(zones):
        yield "zones", f"{offer.id!r} is never sent by this gateway: it has no zone {offer.zones[0]!r}{nearest(offer.zones[0], zones)}"
