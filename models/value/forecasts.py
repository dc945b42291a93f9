"""Choice between BG/NBD and MBG/NBD by purchases of held-out months, and intervals of lifetime value.

Both models are fitted to the time before the last two months. The one that gives the purchases of the first of these months the higher mean
log probability (a proper score) is chosen. The second month takes no part in the choice; the figures reported are from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.value.bg_nbd import (
    BgNbd,
    RfmSummary,
    ValuationError,
    at_least,
    expected_purchases,
    fit_bg_nbd,
    probability_alive,
    purchase_interval,
    rfm_summary,
)
from models.value.gamma_gamma import GammaGamma

Floats = NDArray[np.float64]

MONTH_DAYS = 30
LEVEL = 0.9
DRAWS = 500
SUBJECTS_AT_ONCE = 5_000  # 100 MB of draws
_P_MIN = 1e-9  # a smaller dropout probability ends no activity within a horizon


class Forecast(msgspec.Struct, frozen=True):
    """Result of the choice. `log_scores` are mean log probabilities of the purchases of the month of the choice, by model.

    `expected` and `bought` are purchases of the last month in all; `covered` is the share of subjects with a number inside the interval
    at LEVEL. Where the history is too short to hold out two months, `reason` names it, nothing is compared and MBG/NBD is used.
    """

    chosen: str
    log_scores: Mapping[str, float] = {}
    subjects: int = 0
    expected: float = float("nan")
    bought: float = float("nan")
    covered: float = float("nan")
    reason: str = ""

    @property
    def modified(self) -> bool:
        """True for MBG/NBD."""
        return self.chosen != "BG/NBD"


def choose_forecast(table_until: Callable[[int], pd.DataFrame], unit_days: float) -> Forecast:
    """The choice by held-out months. `table_until(days)` is the RFM summary with `subject`, that many days before the end."""
    first, second, whole = (table_until(days).set_index("subject") for days in (2 * MONTH_DAYS, MONTH_DAYS, 0))
    span = MONTH_DAYS / unit_days
    try:
        models = [fit_bg_nbd(rfm_summary(first), modified=modified) for modified in (False, True)]
        scores = {model.name: float(_log_scores(model, first, second, span).mean()) for model in models}
        chosen = max(models, key=lambda model: scores[model.name])
        model = fit_bg_nbd(rfm_summary(second), modified=chosen.modified)
    except ValuationError as error:
        return Forecast("MBG/NBD", reason=f"no months held out: {error}")
    known, bought = rfm_summary(second), _bought(second, whole)
    low, high = purchase_interval(model, known, span, LEVEL)
    return Forecast(
        chosen=chosen.name,
        log_scores=scores,
        subjects=len(bought),
        expected=float(expected_purchases(model, known, span).sum()),
        bought=float(bought.sum()),
        covered=float(((bought >= low) & (bought <= high)).mean()),
    )


def value_interval(
    purchases: BgNbd, spend: GammaGamma, summary: RfmSummary, monetary: Floats, span: float, seed: int, level: float = LEVEL
) -> tuple[Floats, Floats]:
    """Lowest and highest spend in the next `span` at `level`, (n,) each, in the unit of `monetary` (mean spend of repeat purchases).

    Quantiles of DRAWS draws for each subject from the distribution of rate, dropout and spend given its history. The fitted parameters
    count as known.
    """
    draws = np.random.default_rng(seed)
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    parts = []
    for start in range(0, len(summary.age), SUBJECTS_AT_ONCE):
        part = RfmSummary(*(column[start : start + SUBJECTS_AT_ONCE, np.newaxis] for column in summary))
        drawn = _drawn(purchases, spend, part, monetary[start : start + SUBJECTS_AT_ONCE, np.newaxis], span, draws)
        parts.append(np.quantile(drawn, tails, axis=1))
    low, high = np.concatenate(parts, axis=1)
    return low, high


def _drawn(purchases: BgNbd, spend: GammaGamma, summary: RfmSummary, monetary: Floats, span: float, draws: np.random.Generator) -> Floats:
    """Drawn spends, (n, DRAWS), from columns (n, 1)."""
    x, _, age = summary
    size = (len(x), DRAWS)
    active = draws.random(size) < probability_alive(purchases, summary)
    rate = draws.gamma(purchases.r + x, 1.0 / (purchases.alpha + age), size)
    leaves = np.maximum(draws.beta(purchases.a, purchases.b + x + purchases.modified, size), _P_MIN)
    count = np.where(active, np.minimum(draws.poisson(rate * span), draws.geometric(leaves)), 0)
    known = np.where(monetary > 0, x, 0.0)
    scale = draws.gamma(spend.q + spend.p * known, 1.0 / (spend.v + known * monetary), size)
    spent: Floats = draws.gamma(np.where(count > 0, spend.p * count, 1.0)) / scale * (count > 0)
    return spent


def _bought(before: pd.DataFrame, after: pd.DataFrame) -> Floats:
    """Purchases between two summaries, (n,), in the order of `before`."""
    counted: Floats = (after["frequency"].reindex(before.index) - before["frequency"]).to_numpy(dtype=np.float64)
    return counted


def _log_scores(model: BgNbd, before: pd.DataFrame, after: pd.DataFrame, span: float) -> Floats:
    """Log probability of the purchases of each subject in the month between two summaries, (n,)."""
    known, bought = rfm_summary(before), _bought(before, after)
    chance = at_least(model, known, span, bought) - at_least(model, known, span, bought + 1.0)
    scores: Floats = np.log(np.maximum(chance, 1e-300))
    return scores
