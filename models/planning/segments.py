"""Four segments by behaviour, and a test whether a table has clusters of its own.

The published segments are partly defined by age, gender, income and job. None of these may influence an offer here, so each segment is
recognised by behaviour (`INDICATORS`): visits, answers, purchases without an offer. Every subject gets a score from 0 to 1 for each
segment, the mean of the percentile ranks; the highest score is the segment, and a subject with too little data has none. `STRATEGIES`
holds the treatment of each segment; strategic customers are not pushed with discounts.

Clusters are a separate question: a Gaussian mixture is fitted, its number of components chosen by BIC, and accepted only if it is found
again in bootstrap samples. "No cluster structure" is a valid result, and the right one for most tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gateway.core import limits
from gateway.core.attributes import groups
from gateway.core.attributes.derive import KNOWN_SHARE_MIN, distance, ranks
from gateway.core.attributes.groups import Ranked
from models.groups import QUANTILE_STEPS, ranked, rows_of
from models.planning.sheets import PlanningError, Sheet

Floats = NDArray[np.float64]
Segment = Literal["communication", "ethical_behavioural", "individual", "economic"]
SEGMENTS: tuple[Segment, ...] = get_args(Segment)

# Behaviour for (+1) or against (-1) a segment. After the published segments, without personal attributes:
# service usage, revisits, contact, shopping rate | quality, price matters little, advertising | modern lifestyle | prices, discounts.
INDICATORS: Mapping[Segment, Mapping[str, int]] = {
    "communication": {"visits_month": 1, "revisit_share": 1, "answered_share": 1, "purchases_month": 1},
    "ethical_behavioural": {"amount_ratio": 1, "full_price_share": 1, "opened_share": 1},
    "individual": {"novelty_share": 1, "variety": 1},
    "economic": {"redeemed_share": 1, "amount_ratio": -1, "full_price_share": -1},
}
BEHAVIOUR: tuple[str, ...] = tuple(dict.fromkeys(name for indicators in INDICATORS.values() for name in indicators))

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

    The distances are those of the gateway, so a score is 1 - the mean distance of ranks from the segment's centre.
    Raises PlanningError if the sheet has none of these columns.
    """
    names = [name for name in sheet.columns if name in BEHAVIOUR and not np.isnan(sheet.cells[:, sheet.columns.index(name)]).all()]
    if not names:
        raise PlanningError(f"no column of behaviour: at least one of {', '.join(BEHAVIOUR)} is needed")
    inputs = tuple(Ranked(name, _quantiles(sheet.cells[:, sheet.columns.index(name)])) for name in names)
    known = rows_of(pd.DataFrame(sheet.cells, columns=list(sheet.columns))[names])
    at = [ranks(inputs, row) for row in known]
    centres = [_centre(indicators, names) for indicators in INDICATORS.values()]
    away = [[None if centre is None else distance(centre, row) for centre in centres] for row in at]
    scores = np.array([[np.nan if of is None else 1.0 - of for of in row] for row in away], dtype=np.float64)
    best = [None if np.isnan(row).all() else SEGMENTS[int(np.nanargmax(row))] for row in scores]
    return Segmentation(sheet.rows, tuple(best), scores)


def behavioural_definition(values: pd.DataFrame) -> groups.Segmentation:
    """The published segments for a gateway, from the behaviour of many subjects (columns of BEHAVIOUR).

    Segments with most indicators missing, or with fewer than GROUP_SUBJECTS_MIN subjects, are left out. Raises PlanningError if
    fewer than two are left.
    """
    names = [name for name in values.columns if name in BEHAVIOUR]
    sheet = Sheet(tuple(map(str, values.index)), tuple(values.columns), values.to_numpy(dtype=np.float64))
    counts = assign_segments(sheet).counts()
    segments = [
        groups.Segment(name, centre, counts[name], discounts=STRATEGIES[name].discounts)
        for name in SEGMENTS
        if (centre := _centre(INDICATORS[name], names)) is not None and counts[name] >= limits.GROUP_SUBJECTS_MIN
    ]
    return _definition("behaviour", values[names], segments)


def cluster_definition(values: pd.DataFrame, seed: int = 0) -> groups.Segmentation:
    """The clusters of the subjects in `values` (one column an attribute) for a gateway; a centre is the mean rank of its members.

    Raises PlanningError if there is no cluster structure, or fewer than two clusters of GROUP_SUBJECTS_MIN subjects.
    """
    known = values.dropna()
    clusters = fit_clusters(known.to_numpy(dtype=np.float64), seed)
    if not clusters.has_structure:
        raise PlanningError("the subjects have no cluster structure in these attributes: no segments are defined")
    inputs = tuple(ranked(name, known[name].to_numpy(dtype=np.float64)) for name in known.columns)
    at = np.array([ranks(inputs, row) for row in rows_of(known)], dtype=np.float64)
    members = [clusters.labels == label for label in range(clusters.components)]
    segments = [
        groups.Segment(f"cluster_{label + 1}", tuple(map(float, at[of].mean(axis=0))), int(of.sum()))
        for label, of in enumerate(members)
        if of.sum() >= limits.GROUP_SUBJECTS_MIN
    ]
    return _definition("clusters", known, segments)


def _definition(name: str, values: pd.DataFrame, segments: list[groups.Segment]) -> groups.Segmentation:
    if len(segments) < 2:
        raise PlanningError(f"fewer than two segments have {limits.GROUP_SUBJECTS_MIN} subjects: no segments are defined")
    return groups.Segmentation(name, tuple(ranked(of, values[of].to_numpy(dtype=np.float64)) for of in values.columns), tuple(segments))


def _centre(indicators: Mapping[str, int], names: Sequence[str]) -> tuple[float | None, ...] | None:
    """The ideal of a segment on the columns `names`; None if fewer than half of its indicators are there."""
    if sum(name in names for name in indicators) < KNOWN_SHARE_MIN * len(indicators):
        return None
    return tuple({1: 1.0, -1: 0.0, 0: None}[indicators.get(name, 0)] for name in names)


def _quantiles(values: Floats) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    return tuple(float(value) for value in np.quantile(known, np.linspace(0, 1, QUANTILE_STEPS + 1)))


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
    most = min(COMPONENTS_MAX, len(np.unique(scaled, axis=0)))
    fits = [_mixture(scaled, components, seed) for components in range(1, most + 1)]
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
