"""OpenDP as the oracle: its map of the privacy loss, and its sampler, beside ours."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from typing import Any

import opendp.prelude as dp
import pytest

from gateway.core import limits
from gateway.core.privacy.audit import Z_MAX, chi_square_z
from gateway.core.privacy.laplace import discrete_laplace
from gateway.core.privacy.tables import Terms
from gateway.core.records import CONTACTS_MAX, MILLION

SETTINGS, DRAWS = 200, 5_000
ROUNDING = 1e-9  # OpenDP's scale is a floating-point number, and its map rounds up


@pytest.fixture(scope="module", autouse=True)
def contrib() -> None:
    dp.enable_features("contrib")


def map_of(scale: Fraction, contacts: int) -> float:
    """OpenDP's epsilon of a vector of counts that one person changes by at most `contacts` in all."""
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
    measurement: Any = dp.m.make_laplace(*space, scale=float(scale))
    return float(measurement.map(contacts))


def settings() -> list[Terms]:
    draws = random.Random(11)  # noqa: S311 - repeatable
    lowest, highest = round(limits.EPSILON_DAY_MIN * MILLION), round(limits.EPSILON_DAY_MAX * MILLION)
    low, high = math.log(lowest), math.log(highest)
    return [
        Terms(round(math.exp(draws.uniform(low, high))), draws.randint(1, CONTACTS_MAX), control=draws.random() < 0.5)
        for _ in range(SETTINGS)
    ]


def test_the_stated_epsilon_is_at_least_that_of_the_oracle_on_200_settings() -> None:
    for terms in settings():
        ours = terms.share_millionths("offers") / MILLION
        assert ours * (1 + ROUNDING) >= map_of(terms.scale("offers"), terms.contacts_max)
        spent = sum(map_of(terms.scale(table), terms.change_max(table)) for table in terms.tables)
        assert terms.epsilon_millionths / MILLION * (1 + ROUNDING) >= spent


def test_a_smaller_scale_is_noticed_by_the_oracle() -> None:
    found = [
        map_of(terms.scale("hours") * Fraction(999, 1_000), terms.contacts_max) > terms.share_millionths("hours") / MILLION
        for terms in settings()
    ]
    assert all(found)


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(8), Fraction(80, 7)])
def test_both_samplers_draw_from_the_same_distribution(scale: Fraction) -> None:
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
    theirs = dp.m.make_laplace(*space, scale=float(scale))([0] * DRAWS)
    entropy = random.Random(12).getrandbits  # noqa: S311 - repeatable
    ours = [discrete_laplace(scale, entropy) for _ in range(DRAWS)]
    for draws in (theirs, ours):
        assert abs(chi_square_z(draws, scale)) < Z_MAX
    edge = math.ceil(2 * scale)
    counts = [Counter(max(-edge, min(edge, draw)) for draw in draws) for draws in (theirs, ours)]
    statistic = sum((counts[0][x] - counts[1][x]) ** 2 / (counts[0][x] + counts[1][x]) for x in set(counts[0]) | set(counts[1]))
    freedom = len(set(counts[0]) | set(counts[1])) - 1
    assert (statistic - freedom) / math.sqrt(2 * freedom) < Z_MAX
