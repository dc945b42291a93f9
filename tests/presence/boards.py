"""Which filter deserves to decide presence: candidates on real radio, fitted on one part and measured on the other.

`python -m tests.presence.boards` prints the board. A person who stands still for ever would favour whatever averages longest,
so the traces are played as walks: a few samples at one point, then on to another, and every sample counts. Two boards:

* distance: rooms of `ble_rssi_spachos`; path loss (and the filter's own choice) fitted on every other distance of a room,
  error in metres on the rest;
* zone: which transmitter is nearest. In the rooms transmitters' places and offsets are fitted on the survey points and
  tested on the test points; in the library on every other cell, tested on the rest.

Intervals are 95 % by bootstrap over points (cells), because samples at one point share their luck. Everything is seeded.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from gateway.core import radio
from tests.presence.filters import FAMILIES, Filter, lag_samples
from tests.presence.traces import Levels, Placed, Ranged, Walked, placed, ranged, walked

SEED = 20
STAY_SAMPLES = 8  # at one point, before the walk goes on
WALKS = 12
FARTHEST_M = 10.0  # no room is larger: an estimate beyond is taken as this
BOOTSTRAPS = 2_000
CLEARLY_NEARER_M = 0.5  # a point as near to two transmitters has no right answer
RESTART_S = 15.0  # a filter starts anew after a silence in the library's walk

Errors = dict[object, list[float]]
"""Errors (or hits) by the point they were made at."""


class Figure(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """As the board prints it."""
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


class Row(NamedTuple):
    """One family on the board."""

    family: str
    choice: str
    distance_m: Figure
    worse_m: Figure
    rooms: Figure
    library: Figure
    lag_near: int
    lag_away: int


def figure(errors: Errors) -> Figure:
    """Mean of the points' means, with its bootstrap interval."""
    means = np.array([np.mean(values) for values in errors.values()])
    draws = np.random.default_rng(SEED).integers(0, len(means), (BOOTSTRAPS, len(means)))
    low, high = np.percentile(means[draws].mean(axis=1), (2.5, 97.5))
    return Figure(float(means.mean()), float(low), float(high))


# --- distance ------------------------------------------------------------------------------------------------


def path_loss(traces: Sequence[Ranged], one: Filter) -> tuple[float, float]:
    """Level at a metre, and exponent, by least squares over what the filter makes of each trace once it has settled."""
    settled = [float(one(trace.levels)[STAY_SAMPLES:].mean()) for trace in traces]
    design = np.array([(1.0, -10.0 * np.log10(trace.distance_m)) for trace in traces])
    reference, exponent = np.linalg.lstsq(design, np.array(settled), rcond=None)[0]
    return float(reference), float(max(exponent, 0.5))


def distance_errors(fit: Sequence[Ranged], test: Sequence[Ranged], one: Filter) -> Errors:
    """Absolute errors in metres on seeded walks over the test traces."""
    reference, exponent = path_loss(fit, one)
    draws, errors = np.random.default_rng(SEED), defaultdict[object, list[float]](list)
    for _ in range(WALKS):
        order = draws.permutation(len(test))
        parts = [_stay(test[index].levels, draws) for index in order]
        estimates = one(np.concatenate(parts)).reshape(len(test), STAY_SAMPLES)
        for index, row in zip(order, estimates, strict=True):
            trace = test[index]
            metres = [min(radio.distance_m(float(level), reference, exponent), FARTHEST_M) for level in row]
            errors[trace.room, trace.distance_m] += [abs(metre - trace.distance_m) for metre in metres]
    return errors


def _stay(levels: Levels, draws: np.random.Generator) -> Levels:
    start = int(draws.integers(0, len(levels) - STAY_SAMPLES + 1))
    return levels[start : start + STAY_SAMPLES]


def distance_board(traces: Sequence[Ranged], family: Mapping[str, Filter]) -> tuple[Errors, dict[str, int]]:
    """The family's errors on either half of each room's distances, its choice made on the other half; and how often each was chosen."""
    errors: Errors = {}
    chosen: dict[str, int] = defaultdict(int)
    for room in sorted({trace.room for trace in traces}):
        here = [trace for trace in traces if trace.room == room]
        for fit, test in ((here[::2], here[1::2]), (here[1::2], here[::2])):
            name = min(family, key=lambda name: figure(distance_errors(fit, fit, family[name])).mean)
            chosen[name] += 1
            errors |= distance_errors(fit, test, family[name])
    return errors, dict(chosen)


# --- zones ---------------------------------------------------------------------------------------------------


class Survey(NamedTuple):
    """Where the transmitters of a room stand, and what to add to each to make them comparable."""

    spots: dict[str, tuple[float, float]]
    offsets_db: dict[str, float]


def survey(points: Sequence[Placed], one: Filter) -> Survey:
    """Transmitters' places and offsets from survey points: the place whose path-loss line leaves the least."""
    grid = list(product(np.arange(-1.0, 11.0, 0.25), np.arange(-1.0, 5.0, 0.25)))
    x, y = (np.array([getattr(point, axis) for point in points]) for axis in ("x_m", "y_m"))
    spots, references = {}, {}
    for node in "ABC":
        settled = np.array([one(point.levels[node])[STAY_SAMPLES:].mean() for point in points])
        best = np.inf
        for spot in grid:
            far = -10.0 * np.log10(np.maximum(np.hypot(x - spot[0], y - spot[1]), 0.5))
            slope, reference = np.polyfit(far, settled, 1)
            left = float(np.square(settled - reference - slope * far).sum()) if slope > 0 else np.inf
            if left < best:
                best, spots[node] = left, (float(spot[0]), float(spot[1]))
                references[node] = float((settled - 2.0 * far).mean())  # on a common slope, so that offsets compare
    middle = float(np.mean(list(references.values())))
    return Survey(spots, {node: middle - reference for node, reference in references.items()})


