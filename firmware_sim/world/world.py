"""State of the environment as a function of time: zones, clock, weather, opening hours and incidents.

There are two time scales. Published time is the time of the MQTT messages; street time runs `speed` times as fast, so that a
demo of one minute shows twenty minutes of street. People and weather live in street time, devices in published time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from firmware_sim.draws import generator
from firmware_sim.scenario import Origin, Scenario, Zone
from firmware_sim.world.hours import WEEK_MIN, Weekly, moment_min
from firmware_sim.world.places import Spot
from firmware_sim.world.routes import Routes

EARTH_RADIUS_M = 6_371_000.0
RAIN_BLOCK_S = 600  # rain is constant for ten minutes
DAY_S = 86_400
EPOCH_MIN = 3 * 1440  # 1 January 1970 was a Thursday


class Weather(NamedTuple):
    """Air temperature in °C, relative humidity in %, rain in mm/h."""

    temperature: float
    humidity: float
    precipitation: float


def degrees(spot: Spot, origin: Origin) -> tuple[float, float]:
    """Latitude and longitude in degrees: equirectangular projection around the origin, with an error of centimetres within a site."""
    north = math.degrees(spot.y_m / EARTH_RADIUS_M)
    east = math.degrees(spot.x_m / (EARTH_RADIUS_M * math.cos(math.radians(origin.latitude_deg))))
    return origin.latitude_deg + north, origin.longitude_deg + east


class World:
    """Environment of one scenario, seed, start and speed."""

    def __init__(self, scenario: Scenario, seed: int, start_ms: int, speed: float) -> None:
        self.scenario = scenario
        self.seed = seed
        self.start_ms = start_ms
        self.speed = speed
        self.zones: dict[str, Zone] = {zone.id: zone for zone in scenario.zones}
        self.routes = Routes(scenario.waypoints)
        self.happenings = [(item, Weekly(item.hours)) for item in scenario.happenings]
        self.incidents = [(item, Weekly(item.hours)) for item in scenario.incidents]
        self._hours = {zone.id: Weekly(zone.hours) for zone in scenario.zones if zone.hours}
        from_start = EPOCH_MIN + start_ms / 60_000 + scenario.clock_offset_min
        self._clock_min = from_start if scenario.clock is None else moment_min(scenario.clock)
        drawn_c = generator(seed, "climate").uniform(6.0, 22.0)
        self._mean_c = drawn_c if scenario.climate.mean_c is None else scenario.climate.mean_c
        self._rain_mm_h: dict[int, float] = {}

    def street_s(self, published_ms: float) -> float:
        """Street time in seconds at `published_ms`."""
        return published_ms / 1000 * self.speed

    def published_ms(self, street_s: float) -> int:
        """Published time in milliseconds at `street_s`, rounded up."""
        return math.ceil(street_s * 1000 / self.speed)

    def minute(self, street_s: float) -> float:
        """Local minute of the week at `street_s`, 0 on Monday 00:00."""
        return (self._clock_min + street_s / 60) % WEEK_MIN

    def spot(self, zone_id: str) -> Spot:
        """Middle of a zone."""
        zone = self.zones[zone_id]
        return Spot(zone.x_m, zone.y_m, zone.floor)

    def contains(self, zone: Zone, spot: Spot) -> bool:
        """Whether a spot lies in a zone."""
        if spot.floor != zone.floor:
            return False
        if zone.width_m is not None and zone.depth_m is not None:
            return abs(spot.x_m - zone.x_m) <= zone.width_m / 2 and abs(spot.y_m - zone.y_m) <= zone.depth_m / 2
        return spot.metres_to(Spot(zone.x_m, zone.y_m, zone.floor)) <= zone.radius_m

    def is_open(self, zone_id: str, street_s: float) -> bool:
        """Whether the zone is open: within its hours and without an incident."""
        minute = self.minute(street_s)
        hours = self._hours.get(zone_id)
        return (hours is None or hours.holds(minute)) and not self.incident(zone_id, street_s)

    def incident(self, zone_id: str, street_s: float) -> bool:
        """Whether an incident is going on in the zone."""
        minute = self.minute(street_s)
        return any(item.zone == zone_id and hours.holds(minute) for item, hours in self.incidents)

    def closes_s(self, zone_id: str, street_s: float) -> float:
        """Street time in seconds at which the zone closes or an incident begins there; infinite if neither is planned."""
        minute = self.minute(street_s)
        hours = self._hours.get(zone_id)
        left_min = math.inf if hours is None else hours.ends_in_min(minute)
        starts = (begins.begins_in_min(minute) for item, begins in self.incidents if item.zone == zone_id)
        return street_s + 60 * min(left_min, min(starts, default=math.inf))

    def pull(self, zone: Zone, street_s: float) -> float:
        """Attraction of a zone at a moment, 0 if it is closed: base attraction times the curve of its kind, happenings and rain."""
        if not self.is_open(zone.id, street_s):
            return 0.0
        minute, scenario = self.minute(street_s), self.scenario
        curve = scenario.curves.get(zone.kind or "open")
        pull = zone.attraction * (curve.at(minute) if curve is not None else 1.0)
        for item, hours in self.happenings:
            if item.zone == zone.id and hours.begins_in_min(minute) <= item.before_min:
                pull *= item.pull
        return pull * scenario.choices.rain_outdoors if zone.outdoors and self.raining(street_s) else pull

    def arrivals(self, street_s: float) -> float:
        """Factor on the arrival rate at a moment, from rhythm and happenings."""
        rhythm, minute = self.scenario.rhythm, self.minute(street_s)
        flow = rhythm.arrivals.at(minute) if rhythm is not None else 1.0
        for item, hours in self.happenings:
            if hours.begins_in_min(minute) <= item.before_min:
                flow *= item.arrivals
        return flow

    def raining(self, street_s: float) -> bool:
        """Whether it rains."""
        return self._rain(int(street_s // RAIN_BLOCK_S)) > 0.0

    def weather(self, street_s: float) -> Weather:
        """Outdoor weather: a daily wave around the climate of the seed, and rain in blocks of ten minutes."""
        rain = self._rain(int(street_s // RAIN_BLOCK_S))
        wave = math.sin(2 * math.pi * street_s / DAY_S)
        cooling = 1.5 if rain else 0.0
        return Weather(self._mean_c + 4.0 * wave - cooling, 88.0 if rain else 62.0 - 8.0 * wave, min(rain, 40.0))

    def indoors(self, street_s: float) -> Weather:
        """Indoor climate: mild, dry, following the outdoor temperature with a factor of 0.15."""
        outside = self.weather(street_s)
        return Weather(21.0 + 0.15 * (outside.temperature - self._mean_c), 45.0 + 0.1 * (outside.humidity - 62.0), 0.0)

    def _rain(self, block: int) -> float:
        """Rain of a block of ten minutes in mm/h."""
        if block not in self._rain_mm_h:
            draws, climate = generator(self.seed, "rain", block), self.scenario.climate
            self._rain_mm_h[block] = draws.expovariate(1 / climate.rain_mm_h) if draws.random() < climate.rain_share else 0.0
        return self._rain_mm_h[block]
