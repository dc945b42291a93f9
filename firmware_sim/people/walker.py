"""One simulated person: preferences, group, consent over time, and the phone's sleep.

Number and seed determine a walker completely. Tastes and segment are hidden: the gateway receives only monthly visit counts,
which depend on them, so a model can estimate from visits, with error, what the simulator knows exactly. Only offer fatigue
depends on the gateway: `add_offer` records each offer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cached_property
from random import Random
from typing import Literal

from firmware_sim.draws import chosen, generator, poisson, quota
from firmware_sim.people import tastes
from firmware_sim.people.behaviour import OfferEffect, Sleep
from firmware_sim.people.itinerary import FollowerItinerary, Itinerary, Mobility, Place, StaySequence, place
from firmware_sim.people.loyalty import Loyalty
from firmware_sim.scenario import Kind, Zone
from firmware_sim.world.routes import metres
from firmware_sim.world.world import World

VISITS_MAX = 30
OPTIONAL_PURPOSES = ("learning", "measurement")
OPTIONAL_SHARE = 0.8
GROUP_MAX = 4
FATIGUE_HALF_LIVES_MAX = 12  # older offers weigh below 1/4096 and are dropped


class Walker:
    """One person. Consent changes at the street times `joins_s`, `withdraws_s` and `returns_s`; from `leaves_s` on the person is away."""

    def __init__(self, world: World, number: int) -> None:
        people, seed = world.scenario.people, world.seed
        draws = generator(seed, "person", number)
        self.world = world
        self.number = number
        refusing_share = 1 - people.consenting_share
        self.consents = not chosen(number, refusing_share)
        self.tastes: dict[Kind, float] = {kind: draws.gauss(0.0, 1.0) for kind in world.scenario.tastes}
        self.leader = leader_of(world, number)
        segment, price = tastes.drawn_segment(world.scenario, seed, number), tastes.drawn_price(world.scenario, seed, number)
        self.person = tastes.Person(segment, self.tastes, price, self.leader != number or leads(world, number))
        often: float = world.scenario.segments[segment].visits ** world.scenario.choices.character
        self.visits_month: dict[Kind, int] = {
            kind: min(VISITS_MAX, poisson(draws, taste.visits * often * math.exp(tastes.TASTE_IN_VISITS * self.tastes[kind])))
            for kind, taste in world.scenario.tastes.items()
        }
        phones, fate = world.scenario.phones, generator(seed, "enrolment", number).random()
        is_ephemeral, at_counter = fate < phones.ephemeral_share, fate < phones.ephemeral_share + phones.counter_share
        self.enrolment: Literal["code", "key", "counter"] = (
            "key" if is_ephemeral else "counter" if at_counter and phones.counter else "code"
        )
        """Proof with which the person claims the radio id."""
        self.loyalty = Loyalty(world, number, self.person, often)
        optional = [purpose for purpose in OPTIONAL_PURPOSES if draws.random() < OPTIONAL_SHARE]
        self.purposes: tuple[str, ...] = ("presence", "offers", *optional)
        moment_s = draws.uniform(people.withdraw_from_s, people.withdraw_until_s)
        place_in_row = number - quota(number, refusing_share)  # position among those with consent
        withdraws = self.consents and chosen(place_in_row, people.withdrawing_share)
        self.withdraws_s: float | None = moment_s if withdraws else None
        self.joins_s, self.returns_s = self._consent_changes()
        self._sleep = SleepSchedule(world.scenario.sleep, generator(seed, "sleep", number))
        self._offered: list[tuple[float, str]] = []
        self.leaves_s: float | None = None

    def has_left(self, street_s: float) -> bool:
        """Whether the person has left the site for good."""
        return self.leaves_s is not None and street_s >= self.leaves_s

    @cached_property
    def itinerary(self) -> StaySequence:
        """Stays of the person, drawn on demand."""
        if self.leader != self.number:
            return FollowerItinerary(Walker(self.world, self.leader).itinerary, self.world, self.number, self.buys)
        return Itinerary(self.mobility, generator(self.world.seed, "path", self.number))

    @cached_property
    def mobility(self) -> Mobility:
        """Mobility model of the person; for a companion, that of the group's leader."""
        if self.leader != self.number:
            return Walker(self.world, self.leader).mobility
        return Mobility(self.world, self.number, self.person, self.buys)

    def place(self, street_s: float) -> Place | None:
        """Position at a moment of street time, or None off the site."""
        return None if self.has_left(street_s) else place(self.itinerary, self.world, street_s)

    def buys(self, zone: Zone) -> float:
        """True probability of a purchase during a stay in a zone, without an offer."""
        return tastes.buying(self.world.scenario, self.person, zone)

    def consents_at(self, street_s: float) -> bool:
        """Whether consent is given at a moment of street time."""
        if not self.consents or street_s < self.joins_s:
            return False
        if self.withdraws_s is None or street_s < self.withdraws_s:
            return True
        return self.returns_s is not None and street_s >= self.returns_s

    def asleep(self, published_ms: int) -> bool:
        """Whether the phone's app is paused and its radio off at `published_ms`."""
        return self._sleep.holds(published_ms / 1000)

    def walk_s(self, street_s: float, zone_id: str) -> float:
        """Walking time in street seconds from the current position to the middle of a zone."""
        world, here = self.world, self.place(street_s)
        stay = self.itinerary.stay(max(0, self.itinerary.at(street_s)))
        spot = here.spot if here is not None else stay.spot
        way = world.routes.way(spot, stay.zone, world.spot(zone_id), zone_id)
        return metres(way) / world.scenario.people.walk_m_per_s

    def acceptance(self, street_s: float, zone_id: str, offer: str = "") -> float:
        """True probability of accepting an offer of the shop in `zone_id` now; 0 for an unknown zone."""
        if zone_id not in self.world.zones:
            return 0.0
        return tastes.accept(self.world.scenario, self.person, self.effect(offer, zone_id), self.offer_context(street_s, zone_id, offer))

    def effect(self, offer: str, shop: str) -> OfferEffect:
        """True attributes of an offer; an offer that is unknown to the scenario has none."""
        known = next((item for item in self.world.scenario.offers if item.id == offer), None)
        return known if known is not None and known.shop == shop else OfferEffect(id=offer, shop=shop)

    def offer_context(self, street_s: float, zone_id: str, offer: str) -> tastes.OfferContext:
        """Circumstances of an offer at a moment of street time."""
        return tastes.OfferContext(
            minutes=self.walk_s(street_s, zone_id) / 60,
            is_open=self.world.is_open(zone_id, street_s),
            raining=self.world.raining(street_s),
            recent_offers=tastes.recent_offers(self.world.scenario.choices, [then for then, _ in self._offered], street_s),
            offered_before=any(name == offer and then < street_s for then, name in self._offered),
        )

    def add_offer(self, street_s: float, offer: str) -> None:
        """Record an offer: it adds to fatigue, and a repeated offer has no novelty."""
        forgotten_s = street_s - FATIGUE_HALF_LIVES_MAX * self.world.scenario.choices.fatigue_half_s
        self._offered = [(then, name) for then, name in self._offered if then > forgotten_s] + [(street_s, offer)]

    def forget_offers(self) -> None:
        """Remove all recorded offers, so that the same person can live through another policy."""
        self._offered = []

    def _consent_changes(self) -> tuple[float, float | None]:
        """Time of the first consent (0 for most), and of the renewed consent after a withdrawal, or None."""
        people, draws = self.world.scenario.people, generator(self.world.seed, "consent", self.number)
        joins_s = draws.uniform(0.0, people.join_until_s) if draws.random() < people.joining_share else 0.0
        if self.withdraws_s is None:
            return joins_s, None
        returns = draws.random() < people.returning_share
        return min(joins_s, self.withdraws_s / 2), self.withdraws_s + draws.uniform(0.1, 1.0) * people.return_within_s if returns else None


