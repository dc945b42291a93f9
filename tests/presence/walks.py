"""Simulated walks with the real traces' noise: who was where, and what was heard of it.

A street of four zones, two of them neighbours in one building. People come along the street, stay somewhere, go on to the
neighbour or away; others pass by on the far side and go in nowhere. A phone is heard about once a second by every scanner it
reaches, one sighting in ten is lost. Levels are path loss, a place's own luck that changes within metres, and for each
advertising channel a fade that is drawn anew with every step and stays while nobody moves (`tests.presence.noise`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from gateway.core import radio
from gateway.core.presence import PresenceRules
from tests.presence.noise import Noise

ANCHORS: dict[str, tuple[float, float]] = {"corner": (0.0, 0.0), "hall": (60.0, 0.0), "shop": (120.0, 0.0), "bar": (134.0, 0.0)}
"""Where each zone's scanner hangs: the last two are neighbours."""

FLOOR_DBM = -100.0
HEARD_EVERY_MS = 1000
JITTER_MS = 100
LOST_SHARE = 0.1
PACE_M_PER_S = (1.0, 1.5)
STAY_S = (15.0, 240.0)
SHIFT_EVERY_S = 15.0  # who stays shifts from one foot to the other
STEP_M = 0.06  # half a wavelength: here every channel fades differently
LUCK_M = 2.0  # within so many metres a place's luck is forgotten
KERB_M, FAR_SIDE_M = 3.0, 22.0
TICK_MS = 100
BAND_SDS = 2.0  # within two standard deviations of a place's luck around a threshold either word is right

Spot = tuple[float, float]


class Heard(NamedTuple):
    """A scanner heard the walker."""

    at_ms: int
    zone: str
    rssi_dbm: float


class Visit(NamedTuple):
    """When a visit began and ended: in truth, or as announced."""

    zone: str
    from_ms: int
    until_ms: int


class Walk(NamedTuple):
    """What happened (`inside`: surely in a zone; `near`: perhaps; `reach`: not surely out) and what was heard of it."""

    heard: list[Heard]
    inside: list[Visit]
    near: list[Visit]
    reach: list[Visit]


class Bands(NamedTuple):
    """Metres from an anchor: surely inside within the first, perhaps inside within the second, surely out beyond the third."""

    inside_m: float
    near_m: float
    reach_m: float


def bands(rules: PresenceRules, noise: Noise) -> Bands:
    """What the rules' thresholds mean on the ground, give or take a place's luck."""
    slack_db = BAND_SDS * noise.place_sd_db

    def metres(level_dbm: float) -> float:
        return radio.distance_m(level_dbm, noise.reference_dbm, noise.exponent)

    return Bands(metres(rules.enter_dbm + slack_db), metres(rules.enter_dbm - slack_db), metres(rules.exit_dbm - slack_db))


def make_walk(draws: Random, noise: Noise, rules: PresenceRules) -> Walk:
    """One person's walk; where they go is drawn."""
    goals = draws.choice((("corner",), ("hall",), ("shop",), ("bar",), ("shop", "bar"), ("bar", "shop"), ("corner", "hall"), ()))
    path = list(_path(goals, draws))
    return Walk(list(_hear(path, noise, draws)), *(list(_within(path, metres)) for metres in bands(rules, noise)))


def stand(spot: Spot, seconds: int, draws: Random, noise: Noise) -> list[Heard]:
    """What is heard of somebody who stands at one spot."""
    return list(_hear(list(_stay(spot, seconds * 1000, draws)), noise, draws))


def _path(goals: Sequence[str], draws: Random) -> Iterator[Spot]:
    """A spot for every tick."""
    side = KERB_M if goals else FAR_SIDE_M
    start, end = ((-120.0, side), (260.0, side))[:: draws.choice((1, -1))]
    pace = draws.uniform(*PACE_M_PER_S)
    at = start
    for goal in goals:
        x, y = ANCHORS[goal]
        angle, away = draws.uniform(0, 2 * math.pi), draws.uniform(0.5, 1.5)
        target = (x + away * math.cos(angle), y + away * math.sin(angle))
        yield from _go(at, (x, side), pace)
        yield from _go((x, side), target, pace)
        yield from _stay(target, int(1000 * draws.uniform(*STAY_S)), draws)
        yield from _go(target, (x, side), pace)
        at = (x, side)
    yield from _go(at, end, pace)


def _go(start: Spot, end: Spot, pace: float) -> Iterator[Spot]:
    steps = max(1, round(math.dist(start, end) / pace * 1000 / TICK_MS))
    for step in range(steps):
        share = step / steps
        yield start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _stay(spot: Spot, stay_ms: int, draws: Random) -> Iterator[Spot]:
    here = spot
    for tick in range(stay_ms // TICK_MS):
        if tick % int(SHIFT_EVERY_S * 1000 / TICK_MS) == 0:
            here = (spot[0] + draws.uniform(-0.2, 0.2), spot[1] + draws.uniform(-0.2, 0.2))
        yield here


class _Link:
    """The luck between the walker and one scanner."""

    def __init__(self, noise: Noise, draws: Random) -> None:
        self._noise, self._draws = noise, draws
        self._spot: Spot | None = None
        self._place_db = draws.gauss(0.0, noise.place_sd_db)
        self._channels_db: tuple[float, ...] = ()

    def level_dbm(self, spot: Spot, anchor: Spot) -> float:
        noise, draws = self._noise, self._draws
        moved_m = math.inf if self._spot is None else math.dist(self._spot, spot)
        if moved_m >= STEP_M:
            memory = math.exp(-moved_m / LUCK_M)
            self._place_db = memory * self._place_db + draws.gauss(0.0, noise.place_sd_db * math.sqrt(1 - memory * memory))
            self._channels_db = tuple(draws.gauss(*one) for one in zip(noise.channel_db, noise.channel_sd_db, strict=True))
            self._spot = spot
        mean_dbm = radio.level_dbm(math.dist(spot, anchor), noise.reference_dbm, noise.exponent)
        return mean_dbm + self._place_db + draws.choice(self._channels_db) + draws.gauss(0.0, noise.sample_sd_db)


def _hear(path: Sequence[Spot], noise: Noise, draws: Random) -> Iterator[Heard]:
    links = {zone: _Link(noise, draws) for zone in ANCHORS}
    for sent_ms in range(0, len(path) * TICK_MS, HEARD_EVERY_MS):
        at_ms = sent_ms + draws.randrange(JITTER_MS)
        for zone, anchor in ANCHORS.items():
            level = links[zone].level_dbm(path[sent_ms // TICK_MS], anchor)
            if level >= FLOOR_DBM and draws.random() >= LOST_SHARE:
                yield Heard(at_ms, zone, round(level))


def _within(path: Sequence[Spot], metres: float) -> Iterator[Visit]:
    """The stretches of a path that lie within so many metres of an anchor."""
    for zone, anchor in ANCHORS.items():
        since: int | None = None
        for tick, spot in enumerate(path):
            is_in = math.dist(spot, anchor) <= metres
            if is_in and since is None:
                since = tick
            elif not is_in and since is not None:
                yield Visit(zone, since * TICK_MS, tick * TICK_MS)
                since = None
        if since is not None:
            yield Visit(zone, since * TICK_MS, len(path) * TICK_MS)
