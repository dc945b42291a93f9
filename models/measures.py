"""Measures of forecasts, with bootstrap intervals over respondents.

The rows of one respondent resemble each other, so twenty of one respondent are worth far less than one each of twenty. Intervals
come from drawing respondents, not rows: a draw gives each respondent a weight, and the area under the curve is computed
with weights. All models are measured on the same draws, so the difference of two models has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from models.arrays import Floats, Ints

BOOTSTRAPS = 1_000
_BINS = 10


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True):
    """Figures of one model. `calibration_error` is the mean gap between forecast and share taken over ten bins of equal size."""

    auc: Interval
    average_precision: float
    brier: float
    log_loss: float
    calibration_error: float


class Ranking:
    """Forecasts (n,) sorted once, best first and ties together, so that a figure is cheap for each of many weights (n,)."""

    def __init__(self, taken: Ints, forecast: Floats) -> None:
        values, self._level = np.unique(-forecast, return_inverse=True)
        self._levels = len(values)
        self._taken = taken.astype(np.float64)

    def auc(self, weights: Floats) -> float:
        """Weighted share of (taken, not taken) pairs in the right order, ties half; NaN if one class has no weight."""
        right, wrong = self._sums(weights)
        pairs = float(right.sum() * wrong.sum())
        before = np.cumsum(right) - right / 2
        return float((wrong * before).sum()) / pairs if pairs else float("nan")

    def captured(self, share: float) -> Callable[[Floats], float]:
        """A function of weights: the share of all taken rows that are in the best `share` of the rows."""

        def measure(weights: Floats) -> float:
            seen, found = self._gains(weights)
            return float(np.interp(share, seen, found))

        return measure

    def lift(self, share: float) -> Callable[[Floats], float]:
        """A function of weights: the rate of the best `share` of the rows over the rate of all."""
        captured = self.captured(share)
        return lambda weights: captured(weights) / share

    def _sums(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weights of the taken rows and of the others, by level of the forecast, (levels,) each."""
        right = np.bincount(self._level, weights * self._taken, self._levels).astype(np.float64)
        wrong = np.bincount(self._level, weights * (1.0 - self._taken), self._levels).astype(np.float64)
        return right, wrong

    def _gains(self, weights: Floats) -> tuple[Floats, Floats]:
        taken, others = self._sums(weights)
        seen = np.concatenate(([0.0], np.cumsum(taken + others)))
        found = np.concatenate(([0.0], np.cumsum(taken)))
        return seen / seen[-1], found / (found[-1] or np.nan)


class Areas(NamedTuple):
    """AUC of each of k forecasts: on all rows, (k,), and on each draw of respondents, (BOOTSTRAPS, k)."""

    whole: Floats
    drawn: Floats

    def of(self, index: int) -> Interval:
        """The AUC of one forecast."""
        return interval(self.whole[index], self.drawn[:, index])

    def difference(self, index: int, base: int) -> Interval:
        """The AUC of one forecast minus that of another, on the same draws."""
        return interval(self.whole[index] - self.whole[base], self.drawn[:, index] - self.drawn[:, base])


def areas(taken: Ints, respondents: Ints, forecasts: Sequence[Floats], seed: int) -> Areas:
    """The AUC of every forecast (n,) over the same draws of respondents; `respondents` (n,) holds respondent numbers from 0."""
    rankings = [Ranking(taken, forecast) for forecast in forecasts]
    drawn = [[ranking.auc(weights) for ranking in rankings] for weights in draw_units(respondents, seed, BOOTSTRAPS)]
    ones = np.ones(len(taken))
    return Areas(whole=np.array([ranking.auc(ones) for ranking in rankings]), drawn=np.array(drawn))


def draw_units(units: Ints, seed: int, draws: int) -> Iterator[Floats]:
    """Weights of the rows, (n,), for each draw with replacement: the count of the row's unit; `units` (n,) holds unit numbers from 0."""
    chance = np.random.default_rng(seed)
    count = int(units.max()) + 1
    for _ in range(draws):
        yield np.bincount(chance.integers(count, size=count), minlength=count).astype(np.float64)[units]


def figures(taken: Ints, forecast: Floats, auc: Interval) -> Figures:
    """All figures of a forecast (n,) of outcomes 0/1 (n,), given its AUC."""
    return Figures(
        auc=auc,
        average_precision=average_precision(taken, forecast),
        brier=float(np.mean((forecast - taken) ** 2)),
        log_loss=log_loss(taken, forecast),
        calibration_error=_calibration_error(taken, forecast),
    )


def log_loss(taken: Ints, forecast: Floats) -> float:
    """Mean log-loss of probabilities (n,), which are clipped to 1e-12 from 0 and 1."""
    return float(log_losses(taken, forecast).mean())


def log_losses(taken: Ints, forecast: Floats) -> Floats:
    """Log-loss of each probability, (n,); probabilities are clipped to 1e-12 from 0 and 1."""
    sure = np.clip(forecast, 1e-12, 1 - 1e-12)
    losses: Floats = -np.where(taken == 1, np.log(sure), np.log(1 - sure))
    return losses


def average_precision(taken: Ints, forecast: Floats) -> float:
    """Average precision over the taken rows, best forecast first; ties count together."""
    order = np.argsort(-forecast, kind="stable")
    found = np.cumsum(taken[order])
    ends = np.append(np.flatnonzero(np.diff(forecast[order])), len(order) - 1)
    precision = found[ends] / (ends + 1)
    return float((precision * np.diff(found[ends], prepend=0)).sum() / found[-1])


def interval(value: float, drawn: Floats) -> Interval:
    """A figure with the middle 95 % of its draws; NaN draws are left out."""
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(value=float(value), low=float(low), high=float(high))


def _calibration_error(taken: Ints, forecast: Floats) -> float:
    bins = np.array_split(np.argsort(forecast, kind="stable"), _BINS)
    gaps = [len(rows) * abs(float(forecast[rows].mean() - taken[rows].mean())) for rows in bins if len(rows)]
    return sum(gaps) / len(taken)
