"""Analysis effort in proportion to value: volume by MDV, variety by CLV; velocity by SBA is that of `gateway.core.attributes.derive`.

The sources ask for three proportions. Volume: rows mined for an offer grow with its MDV up to a cap, and an offer without value is not
mined. Variety: the higher the CLV of a subject, the more attributes are kept, but only with consent; the edges of the tiers are worked
out here, the gateway applies these edges. Velocity: a strong association changes slowly, so the gateway refreshes it at longer intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.value.bg_nbd import ValuationError

Floats = NDArray[np.float64]

ROWS_PER_MINOR = 1.0
ROWS_MAX = 1_000_000
CLV_QUANTILES = (0.5, 0.8)


def marketing_decision_value(uplift: float, margin_minor: float, reach: float, processing_minor: float = 0.0) -> float:
    """MDV in minor units: incremental margin times reach, less the cost of processing.

    `uplift` is the probability of a purchase with the offer minus that without it (-1 to 1). Raises ValuationError if it is out of this
    range, or if reach or cost is negative.
    """
    if not -1 <= uplift <= 1:
        raise ValuationError(f"an uplift of {uplift} is not a difference of two probabilities")
    if reach < 0 or processing_minor < 0:
        raise ValuationError("reach and processing cost must not be negative")
    return uplift * margin_minor * reach - processing_minor


def rows_for(mdv_minor: float, rows_per_minor: float = ROWS_PER_MINOR, rows_max: int = ROWS_MAX) -> int:
    """Volume: rows that the mining of an offer may read, clip(k * MDV, 0, cap); 0 means that the offer is skipped.

    Raises ValuationError if MDV is not finite, `rows_per_minor` not positive or the cap negative.
    """
    if not np.isfinite(mdv_minor) or rows_per_minor <= 0 or rows_max < 0:
        raise ValuationError("MDV must be finite, rows per unit of it above 0, the cap not negative")
    return int(np.clip(round(rows_per_minor * mdv_minor), 0, rows_max))


def clv_edges(clv_minor: Floats, quantiles: Sequence[float] = CLV_QUANTILES) -> tuple[float, ...]:
    """CLV at which the tiers above 1 begin: different quantiles over all subjects, rising.

    Raises ValuationError if there is no subject, or a CLV that is not finite.
    """
    if not len(clv_minor) or not np.isfinite(clv_minor).all():
        raise ValuationError("tiers need at least one subject, and a finite CLV of each")
    return tuple(sorted({float(edge) for edge in np.quantile(clv_minor, quantiles)}))
