"""Cohorts (called ecosystems in the sources): groups of at least k subjects with a journey in common.

A member of a smaller group could be identified with a little outside knowledge. A group below k is therefore never formed, instead of
formed and then hidden; only the number of journeys with too few subjects is reported.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.attributes import groups
from models.patterns.itemsets import PatternError
from models.patterns.journeys import Journey
from models.patterns.sequences import Steps

K = limits.GROUP_SUBJECTS_MIN  # k-anonymity: minimum number of subjects in a group


class Cohort(msgspec.Struct, frozen=True):
    """Subjects (group numbers, at least k) with the journey `steps` in common."""

    steps: Steps
    subjects: frozenset[int]


class Cohorts(NamedTuple):
    """Cohorts, largest first, and the number of journeys with too few subjects for one."""

    cohorts: tuple[Cohort, ...]
    too_small: int


def cohorts_of(journeys: Iterable[Journey], k: int = K) -> Cohorts:
    """One cohort for every journey of at least `k` subjects; candidates have none. Raises PatternError if k is below 2."""
    if k < 2:
        raise PatternError(f"a cohort of {k} is a single person: k must be 2 or more")
    shared = [journey for journey in journeys if journey.state == "journey"]
    large = [Cohort(journey.steps, journey.subjects) for journey in shared if len(journey.subjects) >= k]
    large.sort(key=lambda cohort: (-len(cohort.subjects), cohort.steps))
    return Cohorts(tuple(large), len(shared) - len(large))


def cohort_definitions(cohorts: Iterable[Cohort], by: Literal["zone", "kind"], gap_h: float, within_days: int) -> tuple[groups.Cohort, ...]:
    """The cohorts for a gateway, at most GROUP_ITEMS_MAX, without subjects; the name is that of the steps, joined by `_then_`."""
    return tuple(
        groups.Cohort(
            name=_name(cohort.steps),
            by="zone" if by == "zone" else "zone_kind",
            steps=cohort.steps,
            people=len(cohort.subjects),
            gap_h=gap_h,
            within_days=within_days,
        )
        for cohort in itertools.islice(cohorts, limits.GROUP_ITEMS_MAX)
    )


def _name(steps: Steps) -> str:
    """A name of an attribute for some steps: letters and digits, at most 64 characters."""
    text = re.sub(r"[^a-z0-9]+", "_", "_then_".join(steps).lower()).strip("_")
    return f"j_{text}"[:64]
