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
from gateway.core.records import (
    CONTROL_CHANGE_MAX,
    EPOCHS_MAX,
    MILLION,
    VISITOR_ZONES_MAX,
    ControlCounts,
    HourCounts,
    OfferCounts,
    VisitorCounts,
)

Z_MAX = 6.0  # of a check that must not fail by chance
SIGMAS = 3.0
EXPECTED_MIN = 20  # draws in each class of the chi-square statistic
AUDITED = Catalogue("audit", ("a", "b", "c", "d"), {"o": ("a",)})
CELL = ("a", "o", "redeemed")
DISTANCE = CONTROL_CHANGE_MAX - 1  # of two answers of 7 from the middle of the scale


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

    Event: each count is at least as high as with that person. `contacts` defaults to the most that a gateway counts.
    """
    most = terms.contacts_max if contacts is None else contacts
    seen = Counter[bool]()
    for _ in range(releases):
        for is_there in (False, True):
            seen[is_there] += _is_as_high(terms, most if is_there else 0, entropy)
        tick()
    present, absent = max(1, seen[True]), max(1, seen[False])
    loss = math.log(present / absent)
    spread = SIGMAS * math.sqrt(1 / present + 1 / absent)
    return Loss(loss - spread, loss + spread)


def releases_min(terms: Terms) -> int:
    """Releases from which `day_loss` can show a loss above epsilon: with fewer, its lower end is below epsilon with any noise."""
    return math.ceil(math.exp(epsilon(terms) + SIGMAS))


def epsilon(terms: Terms) -> float:
    """Epsilon of a service day."""
    return terms.epsilon_millionths / MILLION


def _is_as_high(terms: Terms, contacts: int, entropy: Entropy) -> bool:
    """Whether all counts of a released day are at least those of a person with the most contacts."""
    hours: HourCounts = release.hour_record(AUDITED, _period(terms), {"a": contacts}, entropy, "a")
    offers: OfferCounts = release.offer_records(AUDITED, _period(terms), {CELL: contacts}, entropy, "a")[0]
    found = min(hours.counts[0], offers.counts[-1]) >= terms.contacts_max
    if terms.control:
        answers: ControlCounts = release.control_record(AUDITED, _period(terms), [DISTANCE] if contacts else [], entropy, "a")
        found = found and answers.counts[0] >= 1 and answers.counts[1] >= DISTANCE
    if terms.visitors:
        heard = dict.fromkeys(AUDITED.zones[:VISITOR_ZONES_MAX], EPOCHS_MAX) if contacts else {}
        devices: VisitorCounts = release.visitor_record(AUDITED, _period(terms), heard, EPOCHS_MAX, entropy, "a")
        found = found and min(devices.counts) >= EPOCHS_MAX
    return found


def _period(terms: Terms) -> Period:
    return Period(0, 0, terms)
