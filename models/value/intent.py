"""Ridge regression of the intention to buy on MDV, CLV, SBA and IBA, with intervals.

The sources prescribe multiple regression. Its weights explode where two of the four are nearly collinear (CLV and SBA often are), so the
regression is on standardised columns with a penalty chosen by leave-one-out error; 0 is among the choices, so that data without noise
gives exact weights. Intervals come from a bootstrap over subjects that chooses the penalty in each draw, because an interval with a fixed
penalty is too narrow.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.measures import Interval
from models.value.bg_nbd import ValuationError

Floats = NDArray[np.float64]

NAMES = ("MDV", "CLV", "SBA", "IBA")
PENALTIES = (0.0, *np.geomspace(1e-4, 1e3, 29))  # times the number of rows
DRAWS = 400
ROWS_MIN_PER_COLUMN = 5
COLUMNS_MAX = 64  # weights are for reading; more columns call for a predictive model
_FLAT = 1e-10  # share of the largest singular value below which a direction is dropped


class Weight(msgspec.Struct, frozen=True):
    """Weight of one column: `effect` per unit of the column, `standard` per standard deviation of it; 95 % intervals."""

    name: str
    effect: Interval
    standard: Interval


class IntentWeights(msgspec.Struct, frozen=True):
    """Fitted regression: y = intercept + sum(effect * column). `penalty` is the one chosen, `r2` that of leave-one-out predictions."""

    weights: tuple[Weight, ...]
    intercept: float
    penalty: float
    r2: float
    rows: int

    @property
    def effects(self) -> Floats:
        """Weights per unit, (k,), in the order of the columns."""
        return np.array([weight.effect.value for weight in self.weights])

    def predict(self, columns: Floats) -> Floats:
        """Predicted intention, (n,), for columns (n, k)."""
        return self.intercept + columns @ self.effects


class _Fit(NamedTuple):
    effects: Floats
    intercept: float
    penalty: float
    error: float


def fit_intent(
    columns: Floats, intent: Floats, seed: int, subjects: NDArray[np.int64] | None = None, names: tuple[str, ...] = NAMES
) -> IntentWeights:
    """Weights of `columns` (n, k) for `intent` (n,). `subjects` (n,) are group numbers from 0; by default each row is its own group.

    Raises ValuationError if shapes differ, there are too few rows or more than COLUMNS_MAX columns, a value is not finite, or the
    intention is constant. A constant column gets weight 0 and a warning.
    """
    groups = np.arange(len(intent)) if subjects is None else subjects
    _check(columns, intent, groups, names)
    spread = columns.std(axis=0)
    whole = _fit(columns, intent)
    draws = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    rows_of = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups, minlength=count))[:-1])
    drawn = []
    for _ in range(DRAWS):
        rows = np.concatenate([rows_of[group] for group in draws.integers(count, size=count)])
        drawn.append(_fit(columns[rows], intent[rows]).effects)
    low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
    weights = tuple(
        Weight(
            name=name,
            effect=Interval(float(value), float(least), float(most)),
            standard=Interval(float(value * sd), float(least * sd), float(most * sd)),
        )
        for name, value, least, most, sd in zip(names, whole.effects, low, high, spread, strict=True)
    )
    variance = float(((intent - intent.mean()) ** 2).mean())
    return IntentWeights(weights, whole.intercept, whole.penalty, 1.0 - whole.error / variance, len(intent))


def _check(columns: Floats, intent: Floats, subjects: NDArray[np.int64], names: tuple[str, ...]) -> None:
    if columns.ndim != 2 or columns.shape[1] != len(names) or len(columns) != len(intent) or len(subjects) != len(intent):
        raise ValuationError(f"columns have the shape {columns.shape}; {len(intent)} rows of {len(names)} were expected")
    if len(names) > COLUMNS_MAX:
        raise ValuationError(f"{len(names)} columns are more than {COLUMNS_MAX}: choose the most important ones")
    if len(columns) < ROWS_MIN_PER_COLUMN * len(names):
        raise ValuationError(
            f"{len(columns)} rows are too few for {len(names)} weights: at least {ROWS_MIN_PER_COLUMN * len(names)} are needed"
        )
    if not np.isfinite(columns).all() or not np.isfinite(intent).all():
        raise ValuationError("a column or the intention holds values that are missing or not finite")
    if np.ptp(intent) == 0:
        raise ValuationError("the intention is the same in every row: no weight can be estimated")
    still = [name for name, width in zip(names, np.ptp(columns, axis=0), strict=True) if width == 0]
    if still:
        warnings.warn(f"{', '.join(still)} is constant and gets no weight", stacklevel=3)


def _fit(columns: Floats, intent: Floats) -> _Fit:
    """Ridge on standardised columns with the penalty of least leave-one-out error; a constant column gets weight 0."""
    means, spread = columns.mean(axis=0), columns.std(axis=0)
    width = np.where(spread > 0, spread, 1.0)
    left, sizes, right = np.linalg.svd((columns - means) / width, full_matrices=False)
    keeps = sizes > _FLAT * max(float(sizes.max(initial=0.0)), 1e-300)
    left, sizes, right = left[:, keeps], sizes[keeps], right[keeps]
    centred = intent - intent.mean()
    target = left.T @ centred
    penalties = np.array(PENALTIES) * len(intent)
    shrink = sizes**2 / (sizes**2 + penalties[:, np.newaxis])
    # Leverage of each row on its own fit, the mean included; residual / (1 - leverage) is the leave-one-out residual.
    leverage = np.minimum(left**2 @ shrink.T + 1.0 / len(intent), 1.0 - 1e-9)
    residual = centred[:, np.newaxis] - left @ (shrink * target).T
    errors = ((residual / (1.0 - leverage)) ** 2).mean(axis=0)
    best = int(errors.argmin())
    effects: Floats = right.T @ (shrink[best] / sizes * target) / width
    return _Fit(effects, float(intent.mean() - means @ effects), PENALTIES[best], float(errors[best]))
