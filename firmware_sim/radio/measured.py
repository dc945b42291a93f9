"""Radio propagation with the causes found in measured traces, fitted by `wayside-sim fit`.

In the traces each place has a shadowing of its own that stays constant while nothing moves; there the three advertising
channels differ widely (the weakest is some 18 dB below the strongest), and a scanner receives on one of them at a time. Added
to this are effects outside of the traces: bodies, walls, ceilings, differences between phones, and colliding advertisements
(pure ALOHA on each channel).
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

WAVES = 10  # plane waves in the sum
CELL_M = 0.25  # two wavelengths: beyond that the fading of the channels is independent
CHANNELS = 3
SECOND_MS = 1000


class Link(NamedTuple):
    """Constant part of a link while the walker stands still: level of each channel in dBm."""

    cell: tuple[int, int, int]
    levels_dbm: tuple[float, ...]


class ShadowingField:
    """Spatial shadowing field with mean 0, standard deviation `place_db` and correlation length `place_m` (sum of plane waves)."""

    def __init__(self, fading: Fading, draws: Random) -> None:
        self._scale = fading.place_db * math.sqrt(2 / WAVES)
        self._waves = [
            (draws.gauss(0.0, 1 / fading.place_m), draws.gauss(0.0, 1 / fading.place_m), draws.uniform(0.0, 2 * math.pi))
            for _ in range(WAVES)
        ]

    def at(self, spot: Spot) -> float:
        """Shadowing at a spot in dB."""
        return self._scale * sum(math.cos(east * spot.x_m + north * spot.y_m + phase) for east, north, phase in self._waves)


class MeasuredFading:
    """Fixed antennas and the link of every walker to each of them, with measured fading."""

    def __init__(self, scenario: Scenario, fading: Fading, antennas: Mapping[str, Spot], seed: int) -> None:
        self._scenario, self._rules, self._fading, self._seed = scenario, scenario.radio, fading, seed
        self._grid = Grid(reach_m(scenario.radio), antennas)
        self._shadowing = {name: ShadowingField(fading, generator(seed, "luck", name)) for name in antennas}
        self._links: dict[tuple[int, str], Link] = {}
        self._channel: dict[tuple[int, str], int] = {}
        self._phone_db: dict[int, float] = {}
        self._busy: Counter[tuple[int, tuple[int, int]]] = Counter()

    def heard(self, walker: int, spot: Spot, draws: Random, now_ms: int | None = None) -> Iterator[tuple[str, float]]:
        """Antennas with a successful link to this walker at this moment, with RSSI in dBm."""
        collides = self._collides(spot, now_ms)
        for name, antenna in self._grid.near(spot):
            level = self._link(walker, name, antenna, spot).levels_dbm[self._next_channel(walker, name, draws)]
            rssi = level + draws.gauss(0.0, self._fading.sample_db)
            lost = draws.random() < 1 - (1 - self._rules.lost_share) * (1 - collides)
            if rssi >= self._rules.floor_dbm and not lost:
                yield name, min(rssi, LOUDEST_DBM)

    def _next_channel(self, walker: int, name: str, draws: Random) -> int:
        """Channel on which the antenna receives this advertisement; rarely the same as before (`same_share`)."""
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
        """Levels of the three channels here: path loss, shadowing, obstacles and the fading of each channel."""
        fading, draws = self._fading, generator(self._seed, "channels", name, *cell)
        offsets = draws.sample(fading.channels_db, k=CHANNELS)
        middle = mean_dbm(self._rules, spot.metres_to(antenna)) + self._shadowing[name].at(spot) + self._phone(walker)
        middle -= self._body_db(walker, antenna, spot, cell) + walls_db(self._scenario.walls, spot, antenna)
        middle -= fading.ceiling_db * abs(spot.floor - antenna.floor)
        return tuple(middle + offset + draws.gauss(0.0, fading.channel_db) for offset in offsets)

    def _body_db(self, walker: int, antenna: Spot, spot: Spot, cell: tuple[int, int, int]) -> float:
        """Attenuation by the carrier's body: 0 facing the antenna, `body_db` facing away."""
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
        """Probability of a collision, from the number of advertisements nearby in the last second (pure ALOHA)."""
        if now_ms is None:
            return 0.0
        second, cell = now_ms // SECOND_MS, self._grid.cell(spot)
        if (second, cell) not in self._busy:
            self._busy = Counter({key: count for key, count in self._busy.items() if key[0] >= second - 1})
        self._busy[second, cell] += 1
        return 1 - math.exp(-2 * self._fading.airtime_us * 1e-6 * self._busy[second - 1, cell])


def build(scenario: Scenario, antennas: Mapping[str, Spot], seed: int) -> Propagation:
    """Propagation model of a scenario: `MeasuredFading` with a `[radio.fading]` table, else `LogDistance`."""
    rules: RadioRules = scenario.radio
    return LogDistance(rules, antennas) if rules.fading is None else MeasuredFading(scenario, rules.fading, antennas, seed)
