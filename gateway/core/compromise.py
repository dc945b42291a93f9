"""VIKOR (Opricovic and Tzeng 2004, European Journal of Operational Research 156): compromise ranking of alternatives by weighted criteria.

S of an alternative is the sum of its weighted distances from the best of each criterion (group utility), R the largest of them (individual
regret), and Q = v S + (1 - v) R with both scaled to 0..1. The planning tools and the ranking of offers share these functions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Distances(NamedTuple):
    """Group utility S and individual regret R of each alternative (n,); 0 is best."""

    s: Floats
    r: Floats


def distances(cells: Floats, weights: Floats) -> Distances:
    """S and R of alternatives (n, criteria), of which more is better; `weights` (criteria,) sum to 1.

    A criterion in which all are equal adds nothing.
    """
    best = cells.max(axis=0)
    span = best - cells.min(axis=0)
    regret = weights * np.divide(best - cells, span, out=np.zeros_like(cells), where=span > 0)
    return Distances(regret.sum(axis=1), regret.max(axis=1))


def compromise(of: Distances, v: float) -> Floats:
    """Q of each alternative (n,), 0 is best; `v` is the weight of the majority against the largest individual regret."""
    found: Floats = v * _scaled(of.s) + (1.0 - v) * _scaled(of.r)
    return found


def _scaled(values: Floats) -> Floats:
    span = np.ptp(values)
    return (values - values.min()) / span if span else np.zeros_like(values)
