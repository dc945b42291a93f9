"""People: where they go, how long they stay, what they like.

A walker is known completely by their number and the seed. Tastes are hidden: the gateway is told only
visits a month, which follow from them, so a model that learns from visits can find out, with error, what
the simulator knows exactly.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from random import Random
from typing import NamedTuple

from firmware_sim.draws import chosen, generator, poisson, quota
from firmware_sim.scenario import Kind, Zone
from firmware_sim.world import Spot, World

TASTE_IN_CHOICE = 0.5  # how far taste decides where to go next
TASTE_IN_VISITS = 0.8  # how far taste decides how often one comes
VISITS_MAX = 30
DWELL_SHAPE = 4.0  # gamma: stays vary by a half of their mean
DWELL_S_MIN = 20.0
OPTIONAL_PURPOSES = ("learning", "measurement")
OPTIONAL_SHARE = 0.8


class Stay(NamedTuple):
    """One visit of one walker, in street seconds; `buys_s` is when they pay, if they do."""

    zone: str
    from_s: float
    until_s: float
    spot: Spot
    buys_s: float | None


class Place(NamedTuple):
    """Where somebody is; `zone` is None on the way."""

    spot: Spot
    zone: str | None


class Itinerary:
    """The stays of one walker, made up as far as somebody asks."""

    def __init__(self, world: World, draws: Random, tastes: dict[Kind, float]) -> None:
        self._world = world
        self._draws = draws
        self._tastes = tastes
        self._stays: list[Stay] = []
        self._from_s: list[float] = []
        self._add(self._start_zone(), draws.uniform(0.0, world.scenario.people.arrive_until_s))

    def stay(self, index: int) -> Stay:
        """The index-th stay (0, 1, ...); there is always another one."""
        while len(self._stays) <= index:
            self._extend()
        return self._stays[index]

    def place(self, street_s: float) -> Place | None:
        """Where the walker is at a moment of street time, or None before they have come."""
        while self._stays[-1].from_s <= street_s:
            self._extend()
        index = bisect_right(self._from_s, street_s) - 1
        if index < 0:
            return None
        here, there = self._stays[index], self._stays[index + 1]
        if street_s <= here.until_s:
            return Place(here.spot, here.zone)
        done = (street_s - here.until_s) / (there.from_s - here.until_s)
        x = here.spot.x_m + done * (there.spot.x_m - here.spot.x_m)
        y = here.spot.y_m + done * (there.spot.y_m - here.spot.y_m)
        return Place(Spot(x, y), None)

    def _extend(self) -> None:
        last = self._stays[-1]
        spot = self._world.spot(last.zone)
        others = [zone for zone in self._world.scenario.zones if zone.id != last.zone]
        self._add(self._pick(others or [self._world.zones[last.zone]], spot), last.until_s)

    def _add(self, zone: Zone, leaves_s: float) -> None:
        """Walk to a spot in `zone`, starting at `leaves_s`, and stay there."""
        draws, people = self._draws, self._world.scenario.people
        angle, radius = draws.uniform(0.0, 2 * math.pi), zone.radius_m * math.sqrt(draws.random())
        spot = Spot(zone.x_m + radius * math.cos(angle), zone.y_m + radius * math.sin(angle))
        way_m = spot.metres_to(self._stays[-1].spot) if self._stays else 0.0
        from_s = leaves_s + way_m / people.walk_m_per_s
        dwell_s = max(DWELL_S_MIN, draws.gammavariate(DWELL_SHAPE, zone.dwell_s / DWELL_SHAPE))
        pays, when = draws.random() < people.buying_share, draws.uniform(0.2, 0.9)
        buys_s = from_s + when * dwell_s if zone.kind is not None and pays else None
        self._stays.append(Stay(zone.id, from_s, from_s + dwell_s, spot, buys_s))
        self._from_s.append(from_s)

    def _start_zone(self) -> Zone:
        zones = self._world.scenario.zones
        return self._draws.choices(zones, [zone.attraction for zone in zones])[0]

    def _pick(self, zones: list[Zone], here: Spot) -> Zone:
        """Near, attractive, and to one's taste."""
        reach_m = self._world.scenario.people.reach_m
        weights = [
            zone.attraction
            * math.exp(-here.metres_to(Spot(zone.x_m, zone.y_m)) / reach_m)
            * math.exp(TASTE_IN_CHOICE * self._tastes[zone.kind] if zone.kind is not None else 0.0)
            for zone in zones
        ]
        return self._draws.choices(zones, weights)[0]


class Walker:
    """One person. `withdraws_s` is the moment of street time at which they take their consent back."""

    def __init__(self, world: World, number: int) -> None:
        people, seed = world.scenario.people, world.seed
        draws = generator(seed, "person", number)
        self.world = world
        self.number = number
        refusing_share = 1 - people.consenting_share
        self.consents = not chosen(number, refusing_share)
        self.tastes: dict[Kind, float] = {kind: draws.gauss(0.0, 1.0) for kind in world.scenario.tastes}
        self.visits_month: dict[Kind, int] = {
            kind: min(VISITS_MAX, poisson(draws, taste.visits * math.exp(TASTE_IN_VISITS * self.tastes[kind])))
            for kind, taste in world.scenario.tastes.items()
        }
        optional = [purpose for purpose in OPTIONAL_PURPOSES if draws.random() < OPTIONAL_SHARE]
        self.purposes: tuple[str, ...] = ("presence", "offers", *optional)
        moment_s = draws.uniform(people.withdraw_from_s, people.withdraw_until_s)
        place_in_row = number - quota(number, refusing_share)  # their number among those who consent
        withdraws = self.consents and chosen(place_in_row, people.withdrawing_share)
        self.withdraws_s: float | None = moment_s if withdraws else None
        self.itinerary = Itinerary(world, generator(seed, "path", number), self.tastes)

    def walk_s(self, street_s: float, zone_id: str) -> float:
        """Street seconds of walking from where they are to the middle of a zone."""
        place = self.itinerary.place(street_s)
        here = place.spot if place is not None else self.itinerary.stay(0).spot
        return here.metres_to(self.world.spot(zone_id)) / self.world.scenario.people.walk_m_per_s

    def acceptance(self, street_s: float, zone_id: str) -> float:
        """The true probability that they accept an offer of the shop in that zone, here and now."""
        zone = self.world.zones.get(zone_id)
        if zone is None or zone.kind is None:
            return 0.0
        taste = self.world.scenario.tastes[zone.kind]
        minutes = self.walk_s(street_s, zone_id) / 60
        return 1 / (1 + math.exp(-(taste.bias + taste.pull * self.tastes[zone.kind] - taste.per_minute * minutes)))
