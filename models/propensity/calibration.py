"""Calibration of log-odds: Platt's sigmoid or isotonic regression, chosen inside the training part.

A calibration is fitted to log-odds of rows that the model was not fitted to (folds inside the training part). Platt's sigmoid
(Platt 1999) has two parameters and suits most models. Isotonic regression (Zadrozny and Elkan 2002) is more flexible and
overfits more easily, so it is chosen only if it is significantly better on subjects that neither was fitted to.

The isotonic line connects the centres of at most twenty pooled bins without steps: with steps, the last bit
of a float32 could change the probability. It is constant outside its knots and its slope is at most eight.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression

from gateway.core.bundle import CalibrationName
from models.arrays import Floats, Ints

BINS = 20
BIN_ROWS_MIN = 50
SLOPE_MAX = 8.0
SCORE_BOUND = 30.0  # log-odds beyond it are cut off
_PENALTY = 1e4  # C of the sigmoid: without shrinkage, perfectly separable scores have an infinite slope


class Calibration(Protocol):
    """A fitted map from a model's log-odds to calibrated ones."""

    @property
    def name(self) -> CalibrationName:
        """Its name in reports and manifests."""

    def apply(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds, (n,), for log-odds (n,)."""


class Sigmoid(NamedTuple):
    """Platt's straight line over log-odds."""

    slope: float
    intercept: float

    @property
    def name(self) -> CalibrationName:
        """Its name in reports and manifests."""
        return "sigmoid"

    def apply(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds, (n,)."""
        return self.slope * log_odds + self.intercept


class Isotonic(NamedTuple):
    """A rising, piecewise linear line through knots (x, y), both (m,) in log-odds."""

    x: Floats
    y: Floats

    @property
    def name(self) -> CalibrationName:
        """Its name in reports and manifests."""
        return "isotonic"

    def apply(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds, (n,)."""
        return np.interp(log_odds, self.x, self.y)


def choose(log_odds: Floats, taken: Ints, groups: Ints) -> Calibration:
    """The calibration for out-of-fold log-odds, outcomes and subject numbers, each (n,).

    Isotonic regression is chosen if its log-loss on held-out subjects is better than the sigmoid's by a standard error.
    """
    platt = fit_sigmoid(log_odds, taken)
    if len(np.unique(log_odds)) < 4 or len(taken) < 4 * BIN_ROWS_MIN:
        return platt
    numbers = np.unique(groups, return_inverse=True)[1]
    half = numbers % 2 == 0
    better = np.zeros(len(taken))
    for train, test in ((half, ~half), (~half, half)):
        if len(np.unique(taken[train])) < 2:
            return platt
        of_sigmoid = _losses(fit_sigmoid(log_odds[train], taken[train]), log_odds[test], taken[test])
        better[test] = of_sigmoid - _losses(fit_isotonic(log_odds[train], taken[train]), log_odds[test], taken[test])
    by_subject = np.bincount(numbers, better)
    error = float(by_subject.std()) * len(by_subject) ** 0.5
    return fit_isotonic(log_odds, taken) if float(by_subject.sum()) > error else platt


def fit_sigmoid(log_odds: Floats, taken: Ints) -> Sigmoid:
    """Platt's sigmoid for log-odds and outcomes (n,); equal log-odds get slope 0 and the overall rate."""
    bounded = np.clip(log_odds, -SCORE_BOUND, SCORE_BOUND)
    if np.ptp(bounded) == 0.0:
        share = (float(taken.sum()) + 0.5) / (len(taken) + 1.0)
        return Sigmoid(0.0, float(np.log(share / (1.0 - share))))
    platt = LogisticRegression(C=_PENALTY).fit(bounded.reshape(-1, 1), taken)
    return Sigmoid(float(platt.coef_[0, 0]), float(platt.intercept_[0]))


def fit_isotonic(log_odds: Floats, taken: Ints) -> Isotonic:
    """Isotonic regression of outcomes on log-odds, (n,), in bins of about equal size; equal log-odds share a bin."""
    bounded = np.clip(log_odds, -SCORE_BOUND, SCORE_BOUND)
    count = max(1, min(BINS, len(bounded) // BIN_ROWS_MIN))
    edges = np.unique(np.quantile(bounded, np.arange(1, count) / count, method="inverted_cdf"))
    bins = np.unique(np.searchsorted(edges, bounded, side="left"), return_inverse=True)[1]
    rows = np.bincount(bins).astype(np.float64)
    middles = np.bincount(bins, bounded) / rows
    shares = (np.bincount(bins, taken) + 0.5) / (rows + 1.0)
    rising: NDArray[np.float64] = isotonic_regression(shares, sample_weight=rows)
    return _with_bounded_slope(middles, np.log(rising / (1.0 - rising)))


def _with_bounded_slope(x: Floats, y: Floats) -> Isotonic:
    """The knots, moved to the right where the line would be steeper than SLOPE_MAX."""
    moved = [float(x[0])]
    for index in range(1, len(x)):
        rise = float(y[index] - y[index - 1])
        moved.append(max(float(x[index]), moved[-1] + max(rise / SLOPE_MAX, 1e-3)))
    return Isotonic(np.array(moved), y)


def _losses(calibration: Calibration, log_odds: Floats, taken: Ints) -> Floats:
    calibrated = calibration.apply(log_odds)
    return np.logaddexp(0.0, np.where(taken == 1, -calibrated, calibrated))
