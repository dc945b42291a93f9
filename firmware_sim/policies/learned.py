"""The policy under development: learned propensity, the change that an offer makes, and the price of a contact.

    expected value = P(redeem) x (value - P(purchase without the offer) x usual margin) - price of a message

P(redeem) is the learned propensity of the offer with the effect of the person, times the share of accepted offers that are redeemed; it is
drawn from its posterior (Thompson sampling). A cold start imitates the rules (score x value), with the ramp by accepted offers. Predictors
are the score of the bundle's model and attributes of the context. Visits within the horizon are counted from the visits of people;
purchases per visit are stated by the site. Without the purpose `learning` an answer changes only the effect of the person, which belongs
to `offers`, and no model of an offer.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from firmware_sim.policies.run import Choice, Closed, Situation
from gateway.core.learned import OfferPriors
from gateway.core.learning import anyway, bayes, explore, person
from gateway.core.learning.anyway import Place, Visits
from gateway.core.offers import Offer

HALF_LIFE_DAYS = 90.0
FLOOR = 0.005
RECENT_HALF_MS = 3_600_000  # of the weight of a contact in `recent`
COMPILED_EVERY = 8  # answers of an offer
# Posterior of the propensity: weight of the model's own certainty, in rows, before the answers with a similar score are counted.
CERTAIN_ROWS = 40.0
# Lever of an offer that is shown less than an even share: (even share / own share) ** LEVER_POWER, at most LEVER_MAX.
LEVER_POWER, LEVER_MAX = 0.9, 3.0
PREDICTORS: tuple[tuple[str, tuple[float, ...], int], ...] = (
    ("score", (-1.5, -0.75, -0.25, 0.25, 0.75, 1.5), 0),
    ("visits", (0.35, 1.0, 1.5, 1.9, 2.4), 0),
    ("recent", (0.1, 0.5, 1.0, 2.0, 3.0), 1),
    ("new", (0.5,), 2),
    ("travel", (0.5, 1.5, 3.0, 5.0), 3),
    ("hour", (7.0, 9.0, 11.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0), 4),
)
"""Name, edges and group: the model's score already knows the visits, so only the better of the two counts."""


class _Known(NamedTuple):
    values: tuple[float, ...]
    plain_score: float
    log_odds: float


