"""The open loop of a comparison: people, their visits in order of time, and purchases without offers. No policy changes any of it.

A scenario without a rhythm (the street) gets one: people come once a day, between morning and evening, to a few zones and leave again.
Published time equals street time here (speed 1), and a run starts at midnight, so that a day of a policy is a day of its caps.
"""

from __future__ import annotations

from typing import NamedTuple

from firmware_sim.people.behaviour import Curve, Rhythm
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Scenario
from firmware_sim.world.world import DAY_S, World

ENTERED_S = 5.0  # after the start of a stay: two sightings
STAYS = 8.0  # an outing on a street without a rhythm
HOURS = (0, 0, 0, 0, 0, 0, 0, 2, 4, 6, 9, 11, 13, 14, 14, 13, 13, 14, 13, 10, 7, 4, 1, 0)  # arrivals there, as those of the mall


class Moment(NamedTuple):
    """A moment at which an offer may be sent: `person` is an index, `occasion` "entered" or "dwelled"."""

    street_s: float
    person: int
    zone: str
    occasion: str
    dwell_s: float


class City:
    """People of one seed over `days` days, with `moments` in order of time."""

    def __init__(self, scenario: Scenario, *, seed: int, days: int, people: int, dwelled_s: float) -> None:
        self.scenario = scenario.changed(rhythm=scenario.rhythm or _rhythm(scenario), clock=None)
        self.days, self.until_s = days, days * DAY_S
        self.world = World(self.scenario, seed, begins_ms(scenario), 1.0)
        everyone = (Walker(self.world, number) for number in range(1, people + 1))
        self.walkers = [walker for walker in everyone if walker.consents]
        found = [moment for person in range(len(self.walkers)) for moment in self._moments(person, dwelled_s)]
        self.moments = sorted(found, key=lambda moment: moment.street_s)

    def _moments(self, person: int, dwelled_s: float) -> list[Moment]:
        walker, found, index = self.walkers[person], list[Moment](), 0
        while (stay := walker.itinerary.stay(index)).from_s < self.until_s:
            index += 1
            for occasion, after_s in (("entered", ENTERED_S), ("dwelled", dwelled_s)):
                at_s = stay.from_s + after_s
                if at_s < min(stay.until_s, self.until_s) and walker.consents_at(at_s):
                    found.append(Moment(at_s, person, stay.zone, occasion, after_s))
        return found


def begins_ms(scenario: Scenario) -> int:
    """The midnight at which a run starts, in the site's own time."""
    return scenario.start_ms - (scenario.start_ms + scenario.clock_offset_min * 60_000) % (DAY_S * 1000)


def _rhythm(scenario: Scenario) -> Rhythm:
    ends = sorted((zone for zone in scenario.zones if zone.kind is None), key=lambda zone: zone.x_m)
    return Rhythm(stays=STAYS, arrivals=Curve(hours=tuple(map(float, HOURS))), entrances=(ends[0].id, ends[-1].id))
