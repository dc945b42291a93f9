"""One policy in one city: decisions at every moment, delayed answers, and the true value of each message.

A policy sees the same as a gateway: the context of the person, the weather, the site, and its own messages with the answers.
An answer arrives after the person has seen the message and thought about it; no message is seen while the phone sleeps, and one that
has expired by then is never seen. A message without an answer is a refusal when its window (the offer's `expiry_hours`) has closed.
Margin and accepted offers are true expectations, not draws: P(take), gain and fatigue are those of `firmware_sim.people`.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count
from random import Random
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.draws import generator
from firmware_sim.people.counterfactual import baseline_purchases, offer_value, own_purchase
from firmware_sim.people.reaction import errand, react
from firmware_sim.people.walker import Walker
from firmware_sim.policies.city import City, Moment
from firmware_sim.policies.site import Shop, readings, subject
from firmware_sim.world.world import DAY_S
from gateway.core import context as contexts
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.context import Contact, SubjectContext, ZoneContext
from gateway.core.learning.types import Ended
from gateway.core.offers import Offer
from gateway.core.policy.gates import closed_to_all, gated
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.types import AnswerKind

HOUR_MS = 3_600_000
ASLEEP_STEP_S = 10.0
ENDS: tuple[AnswerKind, ...] = ("redeemed", "accepted", "dismissed")  # the answer that counts, of several
ROLLOUTS = 4  # of the oracle: the mean is right, and its spread costs the oracle little


class Choice(NamedTuple):
    """A message: position of the offer, stated propensity (None if the policy states none) and the input of its later learning."""

    position: int
    propensity: float | None = None
    known: Any = None


class Closed(NamedTuple):
    """The outcome of a message when its window has closed."""

    choice: Choice
    offer: Offer
    subject: SubjectContext
    sent_ms: int
    closed_ms: int
    ended: Ended

    @property
    def taken(self) -> bool:
        """Whether the offer was accepted."""
        return self.ended in {"accepted", "redeemed"}


class Policy(Protocol):
    """A policy under test."""

    name: str

    def choose(self, here: Situation) -> Choice | None:
        """The offer to send now, or None for silence."""

    def learn(self, closed: Closed) -> None:
        """Learn from one outcome."""


class Situation:
    """The knowledge at a moment. `truth` is for the oracle only."""

    def __init__(self, shop: Shop, request: DecisionRequest, weather: ZoneContext, number: int, seed: int) -> None:
        self.shop, self.request, self.weather, self.number, self._seed = shop, request, weather, number, seed
        self.offers: Sequence[Offer] = shop.site.campaign.offers
        self.truth: Truth

    @cached_property
    def open(self) -> list[int]:
        """Positions of the offers that no gate closes."""
        found: list[int] = [] if closed_to_all(self.prepared) is not None else gated(self.prepared).possible.tolist()
        return found

    @cached_property
    def prepared(self) -> Prepared:
        """The gateway's view of the request."""
        return Prepared(self.request, self.weather)

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """The model's rows of the open offers, (n, columns)."""
        return self.shop.site.plan.matrix(self.prepared.reading, self.open, self.prepared.numbers)

    @cached_property
    def scores(self) -> list[float]:
        """The model's propensities of the open offers."""
        found: list[float] = self.shop.model.score(self.rows).tolist()
        return found

    def draws(self, *owner: str | int) -> Random:
        """A random stream of this moment; policies that ask for the same name get the same draws."""
        return generator(self._seed, "policy", self.number, *owner)


class Truth(NamedTuple):
    """The person and the city at a moment."""

    city: City
    walker: Walker
    street_s: float

    def acceptance(self, offer: Offer) -> float:
        """True probability that the person accepts the offer now, once it is seen."""
        return self.walker.acceptance(self.street_s, offer.shop, offer.id)

    def gain(self, offer: Offer, acceptance: float, baseline: float) -> float:
        """True margin in minor units that sending the offer adds."""
        return offer_value(self.city.world, self.walker.effect(offer.id, offer.shop), acceptance, baseline).gain_minor

    def baselines(self, draws: Random) -> dict[str, float]:
        """Expected probability of a purchase without an offer, by shop."""
        return baseline_purchases(self.walker, self.street_s, draws, ROLLOUTS)


class Sent(NamedTuple):
    """One message of a run: stated propensity, truth, margin, and the number of closed windows of the offer before it.

    `received` is False if the phone slept until the message had expired; acceptance and margin are then 0.
    """

    day: int
    person: int
    position: int
    received: bool
    propensity: float | None
    acceptance: float
    gain_minor: float
    answers: int


def run(city: City, shop: Shop, policy: Policy) -> list[Sent]:
    """All messages of a policy in a city."""
    return _Run(city, shop, policy).all()


