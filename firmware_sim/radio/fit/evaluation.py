"""Evaluation of the radio models on held-back traces by proper scoring rules, with confidence intervals.

Rooms: every other distance of a room is held back, in turn; the path-loss line is fitted on the room's other distances, the
deviations from it (in both models) on the other rooms only. Library: every other cell is held back, in turn; beacons are
located from the remaining cells, and distances are counted in cells. Scores, lower is better:

* CRPS of single samples, and the energy score of eight consecutive ones (their joint distribution, as a filter in a gateway
  receives them);
* Wasserstein distance and Kolmogorov-Smirnov statistic between the samples of a trace and the model's at that distance;
* error of the standard deviation within a trace.

Differences are ours minus plain, paired by trace (cell), with 95 % intervals by bootstrap over traces.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from firmware_sim.radio.fit import model
from firmware_sim.radio.fit.model import Line, Model
from firmware_sim.radio.fit.traces import Heard, Levels, Trace, library, rooms
from firmware_sim.scenario import Fading

SEED = 11
PLACES, WINDOW = 600, 8
BOOTSTRAPS = 2000
CELLS_M_MIN = 0.5  # mean distance within a beacon's own cell


class Row(NamedTuple):
    """One measure on one data set: means of both models, and the difference with its 95 % interval."""

    data: str
    measure: str
    plain: float
    ours: float
    difference: float
    low: float
    high: float
    of: int


class Fit(NamedTuple):
    """Result: path-loss line of each room, fading from all traces, library model, and the evaluation."""

    lines: dict[str, Line]
    fading: Fading
    library: model.Censored
    scores: list[Row]


def fit(data: Path) -> Fit:
    """Fit on all traces for use, and on parts for evaluation. Raises TraceError if the traces cannot be read."""
    traces, cells = rooms(data), library(data)
    lines = {room: model.line([trace for trace in traces if trace.room == room]) for room in sorted({trace.room for trace in traces})}
    everything = model.censored(*_arrays(cells, _places(cells)))
    return Fit(lines, model.parts(traces).fading, everything, [*_rooms_scores(traces), *_library_scores(cells)])


# --- rooms -------------------------------------------------------------------------------------------------------------


def _rooms_scores(traces: Sequence[Trace]) -> list[Row]:
    scores: dict[str, list[tuple[float, float]]] = defaultdict(list)
    rng = np.random.default_rng(SEED)
    for room in sorted({trace.room for trace in traces}):
        here, elsewhere = ([trace for trace in traces if (trace.room == room) == is_here] for is_here in (True, False))
        models: tuple[Model, Model] = model.plain(elsewhere), model.parts(elsewhere)
        clouds = [one.draw(PLACES, WINDOW, rng) for one in models]
        for seen, held_back in ((here[::2], here[1::2]), (here[1::2], here[::2])):
            middle = model.line(seen)
            for trace in held_back:
                found = [_trace(trace.levels, cloud + model.expected(middle, trace.distance_m), rng) for cloud in clouds]
                for measure, plain in found[0].items():
                    scores[measure].append((plain, found[1][measure]))
    return [_row("rooms", measure, pairs) for measure, pairs in scores.items()]


def _trace(levels: Levels, cloud: Levels, rng: np.random.Generator) -> dict[str, float]:
    """All measures of one held-back trace for samples of a model (one row per place)."""
    pool = cloud.ravel()
    windows = np.array([levels[start : start + WINDOW] for start in range(0, len(levels) - WINDOW + 1, WINDOW // 2)])
    return {
        "CRPS of a sample, dB": _crps(levels, pool),
        f"energy score of {WINDOW} in a row, dB": _energy(windows, cloud, rng),
        "Wasserstein distance, dB": _wasserstein(levels, pool),
        "Kolmogorov-Smirnov": _kolmogorov(levels, pool),
        "spread within a place, off by dB": float(abs(windows.std(axis=1).mean() - cloud.std(axis=1).mean())),
    }


# --- library -----------------------------------------------------------------------------------------------------------


def _places(cells: Sequence[Heard]) -> dict[str, tuple[float, float]]:
    """Position of each beacon in cells: the mean of the cells that received it, weighted by amplitude."""
    pulls: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for one in cells:
        pulls[one.beacon] += [(float(10 ** (level / 20)), *one.cell) for level in one.levels]
    found = {}
    for beacon, rows in pulls.items():
        weight, column, row = np.array(rows).T
        found[beacon] = float((weight * column).sum() / weight.sum()), float((weight * row).sum() / weight.sum())
    return found


def _away(one: Heard, places: dict[str, tuple[float, float]]) -> float:
    x, y = places[one.beacon]
    return max(float(np.hypot(one.cell[0] - x, one.cell[1] - y)), CELLS_M_MIN)


def _arrays(cells: Sequence[Heard], places: dict[str, tuple[float, float]]) -> tuple[Levels, Levels, Levels, Levels]:
    """Received levels and distances, then counts of missed receptions and distances."""
    known = [(one, _away(one, places)) for one in cells if one.beacon in places]
    levels = np.concatenate([one.levels for one, _ in known])
    metres = np.concatenate([np.full(len(one.levels), away) for one, away in known])
    return levels, metres, np.array([float(one.unheard) for one, _ in known]), np.array([away for _, away in known])


def _library_scores(cells: Sequence[Heard]) -> list[Row]:
    scores: dict[str, list[tuple[float, float]]] = defaultdict(list)
    rng = np.random.default_rng(SEED)
    names = sorted({one.cell for one in cells})
    for half in (0, 1):
        held_back = set(names[half::2])
        seen, unseen = ([one for one in cells if (one.cell in held_back) == is_back] for is_back in (False, True))
        places = _places(seen)
        levels, metres, unheard, unheard_metres = _arrays(seen, places)
        ours = model.censored(levels, metres, unheard, unheard_metres)
        design = np.stack([np.ones(len(levels)), -10 * np.log10(metres)], axis=1)
        reference, exponent = np.linalg.lstsq(design, levels, rcond=None)[0]
        spread = float((levels - design @ np.array([reference, exponent])).std())
        for one in unseen:
            if one.beacon in places and len(one.levels):
                away = _away(one, places)
                clouds = (
                    rng.normal(reference - 10 * exponent * np.log10(away), spread, PLACES),
                    ours.draw(away, PLACES, rng),
                )
                for measure, score in (("CRPS of a sample, dB", _crps), ("Wasserstein distance, dB", _wasserstein)):
                    scores[measure].append((score(one.levels, clouds[0]), score(one.levels, clouds[1])))
    return [_row("library", measure, pairs) for measure, pairs in scores.items()]


# --- scores ------------------------------------------------------------------------------------------------------------


def _row(data: str, measure: str, pairs: list[tuple[float, float]]) -> Row:
    both = np.array(pairs)
    worse = both[:, 1] - both[:, 0]
    picks = np.random.default_rng(SEED).integers(0, len(worse), (BOOTSTRAPS, len(worse)))
    low, high = np.percentile(worse[picks].mean(axis=1), (2.5, 97.5))
    plain, ours = both.mean(axis=0)
    return Row(data, measure, float(plain), float(ours), float(worse.mean()), float(low), float(high), len(pairs))


def _crps(levels: Levels, cloud: Levels) -> float:
    """Continuous ranked probability score of samples (Gneiting and Raftery 2007, eq. 21), mean over levels, in dB."""
    ranked = np.sort(cloud)
    size = len(ranked)
    spread = float((ranked * (2 * np.arange(1, size + 1) - size - 1)).sum()) * 2 / size**2  # mean |X - X'|
    return float(np.abs(levels[:, None] - ranked[None, :]).mean()) - spread / 2


def _energy(windows: Levels, cloud: Levels, rng: np.random.Generator) -> float:
    """Energy score of windows (ibid., eq. 22), divided by the square root of their length to be in dB."""
    other = cloud[rng.permutation(len(cloud))]
    away = np.sqrt(np.square(windows[:, None, :] - cloud[None, :, :]).sum(axis=2)).mean()
    apart = np.sqrt(np.square(cloud - other).sum(axis=1)).mean()
    return float((away - apart / 2) / np.sqrt(cloud.shape[1]))


def _wasserstein(levels: Levels, cloud: Levels) -> float:
    """Mean distance between quantiles, in dB."""
    shares = (np.arange(200) + 0.5) / 200
    return float(np.abs(np.quantile(levels, shares) - np.quantile(cloud, shares)).mean())


def _kolmogorov(levels: Levels, cloud: Levels) -> float:
    """Largest difference between the distribution functions."""
    points = np.union1d(levels, cloud)
    below = (np.searchsorted(np.sort(values), points, side="right") / len(values) for values in (levels, cloud))
    return float(np.abs(next(below) - next(below)).max())
