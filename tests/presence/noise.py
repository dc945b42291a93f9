"""What the real traces say about radio, as the few numbers that simulated walks are made of.

Around the path-loss line lie a place's own luck (the residual of the fit) and, at each place, three levels: one for each
advertising channel, each with its own fade, between which samples jump without memory (autocorrelation is about zero).
`python -m tests.presence.noise` prints the numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.core import radio
from tests.presence.boards import path_loss
from tests.presence.filters import mean_power
from tests.presence.traces import Levels, Ranged, ranged

CHANNELS = 3


class Noise(NamedTuple):
    """Radio as fitted: path loss by mean power, a place's spread, and what each channel lies above or below the mean power."""

    reference_dbm: float
    exponent: float
    place_sd_db: float
    channel_db: tuple[float, ...]
    channel_sd_db: tuple[float, ...]
    sample_sd_db: float
    autocorrelation: float


def fit(traces: Sequence[Ranged]) -> Noise:
    """The numbers of these traces: path loss by room, everything else pooled."""
    rooms = sorted({trace.room for trace in traces})
    lines = {room: path_loss([trace for trace in traces if trace.room == room], _mean_power) for room in rooms}
    left = [_power_dbm(trace.levels) - radio.level_dbm(trace.distance_m, *lines[trace.room]) for trace in traces]
    thirds = [_thirds(trace.levels - _power_dbm(trace.levels)) for trace in traces]
    middles = np.array([[third.mean() for third in one] for one in thirds])
    reference, exponent = np.mean(list(lines.values()), axis=0)
    return Noise(
        float(reference),
        float(exponent),
        float(np.std(left)),
        tuple(float(value) for value in middles.mean(axis=0)),
        tuple(float(value) for value in middles.std(axis=0)),
        float(np.mean([third.std() for one in thirds for third in one])),
        float(np.mean([np.corrcoef(trace.levels[1:], trace.levels[:-1])[0, 1] for trace in traces])),
    )


def _mean_power(levels: Levels) -> Levels:
    return mean_power(levels, 5)


def _power_dbm(levels: Levels) -> float:
    return float(10 * np.log10(np.mean(10 ** (levels / 10))))


def _thirds(levels: Levels) -> list[Levels]:
    """Strongest, middle and weakest third: samples do not say on which channel they came, but a third came on each."""
    return list(np.array_split(np.sort(levels)[::-1], CHANNELS))


def main() -> None:
    """Print the numbers, for all rooms and for each."""
    traces = ranged()
    for name in ("all", *sorted({trace.room for trace in traces})):
        noise = fit([trace for trace in traces if name in ("all", trace.room)])
        numbers = ", ".join(f"{field} {np.round(value, 2).tolist()}" for field, value in noise._asdict().items())
        sys.stdout.write(f"room {name}: {numbers}\n")


if __name__ == "__main__":
    main()
