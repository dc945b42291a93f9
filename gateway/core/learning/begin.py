"""The state with which learning begins: the bundle's priors, and of an earlier state all that is still meant by the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from gateway.core.learned import SCORE_EDGES, OfferPriors, Predictor
from gateway.core.learning import bayes
from gateway.core.learning.policy import Learner, chain
from gateway.core.learning.state import LearnedState
from gateway.core.offers import Offer

T = TypeVar("T")


def begin(before: LearnedState, learner: Learner, offers: Sequence[Offer], priors: Sequence[OfferPriors], *, is_same: bool) -> LearnedState:
    """The state for these offers.

    If the predictors are the same (`is_same`), everything learned of offers that stay is kept, and of other places and categories as well;
    otherwise only counts of visits, moments, messages and answers are. An offer without a model starts with its prior.
    """
    ids = {offer.id for offer in offers}
    categories = {f"category:{offer.category}" for offer in offers}
    kept = before if is_same else LearnedState(visits=before.visits, shares=before.shares, shown=before.shown, moments=before.moments)
    models = {key: model for key, model in kept.models.items() if key in ids | categories or key == chain(offers[0])[-1]}
    started = _with_priors(models, learner, offers, priors)
    return LearnedState(
        models=started,
        tables={} if started != models else _of(kept.tables, ids),
        visits=kept.visits,
        shares=kept.shares,
        shown=_of(kept.shown, ids),
        moments=kept.moments,
        outlooks=_of(kept.outlooks, ids),
    )


def _of(rows: Mapping[str, T], ids: set[str]) -> dict[str, T]:
    return {key: value for key, value in rows.items() if key in ids}


def _with_priors(
    models: Mapping[str, OfferPriors], learner: Learner, offers: Sequence[Offer], priors: Sequence[OfferPriors]
) -> dict[str, OfferPriors]:
    """The models, with the priors of offers that have none yet counted in the whole chain of each."""
    found = dict(models)
    by_offer = {prior.offer: prior for prior in priors}
    for offer in offers:
        prior = by_offer.get(offer.id)
        if prior is not None and offer.id not in models:
            for key in chain(offer):
                found[key] = _plus(found.get(key) or learner.model(LearnedState(), key), prior)
    return found


def _plus(model: OfferPriors, prior: OfferPriors) -> OfferPriors:
    """The model with the counts of a prior: its answers, those by score, and those of predictors with the same edges."""
    same = {(one.name, one.edges): one for one in prior.predictors} | {("score", edges): one for edges, one in _scores(model, prior)}
    predictors = tuple(
        one
        if (other := same.get((one.name, one.edges))) is None
        else Predictor(one.name, one.edges, _sum(one.taken, other.taken), _sum(one.refused, other.refused), one.group)
        for one in model.predictors
    )
    return msgspec.structs.replace(
        model,
        predictors=predictors,
        taken=model.taken + prior.taken,
        refused=model.refused + prior.refused,
        score_taken=_sum(model.score_taken, prior.score_taken),
        score_refused=_sum(model.score_refused, prior.score_refused),
        at_ms=max(model.at_ms, prior.at_ms),
    )


def _scores(model: OfferPriors, prior: OfferPriors) -> list[tuple[tuple[float, ...], Predictor]]:
    """The prior's answers by score, in the bins of the model's predictor of the score, each with the middle of its bin."""
    own = next((one for one in model.predictors if one.name == "score"), None)
    if own is None:
        return []
    half = (SCORE_EDGES[1] - SCORE_EDGES[0]) / 2
    taken, refused = [0.0] * len(own.taken), [0.0] * len(own.taken)
    for edge, right, wrong in zip((*SCORE_EDGES, SCORE_EDGES[-1] + 2 * half), prior.score_taken, prior.score_refused, strict=True):
        at = bayes.bin_of(own.edges, edge - half)
        taken[at] += right
        refused[at] += wrong
    return [(own.edges, Predictor("score", own.edges, tuple(taken), tuple(refused), own.group))]


def _sum(left: Sequence[float], right: Sequence[float]) -> tuple[float, ...]:
    return tuple(one + other for one, other in zip(left, right, strict=True))
