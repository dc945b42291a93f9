"""Naive Bayes per offer: decayed counts of taken and refused offers by bin of each predictor, pooled with wider models.

The contribution of a bin is the log of its frequency among taken offers over that among refused ones; the score is the sum of the
contributions and the prior log-odds. Correlated predictors share a group and only the best of a group is active; a predictor with an AUC
near one half is inactive. The score is overconfident all the same, so `calibration` maps it to a probability.

Pooling: a chain of models (offer, category, all offers) shrinks each frequency toward that of the next wider model, with the weight of
POOL_ROWS rows. Smoothing of the widest model follows adaptive decision managers: each bin starts with 1/bins of a row, so no bin has
probability zero, and a model without answers gives one half.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from gateway.core.learned import SCORE_EDGES, OfferPriors, Predictor
from gateway.core.learning.calibration import Line, fitted

DAY_MS = 86_400_000
AUC_ERRORS_MIN = 2.0  # standard errors that the AUC of an active predictor is above one half
POOL_ROWS = 20.0  # weight of the next wider model, in rows
JUDGED_ROWS = 100.0  # a model with fewer rows takes the activity of its predictors from the next wider one

Counts = Sequence[float]
Values = Sequence[float]
"""Values of the predictors, in their order; NaN for an unknown one."""


class Compiled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chain of models as tables: prior log-odds, edges and contributions by predictor, calibration, and answers by bin of the score."""

    prior: float
    edges: tuple[tuple[float, ...], ...]
    contributions: tuple[tuple[float, ...], ...]
    line: Line
    rows: tuple[float, ...]


def compiled(chain: Sequence[OfferPriors]) -> Compiled:
    """The tables of a chain of models with the same predictors, the narrowest first."""
    narrow = chain[0]
    judge = next((model for model in chain if model.taken + model.refused >= JUDGED_ROWS), chain[-1])
    active = active_predictors(judge)
    found = []
    for index, predictor in enumerate(narrow.predictors):
        levels = [(model.predictors[index].taken, model.predictors[index].refused) for model in chain]
        found.append(contributions(levels) if index in active else (0.0,) * len(predictor.taken))
    return Compiled(
        prior_log_odds([(model.taken, model.refused) for model in chain]),
        tuple(predictor.edges for predictor in narrow.predictors),
        tuple(found),
        fitted([(model.score_taken, model.score_refused) for model in chain]),
        tuple(taken + refused for taken, refused in zip(narrow.score_taken, narrow.score_refused, strict=True)),
    )


def score(tables: Compiled, values: Values) -> float:
    """The plain score in log-odds."""
    return tables.prior + sum(
        of_bins[bin_of(edges, value)] for edges, of_bins, value in zip(tables.edges, tables.contributions, values, strict=True)
    )


def propensity(tables: Compiled, values: Values) -> float:
    """The calibrated probability that the offer is taken."""
    return tables.line.probability(score(tables, values))


def support(tables: Compiled, plain_score: float) -> float:
    """Answers of the offer with a similar score, in decayed rows."""
    return tables.rows[bisect_left(SCORE_EDGES, plain_score)]


def learn(model: OfferPriors, values: Values, plain_score: float, *, taken: bool, at_ms: int) -> OfferPriors:
    """The model after one more answer at `at_ms`; an answer older than the latest counts as equally old.

    `plain_score` is the score at the decision, so that the calibration judges forecasts and not memories.
    """
    now_ms = max(at_ms, model.at_ms)
    keep = 0.5 ** ((now_ms - model.at_ms) / DAY_MS / model.half_life_days) if model.at_ms else 1.0
    at = bisect_left(SCORE_EDGES, plain_score)
    return msgspec.structs.replace(
        model,
        predictors=tuple(
            _counted(predictor, bin_of(predictor.edges, value), keep, taken=taken)
            for predictor, value in zip(model.predictors, values, strict=True)
        ),
        taken=model.taken * keep + taken,
        refused=model.refused * keep + (not taken),
        score_taken=_plus(model.score_taken, at, keep, float(taken)),
        score_refused=_plus(model.score_refused, at, keep, float(not taken)),
        at_ms=now_ms,
    )


def empty(offer: str, predictors: Sequence[tuple[str, tuple[float, ...], int]], half_life_days: float) -> OfferPriors:
    """A model without answers; `predictors` are names, rising edges and groups."""
    made = tuple(Predictor(name, edges, none := (0.0,) * (len(edges) + 2), none, group) for name, edges, group in predictors)
    return OfferPriors(offer, made, half_life_days=half_life_days)


