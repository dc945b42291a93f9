"""How exposure is spread over the offers of a campaign: Gini coefficient, coverage, novelty, serendipity, diversity."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import combinations


def gini(exposures: Sequence[float]) -> float:
    """Gini coefficient: 0 if all exposures are equal, 1 - 1/n if one of n has all; 0 without any."""
    total, count = sum(exposures), len(exposures)
    if not total:
        return 0.0
    weighted = sum(rank * exposure for rank, exposure in enumerate(sorted(exposures), 1))
    return 2 * weighted / (count * total) - (count + 1) / count


def coverage(exposures: Sequence[float]) -> float:
    """Share of the offers that were sent at all; 0 without offers."""
    return sum(exposure > 0 for exposure in exposures) / len(exposures) if exposures else 0.0


def novelty_bits(popularity: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Mean of -log2 of the popularity (shares above 0), weighted if `weights` are given; 0 without any."""
    counts = [1.0] * len(popularity) if weights is None else weights
    total = sum(counts)
    return sum(count * -math.log2(share) for share, count in zip(popularity, counts, strict=True)) / total if total else 0.0


def serendipity(relevant: Sequence[str], popular: Collection[str]) -> float:
    """Share of the relevant items that are not among the popular ones; 0 without any."""
    return sum(item not in popular for item in relevant) / len(relevant) if relevant else 0.0


def diversity(items: Sequence[Collection[str]]) -> float:
    """Mean distance of two items by features (1 - shared / all, Jaccard); 0 for equal items and for fewer than two."""
    distances = [_distance(set(one), set(other)) for one, other in combinations(items, 2)]
    return sum(distances) / len(distances) if distances else 0.0


def _distance(one: set[str], other: set[str]) -> float:
    every = one | other
    return 1.0 - len(one & other) / len(every) if every else 0.0
