"""Simulated walks with the real traces' noise: who was where, and what was heard of it.

A street of four zones, two of them neighbours in one building. People come along the street, stay somewhere, go on to the
neighbour or away; others pass by on the far side and go in nowhere. A phone is heard up to four times a second by every scanner it
reaches, three sightings in ten are lost. Levels are path loss, a place's own luck that changes within metres, and for each
advertising channel a fade that changes with every step and stays while nobody moves (`tests.presence.noise`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from gateway.core import radio
from gateway.core.presence import PresenceRules
from tests.presence.noise import Noise

ANCHORS: dict[str, tuple[float, float]] = {"corner": (0.0, 0.0), "hall": (60.0, 0.0), "shop": (120.0, 0.0), "bar": (134.0, 0.0)}
"""Where each zone's scanner hangs: the last two are neighbours."""

FLOOR_DBM = -100.0
HEARD_EVERY_MS = 250  # an iBeacon advertises every 100 ms; this one saves its battery
JITTER_MS = 100
LOST_SHARE = 0.3  # a scanner listens to one channel at a time
PACE_M_PER_S = (1.0, 1.5)
STAY_S = (15.0, 240.0)
SHIFT_EVERY_S = 15.0  # who stays shifts from one foot to the other
STEP_M = 0.06  # half a wavelength: here every channel fades differently
LUCK_M, LUCK_WAVES = 2.0, 8  # a place's luck is a sum of so many waves about so long
KERB_M, FAR_SIDE_M = 3.0, 22.0
TICK_MS = 100
BAND_SDS = 3.0  # within what 99.7 % of a place's luck may do around a threshold either word is right

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
    """What was heard of somebody, and where they were: surely inside a zone, perhaps inside, and not surely out of its reach.

    Sure is what 99.7 % of places agree on: the path-loss line clears the threshold, and the margin over every other zone, by so much.
    """

    heard: list[Heard]
    inside: list[Visit]
    near: list[Visit]
    reach: list[Visit]


def make_walk(draws: Random, noise: Noise, rules: PresenceRules) -> Walk:
    """One person's walk; where they go is drawn."""
    goals = draws.choice((("corner",), ("hall",), ("shop",), ("bar",), ("shop", "bar"), ("bar", "shop"), ("corner", "hall"), ()))
    path = list(_path(goals, draws))
    slack_db = BAND_SDS * noise.place_sd_db
    bars = (
        (rules.enter_dbm + slack_db, rules.margin_db + slack_db),
        (rules.enter_dbm - slack_db, -rules.margin_db - slack_db),
        (rules.exit_dbm - slack_db, -math.inf),
    )
    return Walk(list(_hear(path, noise, draws)), *(list(_within(path, noise, *bar)) for bar in bars))


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
        self._channels_db: dict[tuple[int, int], tuple[float, ...]] = {}
        turns = [draws.uniform(0, 2 * math.pi) for _ in range(LUCK_WAVES)]
        self._waves = [(math.cos(turn) / LUCK_M, math.sin(turn) / LUCK_M, draws.uniform(0, 2 * math.pi)) for turn in turns]

    def level_dbm(self, spot: Spot, anchor: Spot) -> float:
        noise, draws = self._noise, self._draws
        cell = (round(spot[0] / STEP_M), round(spot[1] / STEP_M))
        if cell not in self._channels_db:
            fades = [draws.gauss(*one) for one in zip(noise.channel_db, noise.channel_sd_db, strict=True)]
            self._channels_db[cell] = tuple(draws.sample(fades, len(fades)))
        waves = sum(math.cos(x * spot[0] + y * spot[1] + phase) for x, y, phase in self._waves)
        luck_db = noise.place_sd_db * math.sqrt(2 / LUCK_WAVES) * waves
        mean_dbm = radio.level_dbm(math.dist(spot, anchor), noise.reference_dbm, noise.exponent)
        return mean_dbm + luck_db + draws.choice(self._channels_db[cell]) + draws.gauss(0.0, noise.sample_sd_db)


def _hear(path: Sequence[Spot], noise: Noise, draws: Random) -> Iterator[Heard]:
    links = {zone: _Link(noise, draws) for zone in ANCHORS}
    for sent_ms in range(0, len(path) * TICK_MS, HEARD_EVERY_MS):
        at_ms = sent_ms + draws.randrange(JITTER_MS)
        for zone, anchor in ANCHORS.items():
            level = links[zone].level_dbm(path[sent_ms // TICK_MS], anchor)
            if level >= FLOOR_DBM and draws.random() >= LOST_SHARE:
                yield Heard(at_ms, zone, round(level))


def _within(path: Sequence[Spot], noise: Noise, least_dbm: float, lead_db: float) -> Iterator[Visit]:
    """The stretches of a path where a zone is expected to hear so much, and by so much better than all others."""
    away_m = np.hypot(*(np.array(path)[:, None, :] - np.array(list(ANCHORS.values()))).transpose(2, 0, 1))
    levels = noise.reference_dbm - 10.0 * noise.exponent * np.log10(np.maximum(away_m, radio.DISTANCE_M_MIN))
    for index, zone in enumerate(ANCHORS):
        others = np.delete(levels, index, axis=1).max(axis=1)
        is_in = (levels[:, index] >= least_dbm) & (levels[:, index] - others >= lead_db)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], is_in, [False]))))
        yield from (Visit(zone, int(start) * TICK_MS, int(end) * TICK_MS) for start, end in edges.reshape(-1, 2))
