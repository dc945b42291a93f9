"""Where things are and what the weather is: the part of a scenario that nobody in it can change.

Two times meet here. Published time is what the outside sees; street time runs `speed` times as fast, so
that a demo of a minute shows a street of twenty. Whatever walks or rains lives in street time, whatever
sends lives in published time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from firmware_sim.draws import generator
from firmware_sim.scenario import Origin, Scenario, Zone

EARTH_RADIUS_M = 6_371_000.0
RAIN_BLOCK_S = 600  # it rains, or not, for ten minutes at a time
RAIN_SHARE = 0.25
DAY_S = 86_400


class Spot(NamedTuple):
    """A point on the street, metres east and north of the origin."""

    x_m: float
    y_m: float

    def metres_to(self, other: Spot) -> float:
        """Straight-line distance."""
        return math.hypot(self.x_m - other.x_m, self.y_m - other.y_m)


class Weather(NamedTuple):
    """Air temperature in °C, relative humidity in %, rain in mm/h."""

    temperature: float
    humidity: float
    precipitation: float


def degrees(spot: Spot, origin: Origin) -> tuple[float, float]:
    """Latitude and longitude of a spot: equirectangular around the origin, exact to centimetres on a street."""
    north = math.degrees(spot.y_m / EARTH_RADIUS_M)
    east = math.degrees(spot.x_m / (EARTH_RADIUS_M * math.cos(math.radians(origin.latitude_deg))))
    return origin.latitude_deg + north, origin.longitude_deg + east


class World:
    """A scenario in motion: zones by name, both times, the weather."""

    def __init__(self, scenario: Scenario, seed: int, start_ms: int, speed: float) -> None:
        self.scenario = scenario
        self.seed = seed
        self.start_ms = start_ms
        self.speed = speed
        self.zones: dict[str, Zone] = {zone.id: zone for zone in scenario.zones}
        self._mean_c = generator(seed, "climate").uniform(6.0, 22.0)

    def street_s(self, published_ms: float) -> float:
        """Seconds of street time that have passed when `published_ms` have been published."""
        return published_ms / 1000 * self.speed

    def published_ms(self, street_s: float) -> int:
        """When, in published milliseconds, the street's clock shows `street_s`."""
        return math.ceil(street_s * 1000 / self.speed)

    def spot(self, zone_id: str) -> Spot:
        """The middle of a zone."""
        zone = self.zones[zone_id]
        return Spot(zone.x_m, zone.y_m)

    def weather(self, street_s: float) -> Weather:
        """Outdoors: a daily wave around this seed's climate, and rain in whole blocks of ten minutes."""
        draws = generator(self.seed, "rain", int(street_s // RAIN_BLOCK_S))
        rain = draws.expovariate(1 / 2.0) if draws.random() < RAIN_SHARE else 0.0
        wave = math.sin(2 * math.pi * street_s / DAY_S)
        cooling = 1.5 if rain else 0.0
        return Weather(self._mean_c + 4.0 * wave - cooling, 88.0 if rain else 62.0 - 8.0 * wave, min(rain, 40.0))

    def indoors(self, street_s: float) -> Weather:
        """Under a roof: mild, dry, and following the day only faintly."""
        outside = self.weather(street_s)
        return Weather(21.0 + 0.15 * (outside.temperature - self._mean_c), 45.0 + 0.1 * (outside.humidity - 62.0), 0.0)
