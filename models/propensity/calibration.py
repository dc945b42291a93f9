"""Log-odds that mean what they say: Platt's sigmoid or an isotonic line, chosen inside the training part.

A model's log-odds come from rows that it was not fitted to (folds inside the training part); the calibration is fitted to
those. Platt's two numbers (Platt 1999) suit most models. The isotonic line (Zadrozny and Elkan 2002) can bend, but finds
bends in noise too, so it is taken only where it is better on people whom neither was fitted to, by more than chance.

The line joins the middles of at most twenty pooled bins instead of jumping between them: a jump would turn the last bit of a
float32 into another answer. It is rising, flat outside of what was seen, and nowhere steeper than eight.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression

from gateway.core.bundle import CalibrationName
from models.propensity.graph import Floats, Graph, Ints

BINS = 20
BIN_ROWS_MIN = 50
STEEPEST = 8.0
SCORE_BOUND = 30.0  # beyond e^30 to one nothing is known
_PENALTY = 1e4  # a hair of shrinkage: perfectly separable scores would drive the slope beyond all bounds


class Calibration(Protocol):
    """What turns a model's log-odds into honest ones."""

    @property
    def name(self) -> CalibrationName:
        """For reports."""

    def apply(self, log_odds: Floats) -> Floats:
        """Honest log-odds, (n,)."""

    def emit(self, graph: Graph, log_odds: str) -> str:
        """The same as nodes, (n, 1)."""


class Sigmoid(NamedTuple):
    """Platt's line through the log-odds."""

    slope: float
    intercept: float

    @property
    def name(self) -> CalibrationName:
        """For reports."""
        return "sigmoid"

    def apply(self, log_odds: Floats) -> Floats:
        """Honest log-odds, (n,)."""
        return self.slope * log_odds + self.intercept

    def emit(self, graph: Graph, log_odds: str) -> str:
        """The same as nodes, (n, 1)."""
        return graph.node("Gemm", log_odds, graph.constant([[self.slope]]), graph.constant([self.intercept]))


class Isotonic(NamedTuple):
    """A rising line through knots (at, honest), both (m,) in log-odds."""

    at: Floats
    honest: Floats

    @property
    def name(self) -> CalibrationName:
        """For reports."""
        return "isotonic"

    def apply(self, log_odds: Floats) -> Floats:
        """Honest log-odds, (n,)."""
        return np.interp(log_odds, self.at, self.honest)

    def emit(self, graph: Graph, log_odds: str) -> str:
        """The same as nodes, (n, 1): a sum of hinges, one where each piece begins."""
        if len(self.at) == 1:
            return graph.node("Gemm", log_odds, graph.constant([[0.0]]), graph.constant(self.honest))
        bounded = graph.node("Clip", log_odds, graph.constant(self.at[0]), graph.constant(self.at[-1]))
        slopes = np.diff(self.honest) / np.diff(self.at)
        hinges = graph.node("Relu", graph.node("Sub", bounded, graph.constant(self.at[:-1])))
        bends = np.diff(slopes, prepend=0.0)[:, np.newaxis]
        return graph.node("Gemm", hinges, graph.constant(bends), graph.constant(self.honest[:1]))


def choose(log_odds: Floats, taken: Ints, groups: Ints) -> Calibration:
    """The calibration for scores of rows that the model did not see; the isotonic line has to beat the sigmoid by a standard error."""
    platt = sigmoid(log_odds, taken)
    if len(np.unique(log_odds)) < 4 or len(taken) < 4 * BIN_ROWS_MIN:
        return platt
    numbers = np.unique(groups, return_inverse=True)[1]
    half = numbers % 2 == 0
    better = np.zeros(len(taken))
    for learn, judge in ((half, ~half), (~half, half)):
        if len(np.unique(taken[learn])) < 2:
            return platt
        of_sigmoid = _losses(sigmoid(log_odds[learn], taken[learn]), log_odds[judge], taken[judge])
        better[judge] = of_sigmoid - _losses(isotonic(log_odds[learn], taken[learn]), log_odds[judge], taken[judge])
    by_person = np.bincount(numbers, better)
    error = float(by_person.std()) * len(by_person) ** 0.5
    return isotonic(log_odds, taken) if float(by_person.sum()) > error else platt


def sigmoid(log_odds: Floats, taken: Ints) -> Sigmoid:
    """Platt's two numbers."""
    bounded = np.clip(log_odds, -SCORE_BOUND, SCORE_BOUND)
    if np.ptp(bounded) == 0.0:
        share = (float(taken.sum()) + 0.5) / (len(taken) + 1.0)
        return Sigmoid(0.0, float(np.log(share / (1.0 - share))))
    platt = LogisticRegression(C=_PENALTY).fit(bounded.reshape(-1, 1), taken)
    return Sigmoid(float(platt.coef_[0, 0]), float(platt.intercept_[0]))


def isotonic(log_odds: Floats, taken: Ints) -> Isotonic:
    """The rising line through bins of about equal size (equal scores stay together), pooled until they rise."""
    bounded = np.clip(log_odds, -SCORE_BOUND, SCORE_BOUND)
    count = max(1, min(BINS, len(bounded) // BIN_ROWS_MIN))
    edges = np.unique(np.quantile(bounded, np.arange(1, count) / count, method="inverted_cdf"))
    bins = np.unique(np.searchsorted(edges, bounded, side="left"), return_inverse=True)[1]
    rows = np.bincount(bins).astype(np.float64)
    middles = np.bincount(bins, bounded) / rows
    shares = (np.bincount(bins, taken) + 0.5) / (rows + 1.0)
    rising: NDArray[np.float64] = isotonic_regression(shares, sample_weight=rows)
    return _gentle(middles, np.log(rising / (1.0 - rising)))


def _gentle(at: Floats, honest: Floats) -> Isotonic:
    """The knots, moved to the right where the line would otherwise jump."""
    moved = [float(at[0])]
    for index in range(1, len(at)):
        rise = float(honest[index] - honest[index - 1])
        moved.append(max(float(at[index]), moved[-1] + max(rise / STEEPEST, 1e-3)))
    return Isotonic(np.array(moved), honest)


def _losses(calibration: Calibration, log_odds: Floats, taken: Ints) -> Floats:
    honest = calibration.apply(log_odds)
    return np.logaddexp(0.0, np.where(taken == 1, -honest, honest))
