"""Four segments by behaviour, and whether a table of customers has clusters of its own at all.

The published segments are marked partly by age, gender, income and job. None of these may steer an offer here, so each segment is
recognised by what people *do* (`MARKS`): how often they come, what they answer, what they buy without an offer. Everybody gets
an index from 0 to 1 for each segment, the mean of their percentile ranks; the highest one names the segment, and whoever is too
little known has none. What each segment is offered, and that strategic customers are not pushed with discounts, is `STRATEGIES`.

Clusters are another question: a mixture is fitted, its number of parts chosen by BIC, and believed only if it comes back when people
are drawn anew. "No cluster structure" is an answer, and the right one for most tables.
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

# Behaviour that speaks for (+1) or against (-1) a segment. After published/segments.json, without its personal attributes:
# service usage, revisits, contact, shopping rate | quality, price matters little, advertising | modern lifestyle | prices, discounts.
INDICATORS: Mapping[Segment, Mapping[str, int]] = {
    "communication": {"visits_month": 1, "revisit_share": 1, "answered_share": 1, "purchases_month": 1},
    "ethical_behavioural": {"amount_ratio": 1, "full_price_share": 1, "opened_share": 1},
    "individual": {"novelty_share": 1, "variety": 1},
    "economic": {"redeemed_share": 1, "amount_ratio": -1, "full_price_share": -1},
}
BEHAVIOUR: tuple[str, ...] = tuple(dict.fromkeys(name for marks in INDICATORS.values() for name in marks))
KNOWN_SHARE_MIN = 0.5  # of a segment's marks, else its index is not known

COMPONENTS_MAX = 8
BOOTSTRAPS = 20
STABILITY_MIN = 0.75  # mean adjusted Rand index between the clusters and those of people drawn anew


class Strategy(msgspec.Struct, frozen=True):
    """How a segment is treated unless somebody decides otherwise: tags of fitting offers, and whether discounts suit it."""

    tags: tuple[str, ...]
    discounts: bool
    treatment: str


STRATEGIES: Mapping[Segment, Strategy] = {
    "communication": Strategy(
        ("early_access", "service", "thank_you"), discounts=False, treatment="keep the relationship; do not push discounts"
    ),
    "ethical_behavioural": Strategy(("quality", "recommended"), discounts=False, treatment="speak of quality and of what others say"),
    "individual": Strategy(("new", "premium"), discounts=False, treatment="novel and premium offers, well-informed staff"),
    "economic": Strategy(("discount", "bundle_price", "instalments"), discounts=True, treatment="discounts and better terms"),
}


class Segmentation(msgspec.Struct, frozen=True, eq=False):
    """Who belongs where. `indices` float64 (people, 4) in the order of SEGMENTS, NaN where too little is known."""

    subjects: tuple[str, ...]
    segments: tuple[Segment | None, ...]
    scores: Floats

    def counts(self) -> dict[str, int]:
        """How many people each segment has; those without one stand under `unknown`."""
        found: dict[str, int] = {segment: self.segments.count(segment) for segment in SEGMENTS}
        return {**found, "unknown": self.segments.count(None)}


class Clusters(msgspec.Struct, frozen=True, eq=False):
    """The best mixture. `labels` int (people,), all 0 where there is no structure; `bic` by number of parts from 1."""

    components: int
    stability: float
    bic: tuple[float, ...]
    labels: NDArray[np.int64]

    @property
    def has_structure(self) -> bool:
        """Whether the clusters are there for anybody else to find."""
        return self.components > 1


def assign_segments(sheet: Sheet) -> Segmentation:
    """The segment of every row of a sheet with columns of BEHAVIOUR, some of which may be missing or empty. Raises PlanningError."""
    if not set(sheet.columns) & set(BEHAVIOUR):
        raise PlanningError(f"no column tells of behaviour; there should be some of {', '.join(BEHAVIOUR)}")
    ranks = {name: _percentiles(sheet.cells[:, place]) for place, name in enumerate(sheet.columns) if name in BEHAVIOUR}
    unknown = np.full(len(sheet.rows), np.nan)
    scores = np.column_stack(
        [_index([_turned(ranks.get(name, unknown), sign) for name, sign in marks.items()]) for marks in INDICATORS.values()]
    )
    best = [None if np.isnan(row).all() else SEGMENTS[int(np.nanargmax(row))] for row in scores]
    return Segmentation(sheet.rows, tuple(best), scores)


def fit_clusters(cells: Floats, seed: int = 0) -> Clusters:
    """Clusters of the rows of (people, columns), without empty cells. Raises PlanningError."""
    if len(cells) < 10 * cells.shape[1]:
        raise PlanningError(f"{len(cells)} people are too few to find clusters in {cells.shape[1]} columns; ten for each column at least")
    if np.isnan(cells).any():
        raise PlanningError("clusters need every cell filled; leave out people or columns with empty ones")
    spread = cells.std(axis=0)
    if (spread == 0).any():
        raise PlanningError(f"column {int(np.argmin(spread)) + 1} is the same for everybody: leave it out")
    scaled = (cells - cells.mean(axis=0)) / spread
    fits = [_mixture(scaled, parts, seed) for parts in range(1, COMPONENTS_MAX + 1)]
    bic = tuple(float(fit.bic(scaled)) for fit in fits)
    parts = int(np.argmin(bic)) + 1
    stability = _stability(scaled, parts, fits[parts - 1].predict(scaled), seed) if parts > 1 else 0.0
    if stability < STABILITY_MIN:
        return Clusters(1, stability, bic, np.zeros(len(cells), dtype=np.int64))
    return Clusters(parts, stability, bic, fits[parts - 1].predict(scaled).astype(np.int64))


def _mixture(scaled: Floats, parts: int, seed: int) -> GaussianMixture:
    return GaussianMixture(parts, reg_covar=1e-4, n_init=3, random_state=seed).fit(scaled)


def _stability(scaled: Floats, parts: int, labels: NDArray[np.int64], seed: int) -> float:
    draws = np.random.default_rng(seed)
    agreements = []
    for redraw in range(BOOTSTRAPS):
        people = draws.integers(len(scaled), size=len(scaled))
        agreements.append(adjusted_rand_score(labels, _mixture(scaled[people], parts, seed + redraw).predict(scaled)))
    return float(np.mean(agreements))


def _percentiles(values: Floats) -> Floats:
    """Mid-ranks as shares of those who are known; NaN stays."""
    known = ~np.isnan(values)
    ranks = np.full(len(values), np.nan)
    if known.any():
        ranks[known] = (rankdata(values[known]) - 0.5) / known.sum()
    return ranks


def _turned(ranks: Floats, sign: int) -> Floats:
    return ranks if sign > 0 else 1 - ranks


def _index(parts: list[Floats]) -> Floats:
    """The mean of what is known, where at least half of it is."""
    table = np.column_stack(parts)
    known = (~np.isnan(table)).sum(axis=1)
    mean = np.nansum(table, axis=1) / np.maximum(known, 1)
    return np.where(known >= KNOWN_SHARE_MIN * table.shape[1], mean, np.nan)
