"""True probabilities of acceptance and purchase, the reference for every estimate of a gateway.

`accept` is the probability that a person takes an offer here and now, `buying` the probability of a purchase in a shop that was
entered without an offer (`counterfactual.py` combines it with the choice of shops). Both are logistic in plain sums, so that
lift, uplift and regret can be computed exactly instead of being estimated from a run:

    log-odds of accepting = bias + pull * taste                    kind of place, from the scenario
                          - per_minute * minutes to walk           times `rain_walk` (1.5) in rain
                          + price * own sensitivity * discount     by segment
                          + quality * the offer's + novelty * the offer's, novelty only for the first time
                          - fatigue * recent offers                half-life `fatigue_half_s`
                          + company                                for members of a group, negative by default

and 0 without a shop or if the shop is closed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from firmware_sim.draws import generator
from firmware_sim.people.behaviour import Choices, OfferEffect, Segment, SegmentName
from firmware_sim.scenario import Kind, Scenario, Zone

TASTE_IN_VISITS = 0.8  # influence of taste on monthly visits
TASTE_IN_BUYING = 0.6  # log-odds of buying per unit of taste, scaled by `character`


class Person(NamedTuple):
    """Hidden traits: segment, tastes by kind of place (mean 0, standard deviation 1), price sensitivity (median 1), company."""

    segment: SegmentName
    tastes: Mapping[Kind, float]
    price: float
    in_company: bool


class OfferContext(NamedTuple):
    """Circumstances of an offer: minutes to walk, opening, rain, and earlier offers."""

    minutes: float
    is_open: bool
    raining: bool
    recent_offers: float
    offered_before: bool


def drawn_segment(scenario: Scenario, seed: int, number: int) -> SegmentName:
    """Segment of a person."""
    names = sorted(scenario.segments)
    return generator(seed, "segment", number).choices(names, [scenario.segments[name].share for name in names])[0]


def drawn_price(scenario: Scenario, seed: int, number: int) -> float:
    """Price sensitivity of a person: log-normal with median 1."""
    return math.exp(generator(seed, "price", number).gauss(0.0, scenario.choices.price_spread))


def accept(scenario: Scenario, person: Person, offer: OfferEffect, context: OfferContext) -> float:
    """True probability that a person accepts an offer in this context."""
    kind = scenario.zone(offer.shop).kind if offer.shop in {zone.id for zone in scenario.zones} else None
    if kind is None or not context.is_open:
        return 0.0
    taste, segment, choices = scenario.tastes[kind], scenario.segments[person.segment], scenario.choices
    minutes = context.minutes * (choices.rain_walk if context.raining else 1.0)
    likes = taste.bias + taste.pull * person.tastes[kind] - taste.per_minute * minutes
    fatigue = segment.fatigue * context.recent_offers
    return logistic(likes + _offer_log_odds(segment, person, offer, context) - fatigue + (choices.company if person.in_company else 0.0))


def _offer_log_odds(segment: Segment, person: Person, offer: OfferEffect, context: OfferContext) -> float:
    """Log-odds that the attributes of the offer add for this person."""
    new = 0.0 if context.offered_before else segment.novelty * offer.novelty
    return segment.price * person.price * offer.discount + segment.quality * offer.quality + new


def buying(scenario: Scenario, person: Person, zone: Zone) -> float:
    """True probability that a stay in a zone includes a purchase without an offer."""
    if zone.kind is None:
        return 0.0
    share, character = scenario.people.buying_share, scenario.choices.character
    if character == 0.0 or share in {0.0, 1.0}:
        return share
    segment = scenario.segments[person.segment]
    return logistic(math.log(share / (1 - share)) + character * (segment.buying + TASTE_IN_BUYING * person.tastes[zone.kind]))


def recent_offers(choices: Choices, offered_s: list[float], street_s: float) -> float:
    """Decayed number of earlier offers: each counts 1 at first and half after every half-life."""
    return math.fsum(0.5 ** ((street_s - then) / choices.fatigue_half_s) for then in offered_s if then < street_s)


def logistic(log_odds: float) -> float:
    """Probability from log-odds."""
    return 1 / (1 + math.exp(-log_odds))
