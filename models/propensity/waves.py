"""Waves of a campaign: subjects by decreasing propensity, one tenth a wave, each with its own holdout.

The source addresses each segment of the lift chart at its own time. The effect of a wave is its difference to subjects that
are held out, since the likeliest would partly have bought anyway; each wave therefore has an exact share of holdout. A
salted hash selects it, so that the same plan can be made again.
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
    """For each subject, (n,): wave from 0 (the likeliest), its start in ms since 1970, and whether the subject is held out."""

    wave: Ints
    starts_ms: Ints
    holdout: NDArray[np.bool_]


def plan_waves(
    subjects: Sequence[str], likely: Floats, *, first_ms: int, gap_ms: int, salt: str, waves: int = WAVES, holdout: float = HOLDOUT
) -> Waves:
    """Waves of equal size by decreasing propensity `likely`, (n,), `gap_ms` apart, each with its `holdout` to within one subject.

    Subjects of the same propensity are ordered by hash. Raises ModelsError if a subject is listed twice, a propensity is missing
    or not finite, or the waves or the holdout are impossible.
    """
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
    held_out = np.zeros(len(subjects), bool)
    held = gone = 0
    for number, members in enumerate(np.array_split(np.lexsort((draw, -likely)), waves)):
        wave[members] = number
        gone += len(members)
        due = round(holdout * gone) - held  # the rounding error of one wave is corrected in the next
        held_out[members[np.argsort(draw[members], kind="stable")[:due]]] = True
        held += due
    return Waves(wave, first_ms + gap_ms * wave, held_out)
