"""What a survey's answers bear: whether the items of a scale measure one thing, and two scales two.

Cronbach's alpha, exploratory factor analysis (minimum residuals, promax), average variance extracted, composite reliability, and
Fornell and Larcker's comparison. Printed tables get AVE wrong often enough that it is worth computing from the printed loadings;
`ave` and `composite_reliability` take just those. Factor extraction and varimax are statsmodels'; its promax says of itself
that it differs from others', so the short step of Hendrickson and White is here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.multivariate.factor import Factor
from statsmodels.multivariate.factor_rotation import rotate_factors

from models.planning.sheets import PlanningError, Sheet

Floats = NDArray[np.float64]

PROMAX_POWER = 4
PARALLEL_DRAWS = 100
RESPONDENTS_PER_ITEM_MIN = 5  # the usual rule of thumb; fewer is warned of
_Z_95 = 1.959963984540054


class Scale(msgspec.Struct, frozen=True):
    """One scale of the survey. Reached: alpha and CR from 0.7, AVE from 0.5 (Fornell and Larcker 1981)."""

    name: str
    items: tuple[str, ...]
    alpha: float
    alpha_low: float
    alpha_high: float
    alpha_if_deleted: tuple[float, ...]
    loadings: tuple[float, ...]
    ave: float
    composite_reliability: float


class Factors(msgspec.Struct, frozen=True):
    """Exploratory factors: pattern loadings (items x factors) and the factors' correlations."""

    items: tuple[str, ...]
    count: int
    eigenvalues: tuple[float, ...]
    eigenvalues_random: tuple[float, ...]
    loadings: tuple[tuple[float, ...], ...]
    correlations: tuple[tuple[float, ...], ...]


class SurveyReport(msgspec.Struct, frozen=True):
    """All of it. `discriminant`: square roots of AVE on the diagonal, correlations of the scales below and above."""

    respondents: int
    left_out: int
    scales: tuple[Scale, ...]
    discriminant: tuple[tuple[float, ...], ...]
    not_discriminant: tuple[tuple[str, str], ...]
    factors: Factors
    warnings: tuple[str, ...]


def cronbach_alpha(answers: Floats) -> float:
    """Alpha of items in columns (respondents, items); 1 when all items are identical, below 0 when they contradict each other."""
    items = answers.shape[1]
    total = float(answers.sum(axis=1).var(ddof=1))
    if total == 0:
        raise PlanningError("everybody gives the same total: alpha is not defined")
    return float(items / (items - 1) * (1 - answers.var(axis=0, ddof=1).sum() / total))


def alpha_interval(alpha: float, respondents: int, items: int) -> tuple[float, float]:
    """95 % interval of alpha (Feldt 1965)."""
    degrees = respondents - 1
    low, high = stats.f.ppf([0.975, 0.025], degrees, degrees * (items - 1))
    return 1 - (1 - alpha) * float(low), 1 - (1 - alpha) * float(high)


def ave(loadings: Sequence[float]) -> float:
    """Average variance extracted: the mean squared standardised loading."""
    return float(np.mean(np.square(loadings)))


def composite_reliability(loadings: Sequence[float]) -> float:
    """(sum of loadings)² / ((sum of loadings)² + sum of error variances), of standardised loadings."""
    common = float(np.sum(loadings)) ** 2
    return common / (common + float(np.sum(1 - np.square(loadings))))


def sample_size(error: float, population: int | None = None) -> int:
    """Respondents needed to know a share within ±`error` with 95 % confidence, whatever the share is; less in a small population."""
    if not 0 < error < 1:
        raise PlanningError("the error must lie between 0 and 1, such as 0.05 for five points")
    needed = _Z_95**2 * 0.25 / error**2
    if population is not None:
        needed = needed / (1 + (needed - 1) / population)
    return math.ceil(needed)


def analyse(sheet: Sheet, scales: Mapping[str, Sequence[str]], seed: int = 0) -> SurveyReport:
    """Respondents in rows, items in columns; `scales` names the items of each scale. Raises PlanningError."""
    _check(sheet, scales)
    whole = ~np.isnan(sheet.cells).any(axis=1)
    answers = sheet.cells[whole]
    if len(answers) < 10:
        raise PlanningError(f"only {len(answers)} respondents answered every item; at least 10 are needed")
    for item, spread in zip(sheet.columns, answers.std(axis=0), strict=True):
        if spread == 0:
            raise PlanningError(f"everybody answers {item!r} alike: it tells nothing, leave it out")
    made = tuple(_scale(name, items, answers[:, [sheet.columns.index(item) for item in items]]) for name, items in scales.items())
    table, not_discriminant = _discriminant(made, answers, sheet.columns)
    notes = [f"{int((~whole).sum())} respondents left an item empty and are left out"] * bool((~whole).sum())
    if len(answers) < RESPONDENTS_PER_ITEM_MIN * len(sheet.columns):
        notes.append(f"{len(answers)} respondents for {len(sheet.columns)} items are few: take the factors as a sketch")
    return SurveyReport(
        respondents=len(answers),
        left_out=int((~whole).sum()),
        scales=made,
        discriminant=table,
        not_discriminant=not_discriminant,
        factors=factor_analysis(answers, sheet.columns, seed),
        warnings=tuple(notes),
    )


