"""Sequential patterns in the visits of many subjects, by prefix projection (PrefixSpan, Pei et al. 2001).

A pattern is a series of steps in order, with other steps allowed in between. Its support is the number of subjects, not of sequences,
because ten walks of one person are a habit and not a pattern of the street. A pattern grows step by step; only sequences that contain its
prefix are scanned again, each from the first place where the prefix ends.
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
    """One sequence of visits: subject (group number), start in milliseconds, and steps (zones or kinds of place)."""

    subject: int
    at_ms: int
    steps: Steps


def mine_sequences(sequences: Sequence[VisitSequence], subjects_min: int, length_max: int = LENGTH_MAX) -> dict[Steps, frozenset[int]]:
    """Patterns of one to `length_max` steps with at least `subjects_min` subjects -> these subjects.

    Raises PatternError if `subjects_min` is below 1, or if there are more than PATTERNS_MAX patterns.
    """
    if subjects_min < 1:
        raise PatternError("a pattern needs at least one subject")
    subjects_of: defaultdict[Steps, set[int]] = defaultdict(set)
    for sequence in sequences:  # many are identical: each distinct one is scanned once
        subjects_of[sequence.steps].add(sequence.subject)
    found: dict[Steps, frozenset[int]] = {}
    _grow((), [(steps, subjects, 0) for steps, subjects in subjects_of.items()], subjects_min, length_max, found)
    return found


def without_repeats(steps: Sequence[str]) -> Steps:
    """Steps without immediate repetition: a stay is one step."""
    return tuple(step for step, before in zip(steps, (None, *steps[:-1]), strict=True) if step != before)


def _grow(prefix: Steps, projected: list[Projection], subjects_min: int, length_max: int, found: dict[Steps, frozenset[int]]) -> None:
    """Extend `prefix` by one step. `projected` are the sequences that contain it: steps, subjects, and the place after its earliest end."""
    after: defaultdict[str, list[Projection]] = defaultdict(list)
    for steps, subjects, start in projected:
        seen: set[str] = set()
        for place in range(start, len(steps)):
            step = steps[place]
            if step not in seen:
                seen.add(step)
                after[step].append((steps, subjects, place + 1))
    for step, further in sorted(after.items()):
        completed_by = frozenset().union(*(subjects for _, subjects, _ in further))
        if len(completed_by) >= subjects_min:
            found[*prefix, step] = completed_by
            if len(found) > PATTERNS_MAX:
                raise PatternError(f"more than {PATTERNS_MAX} patterns: raise the minimum number of subjects")
            if len(prefix) + 1 < length_max:
                _grow((*prefix, step), further, subjects_min, length_max, found)
