"""Four segments by behaviour, and a test whether a table has clusters of its own.

The published segments are partly defined by age, gender, income and job. None of these may influence an offer here, so each segment is
recognised by behaviour (`INDICATORS`): visits, answers, purchases without an offer. Every subject gets a score from 0 to 1 for each
segment, the mean of the percentile ranks; the highest score is the segment, and a subject with too little data has none. `STRATEGIES`
holds the treatment of each segment; strategic customers are not pushed with discounts.

Clusters are a separate question: a Gaussian mixture is fitted, its number of components chosen by BIC, and accepted only if it is found
again in bootstrap samples. "No cluster structure" is a valid result, and the right one for most tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from models.planning.sheets import PlanningError, Sheet

Floats = NDArray[np.float64]
Segment = Literal["communication", "ethical_behavioural", "individual", "economic"]
SEGMENTS: tuple[Segment, ...] = get_args(Segment)

# Behaviour for (+1) or against (-1) a segment. After the published segments, without their personal attributes:
# service usage, revisits, contact, shopping rate | quality, price matters little, advertising | modern lifestyle | prices, discounts.
INDICATORS: Mapping[Segment, Mapping[str, int]] = {
    "communication": {"visits_month": 1, "revisit_share": 1, "answered_share": 1, "purchases_month": 1},
    "ethical_behavioural": {"amount_ratio": 1, "full_price_share": 1, "opened_share": 1},
    "individual": {"novelty_share": 1, "variety": 1},
    "economic": {"redeemed_share": 1, "amount_ratio": -1, "full_price_share": -1},
}
BEHAVIOUR: tuple[str, ...] = tuple(dict.fromkeys(name for indicators in INDICATORS.values() for name in indicators))
KNOWN_SHARE_MIN = 0.5  # of the indicators of a segment; below, its score is NaN

COMPONENTS_MAX = 8
BOOTSTRAPS = 20
STABILITY_MIN = 0.75  # mean adjusted Rand index between the clusters and those of bootstrap samples


class Strategy(msgspec.Struct, frozen=True):
    """Default treatment of a segment: tags of fitting offers, and whether discounts are used."""

    tags: tuple[str, ...]
    discounts: bool
    treatment: str


STRATEGIES: Mapping[Segment, Strategy] = {
    "communication": Strategy(
        ("early_access", "service", "thank_you"), discounts=False, treatment="keep the relationship; do not push discounts"
    ),
    "ethical_behavioural": Strategy(("quality", "recommended"), discounts=False, treatment="stress quality and recommendations"),
    "individual": Strategy(("new", "premium"), discounts=False, treatment="novel and premium offers, well-informed staff"),
    "economic": Strategy(("discount", "bundle_price", "instalments"), discounts=True, treatment="discounts and better terms"),
}


class Segmentation(msgspec.Struct, frozen=True, eq=False):
    """Segment of each subject, None if too little is known. `scores` float64 (subjects, 4) in the order of SEGMENTS, NaN where unknown."""

    subjects: tuple[str, ...]
    segments: tuple[Segment | None, ...]
    scores: Floats

    def counts(self) -> dict[str, int]:
        """Number of subjects by segment; those without one are counted as `unknown`."""
        found: dict[str, int] = {segment: self.segments.count(segment) for segment in SEGMENTS}
        return {**found, "unknown": self.segments.count(None)}


class Clusters(msgspec.Struct, frozen=True, eq=False):
    """Best mixture. `labels` int (subjects,), all 0 without cluster structure; `bic` by number of components from 1."""

    components: int
    stability: float
    bic: tuple[float, ...]
    labels: NDArray[np.int64]

    @property
    def has_structure(self) -> bool:
        """True if there is more than one cluster and the clusters are stable."""
        return self.components > 1


def assign_segments(sheet: Sheet) -> Segmentation:
    """Segment of every row of a sheet with columns of BEHAVIOUR, of which some may be missing or empty.

    Raises PlanningError if the sheet has none of these columns.
    """
    if not set(sheet.columns) & set(BEHAVIOUR):
        raise PlanningError(f"no column of behaviour: at least one of {', '.join(BEHAVIOUR)} is needed")
    ranks = {name: _percentiles(sheet.cells[:, place]) for place, name in enumerate(sheet.columns) if name in BEHAVIOUR}
    unknown = np.full(len(sheet.rows), np.nan)
    scores = np.column_stack(
        [_score([_turned(ranks.get(name, unknown), sign) for name, sign in indicators.items()]) for indicators in INDICATORS.values()]
    )
    best = [None if np.isnan(row).all() else SEGMENTS[int(np.nanargmax(row))] for row in scores]
    return Segmentation(sheet.rows, tuple(best), scores)


def fit_clusters(cells: Floats, seed: int = 0) -> Clusters:
    """Clusters of the rows of `cells` (subjects, columns).

    Raises PlanningError if there are fewer than ten subjects per column, or if a cell is empty or a column constant.
    """
    if len(cells) < 10 * cells.shape[1]:
        raise PlanningError(
            f"{len(cells)} subjects are too few to find clusters in {cells.shape[1]} columns: at least ten for each column are needed"
        )
    if np.isnan(cells).any():
        raise PlanningError("clusters need every cell filled: leave out subjects or columns with empty cells")
    spread = cells.std(axis=0)
    if (spread == 0).any():
        raise PlanningError(f"column {int(np.argmin(spread)) + 1} is constant: leave it out")
    scaled = (cells - cells.mean(axis=0)) / spread
    fits = [_mixture(scaled, components, seed) for components in range(1, COMPONENTS_MAX + 1)]
    bic = tuple(float(fit.bic(scaled)) for fit in fits)
    components = int(np.argmin(bic)) + 1
    stability = _stability(scaled, components, fits[components - 1].predict(scaled), seed) if components > 1 else 0.0
    if stability < STABILITY_MIN:
        return Clusters(1, stability, bic, np.zeros(len(cells), dtype=np.int64))
    return Clusters(components, stability, bic, fits[components - 1].predict(scaled).astype(np.int64))


def _mixture(scaled: Floats, components: int, seed: int) -> GaussianMixture:
    return GaussianMixture(components, reg_covar=1e-4, n_init=3, random_state=seed).fit(scaled)


def _stability(scaled: Floats, components: int, labels: NDArray[np.int64], seed: int) -> float:
    draws = np.random.default_rng(seed)
    agreements = []
    for draw in range(BOOTSTRAPS):
        sample = draws.integers(len(scaled), size=len(scaled))
        agreements.append(adjusted_rand_score(labels, _mixture(scaled[sample], components, seed + draw).predict(scaled)))
    return float(np.mean(agreements))


def _percentiles(values: Floats) -> Floats:
    """Mid-ranks as shares of the known values; NaN stays NaN."""
    known = ~np.isnan(values)
    ranks = np.full(len(values), np.nan)
    if known.any():
        ranks[known] = (rankdata(values[known]) - 0.5) / known.sum()
    return ranks


def _turned(ranks: Floats, sign: int) -> Floats:
    return ranks if sign > 0 else 1 - ranks


def _score(ranks: list[Floats]) -> Floats:
    """Mean of the known values of each row, NaN where fewer than half are known."""
    table = np.column_stack(ranks)
    known = (~np.isnan(table)).sum(axis=1)
    mean = np.nansum(table, axis=1) / np.maximum(known, 1)
    return np.where(known >= KNOWN_SHARE_MIN * table.shape[1], mean, np.nan)