def factor_analysis(answers: Floats, items: Sequence[str], seed: int = 0, count: int | None = None) -> Factors:
    """Exploratory factors of standardised answers; their number by parallel analysis (Horn 1965) unless `count` says it."""
    observed, by_chance = parallel_analysis(answers, seed)
    number = count or max(1, int(np.argmin(np.append(observed > by_chance, False))))
    loadings = _minimum_residuals(_correlations(answers), number)
    pattern, correlations = promax(loadings) if number > 1 else (_upright(loadings), np.eye(1))
    return Factors(
        items=tuple(items),
        count=number,
        eigenvalues=tuple(observed.tolist()),
        eigenvalues_random=tuple(by_chance.tolist()),
        loadings=tuple(tuple(row) for row in pattern.tolist()),
        correlations=tuple(tuple(row) for row in correlations.tolist()),
    )


def parallel_analysis(answers: Floats, seed: int) -> tuple[Floats, Floats]:
    """Eigenvalues of the correlations, and the 95th percentile of those of shuffled answers, both descending (items,)."""
    draws = np.random.default_rng(seed)
    shuffled = np.array([_eigenvalues(draws.permuted(answers, axis=0)) for _ in range(PARALLEL_DRAWS)])
    return _eigenvalues(answers), np.percentile(shuffled, 95, axis=0)


def promax(loadings: Floats) -> tuple[Floats, Floats]:
    """Pattern (items, factors) and factor correlations after promax (Hendrickson and White 1964), most explaining factor first."""
    varimax: Floats = rotate_factors(loadings, "varimax")[0]
    target = varimax * np.abs(varimax) ** (PROMAX_POWER - 1)
    turn = np.linalg.lstsq(varimax, target, rcond=None)[0]
    turn = turn * np.sqrt(np.diag(np.linalg.inv(turn.T @ turn)))
    pattern = varimax @ turn
    correlations = np.linalg.inv(turn.T @ turn)
    signs = np.where(pattern.sum(axis=0) < 0, -1.0, 1.0)
    order = np.argsort(-(pattern**2).sum(axis=0), kind="stable")
    return (pattern * signs)[:, order], (correlations * np.outer(signs, signs))[np.ix_(order, order)]


def _scale(name: str, items: Sequence[str], answers: Floats) -> Scale:
    alpha = cronbach_alpha(answers)
    low, high = alpha_interval(alpha, *answers.shape)
    loadings = _upright(_minimum_residuals(_correlations(answers), 1))[:, 0].tolist() if len(items) > 2 else _pair_loadings(answers)
    without = [cronbach_alpha(np.delete(answers, place, axis=1)) for place in range(len(items))] if len(items) > 2 else []
    return Scale(name, tuple(items), alpha, low, high, tuple(without), tuple(loadings), ave(loadings), composite_reliability(loadings))


def _pair_loadings(answers: Floats) -> list[float]:
    """Two items determine only their product; they share it equally."""
    shared = max(0.0, float(_correlations(answers)[0, 1])) ** 0.5
    return [shared, shared]


def _discriminant(
    scales: Sequence[Scale], answers: Floats, columns: Sequence[str]
) -> tuple[tuple[tuple[float, ...], ...], tuple[tuple[str, str], ...]]:
    """Fornell and Larcker: two scales are told apart when each explains its own items better than the other scale does."""
    means = np.column_stack([answers[:, [columns.index(item) for item in scale.items]].mean(axis=1) for scale in scales])
    table = _correlations(means)
    own = np.sqrt([scale.ave for scale in scales])
    table[np.diag_indices(len(scales))] = own
    not_discriminant = tuple(
        (scales[i].name, scales[j].name)
        for i in range(len(scales))
        for j in range(i + 1, len(scales))
        if abs(table[i, j]) >= min(own[i], own[j])
    )
    return tuple(tuple(row) for row in table.tolist()), not_discriminant


def _minimum_residuals(correlations: Floats, count: int) -> Floats:
    """Loadings (items, count) that leave the smallest residual correlations: iterated principal axes converge to them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told below in our own words
        fitted = Factor(corr=correlations, n_factor=count, method="pa").fit(maxiter=1_000, tol=1e-8)
    loadings: Floats = np.asarray(fitted.loadings)
    if loadings.shape[1] < count or not np.isfinite(loadings).all():
        raise PlanningError("the correlations hold fewer factors than were asked for: some items may be sums of others")
    return loadings


def _upright(loadings: Floats) -> Floats:
    return np.asarray(loadings * np.where(loadings.sum(axis=0) < 0, -1.0, 1.0), dtype=np.float64)


def _correlations(answers: Floats) -> Floats:
    """Of the columns, (columns, columns); also for a single one."""
    return np.atleast_2d(np.asarray(np.corrcoef(answers.T), dtype=np.float64))


def _eigenvalues(answers: Floats) -> Floats:
    return np.asarray(np.linalg.eigvalsh(_correlations(answers))[::-1], dtype=np.float64)


def _check(sheet: Sheet, scales: Mapping[str, Sequence[str]]) -> None:
    if not scales:
        raise PlanningError("name at least one scale, such as --scale trust=t1,t2,t3")
    for name, items in scales.items():
        if len(items) < 2:
            raise PlanningError(f"scale {name!r} has {len(items)} items; at least two are needed")
        if missing := [item for item in items if item not in sheet.columns]:
            raise PlanningError(f"scale {name!r}: there is no column {missing[0]!r}; there are {', '.join(sheet.columns[:12])}")
