"""Surroundings of a device: air, advertisements, people and position.

On a street they come from the simulated world. A fleet of thousands has no world: each device gets a small weather and a few
passers-by, computed from its number and the time.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple, Protocol

from firmware_sim.devices import ble
from firmware_sim.draws import generator

HOUR_MS = 3_600_000
APP_UUID = "5a1e0000-0000-4000-8000-0000000000ff"
POWER_DBM = -52
ROTATION_MS = 900_000
STAGGER_MS = 7_919


class Air(NamedTuple):
    """Temperature in °C, humidity in %, pressure in hPa, illuminance in lx, rain in mm/h."""

    temperature_c: float
    humidity_pct: float
    pressure_hpa: float
    illuminance_lx: float
    rain_mm_h: float


class Surroundings(Protocol):
    """Surroundings of one device. All times are published milliseconds."""

    site: str

    def air(self, now_ms: int) -> Air:
        """Air at the device."""

    def heard(self, now_ms: int) -> list[tuple[ble.Advertisement, float]]:
        """Advertisements received since the last call, with RSSI in dBm."""

    def people(self, now_ms: int) -> int:
        """Number of people at the device."""

    def spot(self, now_ms: int) -> tuple[float, float]:
        """Latitude and longitude in degrees."""


class FleetSurroundings:
    """Surroundings of one device of a fleet: sine waves with phases of its own, and `passers` passers-by in turn."""

    def __init__(self, site: str, seed: int, number: int, passers: int = 5) -> None:
        self.site = site
        self._seed, self._number, self._passers = seed, number, passers
        draws = generator(seed, "alone", number)
        self._phase = draws.uniform(0.0, 2 * math.pi)
        self._mean_c = draws.uniform(8.0, 20.0)
        self._latitude, self._longitude = 52.52 + draws.uniform(-0.05, 0.05), 13.405 + draws.uniform(-0.05, 0.05)
        self._turn = -1
        self._adverts: list[ble.Advertisement] = []
        self._polls = 0

    def air(self, now_ms: int) -> Air:
        """Two waves, one with a period of a day and one of about four minutes."""
        wave = math.sin(self._phase + now_ms / HOUR_MS * math.pi / 12)
        ripple = math.sin(self._phase + now_ms / 40_000)
        rain = max(0.0, 2.0 * ripple - 1.0)
        return Air(self._mean_c + 4 * wave + 0.2 * ripple, 60 - 10 * wave, 1013 + 5 * wave, 5_000 + 4_900 * wave, rain)

    def heard(self, now_ms: int) -> list[tuple[ble.Advertisement, float]]:
        """One advertisement per call, of the passers-by in turn."""
        turn = (now_ms + self._number * STAGGER_MS) // ROTATION_MS  # staggered, so that the devices of a fleet do not all rotate at once
        if turn != self._turn:
            draws = generator(self._seed, "passers", self._number, turn)
            self._turn, self._adverts = turn, [self._advert(passer, draws) for passer in range(self._passers)]
        self._polls += 1
        rssi_dbm = -64.0 - 8.0 * math.sin(self._phase + self._polls)
        return [(self._adverts[self._polls % self._passers], rssi_dbm)]

    def people(self, now_ms: int) -> int:
        """Between 0 and 8, slowly changing."""
        return round(4 + 4 * math.sin(self._phase + now_ms / 20_000))

    def spot(self, now_ms: int) -> tuple[float, float]:
        """Position on an ellipse with radii of about forty metres."""
        angle = self._phase + now_ms / 30_000
        return self._latitude + 0.00036 * math.sin(angle), self._longitude + 0.0006 * math.cos(angle)

    def _advert(self, passer: int, draws: Random) -> ble.Advertisement:
        number = self._number * self._passers + passer
        return ble.ibeacon(ble.private_address(draws), ble.IBeacon(APP_UUID, 1000 + number // 1000 % 64_000, number % 1000, POWER_DBM))
