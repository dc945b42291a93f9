"""All figures of one set of forecasts, for the terminal, for JSON and for the HTML report."""

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
    """A tenth of the rows by forecast: mean forecast, and share taken with its 95 % interval (Wilson 1927)."""

    forecast: float
    taken: float
    low: float
    high: float


class Evaluation(msgspec.Struct, frozen=True):
    """Forecasts beside outcomes. `majority_accuracy` is the accuracy of always guessing the commoner outcome."""

    name: str
    rows: int
    people: int
    base_rate: float
    figures: Figures
    accuracy: float
    majority_accuracy: float
    lift: LiftTable
    calibration: tuple[Bin, ...]
    fairness: Fairness | None
    remarks: tuple[str, ...]


def evaluate_forecasts(
    name: str, taken: Ints, forecast: Floats, *, people: Ints | None = None, segments: Sequence[str] | None = None, seed: int = 0
) -> Evaluation:
    """Evaluate probabilities `forecast` of outcomes `taken` (0/1), both (n,); `people` numbers the person of each row from 0.

    Raises EvaluationError if lengths differ, there is no row, a forecast is not finite, or all outcomes are the same.
    """
    persons = np.arange(len(taken)) if people is None else people
    check(taken, forecast, (persons,))
    base = float(taken.mean())
    auc = areas(taken, persons, [forecast], seed).of(0)
    remarks = []
    if people is None:
        remarks.append("the rows have no person: intervals count every row as a person of its own and may be too narrow")
    if int(taken.sum()) < 100:
        remarks.append(f"only {int(taken.sum())} rows have the outcome 1: differences of a few points are chance")
    return Evaluation(
        name=name,
        rows=len(taken),
        people=int(persons.max()) + 1,
        base_rate=base,
        figures=figures(taken, forecast, auc),
        accuracy=float(((forecast > 0.5) == taken).mean()),
        majority_accuracy=max(base, 1 - base),
        lift=lift_table(taken, forecast),
        calibration=_calibration(taken, forecast),
        fairness=None if segments is None else fairness(taken, forecast, segments, persons, seed=seed),
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
