"""Radio as it was measured: whatever the size of luck summarises, from its causes.

In real traces a place has luck of its own that stays while nobody moves; the three advertising channels lie far apart there
(the weakest some 18 dB under the strongest), and a scanner hears now one, now another. On top come what no empty room shows:
bodies, walls, ceilings, phones that differ, and advertisements that collide (pure ALOHA on each channel).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from firmware_sim.draws import generator
from firmware_sim.radio.propagation import LOUDEST_DBM, Grid, LogDistance, Propagation, mean_dbm, reach_m
from firmware_sim.scenario import Fading, RadioRules, Scenario
from firmware_sim.world.places import Spot, walls_db

WAVES = 10  # plane waves that a place's luck is summed from
CELL_M = 0.25  # two wavelengths: further on, the channels' fades are others
CHANNELS = 3
SECOND_MS = 1000


class Link(NamedTuple):
    """What stays between a walker and an antenna while the walker stands still: the level of each channel in dBm."""

    cell: tuple[int, int, int]
    levels_dbm: tuple[float, ...]


class ShadowingField:
    """A field over the plane with mean 0, spread `place_db`, and a correlation that fades over `place_m` (sum of plane waves)."""

    def __init__(self, fading: Fading, draws: Random) -> None:
        self._scale = fading.place_db * math.sqrt(2 / WAVES)
        self._waves = [
            (draws.gauss(0.0, 1 / fading.place_m), draws.gauss(0.0, 1 / fading.place_m), draws.uniform(0.0, 2 * math.pi))
            for _ in range(WAVES)
        ]

    def at(self, spot: Spot) -> float:
        """The luck of a spot in dB."""
        return self._scale * sum(math.cos(east * spot.x_m + north * spot.y_m + phase) for east, north, phase in self._waves)


class MeasuredFading:
    """Fixed antennas and every walker's link to each of them."""

    def __init__(self, scenario: Scenario, fading: Fading, antennas: Mapping[str, Spot], seed: int) -> None:
        self._scenario, self._rules, self._fading, self._seed = scenario, scenario.radio, fading, seed
        self._grid = Grid(reach_m(scenario.radio), antennas)
        self._shadowing = {name: ShadowingField(fading, generator(seed, "luck", name)) for name in antennas}
        self._links: dict[tuple[int, str], Link] = {}
        self._channel: dict[tuple[int, str], int] = {}
        self._phone_db: dict[int, float] = {}
        self._busy: Counter[tuple[int, tuple[int, int]]] = Counter()

    def heard(self, walker: int, spot: Spot, draws: Random, now_ms: int | None = None) -> Iterator[tuple[str, float]]:
        """Antennas that this walker's advertisement reaches (or whose reaches them), with RSSI in dBm."""
        collides = self._collides(spot, now_ms)
        for name, antenna in self._grid.near(spot):
            level = self._link(walker, name, antenna, spot).levels_dbm[self._next_channel(walker, name, draws)]
            rssi = level + draws.gauss(0.0, self._fading.sample_db)
            lost = draws.random() < 1 - (1 - self._rules.lost_share) * (1 - collides)
            if rssi >= self._rules.floor_dbm and not lost:
                yield name, min(rssi, LOUDEST_DBM)

    def _next_channel(self, walker: int, name: str, draws: Random) -> int:
        """The channel on which the antenna hears this advertisement: seldom the one of the last."""
        before = self._channel.get((walker, name))
        if before is None:
            now = draws.randrange(CHANNELS)
        else:
            now = before if draws.random() < self._fading.same_share else (before + draws.choice((1, 2))) % CHANNELS
        self._channel[walker, name] = now
        return now

    def _link(self, walker: int, name: str, antenna: Spot, spot: Spot) -> Link:
        cell = math.floor(spot.x_m / CELL_M), math.floor(spot.y_m / CELL_M), spot.floor
        link = self._links.get((walker, name))
        if link is None or link.cell != cell:
            link = self._links[walker, name] = Link(cell, self._levels(walker, name, antenna, spot, cell))
        return link

    def _levels(self, walker: int, name: str, antenna: Spot, spot: Spot, cell: tuple[int, int, int]) -> tuple[float, ...]:
        """The three channels' levels here: the line, the place's luck, what stands between, and each channel's own fade."""
        fading, draws = self._fading, generator(self._seed, "channels", name, *cell)
        offsets = draws.sample(fading.channels_db, k=CHANNELS)
        middle = mean_dbm(self._rules, spot.metres_to(antenna)) + self._shadowing[name].at(spot) + self._phone(walker)
        middle -= self._body_db(walker, antenna, spot, cell) + walls_db(self._scenario.walls, spot, antenna)
        middle -= fading.ceiling_db * abs(spot.floor - antenna.floor)
        return tuple(middle + offset + draws.gauss(0.0, fading.channel_db) for offset in offsets)

    def _body_db(self, walker: int, antenna: Spot, spot: Spot, cell: tuple[int, int, int]) -> float:
        """What the carrier's own body takes: nothing when they face the antenna, all of `body_db` when it is behind them."""
        if not self._fading.body_db:
            return 0.0
        faces = generator(self._seed, "facing", walker, *cell).uniform(0.0, 2 * math.pi)
        towards = math.atan2(antenna.y_m - spot.y_m, antenna.x_m - spot.x_m)
        return self._fading.body_db * (1 - math.cos(faces - towards)) / 2

    def _phone(self, walker: int) -> float:
        if walker not in self._phone_db:
            self._phone_db[walker] = generator(self._seed, "loudness", walker).gauss(0.0, self._fading.phone_db)
        return self._phone_db[walker]

    def _collides(self, spot: Spot, now_ms: int | None) -> float:
        """The chance that another advertisement is on the air at the same time, by how many there were a second ago."""
        if now_ms is None:
            return 0.0
        second, cell = now_ms // SECOND_MS, self._grid.cell(spot)
        if (second, cell) not in self._busy:
            self._busy = Counter({key: count for key, count in self._busy.items() if key[0] >= second - 1})
        self._busy[second, cell] += 1
        return 1 - math.exp(-2 * self._fading.airtime_us * 1e-6 * self._busy[second - 1, cell])


def build(scenario: Scenario, antennas: Mapping[str, Spot], seed: int) -> Propagation:
    """The air that a scenario asks for."""
    rules: RadioRules = scenario.radio
    return LogDistance(rules, antennas) if rules.fading is None else MeasuredFading(scenario, rules.fading, antennas, seed)
