"""Who would have bought anyway: the counterfactual beside which an offer's worth is measured.

Nobody can observe it, and the simulator can compute it: from where somebody is, their own law of ways (`Course`) is played on
many times with other luck, and in each future the chance of a purchase in each shop is multiplied out. What is already
certain (the stay they are in, the stay they walk to) is kept as it is; purchases are never drawn, only their probabilities
multiplied, so a few dozen futures suffice. An offer that is taken replaces the purchase that would have come anyway, hence

    uplift = P(take) * (1 - anyway)
    gain   = P(take) * (margin of the offer - anyway * usual margin)

with P(take) = accept * redeeming share. For a sure thing (anyway near 1) with a discount the gain is negative: money given away.
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
    """What an offer does: extra purchases, and margin in minor units, both expected."""

    uplift: float
    gain_minor: float


def baseline_purchases(walker: Walker, street_s: float, draws: Random, rollouts: int = ROLLOUTS) -> dict[str, float]:
    """For every shop, the true probability of a purchase there within `choices.anyway_s`, if nobody offers anything."""
    until_s = street_s + walker.world.scenario.choices.anyway_s
    base, done = _certain(walker, street_s)
    shops = [zone.id for zone in walker.world.scenario.zones if zone.kind is not None]
    sure = dict.fromkeys(shops, 1.0)  # the probability of no purchase during what is certain
    if base.zone in sure and not done:
        sure[base.zone] = 1.0 - _within(walker, base, street_s, until_s)
    missed = dict.fromkeys(shops, 0.0)
    for _ in range(rollouts):
        left = _rollout(walker, base, until_s, draws)
        for shop in shops:
            missed[shop] += left.get(shop, 1.0) / rollouts
    return {shop: 1.0 - sure[shop] * missed[shop] for shop in shops}


def _certain(walker: Walker, street_s: float) -> tuple[Stay, bool]:
    """The stay that somebody is in or walks to, and whether they have already paid in it."""
    index = walker.itinerary.at(street_s)
    stay = walker.itinerary.stay(max(index, 0))
    if index >= 0 and street_s > stay.until_s:
        stay = walker.itinerary.stay(index + 1)
    return stay, stay.buys_s is not None and stay.buys_s <= street_s


def _rollout(walker: Walker, base: Stay, until_s: float, draws: Random) -> dict[str, float]:
    """The probability of no purchase, by shop, along one way that they might go."""
    left: dict[str, float] = {}
    stay = base
    while stay.until_s < until_s:
        stay = walker.mobility.after(stay, draws)
        if walker.world.zones[stay.zone].kind is not None:
            left[stay.zone] = left.get(stay.zone, 1.0) * (1.0 - _within(walker, stay, stay.from_s, until_s))
    return left


def _within(walker: Walker, stay: Stay, from_s: float, until_s: float) -> float:
    """The probability of a purchase in a stay between two moments, given none before the first.

    When in a stay people pay is uniform between two shares of it.
    """
    if not walker.world.is_open(stay.zone, stay.from_s):
        return 0.0
    buys, long_s = walker.buys(walker.world.zones[stay.zone]), stay.until_s - stay.from_s
    begin, end = ((BUYS[0] + share * (BUYS[1] - BUYS[0])) * long_s + stay.from_s for share in (0.0, 1.0))
    before, by = (min(max((moment - begin) / (end - begin), 0.0), 1.0) for moment in (from_s, until_s))
    return buys * (by - before) / (1.0 - buys * before) if buys * before < 1.0 else 0.0


def offer_value(world: World, offer: OfferEffect, acceptance: float, baseline: float) -> OfferValue:
    """Uplift and gain of an offer whose two probabilities are known."""
    kind = world.zones[offer.shop].kind if offer.shop in world.zones else None
    if kind is None:
        return OfferValue(0.0, 0.0)
    taste = world.scenario.tastes[kind]
    takes = acceptance * world.scenario.people.redeeming_share
    usual_minor = taste.amount_minor * taste.margin_share
    return OfferValue(takes * (1 - baseline), takes * (usual_minor - offer.discount * taste.amount_minor - baseline * usual_minor))
