"""Radio propagation: log-distance path loss with shadowing and fading.

Received power falls by 10 * exponent dB per decade of distance (Rappaport, *Wireless Communications*, ch. 4). Around that mean
there is shadowing, which belongs to the link and changes slowly (obstacles in between), and fading, which is drawn for every
advertisement.

A scenario either states both standard deviations (`LogDistance`) or has a `[radio.fading]` table with measured causes
(`measured.py`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from random import Random
from typing import Protocol

from firmware_sim.scenario import RadioRules
from firmware_sim.world.places import Spot

NEAREST_M = 0.5  # the far-field formula does not hold at shorter distances
LOUDEST_DBM = -20.0
SHADOW_MEMORY = 0.9  # correlation of a link's shadowing between consecutive advertisements
MARGIN_SIGMAS = 3.0  # margin of the range, in standard deviations


def mean_dbm(rules: RadioRules, distance_m: float) -> float:
    """Mean received power in dBm at a distance in metres."""
    return rules.rssi_1m_dbm - 10 * rules.exponent * math.log10(max(distance_m, NEAREST_M))


def reach_m(rules: RadioRules) -> float:
    """Distance in metres beyond which even a link with three standard deviations of margin stays below the floor."""
    fading = rules.fading
    if fading is None:
        margin_db = MARGIN_SIGMAS * math.hypot(rules.shadowing_db, rules.fading_db)
    else:
        spread_db = math.hypot(fading.place_db, fading.channel_db, fading.sample_db, fading.phone_db)
        margin_db = max(fading.channels_db) + MARGIN_SIGMAS * spread_db
    return float(10 ** ((rules.rssi_1m_dbm + margin_db - rules.floor_dbm) / (10 * rules.exponent)))


class Propagation(Protocol):
    """Links between fixed antennas and walkers, in either direction."""

    def heard(self, walker: int, spot: Spot, draws: Random, now_ms: int | None = None) -> Iterator[tuple[str, float]]:
        """Antennas with a successful link to this walker at this moment, with RSSI in dBm."""


class Grid:
    """Spatial index of antennas with cells as wide as the radio range, so that the cost per walker does not grow with the site."""

    def __init__(self, reach: float, antennas: Mapping[str, Spot]) -> None:
        self._reach_m = reach
        self._cells: dict[tuple[int, int], list[tuple[str, Spot]]] = defaultdict(list)
        for name, spot in antennas.items():
            self._cells[self.cell(spot)].append((name, spot))

    def near(self, spot: Spot) -> Iterator[tuple[str, Spot]]:
        """Antennas within range."""
        column, row = self.cell(spot)
        for x in (column - 1, column, column + 1):
            for y in (row - 1, row, row + 1):
                for name, antenna in self._cells.get((x, y), ()):
                    if spot.metres_to(antenna) <= self._reach_m:
                        yield name, antenna

    def cell(self, spot: Spot) -> tuple[int, int]:
        """Cell of a spot."""
        return math.floor(spot.x_m / self._reach_m), math.floor(spot.y_m / self._reach_m)


class LogDistance:
    """Fixed antennas and the link of every walker to each of them, with log-normal shadowing and fading."""

    def __init__(self, rules: RadioRules, antennas: Mapping[str, Spot]) -> None:
        self._rules = rules
        self._shadow_db: dict[tuple[int, str], float] = {}
        self._grid = Grid(reach_m(rules), antennas)

    def heard(self, walker: int, spot: Spot, draws: Random, now_ms: int | None = None) -> Iterator[tuple[str, float]]:  # noqa: ARG002
        """Antennas with a successful link to this walker at this moment, with RSSI in dBm."""
        rules = self._rules
        for name, antenna in self._grid.near(spot):
            shadow = self._shadowing(walker, name, draws)
            rssi = mean_dbm(rules, spot.metres_to(antenna)) + shadow + draws.gauss(0.0, rules.fading_db)
            lost = draws.random() < rules.lost_share
            if rssi >= rules.floor_dbm and not lost:
                yield name, min(rssi, LOUDEST_DBM)

    def _shadowing(self, walker: int, name: str, draws: Random) -> float:
        """First-order autoregression with standard deviation `shadowing_db`."""
        fresh = draws.gauss(0.0, self._rules.shadowing_db)
        before = self._shadow_db.get((walker, name))
        now = fresh if before is None else SHADOW_MEMORY * before + math.sqrt(1 - SHADOW_MEMORY**2) * fresh
        self._shadow_db[walker, name] = now
        return now
