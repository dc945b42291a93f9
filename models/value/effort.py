"""Analysis effort in proportion to value: volume by MDV, variety by CLV, velocity by SBA.

The sources ask for three proportions. Volume: rows mined for an offer grow with its MDV up to a cap, and an offer without value is not
mined. Variety: the higher the CLV of a subject, the more attributes are used, but only with consent to learning; without it the tier is 0
and no attribute of the person is used, however high the CLV. Velocity: a strong association changes slowly, so it is refreshed at longer
intervals.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.core.types import Purpose
from models.tables.coupon import INPUTS
from models.value.bg_nbd import ValuationError

Floats = NDArray[np.float64]

ROWS_PER_MINOR = 1.0
ROWS_MAX = 1_000_000
REFRESH_S_MIN = 3_600.0
REFRESH_S_MAX = 7 * 86_400.0
CLV_QUANTILES = (0.5, 0.8)

_NAMES = tuple(one.name for one in INPUTS.used)
_BY_CATEGORY = tuple(one.name for one in INPUTS.attributes("between") if one.between is not None and one.between.by_category)
_SITUATION = tuple(one.name for one in INPUTS.used if one.about != "person" and one.name not in _BY_CATEGORY)
TIERS: tuple[tuple[str, ...], ...] = (
    _SITUATION,
    (*_SITUATION, *_BY_CATEGORY),
    _NAMES,
    (*_NAMES, "journeys", "associations", "cohorts"),
)
"""Attributes by tier: tier 0 is the situation without any attribute of the person; each further tier contains the one before."""


def rows_for(mdv_minor: float, rows_per_minor: float = ROWS_PER_MINOR, rows_max: int = ROWS_MAX) -> int:
    """Volume: rows that the mining of an offer may read, clip(k * MDV, 0, cap); 0 means that the offer is skipped.

    Raises ValuationError if MDV is not finite, `rows_per_minor` not positive or the cap negative.
    """
    if not np.isfinite(mdv_minor) or rows_per_minor <= 0 or rows_max < 0:
        raise ValuationError("MDV must be finite, rows per unit of it above 0, the cap not negative")
    return int(np.clip(round(rows_per_minor * mdv_minor), 0, rows_max))


def clv_edges(clv_minor: Floats, quantiles: Sequence[float] = CLV_QUANTILES) -> tuple[float, ...]:
    """CLV at which the tiers above 1 begin: quantiles over all subjects.

    Raises ValuationError if there is no subject, or a CLV that is not finite.
    """
    if not len(clv_minor) or not np.isfinite(clv_minor).all():
        raise ValuationError("tiers need at least one subject, and a finite CLV of each")
    return tuple(float(edge) for edge in np.quantile(clv_minor, quantiles))


def tier_of(clv_minor: float, edges: Sequence[float], purposes: Collection[Purpose]) -> int:
    """Variety: tier of attributes (index into TIERS) that may be used for a subject; 0 without consent to the purpose learning."""
    if "learning" not in purposes:
        return 0
    return min(1 + sum(clv_minor > edge for edge in edges), len(TIERS) - 1)


def refresh_s(sba: float, minimum_s: float = REFRESH_S_MIN, maximum_s: float = REFRESH_S_MAX) -> float:
    """Velocity: seconds until an association is measured again, min + (max - min) * SBA.

    Raises ValuationError if SBA is not between 0 and 1, or the intervals are not positive and in order.
    """
    if not 0 <= sba <= 1:
        raise ValuationError(f"SBA must be between 0 and 1, not {sba}")
    if not 0 < minimum_s <= maximum_s:
        raise ValuationError("intervals must be above 0, the longest not shorter than the shortest")
    return minimum_s + (maximum_s - minimum_s) * sba
