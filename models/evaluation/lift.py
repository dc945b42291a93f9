"""Lift, gains and capture: the effect of addressing the rows of highest forecast, compared with random rows.

Rows are sorted *descending* by forecast. (One source of the method prints ascending, which would recommend the rows that are least
likely to buy.) Rows of equal forecast have no order, so each counts as the mean: a constant forecast has lift 1 in every
decile, for any order of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints
from models.errors import ModelsError

DECILES = tuple(tenth / 10 for tenth in range(1, 11))


class EvaluationError(ModelsError):
    """The forecasts cannot be evaluated; the message names the reason."""


class Decile(msgspec.Struct, frozen=True):
    """One tenth of the rows, best first: number from 1, share taken, lift (that share over the base rate), and sums so far."""

    number: int
    rows: float
    forecast_mean: float
    taken_share: float
    lift: float
    lift_so_far: float
    capture_so_far: float


class LiftTable(msgspec.Struct, frozen=True):
    """The base rate (share of all rows that are taken) and the ten deciles."""

    base_rate: float
    deciles: tuple[Decile, ...]


def gains(taken: Ints, forecast: Floats) -> Floats:
    """Share of all taken rows among the first k of n rows, best forecast first: (n + 1,), from 0 to 1.

    Raises EvaluationError as `check`.
    """
    check(taken, forecast)
    order = np.argsort(-forecast, kind="stable")
    _, level = np.unique(-forecast[order], return_inverse=True)
    mean = np.bincount(level, taken[order]) / np.bincount(level)
    return np.append(0.0, np.cumsum(mean[level])) / float(taken.sum())


def capture(taken: Ints, forecast: Floats, share: float) -> float:
    """Taken rows in the best `share` of the rows, over all taken rows. Raises EvaluationError as `check`."""
    curve = gains(taken, forecast)
    return float(np.interp(share * len(taken), np.arange(len(curve)), curve))


def lift(taken: Ints, forecast: Floats, share: float) -> float:
    """Share taken in the best `share` of the rows over the base rate. Raises EvaluationError as `check`, and for a share outside (0, 1]."""
    if not 0 < share <= 1:
        raise EvaluationError(f"lift needs a share above 0 and up to 1, not {share:g}")
    return capture(taken, forecast, share) / share


def lift_table(taken: Ints, forecast: Floats) -> LiftTable:
    """Ten deciles of equal size, with parts of rows if ten does not divide the number of rows. Raises EvaluationError as `check`."""
    curve = gains(taken, forecast)
    places = np.arange(len(curve))
    forecasts = np.append(0.0, np.cumsum(-np.sort(-forecast)))
    rows = len(taken) / 10
    found = [float(np.interp(tenth * len(taken), places, curve)) for tenth in (0.0, *DECILES)]
    forecast_sums = [float(np.interp(tenth * len(taken), places, forecasts)) for tenth in (0.0, *DECILES)]
    base = float(taken.mean())
    deciles = tuple(
        Decile(
            number=number,
            rows=rows,
            forecast_mean=(forecast_sums[number] - forecast_sums[number - 1]) / rows,
            taken_share=(found[number] - found[number - 1]) * 10 * base,
            lift=(found[number] - found[number - 1]) * 10,
            lift_so_far=found[number] * 10 / number,
            capture_so_far=found[number],
        )
        for number in range(1, 11)
    )
    return LiftTable(base, deciles)


def check(taken: Ints, forecast: Floats, others: Sequence[NDArray[np.generic]] = ()) -> None:
    """Raises EvaluationError if lengths differ, there is no row, a forecast is not finite, or all outcomes are the same."""
    if len(taken) == 0 or any(len(column) != len(taken) for column in (forecast, *others)):
        raise EvaluationError(f"{len(taken)} outcomes and {len(forecast)} forecasts cannot be compared")
    if not np.isfinite(forecast).all():
        raise EvaluationError(f"{int((~np.isfinite(forecast)).sum())} forecasts are not finite numbers")
    takers = int(taken.sum())
    if takers in {0, len(taken)}:
        raise EvaluationError(f"all {len(taken)} rows have the same outcome ({int(taken[0])}): an evaluation needs both")