class SleepSchedule:
    """Alternating awake and asleep intervals with exponential durations; most phones never sleep."""

    def __init__(self, habit: Sleep, draws: Random) -> None:
        self._habit, self._draws = habit, draws
        self._never = draws.random() >= habit.share
        self._turns = [0.0]  # start of the first awake interval, then of asleep and awake intervals in turn

    def holds(self, now_s: float) -> bool:
        """Whether the phone sleeps at `now_s`."""
        if self._never:
            return False
        while self._turns[-1] <= now_s:
            mean_s = self._habit.awake_s if len(self._turns) % 2 else self._habit.asleep_s
            self._turns.append(self._turns[-1] + self._draws.expovariate(1 / mean_s))
        return bisect_right(self._turns, now_s) % 2 == 0


def leader_of(world: World, number: int) -> int:
    """Number of the group's leader; for a person alone, the same number.

    Groups are formed within blocks of four consecutive numbers, independent of the total number of people.
    """
    if not world.scenario.company.share:
        return number
    first = number - (number - 1) % GROUP_MAX
    draws = generator(world.seed, "company", first)
    if draws.random() >= world.scenario.company.share:
        return number
    size = draws.choice((2, 2, 3, 4))
    return first if number - first < size else number


def leads(world: World, number: int) -> bool:
    """Whether the person leads a group."""
    return number % GROUP_MAX == 1 and leader_of(world, number + 1) == number
