"""Two models of the level at a distance, a plain one and the simulator's, fitted on the same traces.

Plain: a line over the logarithm of the distance, and one normal distribution of all samples around it. Ours: the same line, a
shadowing drawn once per place, offsets of the three channels drawn once per place, and a small scatter per sample. For a
receiver with a sensitivity floor our model treats missed receptions as censored, so that the received rest does not bias the
mean upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.radio.fit.traces import Levels, Trace
from firmware_sim.scenario import Fading

CHANNELS = 3
STEPS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)

Line = tuple[float, float]
"""Level at one metre in dBm, and path-loss exponent."""


class Plain(NamedTuple):
    """Normal distribution around the line."""

    sample_db: float

    def draw(self, places: int, samples: int, rng: np.random.Generator) -> Levels:
        """Deviations from the line in dB, one row per place."""
        return rng.normal(0.0, self.sample_db, (places, samples))


class Parts(NamedTuple):
    """The simulator's model: the parameters of `Fading`, drawn as whole arrays."""

    fading: Fading

    def draw(self, places: int, samples: int, rng: np.random.Generator) -> Levels:
        """Deviations from the line in dB, one row per place."""
        fading = self.fading
        place = rng.normal(0.0, fading.place_db, (places, 1))
        offsets = np.array(fading.channels_db) + rng.normal(0.0, fading.channel_db, (places, CHANNELS))
        turn = np.zeros((places, samples), dtype=np.int64)
        turn[:, 0] = rng.integers(0, CHANNELS, places)
        for index in range(1, samples):
            moves = np.where(rng.random(places) < fading.same_share, 0, rng.integers(1, CHANNELS, places))
            turn[:, index] = (turn[:, index - 1] + moves) % CHANNELS
        return np.asarray(np.round(place + np.take_along_axis(offsets, turn, 1) + rng.normal(0.0, fading.sample_db, (places, samples)), 1))


Model = Plain | Parts


def line(traces: Sequence[Trace]) -> Line:
    """Least-squares line through the means of traces."""
    design = np.array([(1.0, -10.0 * np.log10(trace.distance_m)) for trace in traces])
    reference, exponent = np.linalg.lstsq(design, np.array([trace.levels.mean() for trace in traces]), rcond=None)[0]
    return float(reference), float(exponent)


def expected(one: Line, distance_m: float) -> float:
    """Level of the line at a distance, in dBm."""
    return one[0] - 10.0 * one[1] * float(np.log10(distance_m))


def _by_room(traces: Sequence[Trace]) -> list[tuple[Trace, float]]:
    """Every trace with the level that the line of its room predicts."""
    lines = {room: line([trace for trace in traces if trace.room == room]) for room in {trace.room for trace in traces}}
    return [(trace, expected(lines[trace.room], trace.distance_m)) for trace in traces]


def plain(traces: Sequence[Trace]) -> Plain:
    """Plain model: standard deviation of all samples around the lines of the rooms."""
    return Plain(float(np.concatenate([trace.levels - middle for trace, middle in _by_room(traces)]).std()))


def parts(traces: Sequence[Trace]) -> Parts:
    """The simulator's model by moments. Each channel contributes a third of a trace's samples, so sorted thirds are the channels."""
    known = _by_room(traces)
    place = np.array([trace.levels.mean() - middle for trace, middle in known])
    thirds = [np.array_split(np.sort(trace.levels - trace.levels.mean())[::-1], CHANNELS) for trace, _ in known]
    middles = np.array([[third.mean() for third in one] for one in thirds])
    between = middles.std(axis=0)
    within = np.mean([third.std() for one in thirds for third in one])
    total = np.mean([trace.levels.var() for trace, _ in known])
    memory = np.mean([np.corrcoef(trace.levels[1:], trace.levels[:-1])[0, 1] for trace, _ in known])
    high, middle, low = across = middles.mean(axis=0)
    # the autocorrelation is (same - (1 - same) / 2) of the variance between channels
    same = (2 * memory * total / np.mean(np.square(across)) + 1) / 3
    return Parts(
        Fading(
            place_db=round(float(place.std()), 2),
            channels_db=(round(float(high), 2), round(float(middle), 2), round(float(low), 2)),
            channel_db=round(float(between.mean()), 2),
            sample_db=round(float(within), 2),
            same_share=round(float(np.clip(same, 0.0, 1.0)), 2),
        )
    )


class Censored(NamedTuple):
    """Levels at a distance with a sensitivity floor: normal around a line, received with a probability that rises around the floor."""

    reference_dbm: float
    exponent: float
    spread_db: float
    floor_dbm: float
    soft_db: float

    def log_likelihood(self, levels: Levels, metres: Levels, unheard: Levels, unheard_metres: Levels) -> float:
        """Log-likelihood of received levels and of missed receptions, each with distances in metres."""
        spread = self.spread_db
        middle = self.reference_dbm - 10 * self.exponent * np.log10(metres)
        deviation = (levels - middle) / spread
        heard = -0.5 * deviation**2 - np.log(spread) + np.log(np.maximum(_share((levels - self.floor_dbm) / self.soft_db), 1e-12))
        return float(heard.sum() + (unheard * np.log(np.maximum(1 - self.heard_share(unheard_metres), 1e-12))).sum())

    def heard_share(self, metres: Levels) -> Levels:
        """Probability of reception at a distance."""
        middle = self.reference_dbm - 10 * self.exponent * np.log10(metres)
        return _share((middle - self.floor_dbm) / np.hypot(self.soft_db, self.spread_db))

    def draw(self, metres: float, samples: int, rng: np.random.Generator) -> Levels:
        """Received levels in dBm at a distance."""
        middle = self.reference_dbm - 10 * self.exponent * float(np.log10(metres))
        # at large distances nearly nothing is received: sample the product of level density and reception on a fine grid
        grid = np.linspace(min(middle, self.floor_dbm) - 40, max(middle, self.floor_dbm) + 40, 1600)
        weight = np.exp(-0.5 * ((grid - middle) / self.spread_db) ** 2) * _share((grid - self.floor_dbm) / self.soft_db)
        return np.interp((np.arange(samples) + rng.random(samples)) / samples, np.cumsum(weight) / weight.sum(), grid)


def _share(sigmas: NDArray[np.float64]) -> Levels:
    """Normal distribution function, by its logistic approximation (error below 0.02)."""
    return np.asarray(1 / (1 + np.exp(-1.702 * np.clip(sigmas, -40, 40))))


def censored(levels: Levels, metres: Levels, unheard: Levels, unheard_metres: Levels) -> Censored:
    """Maximum-likelihood parameters, by coordinate ascent with decreasing steps (five parameters, a smooth likelihood)."""

    def likelihood(values: Sequence[float]) -> float:
        return Censored(*values).log_likelihood(levels, metres, unheard, unheard_metres)

    scales, lowest = (1.0, 0.2, 0.5, 1.0, 0.25), (-120.0, 0.3, 1.0, -130.0, 0.3)
    return Censored(*_climb(likelihood, [-65.0, 2.0, 6.0, -85.0, 2.0], scales, lowest))


def _climb(height: Callable[[Sequence[float]], float], start: list[float], scales: Sequence[float], lowest: Sequence[float]) -> list[float]:
    best, top = list(start), height(start)
    for step in STEPS:
        climbing = True
        while climbing:
            climbing = False
            for index, scale in enumerate(scales):
                for way in (step * scale, -step * scale):
                    there = list(best)
                    there[index] = max(there[index] + way, lowest[index])
                    if (found := height(there)) > top + 1e-9:
                        best, top, climbing = there, found, True
    return best
