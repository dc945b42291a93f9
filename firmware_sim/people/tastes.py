"""What people truly want: the two probabilities that every estimate of a gateway can be held against.

`accept` is the chance that somebody takes an offer here and now, `buying` the chance that they buy in a shop that they
have gone into by themselves (whether they go in is a matter of their way: `counterfactual.py` joins the two). Both are logistic in
plain sums, so that lift, uplift and regret have answers that can be computed instead of being guessed from a run:

    log-odds of accepting = bias + pull * taste                    the kind of place, as the scenario states it
                          - per_minute * minutes to walk           half as long again in the rain
                          + price * own sensitivity * discount     by segment
                          + quality * the offer's + novelty * the offer's, unless they have been offered it before
                          - fatigue * weariness                    offers of late, halved every `fatigue_half_s`
                          + company                                who is not alone does not turn aside

and 0 where there is no shop or the shop is shut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from firmware_sim.draws import generator
from firmware_sim.people.behaviour import Choices, OfferEffect, Segment, SegmentName
from firmware_sim.scenario import Kind, Scenario, Zone

TASTE_IN_BUYING = 0.6  # log-odds of buying per unit of taste, where character decides


class Person(NamedTuple):
    """What is hidden in somebody: their segment, tastes by kind of place (mean 0, spread 1), sensitivity to prices (median 1)."""

    segment: SegmentName
    tastes: Mapping[Kind, float]
    price: float
    in_company: bool


class OfferContext(NamedTuple):
    """The circumstances of an offer: how far the shop is, whether it is open, rain, and what was offered before."""

    minutes: float
    is_open: bool
    raining: bool
    recent_offers: float
    offered_before: bool


def drawn_segment(scenario: Scenario, seed: int, number: int) -> SegmentName:
    """The segment of a person."""
    names = sorted(scenario.segments)
    return generator(seed, "segment", number).choices(names, [scenario.segments[name].share for name in names])[0]


def drawn_price(scenario: Scenario, seed: int, number: int) -> float:
    """A person's own sensitivity to prices."""
    return math.exp(generator(seed, "price", number).gauss(0.0, scenario.choices.price_spread))


def accept(scenario: Scenario, person: Person, offer: OfferEffect, context: OfferContext) -> float:
    """The true probability that a person accepts an offer at a moment."""
    kind = scenario.zone(offer.shop).kind if offer.shop in {zone.id for zone in scenario.zones} else None
    if kind is None or not context.is_open:
        return 0.0
    taste, segment, choices = scenario.tastes[kind], scenario.segments[person.segment], scenario.choices
    minutes = context.minutes * (choices.rain_walk if context.raining else 1.0)
    likes = taste.bias + taste.pull * person.tastes[kind] - taste.per_minute * minutes
    fatigue = segment.fatigue * context.recent_offers
    return logistic(likes + _offer_log_odds(segment, person, offer, context) - fatigue + (choices.company if person.in_company else 0.0))


def _offer_log_odds(segment: Segment, person: Person, offer: OfferEffect, context: OfferContext) -> float:
    """What the offer itself adds, to this person."""
    new = 0.0 if context.offered_before else segment.novelty * offer.novelty
    return segment.price * person.price * offer.discount + segment.quality * offer.quality + new


def buying(scenario: Scenario, person: Person, zone: Zone) -> float:
    """The true probability that a stay in a zone ends with a purchase that nobody had to ask for."""
    if zone.kind is None:
        return 0.0
    share, character = scenario.people.buying_share, scenario.choices.character
    if character == 0.0 or share in {0.0, 1.0}:
        return share
    segment = scenario.segments[person.segment]
    return logistic(math.log(share / (1 - share)) + character * (segment.buying + TASTE_IN_BUYING * person.tastes[zone.kind]))


def recent_offers(choices: Choices, offered_s: list[float], street_s: float) -> float:
    """How many offers of late weigh on somebody: each counts 1 at first and half after every half-life."""
    return math.fsum(0.5 ** ((street_s - then) / choices.fatigue_half_s) for then in offered_s if then < street_s)


def logistic(log_odds: float) -> float:
    """A probability from log-odds."""
    return 1 / (1 + math.exp(-log_odds))