class _Run:
    def __init__(self, city: City, shop: Shop, policy: Policy) -> None:
        self.city, self.shop, self.policy = city, shop, policy
        self.subjects = [subject(shop, city, walker) for walker in city.walkers]
        for walker in city.walkers:
            walker.forget_offers()
        self.later: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.sent: list[Sent] = []
        self.answers: Counter[int] = Counter()
        self.standing: defaultdict[str, set[AnswerKind]] = defaultdict(set)
        self.zone_kinds = {zone.id: zone.kind for zone in city.scenario.zones}

    def all(self) -> list[Sent]:
        for number, moment in enumerate(self.city.moments):
            while self.later and self.later[0][0] <= moment.street_s:
                heapq.heappop(self.later)[2]()
            self._decide(number, moment)
            if moment.occasion == "dwelled" and self.zone_kinds[moment.zone] is not None:
                self._fold(
                    moment.person,
                    HistoryFact("visits", self._ms(moment.street_s), zone=moment.zone, zone_kind=self.zone_kinds[moment.zone]),
                )
        return self.sent

    def _ms(self, street_s: float) -> int:
        return self.city.world.start_ms + round(street_s * 1000)

    def _decide(self, number: int, moment: Moment) -> None:
        now_ms, person = self._ms(moment.street_s), self.subjects[moment.person]
        request = DecisionRequest(person, moment.zone, moment.occasion, now_ms, self.shop.site, moment.dwell_s)  # type: ignore[arg-type]
        here = Situation(self.shop, request, readings(self.city, moment.street_s, now_ms), number, self.city.world.seed)
        here.truth = Truth(self.city, self.city.walkers[moment.person], moment.street_s)
        choice = self.policy.choose(here)
        if choice is not None:
            self._send(here, moment, choice)

    def _send(self, here: Situation, moment: Moment, choice: Choice) -> None:
        offer, truth, now_ms = here.offers[choice.position], here.truth, here.request.now_ms
        decision = f"gw-lab.{here.number}"
        seen_s = self._seen_s(truth.walker, moment.street_s)
        acceptance = 0.0 if seen_s is None else truth.walker.acceptance(seen_s, offer.shop, offer.id)
        gain = truth.gain(offer, acceptance, own_purchase(truth.walker, offer.shop, moment.street_s))
        day, answers = int(moment.street_s // DAY_S), self.answers[choice.position]
        self.sent.append(Sent(day, moment.person, choice.position, seen_s is not None, choice.propensity, acceptance, gain, answers))
        self.subjects[moment.person] = contexts.with_contact(self.subjects[moment.person], Contact(decision, offer.id, now_ms))
        if seen_s is not None:
            self._answer(here, moment, offer, seen_s, acceptance)
        closes_s = moment.street_s + offer.expiry_hours * 3600

        def close() -> None:
            given = self.standing.pop(decision, set())
            self.answers[choice.position] += 1
            ended: Ended = next((kind for kind in ENDS if kind in given), "none")
            self.policy.learn(Closed(choice, offer, here.request.subject, now_ms, self._ms(closes_s), ended))

        self._at(closes_s, close)

    def _seen_s(self, walker: Walker, street_s: float) -> float | None:
        """The moment at which an awake phone receives the message, or None if it expires before."""
        last_s = street_s + self.shop.site.campaign.policy.trigger_expiry_s
        while walker.asleep(round(street_s * 1000)):
            street_s += ASLEEP_STEP_S
            if street_s >= last_s:
                return None
        return street_s

    def _answer(self, here: Situation, moment: Moment, offer: Offer, seen_s: float, acceptance: float) -> None:
        walker, scenario = here.truth.walker, self.city.scenario
        walker.add_offer(seen_s, offer.id)
        chance = generator(self.city.world.seed, "answer", walker.number, here.number, offer.id)
        drawn = react(acceptance, chance)
        settled_s = seen_s + drawn.settled_ms / 1000 * scenario.speed
        if drawn.answers[-1][1] == "dismissed":
            self._at(settled_s, lambda: self._hear(moment.person, here.number, offer, "dismissed", settled_s))
        if not drawn.accepts:
            return
        self._at(settled_s, lambda: self._hear(moment.person, here.number, offer, "accepted", settled_s))
        way = errand(scenario.people.redeeming_share, chance)
        if way is not None:
            after_s = walker.walk_s(settled_s, offer.shop) + way.queue_s
            self._at(settled_s + after_s, lambda: self._hear(moment.person, here.number, offer, "redeemed", settled_s + after_s))

    def _hear(self, person: int, number: int, offer: Offer, kind: AnswerKind, street_s: float) -> None:
        """An answer arrives at the gateway."""
        decision = f"gw-lab.{number}"
        self.standing[decision].add(kind)
        self.subjects[person] = contexts.with_answer(self.subjects[person], decision, kind)
        self._fold(person, HistoryFact("answers", self._ms(street_s), offer.category, offer=offer.id, answer=kind))

    def _fold(self, person: int, fact: HistoryFact) -> None:
        before = self.subjects[person]
        history = self.shop.site.plan.history.fold(before.history, before.purposes, fact, fact.at_ms)
        self.subjects[person] = msgspec.structs.replace(before, history=history)

    def _at(self, street_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.later, (street_s, next(self.order), action))
