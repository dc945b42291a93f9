"""How fast, how large and how exact each estimator is as ONNX, on this machine.

A gateway asks for one row at a time when one person meets one offer, so the time of a batch of one is what counts. Each figure
is the least of several medians: what else the machine does can only make it slower. What this does not cover: the time
to make the row, and a machine other than this one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from gateway.core import features
from models.export import Exported, export, synthetic
from models.propensity.estimators import Estimator, Step, fit_estimator, no_step
from models.propensity.training_set import TrainingSet
from models.propensity.withholding import withhold

MADE_ROWS = 2_000
MADE_PEOPLE = 200
REPEATS = 5


class Speed(msgspec.Struct, frozen=True):
    """One estimator's figures: microseconds a call, bytes of the model, largest difference to the native answer."""

    estimator: str
    batch_1_us: float
    batch_64_us: float
    bytes: int
    parity_worst: float
    parity_rows: int


def synthetic_training_set(seed: int, rows: int = MADE_ROWS) -> TrainingSet:
    """Situations nobody lived through, with answers that follow habit, way and weather, so that every estimator has something to find."""
    draws = np.random.default_rng(seed)
    columns = features.matrix(synthetic(seed, rows))
    told = ("visits_this_kind", "travel", "weather_rainy")
    habit, travel, rain = (np.nan_to_num(columns[:, features.NAMES.index(name)]) for name in told)
    log_odds = 0.4 * habit - 0.08 * travel - 1.0 * rain + 0.5 * np.where(rain > 0, habit, 0.0)
    taken = (draws.random(rows) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.int64)
    return TrainingSet(columns, taken, draws.integers(MADE_PEOPLE, size=rows), names=features.NAMES, withheld=withhold(columns, seed))


def measure(data: TrainingSet, compete: Sequence[Estimator], seed: int, step: Step = no_step) -> tuple[Speed, ...]:
    """Every estimator fitted to all rows, exported and asked."""
    fitted = (fit_estimator(estimator, data, seed, step) for estimator in compete)
    return tuple(_speed(model.estimator, [export(model, seed) for _ in range(REPEATS)]) for model in fitted)


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
