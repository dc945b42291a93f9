"""Subjects who share a journey form a cohort (the sources say ecosystem), and a small one does not exist.

Of fewer than k people who do the same, each could be told apart by who knows a little more. So a cohort is never made
and then hidden: below k nothing is made, and all that is told is how many journeys had too few.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from models.patterns.itemsets import PatternError
from models.patterns.journeys import Journey
from models.patterns.sequences import Steps

K = 20  # as the dashboard suppresses below (trust.md, what leaves)


class Cohort(msgspec.Struct, frozen=True):
    """At least k subjects (group numbers) who all walked `steps`."""

    steps: Steps
    subjects: frozenset[int]


class Cohorts(NamedTuple):
    """The cohorts, largest first, and how many journeys have too few subjects for one."""

    cohorts: tuple[Cohort, ...]
    too_small: int


def cohorts_of(journeys: Iterable[Journey], k: int = K) -> Cohorts:
    """A cohort for every journey that at least `k` subjects share; candidates make none."""
    if k < 2:
        raise PatternError(f"a cohort of {k} is a person; give 2 or more")
    shared = [journey for journey in journeys if journey.state == "journey"]
    large = [Cohort(journey.steps, journey.subjects) for journey in shared if len(journey.subjects) >= k]
    large.sort(key=lambda cohort: (-len(cohort.subjects), cohort.steps))
    return Cohorts(tuple(large), len(shared) - len(large))
