"""MDV, SBA and IBA, three of the four parameters that the sources use to control effort (the fourth, CLV, is in `lifetime`).

MDV, marketing decision value: what an offer is expected to earn above no offer, times its reach, minus the processing cost, in money.
SBA, strength of an association: share of a subject's choices that went to one kind of place, recent choices weighted more. IBA, intensity
of an association: 1 minus the entropy of the choices, scaled so that one kind only gives 1 and equal shares of all kinds give 0. The
sources name SBA and IBA without defining them; these definitions are ours.
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
    """MDV in minor units. `uplift` is the probability of a purchase with the offer minus that without it (-1 to 1).

    Raises ValuationError if the uplift is out of this range, or if reach or cost is negative.
    """
    if not -1 <= uplift <= 1:
        raise ValuationError(f"an uplift of {uplift} is not a difference of two probabilities")
    if reach < 0 or processing_minor < 0:
        raise ValuationError("reach and processing cost must not be negative")
    return uplift * margin_minor * reach - processing_minor


def association_strength(choices: pd.DataFrame, now_ms: int, half_life_days: float = HALF_LIFE_DAYS) -> pd.DataFrame:
    """SBA by subject (rows) and kind (columns): shares, each row sums to 1; a choice counts half for every `half_life_days` of age.

    `choices` has columns subject, kind, at_ms; later rows than `now_ms` are ignored. Raises ValuationError if the half-life is not
    positive, or if no choice is left.
    """
    if half_life_days <= 0:
        raise ValuationError("a half-life must be above 0 days")
    past = choices[choices["at_ms"] <= now_ms]
    if past.empty:
        raise ValuationError("there is no choice up to now_ms: no association can be measured")
    # Age is counted from the latest choice of the subject: the shares stay the same, and weights of old choices do not underflow.
    latest = past.groupby("subject")["at_ms"].transform("max")
    weight = 0.5 ** ((latest - past["at_ms"]) / (half_life_days * DAY_MS))
    table = past.assign(weight=weight).pivot_table(index="subject", columns="kind", values="weight", aggfunc="sum", fill_value=0.0)
    shares: pd.DataFrame = table.div(table.sum(axis=1), axis=0)
    return shares


def association_intensity(shares: Floats) -> Floats:
    """IBA, (n,), of shares (n, kinds): 1 if all choices are of one kind, 0 if all kinds have equal shares. With one column, 1."""
    kinds = shares.shape[1]
    if kinds < 2:
        return np.ones(len(shares))
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy = -(shares * logs).sum(axis=1)
    decided: Floats = np.clip(1.0 - entropy / np.log(kinds), 0.0, 1.0)
    return decided
