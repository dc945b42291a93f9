"""Whole walks through the whole engine, with real radio's noise: visits found, none made up, none split, told in time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from gateway.core.presence import PresenceRules
from tests.presence.judges import GatewayJudge, Score, make_walks, naive, score
from tests.presence.noise import Noise, fit
from tests.presence.traces import ranged
from tests.presence.walks import Walk, stand

RULES = PresenceRules()
SEED = 7
BETWEEN_NEIGHBOURS = (127.0, 0.0)
STOOD_S = 600


@pytest.fixture(scope="module")
def radio_noise() -> Noise:
    return fit(ranged())


@pytest.fixture(scope="module")
def walks(radio_noise: Noise) -> list[Walk]:
    """A hundred seeded walks."""
    return make_walks(100, radio_noise, RULES, SEED)


def promised(found: Score) -> None:
    shares = found.shares()
    assert found.visits >= 100
    assert shares["found"] >= 0.99
    assert shares["false or split"] <= 0.01
    assert shares["entered in time"] >= 0.99
    assert shares["left in time"] >= 0.99


def test_walks_are_told_as_they_were(tmp_path: Path, walks: list[Walk]) -> None:
    judge = GatewayJudge(tmp_path, RULES)
    promised(score(judge, walks, RULES.exit_after_ms))
    judge.gateway.close()


@pytest.mark.soak
def test_many_walks_are_told_as_they_were(tmp_path: Path, radio_noise: Noise) -> None:
    judge = GatewayJudge(tmp_path, RULES)
    promised(score(judge, make_walks(1500, radio_noise, RULES, SEED + 1), RULES.exit_after_ms))
    judge.gateway.close()


def test_raw_levels_without_hysteresis_fail(walks: list[Walk]) -> None:
    """The negative control: the walks are hard enough to fail whoever takes each sample at its word."""
    shares = score(naive, walks[:40], RULES.exit_after_ms).shares()
    assert shares["false or split"] > 0.2


def test_who_stands_between_two_zones_is_not_tossed_about(tmp_path: Path, radio_noise: Noise) -> None:
    """Ten minutes at the same distance from both, ten times: a move now and then, where the naive rule makes hundreds."""
    judge = GatewayJudge(tmp_path, RULES)
    stood = [stand(BETWEEN_NEIGHBOURS, STOOD_S, Random(number), radio_noise) for number in range(10)]  # noqa: S311 - to be met again
    visits = [judge(heard) for heard in stood]
    assert sum(map(len, visits)) <= 4 * len(stood)
    assert sum(len(naive(heard)) for heard in stood) > 50 * len(stood)
    for one in visits:
        for before, after in pairwise(one):
            assert before.until_ms <= after.from_ms, "one visit at a time"
    judge.gateway.close()


def test_walks_are_seeded(radio_noise: Noise) -> None:
    assert make_walks(2, radio_noise, RULES, SEED) == make_walks(2, radio_noise, RULES, SEED) != make_walks(2, radio_noise, RULES, SEED + 1)
