"""Lift, gains and capture: what addressing the best part of the people brings, against addressing anybody.

Sorted *descending* by forecast. (One source of the method says ascending; that chart would recommend the people who are least
likely to buy.) Rows with the same forecast cannot be told apart, so each counts as their mean: a forecast that says the same of
everybody has lift 1 everywhere, in whatever order its rows came.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints
from models.errors import ModelsError

TENTHS = tuple(tenth / 10 for tenth in range(1, 11))


class EvaluationError(ModelsError):
    """These forecasts cannot be judged; the text says why."""


class Tenth(msgspec.Struct, frozen=True):
    """One tenth of the people, best first. `taken_share` is how many of them took it, `lift` that over the share of all."""

    number: int
    rows: float
    forecast_mean: float
    taken_share: float
    lift: float
    lift_so_far: float
    capture_so_far: float


class LiftTable(msgspec.Struct, frozen=True):
    """The ten tenths and the share of all people who took it."""

    base_rate: float
    tenths: tuple[Tenth, ...]


def gains(taken: Ints, forecast: Floats) -> Floats:
    """Share of all takers among the first k of n rows, best forecast first: (n + 1,), from 0 to 1. Raises EvaluationError."""
    check(taken, forecast)
    order = np.argsort(-forecast, kind="stable")
    _, level = np.unique(-forecast[order], return_inverse=True)
    mean = np.bincount(level, taken[order]) / np.bincount(level)
    return np.append(0.0, np.cumsum(mean[level])) / float(taken.sum())


def capture(taken: Ints, forecast: Floats, share: float) -> float:
    """Takers found in the best `share` of the rows, over all takers."""
    curve = gains(taken, forecast)
    return float(np.interp(share * len(taken), np.arange(len(curve)), curve))


def lift(taken: Ints, forecast: Floats, share: float) -> float:
    """How many times as often the best `share` of the rows take it as all rows do."""
    if not 0 < share <= 1:
        raise EvaluationError(f"lift is asked for a share above 0 and up to 1, not {share:g}")
    return capture(taken, forecast, share) / share


def lift_table(taken: Ints, forecast: Floats) -> LiftTable:
    """Ten tenths of equal size; of rows that do not divide by ten, parts of rows."""
    curve = gains(taken, forecast)
    places = np.arange(len(curve))
    forecasts = np.append(0.0, np.cumsum(-np.sort(-forecast)))
    rows = len(taken) / 10
    found = [float(np.interp(tenth * len(taken), places, curve)) for tenth in (0.0, *TENTHS)]
    said = [float(np.interp(tenth * len(taken), places, forecasts)) for tenth in (0.0, *TENTHS)]
    base = float(taken.mean())
    tenths = tuple(
        Tenth(
            number=number,
            rows=rows,
            forecast_mean=(said[number] - said[number - 1]) / rows,
            taken_share=(found[number] - found[number - 1]) * 10 * base,
            lift=(found[number] - found[number - 1]) * 10,
            lift_so_far=found[number] * 10 / number,
            capture_so_far=found[number],
        )
        for number in range(1, 11)
    )
    return LiftTable(base, tenths)


def check(taken: Ints, forecast: Floats, others: Sequence[NDArray[np.generic]] = ()) -> None:
    """Raise EvaluationError for what has no lift: no rows, one class, forecasts that are none."""
    if len(taken) == 0 or any(len(column) != len(taken) for column in (forecast, *others)):
        raise EvaluationError(f"{len(taken)} outcomes and {len(forecast)} forecasts cannot be compared")
    if not np.isfinite(forecast).all():
        raise EvaluationError(f"{int((~np.isfinite(forecast)).sum())} forecasts are no finite number")
    takers = int(taken.sum())
    if takers in {0, len(taken)}:
        raise EvaluationError(f"all {len(taken)} rows have the same outcome ({int(taken[0])}): there is nothing to tell apart")
