"""Shape of the upper tail of importance weights, as Pareto k-hat.

The largest weights are fitted by a generalised Pareto distribution (Zhang & Stephens 2009). With a shape k of one half or more the
variance of the weights is infinite; above 0.7 an estimate from a log of practical size cannot be trusted (Vehtari, Simpson, Gelman,
Yao & Gabry 2024, "Pareto smoothed importance sampling").
"""

from __future__ import annotations

import numpy as np

from gateway.core.measure.rates import Floats

TAIL_MIN = 5
_PRIOR = 3
_PRIOR_ROWS, _PRIOR_SHAPE = 10.0, 0.5  # the shape is shrunk to 0.5 as by ten more rows


def k_hat(weights: Floats) -> float:
    """Shape k of the upper tail of weights (n,); minus infinity if the tail is too short or does not vary."""
    ordered = np.sort(weights)
    tail = int(np.ceil(min(0.2 * len(ordered), 3.0 * len(ordered) ** 0.5)))
    if tail < TAIL_MIN or tail >= len(ordered):
        return float("-inf")
    beyond = ordered[-tail:] - ordered[-tail - 1]
    beyond = beyond[beyond > 0.0]
    if len(beyond) < TAIL_MIN or np.ptp(beyond) == 0.0:
        return float("-inf")
    return shape_of(beyond)


def shape_of(values: Floats) -> float:
    """Shape k of a generalised Pareto distribution at 0, fitted to positive values (n,)."""
    ordered = np.sort(values)
    rows = len(ordered)
    grid = 30 + int(rows**0.5)
    candidates = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    candidates = candidates / (_PRIOR * ordered[int(rows / 4 + 0.5) - 1]) + 1.0 / ordered[-1]
    shapes = np.log1p(-candidates[:, np.newaxis] * ordered).mean(axis=1)
    fits = rows * (np.log(-candidates / shapes) - shapes - 1.0)
    likely = np.exp(fits - fits.max())
    mean = float((candidates * likely).sum() / likely.sum())
    shape = float(np.log1p(-mean * ordered).mean())
    return (rows * shape + _PRIOR_ROWS * _PRIOR_SHAPE) / (rows + _PRIOR_ROWS)
