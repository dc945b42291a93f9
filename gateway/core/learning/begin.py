"""The state with which learning begins: the bundle's priors, and of an earlier state all that still has the same meaning.

The bundle's model knows an offer only by its columns, such as the category. A prior has the answers to one offer, so it gives the level of
the offer: the distance of its log-odds from those of all priors of its category, drawn to 0 as by the policy's own prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from gateway.core.learned import OfferPriors
from gateway.core.learning.outlook import log_odds
from gateway.core.learning.policy import Learner
from gateway.core.learning.regression import Weights, start
from gateway.core.learning.state import LearnedState
from gateway.core.learning.types import chain
from gateway.core.offers import Offer

STEPS = 8  # of Newton's method
STEP_MAX = 1.0  # in log-odds
T = TypeVar("T")


def begin(before: LearnedState, learner: Learner, offers: Sequence[Offer], priors: Sequence[OfferPriors], *, is_same: bool) -> LearnedState:
    """The state for these offers.

    If the predictors are the same (`is_same`), everything learned is kept but the values of offers that are gone; otherwise counts of
    visits, moments, messages and answers are. An offer without a model starts with its prior.
    """
    ids, wider = {offer.id for offer in offers}, {key for offer in offers for key in chain(offer)[1:]}
    models = _of(before.models, ids | wider) if is_same else {}
    return LearnedState(
        models=_with_priors(models, learner, offers, priors),
        visits=before.visits,
        shares=before.shares,
        means=before.means if is_same else {},
        shown=_of(before.shown, ids),
        moments=before.moments,
        outlooks=_of(before.outlooks, ids) if is_same else {},
        busy=before.busy,
    )


def _of(rows: Mapping[str, T], ids: set[str]) -> dict[str, T]:
    return {key: value for key, value in rows.items() if key in ids}


def _with_priors(
    models: Mapping[str, Weights], learner: Learner, offers: Sequence[Offer], priors: Sequence[OfferPriors]
) -> dict[str, Weights]:
    found, by_offer = dict(models), {prior.offer: prior for prior in priors if prior.taken + prior.refused}
    variances = learner.plan.variances[0]
    for offer in offers:
        prior = by_offer.get(offer.id)
        if prior is None or offer.id in models:
            continue
        among = [by_offer[one.id] for one in offers if one.category == offer.category and one.id in by_offer]
        share = sum(one.taken for one in among) / sum(one.taken + one.refused for one in among)
        mean, variance = _level(prior, float(log_odds(np.array(share))), float(variances[0, 0]))
        means, spread = np.zeros_like(variances), variances.copy()
        means[0, 0], spread[0, 0] = mean, variance
        found[offer.id] = msgspec.structs.replace(start(variances), means=means.tobytes(), variances=spread.tobytes(), at_ms=prior.at_ms)
    return found


def _level(prior: OfferPriors, known: float, variance: float) -> tuple[float, float]:
    """Mean and variance of the level of an offer after the answers of its prior, with the log-odds `known` (Laplace's method)."""
    level, rows, curve = 0.0, prior.taken + prior.refused, 1.0 / variance
    for _ in range(STEPS):
        share = 1.0 / (1.0 + np.exp(-(known + level)))
        curve = rows * share * (1.0 - share) + 1.0 / variance
        step = (prior.taken - rows * share - level / variance) / curve
        level += float(np.clip(step, -STEP_MAX, STEP_MAX))
    return level, float(1.0 / curve)
