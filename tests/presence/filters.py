"""What others make of raw levels, and what we do: the candidates that `tests.presence.boards` measures.

A filter turns levels heard about a second apart into one estimate after each of them, in dBm, so that all of them can be
asked for a distance and for the loudest of several transmitters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise

import numpy as np

from gateway.core import radio
from gateway.core.presence import SAMPLES_KEPT
from tests.presence.traces import Levels

Filter = Callable[[Levels], Levels]

EURO_MIN_HZ, EURO_BETA, EURO_SLOPE_HZ = 0.1, 0.001, 0.005  # ESPresense's ONE_EURO_FCMIN, _BETA and _DCUTOFF
EURO_REFERENCE_DBM, EURO_ABSORPTION = -65.0, 3.5  # its defaults; only their inverse is taken, so they cancel
MEASURED_VARIANCE_DB2 = 64.0  # of single samples in the real traces


def windowed(levels: Levels, size: int, middle: Callable[[Levels], float]) -> Levels:
    """A statistic of the last `size` samples."""
    return np.array([middle(levels[max(0, end - size) : end]) for end in range(1, len(levels) + 1)])


def raw(levels: Levels) -> Levels:
    """Each sample as it comes."""
    return levels


def moving_average(levels: Levels, size: int) -> Levels:
    """The mean of the last levels in dBm."""
    return windowed(levels, size, lambda part: float(part.mean()))


def kalman(levels: Levels, drift_db2: float) -> Levels:
    """A random walk observed with noise (the usual one-dimensional filter of RSSI)."""
    estimate, variance, found = float(levels[0]), MEASURED_VARIANCE_DB2, []
    for level in levels:
        variance += drift_db2
        gain = variance / (variance + MEASURED_VARIANCE_DB2)
        estimate += gain * (level - estimate)
        variance *= 1.0 - gain
        found.append(estimate)
    return np.array(found)


def espresense(levels: Levels) -> Levels:
    """Median of three, then a 1-Euro filter on the distance (Casiez et al., CHI 2012), with ESPresense's constants."""
    medians = windowed(levels, 3, lambda part: float(np.median(part)))
    metres = 10.0 ** ((EURO_REFERENCE_DBM - medians) / (10.0 * EURO_ABSORPTION))
    estimate, slope, found = float(metres[0]), 0.0, [float(metres[0])]
    for before, now in pairwise(metres):
        slope += _share(EURO_SLOPE_HZ) * ((now - before) - slope)
        estimate += _share(EURO_MIN_HZ + EURO_BETA * abs(slope)) * (now - estimate)
        found.append(estimate)
    return np.array([radio.level_dbm(metre, EURO_REFERENCE_DBM, EURO_ABSORPTION) for metre in found])


def _share(cutoff_hz: float) -> float:
    """What a first-order low-pass takes of a new value, at one value a second."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz))


def mean_power(levels: Levels, size: int) -> Levels:
    """Ours: the gateway's own mean of received power over the last samples."""
    samples = [(0, radio.milliwatts(float(level))) for level in levels]
    return np.array([radio.mean_dbm(samples[max(0, end - size) : end]) for end in range(1, len(levels) + 1)])


def _family(make: Callable[..., Levels], name: str, values: Iterable[float]) -> dict[str, Filter]:
    return {f"{value:g}": partial(make, **{name: value}) for value in values}


FAMILIES: dict[str, dict[str, Filter]] = {
    "raw": {"": raw},
    "moving average": _family(moving_average, "size", (3, 5, 8, 12)),
    "ESPresense": {"": espresense},
    "Kalman": _family(kalman, "drift_db2", (0.5, 2.0, 8.0, 32.0)),
    "mean power": _family(mean_power, "size", (3, 5, 8, 12)),
    "ours": {str(SAMPLES_KEPT): partial(mean_power, size=SAMPLES_KEPT)},
}
"""Each family with its choices; which one is taken is decided on the part of the data that is not tested on."""


def lag_samples(one: Filter, step_db: float) -> int:
    """After how many samples a step of the level is followed half way (a positive step is somebody coming near)."""
    before, after = (-90.0, -90.0 + step_db) if step_db > 0 else (-60.0, -60.0 + step_db)
    estimates = one(np.array([before] * 40 + [after] * 80))[40:]
    passed = np.abs(estimates - before) >= abs(step_db) / 2
    return int(passed.argmax()) + 1
