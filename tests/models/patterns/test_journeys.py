"""Journeys recur and hold on later days; cohorts have at least k subjects."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from models.patterns.cohorts import cohorts_of
from models.patterns.itemsets import PatternError
from models.patterns.journeys import Journey, journeys_of
from models.patterns.sequences import VisitSequence, mine_sequences, without_repeats
from tests.models.patterns.toy import walked

FEW = range(5)
BACKGROUND = range(100, 120)


def _found(sequences: list[VisitSequence]) -> dict[tuple[str, ...], Journey]:
    return {journey.steps: journey for journey in journeys_of(sequences, window_days=10, windows_min=2, subjects_min=4)}


def _street(days: tuple[float, ...], later: float | None = 35) -> list[VisitSequence]:
    """Visits of five subjects to plaza and cafe on `days` and `later`, and of twenty other subjects elsewhere in every window."""
    sequences = [walk for day in (0, 10, 20, 30) for walk in walked(BACKGROUND, day, "market", "station")]
    sequences += [walk for day in days for walk in walked(FEW, day, "plaza", "cafe")]
    return sequences + (walked(FEW, later, "plaza", "cafe") if later is not None else [])


def test_a_pattern_repeated_and_holding_later_is_a_journey() -> None:
    found = _found(_street((1, 11)))[("plaza", "cafe")]
    assert (found.state, found.windows, found.completed, found.started) == ("journey", 2, 5, 5)
    assert found.confidence == 1.0
    assert found.base_rate == pytest.approx(5 / 25)
    assert found.subjects == frozenset(FEW)


def test_a_pattern_seen_in_one_window_only_stays_a_candidate() -> None:
    found = _found(_street((1, 2, 3)))[("plaza", "cafe")]
    assert (found.state, found.windows) == ("candidate", 1)
    assert "seen in 1" in found.reason


def test_a_pattern_that_does_not_hold_later_stays_a_candidate() -> None:
    assert "too few" in _found(_street((1, 11), later=None))[("plaza", "cafe")].reason
    crowd = [walk for day in (1, 11, 21) for walk in walked(range(40), day, "plaza", "cafe")]
    assert "half the earlier share" in _found(_street((), later=35) + crowd)[("plaza", "cafe")].reason
    # Later all subjects end in the cafe, so that the plaza before it is no longer informative.
    everybody = walked(BACKGROUND, 36, "market", "cafe") + walked(range(5, 9), 36, "plaza", "station")
    assert "does not follow more often" in _found(_street((1, 11)) + everybody)[("plaza", "cafe")].reason


def test_too_few_windows_raise() -> None:
    with pytest.raises(PatternError, match="give more days"):
        journeys_of(walked(FEW, 1, "plaza", "cafe"))
    with pytest.raises(PatternError, match="no sequence"):
        journeys_of([])


@pytest.mark.parametrize("length_max", [2, 3])
def test_mining_finds_every_pattern_that_counting_by_hand_finds(length_max: int) -> None:
    draws = np.random.default_rng(4)
    sequences = [
        VisitSequence(int(draws.integers(12)), 0, tuple(draws.choice(list("pqrs"), size=int(draws.integers(2, 6))))) for _ in range(40)
    ]
    expected: dict[tuple[str, ...], set[int]] = {}
    for walk in sequences:
        for size in range(1, length_max + 1):
            for places in combinations(range(len(walk.steps)), size):
                expected.setdefault(tuple(walk.steps[place] for place in places), set()).add(walk.subject)
    assert mine_sequences(sequences, 5, length_max) == {
        steps: frozenset(subjects) for steps, subjects in expected.items() if len(subjects) >= 5
    }


def test_support_counts_subjects_and_not_walks() -> None:
    habit = walked(range(1), 1, "plaza", "cafe") * 50
    assert mine_sequences(habit, 2) == {}
    assert without_repeats(["plaza", "plaza", "cafe", "plaza"]) == ("plaza", "cafe", "plaza")


def test_a_cohort_of_k_minus_1_does_not_exist() -> None:
    journeys = list(_found(_street((1, 11))).values())
    assert len([journey for journey in journeys if journey.state == "journey"]) == 2
    five = cohorts_of(journeys, k=5)
    assert [(cohort.steps, len(cohort.subjects)) for cohort in five.cohorts] == [(("market", "station"), 20), (("plaza", "cafe"), 5)]
    six = cohorts_of(journeys, k=6)
    assert [cohort.steps for cohort in six.cohorts] == [("market", "station")]
    assert six.too_small == 1
    assert not any(frozenset(FEW) & cohort.subjects for cohort in six.cohorts)


def test_candidates_make_no_cohort_and_one_person_is_none() -> None:
    assert [cohort.steps for cohort in cohorts_of(_found(_street((1,))).values(), k=5).cohorts] == [("market", "station")]
    with pytest.raises(PatternError, match="is a single person"):
        cohorts_of([], k=1)
