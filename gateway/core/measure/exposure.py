"""How exposure is spread over the offers of a campaign: Gini coefficient, coverage, novelty."""

from __future__ import annotations

import math
from collections.abc import Sequence


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
