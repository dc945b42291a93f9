"""How much work a decision deserves: volume by its value, variety by the subject's, velocity by the association.

The sources ask for three proportions. Volume: rows mined for an offer grow with its MDV until a cap, and an offer worth
nothing is not mined at all. Variety: the more a subject is worth, the more attributes are looked at, but only of those
who said yes to learning; of everybody else the tier is 0, and nothing of the person is looked at, however valuable.
Velocity: a strong association changes slowly, so it is refreshed at longer intervals.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.core import features
from gateway.core.types import Purpose
from models.value.bg_nbd import ValuationError

Floats = NDArray[np.float64]

ROWS_PER_MINOR = 1.0
ROWS_MAX = 1_000_000
REFRESH_S_MIN = 3_600.0
REFRESH_S_MAX = 7 * 86_400.0
CLV_QUANTILES = (0.5, 0.8)

_OF_THE_PERSON = "visits_"
_SITUATION = tuple(name for name in features.NAMES if not name.startswith(_OF_THE_PERSON))
TIERS: tuple[tuple[str, ...], ...] = (
    _SITUATION,
    (*_SITUATION, "visits_this_kind"),
    features.NAMES,
    (*features.NAMES, "journeys", "associations", "cohorts"),
)
"""Attributes by tier: 0 is the situation and nothing of the person, each further tier holds the one before."""


def rows_for(mdv_minor: float, rows_per_minor: float = ROWS_PER_MINOR, rows_max: int = ROWS_MAX) -> int:
    """Volume: how many rows an offer's mining may read, clip(k * MDV, 0, cap); 0 means that it is skipped."""
    if not np.isfinite(mdv_minor) or rows_per_minor <= 0 or rows_max < 0:
        raise ValuationError("MDV is a finite number, rows per unit of it are above 0, the cap is not negative")
    return int(np.clip(round(rows_per_minor * mdv_minor), 0, rows_max))


def clv_edges(clv_minor: Floats, quantiles: Sequence[float] = CLV_QUANTILES) -> tuple[float, ...]:
    """Where the tiers above 1 begin, as quantiles of everybody's CLV."""
    if not len(clv_minor) or not np.isfinite(clv_minor).all():
        raise ValuationError("tiers need the CLV of at least one subject, and every CLV a number")
    return tuple(float(edge) for edge in np.quantile(clv_minor, quantiles))


def tier_of(clv_minor: float, edges: Sequence[float], purposes: Collection[Purpose]) -> int:
    """Variety: the tier of attributes that may be looked at. Without a yes to learning it is 0."""
    if "learning" not in purposes:
        return 0
    return min(1 + sum(clv_minor > edge for edge in edges), len(TIERS) - 1)


def refresh_s(sba: float, minimum_s: float = REFRESH_S_MIN, maximum_s: float = REFRESH_S_MAX) -> float:
    """Velocity: seconds until an association is measured anew, min + (max - min) * SBA."""
    if not 0 <= sba <= 1:
        raise ValuationError(f"SBA is a share between 0 and 1, not {sba}")
    if not 0 < minimum_s <= maximum_s:
        raise ValuationError("intervals are above 0, the longest not shorter than the shortest")
    return minimum_s + (maximum_s - minimum_s) * sba