def nearest(x: float, y: float, spots: Mapping[str, tuple[float, float]], margin: float) -> str | None:
    """The nearest transmitter, or None where two are about as near."""
    ranked = sorted((float(np.hypot(x - spot[0], y - spot[1])), node) for node, spot in spots.items())
    return ranked[0][1] if ranked[1][0] - ranked[0][0] >= margin else None


def room_hits(points: Sequence[Placed], known: Survey, truth: Survey, one: Filter) -> Errors:
    """Whether the loudest transmitter is the nearest, on seeded walks over points."""
    draws, hits = np.random.default_rng(SEED), defaultdict[object, list[float]](list)
    for _ in range(WALKS):
        order = draws.permutation(len(points))
        starts = {(index, node): _stay(points[index].levels[node], draws) for index in order for node in "ABC"}
        levels = [one(np.concatenate([starts[index, node] for index in order])) + known.offsets_db[node] for node in "ABC"]
        loudest = np.argmax(levels, axis=0).reshape(len(order), STAY_SAMPLES)
        for index, row in zip(order, loudest, strict=True):
            point = points[index]
            right = nearest(point.x_m, point.y_m, truth.spots, CLEARLY_NEARER_M)
            if right is not None:
                hits[point.room, point.x_m, point.y_m] += [float("ABC"[choice] == right) for choice in row]
    return hits


def room_board(points: Sequence[Placed], one: Filter) -> Figure:
    """Zone accuracy on the test points; truth is surveyed once, with plain means, so that it is the same for everybody."""
    hits: Errors = {}
    for room in sorted({point.room for point in points if not point.is_test}):
        surveyed, tested = ([point for point in points if point.room == room and point.is_test == is_test] for is_test in (False, True))
        truth = survey(surveyed, _plain_mean)
        hits |= room_hits(tested, survey(surveyed, one), truth, one)
    return figure(hits)


def _plain_mean(levels: Levels) -> Levels:
    return np.full(len(levels), levels.mean())


def library_spots(moments: Iterable[Walked]) -> dict[str, tuple[float, float]]:
    """Where each beacon hangs, in cells: the middle of the cells that heard it, weighed by amplitude."""
    pulls: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for moment in moments:
        for beacon, level in moment.heard.items():
            pulls[beacon].append((10 ** (level / 20), *moment.cell))
    found = {}
    for beacon, rows in pulls.items():
        weight, column, row = np.array(rows).T
        found[beacon] = (float((weight * column).sum() / weight.sum()), float((weight * row).sum() / weight.sum()))
    return found


def library_board(moments: Sequence[Walked], one: Filter) -> Figure:
    """Zone accuracy in either half of the library's cells, the beacons placed from the other half."""
    cells = sorted({moment.cell for moment in moments})
    hits = defaultdict[object, list[float]](list)
    for half in (0, 1):
        tested = set(cells[half::2])
        spots = library_spots(moment for moment in moments if moment.cell not in tested)
        repository: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for moment in moments:
            for beacon, level in moment.heard.items():
                repository[beacon].append((moment.at_s, level))
            right = nearest(*moment.cell, spots, CLEARLY_NEARER_M)
            if moment.cell in tested and right is not None and moment.heard:
                levels = _heard_of_late(repository, moment.at_s, one)
                hits[moment.cell].append(float(max(levels, key=lambda beacon: levels[beacon]) == right))
    return figure(hits)


def _heard_of_late(repository: dict[str, list[tuple[float, float]]], now_s: float, one: Filter) -> dict[str, float]:
    """The filter's estimate of every beacon heard lately; what was heard before a silence is forgotten."""
    found = {}
    for beacon, samples in repository.items():
        samples[:] = [sample for sample in samples if now_s - sample[0] <= RESTART_S]
        if samples:
            found[beacon] = float(one(np.array([level for _, level in samples]))[-1])
    return found


# --- the board -----------------------------------------------------------------------------------------------


def board(families: Mapping[str, Mapping[str, Filter]] = FAMILIES) -> list[Row]:
    """Every family measured."""
    traces, points, moments = ranged(), placed(), walked()
    ours, _ = distance_board(traces, FAMILIES["ours"])
    rows = []
    for name, family in families.items():
        errors, chosen = distance_board(traces, family)
        worse: Errors = {point: [float(np.mean(values) - np.mean(ours[point]))] for point, values in errors.items()}
        choice = max(chosen, key=lambda one: chosen[one])
        one = family[choice]
        zones = room_board(points, one), library_board(moments, one)
        rows.append(Row(name, choice, figure(errors), figure(worse), *zones, lag_samples(one, 20.0), lag_samples(one, -20.0)))
    return rows


def main(write: Callable[[str], object]) -> None:
    """Print the board."""
    heads = "filter", "choice", "distance error, m", "worse than ours, m", "zone: rooms", "zone: library"
    write("{:16}{:8}{:22}{:22}{:22}{:22}samples to follow 20 dB near / away\n".format(*heads))
    for row in board():
        lags = f"{row.lag_near} / {row.lag_away}"
        write(f"{row.family:16}{row.choice:8}{row.distance_m!s:22}{row.worse_m!s:22}{row.rooms!s:22}{row.library!s:22}{lags}\n")


if __name__ == "__main__":
    main(sys.stdout.write)