class Learned:
    """Learns from all outcomes. `price_minor` is the price of a message beside the campaign's cost of a contact."""

    name = "learned"

    def __init__(self, price_minor: float, horizon_s: float, buys: float) -> None:
        self._price_minor, self._horizon_ms, self._buys = price_minor, round(horizon_s * 1000), buys
        self._models: dict[str, OfferPriors] = {}
        self._tables: dict[str, bayes.Compiled] = {}
        self._closed: dict[str, int] = {}
        self._effects: dict[tuple[str, str], person.Effect] = {}
        self._offered: set[tuple[str, str]] = set()
        self._redeemed = (0.8 * 20.0, 20.0)
        self._exposed: dict[int, int] = {}
        self._places: dict[Place, Visits] = {}
        self._shops: dict[str, Visits] = {}
        self._silent: dict[str, deque[tuple[int, Place]]] = {}
        self._visited: dict[tuple[str, str], int] = {}

    # --- choosing ----------------------------------------------------------------------------------------------

    def choose(self, here: Situation) -> Choice | None:
        """The offer with the highest drawn value."""
        self._watch(here)
        choice = self._choice(here) if here.open else None
        subject = here.request.subject.subject
        if choice is None:
            for shop in {offer.shop for offer in here.offers}:
                self._silent.setdefault(subject, deque()).append((here.request.now_ms, (shop, here.request.zone, here.request.occasion)))
        else:
            self._offered.add((subject, here.offers[choice.position].id))
        return choice

    def _choice(self, here: Situation) -> Choice | None:
        price_minor = here.shop.site.campaign.policy.contact_cost_minor + self._price_minor
        redeemed = self._redeemed[0] / self._redeemed[1]
        worths = [self._worth(here, here.offers[position]) * redeemed * self._lever(position) for position in here.open]
        arms, known, stated = [], [], []
        for position, worth, values in zip(here.open, worths, self._values(here), strict=True):
            offer = here.offers[position]
            tables = self._compiled(offer)
            plain = bayes.score(tables, values)
            log_odds = tables.line.offset + tables.line.slope * plain
            effect = self._effects.get((here.request.subject.subject, offer.category), person.Effect())
            propensity = person.probability(log_odds, effect)
            rows = CERTAIN_ROWS + bayes.support(tables, plain)
            arms.append(explore.Arm(propensity * rows, (1 - propensity) * rows, worth, price_minor))
            known.append(_Known(values, plain, log_odds))
            stated.append(propensity)
        draws = here.draws("learned")
        imitates = draws.random() >= explore.ramp(self._models["all"].taken if self._models else 0.0)
        chosen = explore.select(arms, [draws.random() for _ in arms], draws.random(), FLOOR)
        if imitates:
            plain_values = [score * here.offers[position].value_minor for score, position in zip(here.scores, here.open, strict=True)]
            chosen = max(range(len(plain_values)), key=plain_values.__getitem__)
        if chosen is None:
            return None
        self._exposed[here.open[chosen]] = self._exposed.get(here.open[chosen], 0) + 1
        return Choice(here.open[chosen], stated[chosen], known[chosen])

    def _lever(self, position: int) -> float:
        """Factor on the value of an offer that has been shown less than an even share: the long tail is shown as well."""
        even = sum(self._exposed.values()) / max(len(self._exposed), 1)
        behind: float = max(1.0, (even + 1.0) / (self._exposed.get(position, 0) + 1.0)) ** LEVER_POWER
        return min(LEVER_MAX, behind)

    def _worth(self, here: Situation, offer: Offer) -> float:
        """Margin in minor units that a redeemed offer adds to the purchase that would have come without it."""
        place = (offer.shop, here.request.zone, here.request.occasion)
        usual = offer.value_minor + (offer.discount or 0.0) * (offer.price_minor or 0)
        return offer.value_minor - min(1.0, anyway.rate(self._places, self._shops, place) * self._buys) * usual

    def _values(self, here: Situation) -> list[tuple[float, ...]]:
        """Values of PREDICTORS for each open offer."""
        columns, subject, now_ms = here.shop.site.columns, here.request.subject, here.request.now_ms
        recent = sum(0.5 ** ((now_ms - contact.at_ms) / RECENT_HALF_MS) for contact in subject.contacts)
        places = [columns.index(name) if name in columns else None for name in ("visits_this_kind", "travel", "hour")]
        read = [[math.nan if place is None else float(row[place]) for place in places] for row in here.rows]
        found: list[tuple[float, ...]] = []
        for position, score, (visits, travel, hour) in zip(here.open, here.scores, read, strict=True):
            new = float((subject.subject, here.offers[position].id) not in self._offered)
            sure = min(max(score, 1e-6), 1 - 1e-6)
            found.append((math.log(sure / (1 - sure)), math.log1p(visits), recent, new, travel, hour))
        return found

    def _compiled(self, offer: Offer) -> bayes.Compiled:
        if offer.id not in self._tables:
            self._tables[offer.id] = bayes.compiled([self._model(key) for key in _chain(offer)])
        return self._tables[offer.id]

    def _model(self, key: str) -> OfferPriors:
        return self._models.get(key) or bayes.empty(key, PREDICTORS, HALF_LIFE_DAYS)

    # --- learning ----------------------------------------------------------------------------------------------

    def learn(self, closed: Closed) -> None:
        """Learn from one outcome."""
        offer, known, at_ms = closed.offer, closed.choice.known, closed.closed_ms
        assert isinstance(known, _Known)
        whose = closed.subject.subject, offer.category
        self._effects[whose] = person.with_answer(
            self._effects.get(whose, person.Effect()), known.log_odds, taken=closed.taken, at_ms=at_ms
        )
        if "learning" not in closed.subject.purposes:
            return
        for key in _chain(offer):
            self._models[key] = bayes.learn(self._model(key), known.values, known.plain_score, taken=closed.taken, at_ms=at_ms)
        self._closed[offer.id] = self._closed.get(offer.id, 0) + 1
        if self._closed[offer.id] % COMPILED_EVERY == 0:
            self._tables.pop(offer.id, None)
        if closed.taken:
            self._redeemed = self._redeemed[0] + closed.redeemed, self._redeemed[1] + 1.0

    # --- purchases without an offer ------------------------------------------------------------------------------

    def _watch(self, here: Situation) -> None:
        """Close silent decisions whose horizon is over, and note the present visit."""
        subject, now_ms = here.request.subject.subject, here.request.now_ms
        waiting = self._silent.get(subject, deque())
        while waiting and now_ms - waiting[0][0] > self._horizon_ms:
            since_ms, place = waiting.popleft()
            visited_ms = self._visited.get((subject, place[0]), 0)
            self._count(place, visited=since_ms <= visited_ms <= since_ms + self._horizon_ms)
        if here.request.occasion == "dwelled":
            self._visited[subject, here.request.zone] = now_ms

    def _count(self, place: Place, *, visited: bool) -> None:
        self._places[place] = self._places.get(place, Visits()).plus(visited=visited)
        self._shops[place[0]] = self._shops.get(place[0], Visits()).plus(visited=visited)


def _chain(offer: Offer) -> tuple[str, str, str]:
    """Models that learn from an offer's answers, the narrowest first."""
    return offer.id, f"category:{offer.category}", "all"