def prior_log_odds(levels: Sequence[tuple[float, float]]) -> float:
    """Log-odds of a row without any known value, from (taken, refused) of the narrowest model to the widest."""
    share, weight = 0.5, 2.0
    for taken, refused in reversed(levels):
        share, weight = (taken + weight * share) / (taken + refused + weight), POOL_ROWS
    return math.log(share / (1.0 - share))


def contributions(levels: Sequence[tuple[Counts, Counts]]) -> tuple[float, ...]:
    """Log of each bin's frequency among taken over that among refused, from the narrowest (taken, refused) to the widest.

    The last bin holds unknown values; it contributes 0 while it is empty on the widest level.
    """
    widest = levels[-1]
    unseen = len(widest[0]) > 2 and widest[0][-1] + widest[1][-1] == 0.0
    bins = len(widest[0]) - unseen
    of_taken, of_refused, weight = [1.0 / bins] * bins, [1.0 / bins] * bins, 1.0
    for taken, refused in reversed(levels):
        of_taken = _frequencies(taken[:bins], of_taken, weight)
        of_refused = _frequencies(refused[:bins], of_refused, weight)
        weight = POOL_ROWS
    found = [math.log(right / wrong) for right, wrong in zip(of_taken, of_refused, strict=True)]
    return (*found, 0.0) if unseen else tuple(found)


def lifts(taken: Counts, refused: Counts) -> tuple[float, ...]:
    """The share taken in each bin over the overall share; NaN for an empty bin."""
    share = sum(taken) / (sum(taken) + sum(refused))
    return tuple(right / (right + wrong) / share if right + wrong else math.nan for right, wrong in zip(taken, refused, strict=True))


def auc(taken: Counts, refused: Counts) -> float:
    """Area under the curve of the bins ordered by contribution; 0.5 if all counts have one outcome."""
    pairs = sum(taken) * sum(refused)
    if pairs == 0.0:
        return 0.5
    of_bins = contributions([(taken, refused)])
    area = below = 0.0
    for at in sorted(range(len(taken)), key=of_bins.__getitem__):
        area += taken[at] * (below + refused[at] / 2)
        below += refused[at]
    return area / pairs


def auc_error(taken: float, refused: float) -> float:
    """Standard error of the AUC of a predictor without any power, from the rows of each outcome (Mann-Whitney); infinite without either."""
    return math.sqrt((taken + refused + 1.0) / (12.0 * taken * refused)) if taken * refused else math.inf


def active_predictors(model: OfferPriors) -> frozenset[int]:
    """Numbers of the active predictors: the best of each group, if its AUC is AUC_ERRORS_MIN standard errors above one half.

    Bins ordered by their own counts give an AUC above one half by chance: with one degree of freedom for each further bin its mean is about
    sqrt(bins - 1) standard errors at most, which is added to the limit.
    """
    best: dict[int, tuple[float, int]] = {}
    for index, predictor in enumerate(model.predictors):
        power = auc(predictor.taken, predictor.refused)
        used = sum(1 for right, wrong in zip(predictor.taken, predictor.refused, strict=True) if right + wrong)
        limit = 0.5 + (AUC_ERRORS_MIN + math.sqrt(max(used - 2, 0) / 2)) * auc_error(model.taken, model.refused)
        if power >= limit and power > best.get(predictor.group, (0.0, 0))[0]:
            best[predictor.group] = (power, index)
    return frozenset(index for _, index in best.values())


def bin_of(edges: Sequence[float], value: float) -> int:
    """Number of the bin of a value: bins are open at the left; the last one holds unknown values."""
    return len(edges) + 1 if math.isnan(value) else bisect_left(edges, value)


def _frequencies(counts: Counts, wider: Counts, weight: float) -> list[float]:
    total = sum(counts) + weight
    return [(count + weight * share) / total for count, share in zip(counts, wider, strict=True)]


def _counted(predictor: Predictor, at: int, keep: float, *, taken: bool) -> Predictor:
    right, wrong = _plus(predictor.taken, at, keep, float(taken)), _plus(predictor.refused, at, keep, float(not taken))
    return Predictor(predictor.name, predictor.edges, right, wrong, predictor.group)


def _plus(counts: Counts, at: int, keep: float, amount: float) -> tuple[float, ...]:
    after = [count * keep for count in counts]
    after[at] += amount
    return tuple(after)
