"""When to approach whom: the likeliest tenth first, each tenth at its own time, and in each some who are left alone.

The source targets each segment of the lift chart at its own time. Without people who are left alone nobody can say what the
wave brought, and the likeliest would have come anyway; so each tenth holds its exact share of them, not a share on
average. Who is left alone is decided by a salted hash, so the same plan made twice is the same plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints
from models.errors import ModelsError

WAVES = 10
HOLDOUT = 0.05


class Waves(NamedTuple):
    """For each subject: wave from 0 (the likeliest), when it starts, and whether they are left alone."""

    wave: Ints
    starts_ms: Ints
    holdout: NDArray[np.bool_]


def plan_waves(
    subjects: Sequence[str], likely: Floats, *, first_ms: int, gap_ms: int, salt: str, waves: int = WAVES, holdout: float = HOLDOUT
) -> Waves:
    """Waves of equal size by falling `likely` (ties by hash), `gap_ms` apart, each with its share of `holdout` to within one subject."""
    if len(set(subjects)) != len(subjects):
        raise ModelsError(f"{len(subjects) - len(set(subjects))} subjects stand in the list more than once")
    if not 0.0 <= holdout <= 1.0 or not 1 <= waves <= max(1, len(subjects)):
        raise ModelsError(f"{waves} waves with a holdout of {holdout} cannot be made of {len(subjects)} subjects")
    if len(likely) != len(subjects) or not np.isfinite(likely).all():
        raise ModelsError(f"{int(np.isfinite(likely).sum())} probabilities were given for {len(subjects)} subjects")
    draw = np.array(
        [int.from_bytes(hashlib.blake2b(f"{salt}\0{subject}".encode(), digest_size=8).digest()) for subject in subjects], np.uint64
    )
    wave = np.zeros(len(subjects), np.int64)
    left_alone = np.zeros(len(subjects), bool)
    held = gone = 0
    for number, members in enumerate(np.array_split(np.lexsort((draw, -likely)), waves)):
        wave[members] = number
        gone += len(members)
        due = round(holdout * gone) - held  # what rounding owes one wave, the next one pays
        left_alone[members[np.argsort(draw[members], kind="stable")[:due]]] = True
        held += due
    return Waves(wave, first_ms + gap_ms * wave, left_alone)
