"""What a subject will bring from now on: expected purchases times expected spend, later money counting less.

The sum over months of (purchases in that month) x (spend per purchase) x margin / (1 + discount) ** months, as Fader,
Hardie and Lee, "RFM and CLV" (2005), compute it. It is a figure for planning effort, not for judging people: how
much of it may steer anything is a question of consent, which `effort` asks first.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.value.bg_nbd import BgNbd, RfmSummary, ValuationError, expected_purchases, fit_bg_nbd, probability_alive, rfm_summary
from models.value.gamma_gamma import GammaGamma, expected_spend, fit_gamma_gamma

Floats = NDArray[np.float64]

MONTH_DAYS = 365.25 / 12
MONTHS = 12
DISCOUNT_YEAR = 0.10
MARGIN_SHARE = 1.0


class Terms(msgspec.Struct, frozen=True):
    """How money is counted: for how many months, at which yearly discount, and which share of it is margin."""

    months: int = MONTHS
    discount_year: float = DISCOUNT_YEAR
    margin_share: float = MARGIN_SHARE


class LifetimeValues(NamedTuple):
    """Per subject, in the order of the table: CLV and next month's purchases, P(still coming), spend per purchase (minor units)."""

    value_minor: Floats
    next_month: Floats
    probability_alive: Floats
    spend_minor: Floats
    bg_nbd: BgNbd
    gamma_gamma: GammaGamma


def lifetime_values(table: pd.DataFrame, unit_days: float, terms: Terms = Terms()) -> LifetimeValues:  # noqa: B008 - frozen
    """Fit both models to a summary (`models.history.derived.rfm`) and value every subject in it."""
    if terms.months < 1 or not 0 <= terms.margin_share <= 1 or not 0 <= terms.discount_year < 10:
        raise ValuationError("months must be 1 or more, the margin share between 0 and 1, the yearly discount 0 or more")
    summary = rfm_summary(table)
    monetary = table["monetary_minor"].to_numpy(dtype=np.float64)
    purchases, spend = fit_bg_nbd(summary), fit_gamma_gamma(summary.frequency, monetary)
    per_visit = expected_spend(spend, summary.frequency, monetary)
    month = MONTH_DAYS / unit_days
    return LifetimeValues(
        value_minor=discounted_purchases(purchases, summary, month, terms) * per_visit * terms.margin_share,
        next_month=expected_purchases(purchases, summary, month),
        probability_alive=probability_alive(purchases, summary),
        spend_minor=per_visit,
        bg_nbd=purchases,
        gamma_gamma=spend,
    )


def discounted_purchases(purchases: BgNbd, summary: RfmSummary, month: float, terms: Terms) -> Floats:
    """Purchases still to come, (n,), each counted less the later it is; `month` is a month's length in units of the summary."""
    until = [np.zeros(len(summary.age)), *(expected_purchases(purchases, summary, month * number) for number in range(1, terms.months + 1))]
    factor = (1.0 + terms.discount_year) ** (1.0 / 12.0)
    steps = [(after - before) / factor**number for number, (before, after) in enumerate(itertools.pairwise(until), start=1)]
    total: Floats = np.sum(steps, axis=0)
    return total
