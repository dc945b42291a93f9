"""Baskets, sequences and rules small enough to check by hand."""

from __future__ import annotations

import numpy as np

from models.history.derived import Baskets
from models.patterns.rules import Rule
from models.patterns.sequences import VisitSequence

DAY_MS = 86_400_000


def baskets_of(*texts: str, repeat: int = 1) -> Baskets:
    """Baskets of one-letter items: `baskets_of("ab", "a")`."""
    every = [sorted(set(text)) for text in texts for _ in range(repeat)]
    items = sorted({item for basket in every for item in basket})
    pairs = np.array([(row, items.index(item)) for row, basket in enumerate(every) for item in basket], dtype=np.int64).reshape(-1, 2)
    return Baskets(pairs[:, 0], pairs[:, 1], tuple(items), len(every))


def drawn(baskets: int, items: int, seed: int, chance: float = 0.3) -> tuple[Baskets, np.ndarray]:
    """Random baskets and the same as a table of booleans; neighbouring items go together."""
    draws = np.random.default_rng(seed)
    base = draws.random((baskets, items)) < chance
    holds = base | (np.roll(base, 1, axis=1) & (draws.random((baskets, items)) < 0.4))
    rows, columns = np.nonzero(holds)
    return Baskets(rows.astype(np.int64), columns.astype(np.int64), tuple(f"i{number}" for number in range(items)), baskets), holds


def walked(subjects: range, day: float, *steps: str) -> list[VisitSequence]:
    """The same sequence of steps for many subjects on one day."""
    return [VisitSequence(subject, round(day * DAY_MS), steps) for subject in subjects]


def rule(left: str = "a", right: str = "b", *, baskets: int = 40, left_baskets: int = 100, right_baskets: int = 200) -> Rule:
    """A rule among 1,000 baskets."""
    confidence = baskets / left_baskets
    lift = confidence / (right_baskets / 1_000)
    return Rule((left,), right, baskets, left_baskets, right_baskets, 1_000, confidence, lift, 0.01, 10.0, 0.001, 0.1)
