"""Survey scales: whether the items of a scale measure one thing, and two scales two.

Cronbach's alpha, exploratory factor analysis (minimum residuals, promax), average variance extracted (AVE), composite reliability (CR),
and the Fornell-Larcker criterion. Printed tables get AVE wrong often enough to recompute it from the printed loadings; `ave` and
`composite_reliability` take just these. Factor extraction and varimax are from statsmodels; its promax is documented as different from
other implementations, so the step of Hendrickson and White is computed here.
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
RESPONDENTS_PER_ITEM_MIN = 5  # the usual rule of thumb; below, there is a warning
_Z_95 = 1.959963984540054


class Scale(msgspec.Struct, frozen=True):
    """Figures of one scale. Thresholds: alpha and CR at least 0.7, AVE at least 0.5 (Fornell and Larcker 1981).

    `alpha_if_deleted` and `loadings` are in the order of `items`; the former is empty for two items.
    """

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
    """Exploratory factors: pattern loadings (items, factors) and correlations (factors, factors).

    `eigenvalues_random` are the limits of the parallel analysis.
    """

    items: tuple[str, ...]
    count: int
    eigenvalues: tuple[float, ...]
    eigenvalues_random: tuple[float, ...]
    loadings: tuple[tuple[float, ...], ...]
    correlations: tuple[tuple[float, ...], ...]


class SurveyReport(msgspec.Struct, frozen=True):
    """Report of a survey. `discriminant` (scales, scales): square roots of AVE on the diagonal, correlations of the scales elsewhere.

    `not_discriminant` are pairs of scales that fail the Fornell-Larcker criterion; `left_out` counts respondents with an empty item.
    """

    respondents: int
    left_out: int
    scales: tuple[Scale, ...]
    discriminant: tuple[tuple[float, ...], ...]
    not_discriminant: tuple[tuple[str, str], ...]
    factors: Factors
    warnings: tuple[str, ...]


def cronbach_alpha(answers: Floats) -> float:
    """Alpha of the columns of `answers` (respondents, items): 1 for identical items, below 0 for items that contradict each other.

    Raises PlanningError if all respondents have the same total.
    """
    items = answers.shape[1]
    total = float(answers.sum(axis=1).var(ddof=1))
    if total == 0:
        raise PlanningError("all respondents have the same total: alpha is not defined")
    return float(items / (items - 1) * (1 - answers.var(axis=0, ddof=1).sum() / total))


def alpha_interval(alpha: float, respondents: int, items: int) -> tuple[float, float]:
    """95 % interval of alpha (Feldt 1965): low, high."""
    degrees = respondents - 1
    low, high = stats.f.ppf([0.975, 0.025], degrees, degrees * (items - 1))
    return 1 - (1 - alpha) * float(low), 1 - (1 - alpha) * float(high)


def ave(loadings: Sequence[float]) -> float:
    """Average variance extracted: mean squared standardised loading."""
    return float(np.mean(np.square(loadings)))


def composite_reliability(loadings: Sequence[float]) -> float:
    """(sum of loadings)² / ((sum of loadings)² + sum of error variances), of standardised loadings."""
    common = float(np.sum(loadings)) ** 2
    return common / (common + float(np.sum(1 - np.square(loadings))))


def sample_size(error: float, population: int | None = None) -> int:
    """Respondents needed to estimate any share within ±`error` at 95 % confidence, with a correction for a small population.

    Raises PlanningError if the error is not between 0 and 1.
    """
    if not 0 < error < 1:
        raise PlanningError("the error must be between 0 and 1, such as 0.05 for five percentage points")
    needed = _Z_95**2 * 0.25 / error**2
    if population is not None:
        needed = needed / (1 + (needed - 1) / population)
    return math.ceil(needed)


def analyse(sheet: Sheet, scales: Mapping[str, Sequence[str]], seed: int = 0) -> SurveyReport:
    """Report of a sheet with respondents in rows and items in columns; `scales` maps the name of each scale to its items.

    Raises PlanningError if there is no scale, a scale has fewer than two items or an item without a column, fewer than 10 respondents are
    complete, or an item is constant.
    """
    _check(sheet, scales)
    answers = complete_answers(sheet)
    left_out = len(sheet.rows) - len(answers)
    made = tuple(_scale(name, items, answers[:, [sheet.columns.index(item) for item in items]]) for name, items in scales.items())
    table, not_discriminant = _discriminant(made, answers, sheet.columns)
    notes = [f"{left_out} respondents with an empty item are left out"] * bool(left_out)
    if len(answers) < RESPONDENTS_PER_ITEM_MIN * len(sheet.columns):
        notes.append(f"{len(answers)} respondents for {len(sheet.columns)} items are few: the factors are only indicative")
    return SurveyReport(
        respondents=len(answers),
        left_out=left_out,
        scales=made,
        discriminant=table,
        not_discriminant=not_discriminant,
        factors=factor_analysis(answers, sheet.columns, seed),
        warnings=tuple(notes),
    )


def complete_answers(sheet: Sheet) -> Floats:
    """Answers (respondents, items) of the respondents with an answer to every item.

    Raises PlanningError if there are fewer than 10, or an item is constant.
    """
    answers = sheet.cells[~np.isnan(sheet.cells).any(axis=1)]
    if len(answers) < 10:
        raise PlanningError(f"only {len(answers)} respondents answered every item; at least 10 are needed")
    for item, spread in zip(sheet.columns, answers.std(axis=0), strict=True):
        if spread == 0:
            raise PlanningError(f"all respondents answer {item!r} alike: leave it out")
    return answers


def correlation_matrix(answers: Floats) -> Floats:
    """Correlations of the columns, (columns, columns); also for a single column."""
    return np.atleast_2d(np.asarray(np.corrcoef(answers.T), dtype=np.float64))


def factor_analysis(answers: Floats, items: Sequence[str], seed: int = 0, count: int | None = None) -> Factors:
    """Exploratory factors of `answers` (respondents, items); `count` of them, by default by parallel analysis (Horn 1965)."""
    observed, shuffled = parallel_analysis(answers, seed)
    number = count or max(1, int(np.argmin(np.append(observed > shuffled, False))))
    loadings = _minimum_residuals(correlation_matrix(answers), number)
    pattern, correlations = promax(loadings) if number > 1 else (_positive(loadings), np.eye(1))
    return Factors(
        items=tuple(items),
        count=number,
        eigenvalues=tuple(observed.tolist()),
        eigenvalues_random=tuple(shuffled.tolist()),
        loadings=tuple(tuple(row) for row in pattern.tolist()),
        correlations=tuple(tuple(row) for row in correlations.tolist()),
    )


def parallel_analysis(answers: Floats, seed: int) -> tuple[Floats, Floats]:
    """Eigenvalues of the correlations, and 95th percentile of those of shuffled answers, (items,) each, descending."""
    draws = np.random.default_rng(seed)
    shuffled = np.array([_eigenvalues(draws.permuted(answers, axis=0)) for _ in range(PARALLEL_DRAWS)])
    return _eigenvalues(answers), np.percentile(shuffled, 95, axis=0)


def promax(loadings: Floats) -> tuple[Floats, Floats]:
    """Pattern (items, factors) and factor correlations after promax (Hendrickson and White 1964), by falling explained variance."""
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
    loadings = _positive(_minimum_residuals(correlation_matrix(answers), 1))[:, 0].tolist() if len(items) > 2 else _pair_loadings(answers)
    without = [cronbach_alpha(np.delete(answers, place, axis=1)) for place in range(len(items))] if len(items) > 2 else []
    return Scale(name, tuple(items), alpha, low, high, tuple(without), tuple(loadings), ave(loadings), composite_reliability(loadings))


def _pair_loadings(answers: Floats) -> list[float]:
    """Loadings of two items: only the product is determined, so both get the same."""
    shared = max(0.0, float(correlation_matrix(answers)[0, 1])) ** 0.5
    return [shared, shared]


def _discriminant(
    scales: Sequence[Scale], answers: Floats, columns: Sequence[str]
) -> tuple[tuple[tuple[float, ...], ...], tuple[tuple[str, str], ...]]:
    """Fornell-Larcker: two scales are distinct if each explains its own items better than it correlates with the other scale."""
    means = np.column_stack([answers[:, [columns.index(item) for item in scale.items]].mean(axis=1) for scale in scales])
    table = correlation_matrix(means)
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
    """Loadings (items, count) of least residual correlations, to which iterated principal axes converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error below replaces the warning
        fitted = Factor(corr=correlations, n_factor=count, method="pa").fit(maxiter=1_000, tol=1e-8)
    loadings: Floats = np.asarray(fitted.loadings)
    if loadings.shape[1] < count or not np.isfinite(loadings).all():
        raise PlanningError("the correlations have fewer factors than requested: some items may be sums of other items")
    return loadings


def _positive(loadings: Floats) -> Floats:
    return np.asarray(loadings * np.where(loadings.sum(axis=0) < 0, -1.0, 1.0), dtype=np.float64)


def _eigenvalues(answers: Floats) -> Floats:
    return np.asarray(np.linalg.eigvalsh(correlation_matrix(answers))[::-1], dtype=np.float64)


def _check(sheet: Sheet, scales: Mapping[str, Sequence[str]]) -> None:
    if not scales:
        raise PlanningError("name at least one scale, such as --scale trust=t1,t2,t3")
    for name, items in scales.items():
        if len(items) < 2:
            raise PlanningError(f"scale {name!r} has {len(items)} items; at least two are needed")
        if missing := [item for item in items if item not in sheet.columns]:
            raise PlanningError(f"scale {name!r}: there is no column {missing[0]!r}; there are {', '.join(sheet.columns[:12])}")
