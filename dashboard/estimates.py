"""Sums of noised counts, with the variance of the noise.

Every stored count has noise of a known variance, and may be negative. Sums stay unbiased because nothing is clamped before it is added;
negatives are clamped and small numbers are hidden where a figure is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

Z = 1.96  # of a normal distribution, for an interval that holds the true value in 95 of 100 cases


class Estimate(NamedTuple):
    """An unbiased estimate of a count, and the variance of its noise."""

    value: float = 0.0
    variance: float = 0.0

    @property
    def margin(self) -> float:
        """Half of the 95 % interval."""
        return Z * math.sqrt(self.variance)

    @property
    def is_clear(self) -> bool:
        """Whether the interval is above zero."""
        return self.value > self.margin

    def figures(self) -> dict[str, Any]:
        """The estimate for programs: whole numbers, not clamped."""
        return {"value": round(self.value), "plus_minus": math.ceil(self.margin)}


class Share(NamedTuple):
    """A share from 0 to 1, or a difference of shares, with half of its 95 % interval."""

    value: float
    margin: float


def total(estimates: Iterable[Estimate]) -> Estimate:
    """The sum of independent estimates."""
    found = list(estimates)
    return Estimate(sum(one.value for one in found), sum(one.variance for one in found))


def combined(one: Estimate, other: Estimate) -> Estimate:
    """Two independent estimates of the same count as one, weighted by precision."""
    weight = other.variance / (one.variance + other.variance)
    variance = one.variance * other.variance / (one.variance + other.variance)
    return Estimate(weight * one.value + (1 - weight) * other.value, variance)


def share(part: Estimate, whole: Estimate) -> Share | None:
    """The share of `part`, which is among `whole`; None if the whole is not clear.

    The margin holds the noise (delta method; the noise of the part is in both) and the chance of a sample of that size.
    """
    if not whole.is_clear:
        return None
    value = min(1.0, max(0.0, part.value / whole.value))
    noise = (part.variance * (1 - 2 * value) + value**2 * whole.variance) / whole.value**2
    chance = value * (1 - value) / whole.value
    return Share(value, Z * math.sqrt(max(0.0, noise) + chance))


def difference(one: Share | None, other: Share | None) -> Share | None:
    """The first share less the second; None if one of them is unknown."""
    if one is None or other is None:
        return None
    return Share(one.value - other.value, math.hypot(one.margin, other.margin))
