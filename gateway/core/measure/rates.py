"""Rates with intervals: of counts (Wilson 1927), and of sums over people (linearised ratio): rows of one person resemble each other."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Rate(msgspec.Struct, frozen=True):
    """A rate with its variance, and the number of people behind it."""

    value: float
    variance: float
    people: int

    @property
    def interval(self) -> Interval:
        """The 95 % interval by the normal distribution."""
        return around(self.value, math.sqrt(self.variance))


class Sums(NamedTuple):
    """By person, (people,): number of rows, and the sum of a value over these."""

    rows: Floats
    values: Floats

    @property
    def rate(self) -> Rate:
        """Values a row over all people. Raises ValueError without a row."""
        total = float(self.rows.sum())
        if not total:
            raise ValueError("a rate needs a row")
        value = float(self.values.sum()) / total
        residuals = self.values - value * self.rows
        return Rate(value, float(residuals @ residuals) / total**2, int(np.count_nonzero(self.rows)))


def around(value: float, error: float) -> Interval:
    """The 95 % interval of a normal figure with this standard error."""
    return Interval(value, value - Z * error, value + Z * error)


def wilson(successes: int, trials: int) -> Interval:
    """Share of successes with its Wilson 95 % interval, which stays within 0 and 1. Raises ValueError for impossible counts."""
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} of {trials} is no share")
    share, spread = successes / trials, Z**2 / trials
    middle = (share + spread / 2) / (1 + spread)
    reach = Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low = 0.0 if not successes else max(0.0, middle - reach)
    return Interval(share, low, 1.0 if successes == trials else min(1.0, middle + reach))


def sums(people: Ints, values: Floats) -> Sums:
    """Sums by person of `values`, (n,), of the rows of `people`, (n,), numbered from 0."""
    count = int(people.max()) + 1 if len(people) else 0
    return Sums(*(np.bincount(people, weights, minlength=count).astype(np.float64) for weights in (np.ones(len(people)), values)))
