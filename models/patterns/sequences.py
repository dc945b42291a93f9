"""Which steps follow which, in the visits of many subjects: prefix projection over sequences of zones or kinds.

A pattern is a run of steps in order, other steps allowed between them; its support is the number of subjects who walked
it, because ten walks of one person are a habit and no pattern of the street. Growing a pattern step by step, only
sequences that hold its beginning are looked at again, each from the first place where the beginning ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from models.patterns.itemsets import PatternError

LENGTH_MAX = 4
PATTERNS_MAX = 100_000

Steps = tuple[str, ...]
Projection = tuple[Steps, set[int], int]


class VisitSequence(NamedTuple):
    """One sequence of visits: whose (group number), when it began, and the steps."""

    subject: int
    at_ms: int
    steps: Steps


def mine_sequences(walks: Sequence[VisitSequence], subjects_min: int, length_max: int = LENGTH_MAX) -> dict[Steps, frozenset[int]]:
    """Every pattern of one to `length_max` steps that at least `subjects_min` subjects walked -> those subjects."""
    if subjects_min < 1:
        raise PatternError("a pattern needs at least one subject")
    whose: defaultdict[Steps, set[int]] = defaultdict(set)
    for walk in walks:  # most walks are walked by many: each way is looked at once
        whose[walk.steps].add(walk.subject)
    found: dict[Steps, frozenset[int]] = {}
    _grow((), [(steps, subjects, 0) for steps, subjects in whose.items()], subjects_min, length_max, found)
    return found


def without_repeats(steps: Sequence[str]) -> Steps:
    """Steps without immediate repetition: staying is not walking."""
    return tuple(step for step, before in zip(steps, (None, *steps[:-1]), strict=True) if step != before)


def _grow(prefix: Steps, rests: list[Projection], subjects_min: int, length_max: int, found: dict[Steps, frozenset[int]]) -> None:
    """`rests` are the walks that hold the prefix, each with whose they are and the place after the prefix's earliest end."""
    after: defaultdict[str, list[Projection]] = defaultdict(list)
    for steps, subjects, start in rests:
        seen: set[str] = set()
        for place in range(start, len(steps)):
            step = steps[place]
            if step not in seen:
                seen.add(step)
                after[step].append((steps, subjects, place + 1))
    for step, further in sorted(after.items()):
        walkers = frozenset().union(*(subjects for _, subjects, _ in further))
        if len(walkers) >= subjects_min:
            found[*prefix, step] = walkers
            if len(found) > PATTERNS_MAX:
                raise PatternError(f"more than {PATTERNS_MAX} patterns are walked by so many: ask for more subjects")
            if len(prefix) + 1 < length_max:
                _grow((*prefix, step), further, subjects_min, length_max, found)
