"""One-sample t-tests of criteria: which ratings differ from the middle of the scale, after Holm's correction for the number of tests.

A study that asks one group about many criteria tests each mean against the middle of the scale, which is a one-sample test. Twenty tests at
0.05 call one criterion important by chance in most studies, so p values are corrected by Holm's method (1979). A verdict is never given
without mean, interval and effect size (Cohen's d). One published study of this kind prints neither means nor t nor p and names no
correction; its verdicts cannot be recomputed.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.measures import Interval
from models.planning.sheets import PlanningError, Sheet

Floats = NDArray[np.float64]

LEVEL = 0.05


class Criterion(msgspec.Struct, frozen=True):
    """Test of one criterion. `mean` has its 95 % interval without correction; `effect` is the distance from the middle in deviations."""

    name: str
    answers: int
    mean: Interval
    deviation: float
    t: float
    degrees: int
    p: float
    p_holm: float
    effect: float
    verdict: str


def check_criteria(sheet: Sheet, low: float, high: float) -> tuple[Criterion, ...]:
    """Two-sided test of each column against the middle of the scale from `low` to `high`; empty cells are ignored.

    Raises PlanningError, naming row and column, if a rating is outside the scale; also if the scale is empty, or a criterion has fewer than
    three ratings or equal ratings only.
    """
    if not low < high:
        raise PlanningError(f"the scale {low:g}:{high:g} has no middle; write it as 1:5")
    middle = (low + high) / 2
    tested = []
    for name, column in zip(sheet.columns, sheet.cells.T, strict=True):
        _check_range(sheet, name, column, low, high)
        ratings = column[~np.isnan(column)]
        if len(ratings) < 3:
            raise PlanningError(f"criterion {name!r} has {len(ratings)} ratings; at least three are needed")
        if ratings.std() == 0:
            raise PlanningError(
                f"all ratings of {name!r} are {ratings[0]:g}: t is not defined; report them, and leave the column out by --ignore"
            )
        tested.append((name, ratings, *stats.ttest_1samp(ratings, middle)))
    corrected = holm(np.array([p for *_, p in tested]))
    return tuple(
        _criterion(name, ratings, float(t), float(p), float(p_holm), middle)
        for (name, ratings, t, p), p_holm in zip(tested, corrected, strict=True)
    )


def holm(p: Floats) -> Floats:
    """P values after Holm's correction, (tests,), in the order given."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _check_range(sheet: Sheet, name: str, column: Floats, low: float, high: float) -> None:
    outside = np.flatnonzero((column < low) | (column > high))
    if len(outside):
        row = int(outside[0])
        raise PlanningError(
            f"row {sheet.rows[row]}, column {name!r} holds {column[row]:g}, outside the scale {low:g} to {high:g}; a column that is no "
            f"criterion is left out by --ignore {name}"
        )


def _criterion(name: str, ratings: Floats, t: float, p: float, p_holm: float, middle: float) -> Criterion:
    count, mean, deviation = len(ratings), float(ratings.mean()), float(ratings.std(ddof=1))
    half = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    verdict = "not distinguishable from the middle" if p_holm >= LEVEL else "above the middle" if t > 0 else "below the middle"
    return Criterion(
        name=name,
        answers=count,
        mean=Interval(mean, mean - half, mean + half),
        deviation=deviation,
        t=t,
        degrees=count - 1,
        p=p,
        p_holm=p_holm,
        effect=(mean - middle) / deviation,
        verdict=verdict,
    )
