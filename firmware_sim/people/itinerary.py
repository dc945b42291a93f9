"""Mobility: the model by which stays follow one another, and the sequence of stays of one person.

The model (`Mobility`) is separate from the drawn sequence (`Itinerary`), so that the same model with other random draws gives
counterfactual continuations (`counterfactual.py`).

On a site without rhythm people arrive and then wander from zone to zone. With a rhythm they arrive as clock, weekday, trains
and happenings allow, stay in a few zones, leave, and return later.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import NamedTuple, Protocol

from firmware_sim.draws import generator
from firmware_sim.people.behaviour import Trains
from firmware_sim.people.tastes import Person
from firmware_sim.scenario import Zone
from firmware_sim.world.hours import Weekly
from firmware_sim.world.places import Spot
from firmware_sim.world.routes import along, metres
from firmware_sim.world.world import World

TASTE_IN_CHOICE = 0.5  # influence of taste on the next zone
DWELL_SHAPE = 4.0  # gamma: the standard deviation of a stay is half its mean
DWELL_S_MIN = 20.0
BUYS = (0.2, 0.9)  # payment falls between these shares of a stay
HOUR_S = 3600.0
WARM_S = 3 * HOUR_S  # simulated before the start, so that earlier arrivals are present
OUTINGS_SPREAD = 0.4
HOURS_AHEAD_MAX = 24 * 60  # no arrival is planned more than sixty days ahead
KEPT_MAX = 512


class Stay(NamedTuple):
    """One visit of one walker, in street seconds; `buys_s` is the time of payment or None, `leaves` marks the last stay of an outing."""

    zone: str
    from_s: float
    until_s: float
    spot: Spot
    buys_s: float | None
    leaves: bool = False


class Place(NamedTuple):
    """Position at a moment; `zone` is None on the way."""

    spot: Spot
    zone: str | None


class Mobility:
    """Mobility model of one walker. `buys` gives the probability of a purchase in a zone."""

    def __init__(self, world: World, number: int, person: Person, buys: Callable[[Zone], float]) -> None:
        self._world, self._person, self._buys = world, person, buys
        scenario = world.scenario
        draws = generator(world.seed, "favourite", number)
        self._liking = {zone.id: draws.random() for zone in scenario.zones}
        best = {zone.kind: max(self._liking[other.id] for other in scenario.zones if other.kind == zone.kind) for zone in scenario.zones}
        self._favourites = {zone.id for zone in scenario.zones if zone.kind is not None and self._liking[zone.id] == best[zone.kind]}
        visits: float = scenario.segments[person.segment].visits ** scenario.choices.character
        self._outings = visits * math.exp(draws.gauss(0.0, OUTINGS_SPREAD))
        self._trains = [(line, Weekly(line.hours)) for line in scenario.trains]
        self._changes = bool(scenario.curves or scenario.rhythm or scenario.happenings or scenario.incidents) or any(
            zone.hours or zone.outdoors for zone in scenario.zones
        )
        self._weights: dict[tuple[str, int, bool], tuple[list[Zone], list[float]]] = {}

    def first(self, draws: Random) -> Stay:
        """The first stay after the start."""
        world = self._world
        if world.scenario.rhythm is not None:
            stay = self._outing(-WARM_S, draws)
            while stay.until_s <= 0.0:
                stay = self.after(stay, draws)
            buys_s = stay.buys_s if stay.buys_s is not None and stay.buys_s > 0.0 else None
            return stay._replace(from_s=max(stay.from_s, 0.0), buys_s=buys_s)
        zones = world.scenario.zones
        zone = draws.choices(zones, [zone.attraction for zone in zones])[0]
        return self._stay(zone, draws.uniform(0.0, world.scenario.people.arrive_until_s), None, draws)

    def after(self, last: Stay, draws: Random) -> Stay:
        """The stay that follows `last`."""
        rhythm = self._world.scenario.rhythm
        if last.leaves:
            return self._outing(last.until_s, draws)
        if rhythm is not None and draws.random() < 1 / rhythm.stays:
            return self._parting(last, draws)
        zones, weights = self._choice(last)
        if not weights[-1]:  # everything is closed
            return self._parting(last, draws) if rhythm is not None else self._stay(self._world.zones[last.zone], last.until_s, last, draws)
        return self._stay(draws.choices(zones, cum_weights=weights)[0], last.until_s, last, draws)

    def _choice(self, last: Stay) -> tuple[list[Zone], list[float]]:
        """Reachable zones and cumulative weights, by distance, attraction at this hour and taste."""
        now_s = last.until_s
        # Hours begin and end on whole minutes, so weights cached for one rollout hold for the others within the minute.
        key = (last.zone, int(self._world.minute(now_s)), self._world.raining(now_s)) if self._changes else (last.zone, 0, False)
        if key not in self._weights:
            if len(self._weights) >= KEPT_MAX:
                self._weights.clear()
            others = [zone for zone in self._world.scenario.zones if zone.id != last.zone]
            zones = others or [self._world.zones[last.zone]]
            here = self._world.spot(last.zone)
            self._weights[key] = zones, list(accumulate(self._weight(zone, here, now_s) for zone in zones))
        return self._weights[key]

    def _weight(self, zone: Zone, here: Spot, now_s: float) -> float:
        scenario = self._world.scenario
        loyalty = scenario.segments[self._person.segment].loyalty if zone.id in self._favourites else 0.0
        return (
            (self._world.pull(zone, now_s) if self._changes else zone.attraction)
            * math.exp(-here.metres_to(self._world.spot(zone.id)) / scenario.people.reach_m)
            * math.exp(TASTE_IN_CHOICE * self._person.tastes[zone.kind] if zone.kind is not None else 0.0)
            * math.exp(scenario.choices.character * loyalty)
        )

    def _stay(self, zone: Zone, leaves_s: float, last: Stay | None, draws: Random, *, until_s: float | None = None) -> Stay:
        """Stay at a random spot in `zone`, after the walk that starts at `leaves_s`."""
        people = self._world.scenario.people
        spot = _somewhere(zone, draws)
        way_m = metres(self._world.routes.way(last.spot, last.zone, spot, zone.id)) if last is not None else 0.0
        from_s = leaves_s + way_m / people.walk_m_per_s
        dwell_s = max(DWELL_S_MIN, draws.gammavariate(DWELL_SHAPE, zone.dwell_s / DWELL_SHAPE))
        pays, when = draws.random() < self._buys(zone), draws.uniform(*BUYS)
        if until_s is not None:
            dwell_s = max(until_s - from_s, DWELL_S_MIN)
        elif self._changes:
            dwell_s = max(DWELL_S_MIN, min(dwell_s, self._world.closes_s(zone.id, from_s) - from_s))
        sells = zone.kind is not None and (not self._changes or self._world.is_open(zone.id, from_s))
        return Stay(zone.id, from_s, from_s + dwell_s, spot, from_s + when * dwell_s if sells and pays else None, until_s is not None)

    def _outing(self, after_s: float, draws: Random) -> Stay:
        """First stay of the next outing after `after_s`: by train at a platform, or on foot at an entrance."""
        come_s = self._comes_s(after_s, draws)
        rhythm, world = self._world.scenario.rhythm, self._world
        line, at_s = self._train(come_s, draws)
        if line is not None:
            return self._stay(world.zones[line.zone], at_s + draws.uniform(5.0, line.alight_s), None, draws)
        entrances = [world.zones[name] for name in (rhythm.entrances if rhythm is not None else ())]
        return self._stay(draws.choices(entrances, [zone.attraction for zone in entrances])[0], come_s, None, draws)

    def _comes_s(self, after_s: float, draws: Random) -> float:
        """Time of the next arrival: an inhomogeneous Poisson process with hourly rates."""
        rhythm, world = self._world.scenario.rhythm, self._world
        if rhythm is None:
            return after_s
        hours_sum = sum(rhythm.arrivals.hours) * sum(rhythm.arrivals.weekdays) / 7 or 1.0
        patience, now_s = draws.expovariate(1.0), after_s
        for _ in range(HOURS_AHEAD_MAX):
            ends_s = now_s + HOUR_S - (60 * world.minute(now_s)) % HOUR_S
            rate = rhythm.outings_day * self._outings * world.arrivals(now_s) / hours_sum / HOUR_S
            if rate * (ends_s - now_s) >= patience:
                return now_s + patience / rate
            patience -= rate * (ends_s - now_s)
            now_s = ends_s
        return now_s

    def _parting(self, last: Stay, draws: Random) -> Stay:
        """Last stay of an outing: until the next train, or at the nearest entrance."""
        world, rhythm = self._world, self._world.scenario.rhythm
        line, _ = self._train(last.until_s, draws)
        if line is not None and line.zone != last.zone:
            walk_s = metres(world.routes.way(last.spot, last.zone, world.spot(line.zone), line.zone)) / world.scenario.people.walk_m_per_s
            _, departs_s = self._next(line, last.until_s + walk_s + DWELL_S_MIN)
            return self._stay(world.zones[line.zone], last.until_s, last, draws, until_s=departs_s)
        doors = [world.zones[name] for name in (rhythm.entrances if rhythm is not None else ()) if name != last.zone]
        if not doors:
            return last._replace(from_s=last.until_s, until_s=last.until_s + DWELL_S_MIN, buys_s=None, leaves=True)
        door = min(doors, key=lambda zone: last.spot.metres_to(world.spot(zone.id)))
        return self._stay(door, last.until_s, last, draws, until_s=last.until_s)

    def _train(self, street_s: float, draws: Random) -> tuple[Trains | None, float]:
        """The line of an arrival or departure and its next time at the platform, or None for a walk."""
        choice = draws.random()
        for line, _ in self._trains:
            if choice < line.share:
                return self._next(line, street_s)
            choice -= line.share
        return None, street_s

    def _next(self, line: Trains, street_s: float) -> tuple[Trains | None, float]:
        """Next time of a line at its platform by the local clock; None outside its hours and during an incident."""
        hours = next(hours for other, hours in self._trains if other is line)
        minute = self._world.minute(street_s)
        wait_min = (line.first_min - minute) % line.every_min
        at_s = street_s + 60 * wait_min
        runs = hours.holds(minute + wait_min) and not self._world.incident(line.zone, at_s)
        return (line, at_s) if runs else (None, street_s)


def _somewhere(zone: Zone, draws: Random) -> Spot:
    """Uniformly distributed spot in a zone."""
    if zone.width_m is not None and zone.depth_m is not None:
        x, y = draws.uniform(-0.5, 0.5) * zone.width_m, draws.uniform(-0.5, 0.5) * zone.depth_m
        return Spot(zone.x_m + x, zone.y_m + y, zone.floor)
    angle, radius = draws.uniform(0.0, 2 * math.pi), zone.radius_m * math.sqrt(draws.random())
    return Spot(zone.x_m + radius * math.cos(angle), zone.y_m + radius * math.sin(angle), zone.floor)


class StaySequence(Protocol):
    """Consecutive stays of one person."""

    def stay(self, index: int) -> Stay:
        """Stay number `index` (0, 1, ...); the sequence is infinite."""

    def at(self, street_s: float) -> int:
        """Index of the stay that began last, -1 before the first."""


class Itinerary:
    """Stays of one walker, drawn on demand."""

    def __init__(self, mobility: Mobility, draws: Random) -> None:
        self._mobility, self._draws = mobility, draws
        self._stays = [mobility.first(draws)]
        self._from_s = [self._stays[0].from_s]

    def stay(self, index: int) -> Stay:
        """Stay number `index` (0, 1, ...); the sequence is infinite."""
        while len(self._stays) <= index:
            self._extend()
        return self._stays[index]

    def at(self, street_s: float) -> int:
        """Index of the stay that began last, -1 before the first."""
        while self._stays[-1].from_s <= street_s:
            self._extend()
        return bisect_right(self._from_s, street_s) - 1

    def _extend(self) -> None:
        self._stays.append(self._mobility.after(self._stays[-1], self._draws))
        self._from_s.append(self._stays[-1].from_s)


class FollowerItinerary:
    """Stays of a companion: next to the leader, a moment later, with independent purchases."""

    def __init__(self, leader: StaySequence, world: World, number: int, buys: Callable[[Zone], float]) -> None:
        self._leader, self._world, self._number, self._buys = leader, world, number, buys
        draws, apart_m = generator(world.seed, "beside", number), world.scenario.company.apart_m
        self._late_s = draws.uniform(0.2, 2.0)
        self._beside = draws.uniform(-apart_m, apart_m), draws.uniform(-apart_m, apart_m)

    def stay(self, index: int) -> Stay:
        """The leader's stay with the companion's own offset in space and time."""
        stay = self._leader.stay(index)
        zone, spot = self._world.zones[stay.zone], stay.spot
        beside = spot._replace(x_m=spot.x_m + self._beside[0], y_m=spot.y_m + self._beside[1])
        draws = generator(self._world.seed, "purse", self._number, index)
        pays, when = draws.random() < self._buys(zone), draws.uniform(*BUYS)
        from_s, until_s = stay.from_s + self._late_s, stay.until_s + self._late_s
        buys_s = from_s + when * (until_s - from_s) if pays and zone.kind is not None and self._sells(stay) else None
        return Stay(stay.zone, from_s, until_s, beside if self._world.contains(zone, beside) else spot, buys_s, stay.leaves)

    def at(self, street_s: float) -> int:
        """Index of the stay that began last, -1 before the first."""
        return self._leader.at(street_s - self._late_s)

    def _sells(self, stay: Stay) -> bool:
        return self._world.is_open(stay.zone, stay.from_s)


def place(stays: StaySequence, world: World, street_s: float) -> Place | None:
    """Position at a moment of street time, or None off the site."""
    index = stays.at(street_s)
    if index < 0:
        return None
    here = stays.stay(index)
    if street_s <= here.until_s:
        return Place(here.spot, here.zone)
    if here.leaves:
        return None
    there = stays.stay(index + 1)
    done = (street_s - here.until_s) / (there.from_s - here.until_s)
    return Place(along(world.routes.way(here.spot, here.zone, there.spot, there.zone), done), None)
