"""Everything that is said of one set of forecasts, gathered once: for the terminal, for machines and for the page."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from models.arrays import Floats, Ints
from models.evaluation.fairness import Fairness, fairness
from models.evaluation.lift import LiftTable, check, lift_table
from models.measures import Figures, areas, figures

BINS = 10


class Bin(msgspec.Struct, frozen=True):
    """A tenth of the rows by forecast, for the calibration curve; the share taken with its 95 % interval (Wilson 1927)."""

    forecast: float
    taken: float
    low: float
    high: float


class ForecastEvaluation(msgspec.Struct, frozen=True):
    """Forecasts against what happened. `share_accuracy` is that of guessing the commoner outcome: accuracy means nothing without it."""

    name: str
    rows: int
    people: int
    base_rate: float
    figures: Figures
    accuracy: float
    share_accuracy: float
    lift: LiftTable
    calibration: tuple[Bin, ...]
    fairness: Fairness | None
    remarks: tuple[str, ...]


def evaluate_forecasts(
    name: str, taken: Ints, forecast: Floats, *, people: Ints | None = None, segments: Sequence[str] | None = None, seed: int = 0
) -> ForecastEvaluation:
    """`taken` 0/1 and `forecast` 0..1, both (n,); `people` numbers who a row belongs to, from 0. Raises EvaluationError."""
    who = np.arange(len(taken)) if people is None else people
    check(taken, forecast, (who,))
    base = float(taken.mean())
    auc = areas(taken, who, [forecast], seed).of(0)
    remarks = []
    if people is None:
        remarks.append(
            "nobody said which rows belong to one person: intervals take every row for a person of its own and may be too narrow"
        )
    if int(taken.sum()) < 100:
        remarks.append(f"only {int(taken.sum())} rows took it: differences of a few points are chance")
    return ForecastEvaluation(
        name=name,
        rows=len(taken),
        people=int(who.max()) + 1,
        base_rate=base,
        figures=figures(taken, forecast, auc),
        accuracy=float(((forecast > 0.5) == taken).mean()),
        share_accuracy=max(base, 1 - base),
        lift=lift_table(taken, forecast),
        calibration=_calibration(taken, forecast),
        fairness=None if segments is None else fairness(taken, forecast, segments, who, seed=seed),
        remarks=tuple(remarks),
    )


def _calibration(taken: Ints, forecast: Floats) -> tuple[Bin, ...]:
    parts = np.array_split(np.argsort(forecast, kind="stable"), BINS)
    return tuple(_bin(taken[rows], forecast[rows]) for rows in parts if len(rows))


def _bin(taken: Ints, forecast: Floats) -> Bin:
    count, share, z = len(taken), float(taken.mean()), 1.959963984540054
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * float(np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)))
    return Bin(float(forecast.mean()), share, middle - half, middle + half)
