"""How good a forecast is, and how sure we may be of that.

The rows of one respondent resemble each other, so twenty of them are worth far less than twenty people's. Intervals
come from drawing respondents, not rows: the draw gives each respondent a weight, and the area under the curve is
computed with weights. Both models are measured on the same draws, so their difference has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BOOTSTRAPS = 1_000
_BINS = 10


class Interval(msgspec.Struct, frozen=True):
    """A figure and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True):
    """What is said of one model. `calibration_error` is the mean gap between forecast and share taken over ten bins of equal size."""

    auc: Interval
    average_precision: float
    brier: float
    log_loss: float
    calibration_error: float


class Ranking:
    """Forecasts sorted once, so that the area under the curve costs little for each of many weightings."""

    def __init__(self, taken: Ints, forecast: Floats) -> None:
        values, self._level = np.unique(forecast, return_inverse=True)
        self._levels = len(values)
        self._taken = taken.astype(np.float64)

    def auc(self, weights: Floats) -> float:
        """Weighted share of (taken, not taken) pairs in the right order, ties half; NaN when one class has no weight."""
        right = np.bincount(self._level, weights * self._taken, self._levels)
        wrong = np.bincount(self._level, weights * (1.0 - self._taken), self._levels)
        pairs = float(right.sum() * wrong.sum())
        below = np.cumsum(wrong) - wrong
        return float((right * (below + wrong / 2)).sum()) / pairs if pairs else float("nan")


class Areas(NamedTuple):
    """AUC of each of k forecasts: on all rows, (k,), and on each draw of respondents, (BOOTSTRAPS, k)."""

    whole: Floats
    drawn: Floats

    def of(self, index: int) -> Interval:
        """The AUC of one forecast."""
        return interval(self.whole[index], self.drawn[:, index])

    def difference(self, index: int, base: int) -> Interval:
        """By how much the AUC of one forecast is above that of another, on the same draws."""
        return interval(self.whole[index] - self.whole[base], self.drawn[:, index] - self.drawn[:, base])


def areas(taken: Ints, respondents: Ints, forecasts: Sequence[Floats], seed: int) -> Areas:
    """The AUC of every forecast over the same draws of respondents. `respondents` are group numbers from 0."""
    draws = np.random.default_rng(seed)
    rankings = [Ranking(taken, forecast) for forecast in forecasts]
    people = int(respondents.max()) + 1
    drawn: list[list[float]] = []
    for _ in range(BOOTSTRAPS):
        weights = np.bincount(draws.integers(people, size=people), minlength=people).astype(np.float64)[respondents]
        drawn.append([ranking.auc(weights) for ranking in rankings])
    ones = np.ones(len(taken))
    return Areas(whole=np.array([ranking.auc(ones) for ranking in rankings]), drawn=np.array(drawn))


def figures(taken: Ints, forecast: Floats, auc: Interval) -> Figures:
    """The other figures beside an AUC that is already known."""
    sure = np.clip(forecast, 1e-12, 1 - 1e-12)
    return Figures(
        auc=auc,
        average_precision=average_precision(taken, forecast),
        brier=float(np.mean((forecast - taken) ** 2)),
        log_loss=float(-np.mean(np.where(taken == 1, np.log(sure), np.log(1 - sure)))),
        calibration_error=_calibration_error(taken, forecast),
    )


def average_precision(taken: Ints, forecast: Floats) -> float:
    """Precision averaged over the taken rows, best forecast first; rows that tie are counted together."""
    order = np.argsort(-forecast, kind="stable")
    found = np.cumsum(taken[order])
    ends = np.append(np.flatnonzero(np.diff(forecast[order])), len(order) - 1)
    precision = found[ends] / (ends + 1)
    return float((precision * np.diff(found[ends], prepend=0)).sum() / found[-1])


def interval(value: float, drawn: Floats) -> Interval:
    """The middle 95 % of what was drawn, around the figure itself."""
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(value=float(value), low=float(low), high=float(high))


def _calibration_error(taken: Ints, forecast: Floats) -> float:
    bins = np.array_split(np.argsort(forecast, kind="stable"), _BINS)
    gaps = [len(rows) * abs(float(forecast[rows].mean() - taken[rows].mean())) for rows in bins if len(rows)]
    return sum(gaps) / len(taken)
