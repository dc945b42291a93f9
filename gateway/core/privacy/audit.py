"""Questions to the noise from outside: its distribution, and the privacy loss of a person's day, measured on records alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from gateway.core.privacy import release
from gateway.core.privacy.laplace import Entropy
from gateway.core.privacy.tables import Catalogue, Period, Terms
from gateway.core.records import MILLION, HourCounts, OfferCounts

Z_MAX = 6.0  # of a check that must not fail by chance
SIGMAS = 3.0
EXPECTED_MIN = 20  # draws in each class of the chi-square statistic
AUDITED = Catalogue("audit", ("a",), {"o": ("a",)})
CELL = ("a", "o", "redeemed")


class Loss(NamedTuple):
    """Interval of a privacy loss of three standard deviations on each side; `low` bounds epsilon from below."""

    low: float
    high: float


def chi_square_z(draws: Sequence[int], scale: Fraction) -> float:
    """The chi-square statistic of draws against the discrete Laplace, as standard deviations from its mean; tails are pooled."""
    q = math.exp(-1 / float(scale))
    at_zero = (1 - q) / (1 + q)
    edge = next(size for size in range(10_000) if len(draws) * at_zero * q ** (size + 1) < EXPECTED_MIN)
    expected = {value: at_zero * q ** abs(value) for value in range(-edge + 1, edge)}
    expected |= dict.fromkeys((-edge, edge), q**edge / (1 + q))
    found = Counter(max(-edge, min(edge, draw)) for draw in draws)
    statistic = sum((found[value] - len(draws) * p) ** 2 / (len(draws) * p) for value, p in expected.items())
    freedom = len(expected) - 1
    return (statistic - freedom) / math.sqrt(2 * freedom)


def noise_z(terms: Terms, entropy: Entropy, draws: int) -> float:
    """`chi_square_z` of counts of zero, as they leave."""
    wide = Catalogue("audit", tuple(f"z{number}" for number in range(1_000)), {})
    counts: list[int] = []
    while len(counts) < draws:
        counts += release.hour_record(wide, _period(terms), {}, entropy, "a").counts
    return chi_square_z(counts, terms.scale("hours"))


def day_loss(
    terms: Terms, entropy: Entropy, releases: int, *, contacts: int | None = None, tick: Callable[[], object] = lambda: None
) -> Loss:
    """The privacy loss of a day, measured on `releases` days with and without a person with `contacts` in one cell of each table.

    Event: both counts are at least `terms.contacts_max`. `contacts` defaults to that too, the most that a gateway counts.
    """
    most = terms.contacts_max if contacts is None else contacts
    seen = Counter[bool]()
    for _ in range(releases):
        for is_there in (False, True):
            seen[is_there] += min(_day(terms, most if is_there else 0, entropy)) >= terms.contacts_max
        tick()
    present, absent = max(1, seen[True]), max(1, seen[False])
    loss = math.log(present / absent)
    spread = SIGMAS * math.sqrt(1 / present + 1 / absent)
    return Loss(loss - spread, loss + spread)


def epsilon(terms: Terms) -> float:
    """Epsilon of a service day."""
    return terms.epsilon_millionths / MILLION


def _day(terms: Terms, contacts: int, entropy: Entropy) -> tuple[int, int]:
    """The counts of the person's two cells as they leave."""
    hours: HourCounts = release.hour_record(AUDITED, _period(terms), {"a": contacts}, entropy, "a")
    offers: OfferCounts = release.offer_records(AUDITED, _period(terms), {CELL: contacts}, entropy, "a")[0]
    return hours.counts[0], offers.counts[-1]


def _period(terms: Terms) -> Period:
    return Period(0, 0, terms)
