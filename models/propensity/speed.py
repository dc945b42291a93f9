"""Speed, size and accuracy of each estimator as ONNX, on this machine.

A gateway scores one row when one subject meets one offer, so the batch of one counts most. Each figure is the least of several
medians, because other load on the machine can only slow a call down. Not measured: the time to compute a feature row.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from models.export import UNKNOWN, Exported, export
from models.propensity.estimators import Estimator, Step, fit_estimator, no_step
from models.propensity.masking import mask
from models.propensity.training_set import TrainingSet
from models.tables.coupon import INPUTS

MADE_ROWS = 2_000
MADE_PEOPLE = 200
REPEATS = 5


class Speed(msgspec.Struct, frozen=True):
    """Figures of one estimator: microseconds a call, bytes of the model, largest difference to the native probability."""

    estimator: str
    batch_1_us: float
    batch_64_us: float
    bytes: int
    parity_worst: float
    parity_rows: int


def synthetic_training_set(seed: int, rows: int = MADE_ROWS) -> TrainingSet:
    """Random rows of the coupon street with an outcome that depends on habit, way and weather, so that every estimator finds an effect."""
    draws = np.random.default_rng(seed)
    columns = INPUTS.drawn(seed, rows, UNKNOWN)
    names = ("visits_this_kind", "travel", "weather_rainy")
    habit, travel, rain = (np.nan_to_num(columns[:, INPUTS.columns.index(name)]) for name in names)
    habit, travel = habit / 10.0, travel / 2.0  # of the order that people and streets have
    log_odds = 0.4 * habit - 0.08 * travel - 1.0 * rain + 0.5 * np.where(rain > 0, habit, 0.0)
    taken = (draws.random(rows) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.int64)
    return TrainingSet(
        columns, taken, draws.integers(MADE_PEOPLE, size=rows), names=INPUTS.columns, masked=mask(columns, INPUTS, seed), inputs=INPUTS
    )


def measure(data: TrainingSet, compete: Sequence[Estimator], seed: int, step: Step = no_step) -> tuple[Speed, ...]:
    """Figures of every estimator, fitted to all rows and exported. Raises ExportError or ScorerError if one cannot be exported."""
    inputs = data.inputs or INPUTS
    fitted = (fit_estimator(estimator, data, seed, step) for estimator in compete)
    return tuple(_speed(model.estimator, [export(model, inputs, seed) for _ in range(REPEATS)]) for model in fitted)


def _speed(estimator: str, exports: Sequence[Exported]) -> Speed:
    first = exports[0]
    return Speed(
        estimator=estimator,
        batch_1_us=min(exported.batch_1_us for exported in exports),
        batch_64_us=min(exported.batch_64_us for exported in exports),
        bytes=len(first.model),
        parity_worst=first.parity_worst,
        parity_rows=2 * len(first.rows),
    )
