"""The four parameters by which the sources steer: MDV and CLV in money, SBA and IBA as shares.

MDV, the value of a marketing decision, is what an offer is expected to bring more than silence, times how many it reaches,
less what processing costs. SBA, the strength of an association, is the share of a subject's choices that went to one kind of
place, recent ones counting more. IBA, its intensity, is how decided the choices are: 1 minus their entropy, scaled so that
choosing always the same gives 1 and choosing all kinds alike gives 0. (CLV is in `lifetime`.) The sources name SBA and IBA
and do not define them; these definitions are ours.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.value.bg_nbd import ValuationError

Floats = NDArray[np.float64]

DAY_MS = 86_400_000
HALF_LIFE_DAYS = 30.0


def marketing_decision_value(uplift: float, margin_minor: float, reach: float, processing_minor: float = 0.0) -> float:
    """MDV in minor units: `uplift` is how much likelier a purchase is with the offer than without it (-1 to 1)."""
    if not -1 <= uplift <= 1:
        raise ValuationError(f"an uplift of {uplift} is no difference of two probabilities")
    if reach < 0 or processing_minor < 0:
        raise ValuationError("reach and processing cost are not negative")
    return uplift * margin_minor * reach - processing_minor


def association_strength(choices: pd.DataFrame, now_ms: int, half_life_days: float = HALF_LIFE_DAYS) -> pd.DataFrame:
    """SBA by subject (rows) and kind (columns): shares that sum to 1, a choice counting half for every `half_life_days` of age.

    `choices` has columns subject, kind, at_ms; later ones than `now_ms` are not looked at.
    """
    if half_life_days <= 0:
        raise ValuationError("a half-life is above 0 days")
    past = choices[choices["at_ms"] <= now_ms]
    if past.empty:
        raise ValuationError("nobody has chosen anything yet: there is no association to measure")
    # Counted from each subject's latest choice: shares do not change, and no weight falls to zero however old they all are.
    latest = past.groupby("subject")["at_ms"].transform("max")
    weight = 0.5 ** ((latest - past["at_ms"]) / (half_life_days * DAY_MS))
    table = past.assign(weight=weight).pivot_table(index="subject", columns="kind", values="weight", aggfunc="sum", fill_value=0.0)
    shares: pd.DataFrame = table.div(table.sum(axis=1), axis=0)
    return shares


def association_intensity(shares: Floats) -> Floats:
    """IBA of each row of shares (n, kinds): 1 when all went to one kind, 0 when all kinds share alike. One kind alone gives 1."""
    kinds = shares.shape[1]
    if kinds < 2:
        return np.ones(len(shares))
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy = -(shares * logs).sum(axis=1)
    decided: Floats = np.clip(1.0 - entropy / np.log(kinds), 0.0, 1.0)
    return decided
