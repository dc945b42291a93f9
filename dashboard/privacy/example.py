"""A record before and after the noise: made-up true counts, and the same with noise of the gateway's own scale."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from dashboard.estimates import Z
from dashboard.privacy.noises import Stated
from gateway.core.privacy.laplace import discrete_laplace
from gateway.core.records import MILLION

TRUE = (3, 0, 41, 112, 7, 24)  # made up: small counts beside large ones
WITHOUT_EXAMPLE = Stated("hours", 0.5, 4, 0.0, 0)  # the terms that a gateway has by default


class Example(NamedTuple):
    """A zone with its true count, the true count without one person, and a count as it leaves; `margin` is half of the 95 % interval."""

    rows: list[tuple[str, int, int, int]]
    margin: int
    epsilon: float
    contacts_max: int


def example(zones: Sequence[str], terms: Stated, seed: str) -> Example:
    """The same example for the same seed. The person that is left out was counted once, in the first zone with a count."""
    draws = random.Random(seed)  # noqa: S311  an example, not noise that protects
    scale = Fraction(terms.contacts_max * MILLION, round(terms.epsilon * MILLION))
    rows, left_out = list[tuple[str, int, int, int]](), False
    for zone, count in zip(zones, TRUE, strict=False):
        without = count - (count > 0 and not left_out)
        left_out = left_out or without != count
        rows.append((zone, count, without, count + discrete_laplace(scale, draws.getrandbits)))
    return Example(rows, round(Z * float(scale) * 2**0.5), terms.epsilon, terms.contacts_max)
