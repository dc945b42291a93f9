"""Exact discrete Laplace noise: integer arithmetic on random bits, without floating point.

Algorithms 1 and 2 of Canonne, Kamath, Steinke 2020, *The Discrete Gaussian for Differential Privacy* (arXiv:2004.00010). Floating-point
samplers leak through the low bits of their output (Mironov 2012), so there is none here. The bits come from the operating system in a
gateway, and from a seeded generator in tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

Entropy = Callable[[int], int]
"""Returns the given number of independent random bits as a non-negative integer."""


def discrete_laplace(scale: Fraction, entropy: Entropy) -> int:
    """An integer x with probability proportional to exp(-|x| / scale)."""
    numerator, denominator = scale.numerator, scale.denominator
    while True:
        low = _below(numerator, entropy)
        if not _is_exp(low, numerator, entropy):
            continue
        high = 0
        while _is_exp(1, 1, entropy):
            high += 1
        size = (low + numerator * high) // denominator
        if entropy(1) == 0:
            return size
        if size:  # zero would be drawn twice as often with both signs
            return -size


def variance(scale: Fraction) -> float:
    """Variance of `discrete_laplace` in closed form: 2 q / (1 - q)^2 with q = exp(-1 / scale)."""
    return 0.5 / math.sinh(0.5 / float(scale)) ** 2


def _below(bound: int, entropy: Entropy) -> int:
    """A uniform integer of 0 to bound - 1, by rejection."""
    bits = (bound - 1).bit_length()
    if not bits:
        return 0
    while True:
        drawn = entropy(bits)
        if drawn < bound:
            return drawn


def _is_exp(numerator: int, denominator: int, entropy: Entropy) -> bool:
    """True with probability exp(-numerator / denominator), for a fraction of 0 to 1."""
    number = 1
    while _below(denominator * number, entropy) < numerator:
        number += 1
    return number % 2 == 1
