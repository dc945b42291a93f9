"""Counterfactual purchases: the probability of a purchase without the offer, and the causal effect of an offer.

It cannot be observed but it can be simulated: from a person's current place the mobility model is run many times with other
random draws, and in each rollout the chances of no purchase are multiplied for each shop. The stay that has begun, or that the
person walks to, is kept. Since purchases are not drawn and only their probabilities multiplied, a few dozen rollouts suffice.
An accepted offer replaces the purchase that would have come without it, hence

    uplift = P(take) * (1 - baseline)
    gain   = P(take) * (margin of the offer - baseline * usual margin)

with P(take) = accept * redeeming share. For a sure purchase (baseline near 1) with a discount the gain is negative.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from firmware_sim.people.behaviour import OfferEffect
from firmware_sim.people.itinerary import BUYS, Stay
from firmware_sim.people.walker import Walker
from firmware_sim.world.world import World

ROLLOUTS = 48


class OfferValue(NamedTuple):
    """Expected effect of an offer: additional purchases, and margin in minor units."""

    uplift: float
    gain_minor: float


def baseline_purchases(walker: Walker, street_s: float, draws: Random, rollouts: int = ROLLOUTS) -> dict[str, float]:
    """True probability of a purchase within `choices.anyway_s` and without offers, by shop."""
    until_s = street_s + walker.world.scenario.choices.anyway_s
    base, done = _current_stay(walker, street_s)
    shops = [zone.id for zone in walker.world.scenario.zones if zone.kind is not None]
    sure = dict.fromkeys(shops, 1.0)  # the probability of no purchase in the current stay
    if base.zone in sure and not done:
        sure[base.zone] = 1.0 - _purchase_probability(walker, base, street_s, until_s)
    missed = dict.fromkeys(shops, 0.0)
    for _ in range(rollouts):
        left = _rollout(walker, base, until_s, draws)
        for shop in shops:
            missed[shop] += left.get(shop, 1.0) / rollouts
    return {shop: 1.0 - sure[shop] * missed[shop] for shop in shops}


def own_purchase(walker: Walker, shop: str, street_s: float) -> float:
    """Probability of a purchase in `shop` within `choices.anyway_s` and without offers, along the stays that the person really makes.

    Its mean over people and seeds is that of `baseline_purchases`, without rollouts; for one person it knows the stays to come.
    """
    until_s = street_s + walker.world.scenario.choices.anyway_s
    index, none = max(walker.itinerary.at(street_s), 0), 1.0
    while (stay := walker.itinerary.stay(index)).from_s < until_s:
        paid = stay.buys_s is not None and stay.buys_s <= street_s
        if stay.zone == shop and stay.until_s > street_s and not paid:
            none *= 1.0 - _purchase_probability(walker, stay, max(street_s, stay.from_s), until_s)
        index += 1
    return 1.0 - none


def _current_stay(walker: Walker, street_s: float) -> tuple[Stay, bool]:
    """The current stay, or the one that the person walks to, and whether the purchase in it is already paid."""
    index = walker.itinerary.at(street_s)
    stay = walker.itinerary.stay(max(index, 0))
    if index >= 0 and street_s > stay.until_s:
        stay = walker.itinerary.stay(index + 1)
    return stay, stay.buys_s is not None and stay.buys_s <= street_s


def _rollout(walker: Walker, base: Stay, until_s: float, draws: Random) -> dict[str, float]:
    """Probability of no purchase, by shop, along one random continuation."""
    left: dict[str, float] = {}
    stay = base
    while stay.until_s < until_s:
        stay = walker.mobility.after(stay, draws)
        if walker.world.zones[stay.zone].kind is not None:
            left[stay.zone] = left.get(stay.zone, 1.0) * (1.0 - _purchase_probability(walker, stay, stay.from_s, until_s))
    return left


def _purchase_probability(walker: Walker, stay: Stay, from_s: float, until_s: float) -> float:
    """Probability of a purchase in a stay between two moments, given none before the first.

    The moment of payment is uniform between two shares of the stay (`BUYS`).
    """
    if not walker.world.is_open(stay.zone, stay.from_s):
        return 0.0
    buys, long_s = walker.buys(walker.world.zones[stay.zone]), stay.until_s - stay.from_s
    begin, end = ((BUYS[0] + share * (BUYS[1] - BUYS[0])) * long_s + stay.from_s for share in (0.0, 1.0))
    before, by = (min(max((moment - begin) / (end - begin), 0.0), 1.0) for moment in (from_s, until_s))
    return buys * (by - before) / (1.0 - buys * before) if buys * before < 1.0 else 0.0


def offer_value(world: World, offer: OfferEffect, acceptance: float, baseline: float) -> OfferValue:
    """Uplift and gain of an offer with known acceptance and baseline probability; 0 without a shop."""
    kind = world.zones[offer.shop].kind if offer.shop in world.zones else None
    if kind is None:
        return OfferValue(0.0, 0.0)
    taste = world.scenario.tastes[kind]
    takes = acceptance * world.scenario.people.redeeming_share
    usual_minor = taste.amount_minor * taste.margin_share
    return OfferValue(takes * (1 - baseline), takes * (usual_minor - offer.discount * taste.amount_minor - baseline * usual_minor))
