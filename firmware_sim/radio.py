"""What one radio hears of another: log-distance path loss with shadowing and fading.

Received power falls by 10 * exponent dB for every tenfold distance (Rappaport, *Wireless Communications*,
ch. 4). Around that mean lie two kinds of luck: shadowing, which belongs to the link and changes slowly
(who stands in between), and fading, which is new with every advertisement.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from random import Random

from firmware_sim.scenario import RadioRules
from firmware_sim.world import Spot

NEAREST_M = 0.5  # closer than this the far-field formula means nothing
SHADOW_MEMORY = 0.9  # correlation of a link's shadowing from one advertisement to the next
LUCK_SIGMAS = 3.0  # how lucky a link may be and still be considered at all


def mean_dbm(rules: RadioRules, distance_m: float) -> float:
    """Mean received power at a distance."""
    return rules.rssi_1m_dbm - 10 * rules.exponent * math.log10(max(distance_m, NEAREST_M))


def reach_m(rules: RadioRules) -> float:
    """The distance beyond which even a lucky link stays under the floor."""
    luck_db = LUCK_SIGMAS * math.hypot(rules.shadowing_db, rules.fading_db)
    return float(10 ** ((rules.rssi_1m_dbm + luck_db - rules.floor_dbm) / (10 * rules.exponent)))


class Ether:
    """All fixed antennas of one sort (scanners, or beacons) and every walker's link to each of them.

    Antennas are kept in a grid of cells as wide as radio reaches, so that a walker in a large city costs
    as much as one on a street.
    """

    def __init__(self, rules: RadioRules, antennas: Mapping[str, Spot]) -> None:
        self._rules = rules
        self._reach_m = reach_m(rules)
        self._shadow_db: dict[tuple[int, str], float] = {}
        self._cells: dict[tuple[int, int], list[tuple[str, Spot]]] = defaultdict(list)
        for name, spot in antennas.items():
            self._cells[self._cell(spot)].append((name, spot))

    def heard(self, walker: int, spot: Spot, draws: Random) -> Iterator[tuple[str, float]]:
        """Antennas that this walker's advertisement reaches (or whose reaches them), with RSSI in dBm."""
        rules = self._rules
        for name, antenna in self._near(spot):
            shadow = self._shadowing(walker, name, draws)
            rssi = mean_dbm(rules, spot.metres_to(antenna)) + shadow + draws.gauss(0.0, rules.fading_db)
            lost = draws.random() < rules.lost_share
            if rssi >= rules.floor_dbm and not lost:
                yield name, min(rssi, -20.0)

    def _shadowing(self, walker: int, name: str, draws: Random) -> float:
        """A first-order autoregression whose spread stays `shadowing_db`."""
        fresh = draws.gauss(0.0, self._rules.shadowing_db)
        before = self._shadow_db.get((walker, name))
        now = fresh if before is None else SHADOW_MEMORY * before + math.sqrt(1 - SHADOW_MEMORY**2) * fresh
        self._shadow_db[walker, name] = now
        return now

    def _near(self, spot: Spot) -> Iterator[tuple[str, Spot]]:
        column, row = self._cell(spot)
        for x in (column - 1, column, column + 1):
            for y in (row - 1, row, row + 1):
                for name, antenna in self._cells.get((x, y), ()):
                    if spot.metres_to(antenna) <= self._reach_m:
                        yield name, antenna

    def _cell(self, spot: Spot) -> tuple[int, int]:
        return math.floor(spot.x_m / self._reach_m), math.floor(spot.y_m / self._reach_m)
