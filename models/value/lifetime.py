"""Customer lifetime value (CLV): expected purchases times expected spend, discounted by month.

The sum over months of (purchases in that month) x (spend per purchase) x margin / (1 + discount) ** months, as in Fader, Hardie and Lee,
"RFM and CLV" (2005), with the monthly equivalent of the yearly discount. CLV serves to plan analysis effort, not to rate people: how much
of it may be used is a question of consent, which `effort` checks first.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.value.bg_nbd import BgNbd, RfmSummary, ValuationError, expected_purchases, fit_bg_nbd, probability_alive, rfm_summary
from models.value.forecasts import value_interval
from models.value.gamma_gamma import GammaGamma, expected_spend, fit_gamma_gamma

Floats = NDArray[np.float64]

MONTH_DAYS = 365.25 / 12
MONTHS = 12
DISCOUNT_YEAR = 0.10
MARGIN_SHARE = 1.0


class Terms(msgspec.Struct, frozen=True):
    """Terms of the valuation: number of months, yearly discount, margin as a share of the spend."""

    months: int = MONTHS
    discount_year: float = DISCOUNT_YEAR
    margin_share: float = MARGIN_SHARE


class LifetimeValues(NamedTuple):
    """Arrays (n,) in the order of the table: CLV (minor units), purchases in the next month, P(active), spend per purchase (minor units).

    `low_minor` and `high_minor` are the interval of a subject's value at LEVEL. P(active) is that of MBG/NBD, because BG/NBD gives 1 to
    every one-time buyer. `bg_nbd` and `gamma_gamma` are the fitted models.
    """

    value_minor: Floats
    low_minor: Floats
    high_minor: Floats
    next_month: Floats
    probability_alive: Floats
    spend_minor: Floats
    bg_nbd: BgNbd
    gamma_gamma: GammaGamma


def lifetime_values(
    table: pd.DataFrame,
    unit_days: float,
    terms: Terms = Terms(),  # noqa: B008 - frozen
    *,
    modified: bool = True,
    seed: int = 0,
) -> LifetimeValues:
    """Both models fitted to an RFM summary (`models.history.derived.rfm`, times in `unit_days`), and the value of every subject in it.

    Purchases are forecast by MBG/NBD if `modified`, else by BG/NBD.

    Raises ValuationError if a term is out of range or the summary is too small or contradicts itself.
    """
    if terms.months < 1 or not 0 <= terms.margin_share <= 1 or not 0 <= terms.discount_year < 10:
        raise ValuationError("months must be 1 or more, the margin share between 0 and 1, the yearly discount 0 or more")
    summary = rfm_summary(table)
    monetary = table["monetary_minor"].to_numpy(dtype=np.float64)
    purchases, spend = fit_bg_nbd(summary, modified=modified), fit_gamma_gamma(summary.frequency, monetary)
    central = purchases if modified else fit_bg_nbd(summary, modified=True)
    value, low, high = subject_values(purchases, spend, summary, monetary, unit_days, terms, seed)
    return LifetimeValues(
        value_minor=value,
        low_minor=low,
        high_minor=high,
        next_month=expected_purchases(purchases, summary, MONTH_DAYS / unit_days),
        probability_alive=probability_alive(central, summary),
        spend_minor=expected_spend(spend, summary.frequency, monetary),
        bg_nbd=purchases,
        gamma_gamma=spend,
    )


def subject_values(
    purchases: BgNbd, spend: GammaGamma, summary: RfmSummary, monetary: Floats, unit_days: float, terms: Terms, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Value of each subject and the ends of its interval, (n,) each; `summary` is in units of `unit_days`, `monetary` the mean spend."""
    month = MONTH_DAYS / unit_days
    discounted, span = discounted_purchases(purchases, summary, month, terms), month * terms.months
    whole = expected_purchases(purchases, summary, span)
    factor = np.divide(discounted, whole, out=np.ones(len(whole)), where=whole > 0) * terms.margin_share
    low, high = value_interval(purchases, spend, summary, monetary, span, seed)
    return discounted * expected_spend(spend, summary.frequency, monetary) * terms.margin_share, low * factor, high * factor


def discounted_purchases(purchases: BgNbd, summary: RfmSummary, month: float, terms: Terms) -> Floats:
    """Discounted number of expected purchases, (n,); `month` is the length of a month in units of the summary."""
    until = [np.zeros(len(summary.age)), *(expected_purchases(purchases, summary, month * number) for number in range(1, terms.months + 1))]
    factor = (1.0 + terms.discount_year) ** (1.0 / 12.0)
    steps = [(after - before) / factor**number for number, (before, after) in enumerate(itertools.pairwise(until), start=1)]
    total: Floats = np.sum(steps, axis=0)
    return total
