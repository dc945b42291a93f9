"""Sample-ratio alarm: whether the holdout has the size that was set; if not, the arms differ by more than the offers."""

from __future__ import annotations

import math

import msgspec

ALARM_P = 0.001
EXPECTED_MIN = 5.0  # of each arm: below, the chi-square distribution does not hold


class SampleRatio(msgspec.Struct, frozen=True):
    """People held out, of all; the expected number; the p value of a chi-square test; and whether it is an alarm."""

    held_out: int
    people: int
    expected: float
    p: float
    alarm: bool


def sample_ratio(held_out: int, people: int, share: float) -> SampleRatio | None:
    """The test of a holdout of `share`; None if fewer than EXPECTED_MIN people are expected in an arm."""
    expected = people * share
    rest = people - expected
    if min(expected, rest) < EXPECTED_MIN:
        return None
    chi_square = (held_out - expected) ** 2 * (1 / expected + 1 / rest)
    p = math.erfc(math.sqrt(chi_square / 2))  # one degree of freedom
    return SampleRatio(held_out, people, expected, p, p < ALARM_P)
