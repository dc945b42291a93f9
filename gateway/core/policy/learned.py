"""One decision of the learned policy: it weighs the open offers and chooses with draws from the decision's seed.

`gateway.core.learning.policy` has the mathematics; `decide` (choose.py) calls this between the gates and the log.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gateway.core import limits
from gateway.core.learning.policy import Learner
from gateway.core.learning.state import LearnedState, PersonState
from gateway.core.learning.types import Known, Moment, Weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.core.attributes.offer_columns import Floats
    from gateway.core.policy.prepared import Prepared

SEED_BYTES = 8
_SPARE_DRAWS = 3  # of the ramp, of the floor, and of the moment


class Choice(NamedTuple):
    """The chosen position among the open offers, or None for silence, with its probability; propensity and expected value of all."""

    at: int | None
    p_select: float
    propensity: NDArray[np.float64]
    expected_minor: NDArray[np.float64]


class WeighedOffer(NamedTuple):
    """An offer that was weighed: the input of later learning, digest of the predictors, learned propensity, and score of the model."""

    known: Known
    predictors: str
    propensity: float
    score: float


class Deliberation:
    """The learner with a state, a person, and whether the learned policy decides or is only compared (`demoted`)."""

    def __init__(self, learner: Learner, state: LearnedState, me: PersonState, *, demoted: bool) -> None:
        """Nothing is weighed yet."""
        self.learner, self.state, self.me, self.demoted = learner, state, me, demoted
        self.moment: Moment | None = None
        self.weighed: Weighed | None = None

    def choose(
        self,
        prepared: Prepared,
        positions: NDArray[np.intp],
        scores: NDArray[np.float64],
        rows: Floats | None,
        ruled: int | None,
        is_open: NDArray[np.bool_],
    ) -> Choice:
        """The choice among the offers at `positions` that are open; `ruled` is that of the plain policy.

        Of more than WEIGHED_OFFERS_MAX open offers those with the highest score x value are weighed. Propensities and expected values of
        the others are NaN.
        """
        offers, request = prepared.offers, prepared.request
        own = request.site.campaign
        most = np.flatnonzero(is_open)
        if len(most) > limits.WEIGHED_OFFERS_MAX:
            plain = scores[most] * offers.value_minor[positions[most]]
            most = np.sort(most[np.argsort(-plain, kind="stable")[: limits.WEIGHED_OFFERS_MAX]])
        known = request.site.plan.matrix(prepared.reading, positions[most], prepared.numbers) if rows is None else rows[most]
        places = positions[most]
        here = Moment(request.zone, request.occasion, request.now_ms, request.subject.reached, places, scores[most], known)
        self.moment, self.weighed = here, self.learner.weigh(self.state, self.me, here)
        weighed = self.weighed
        propensity, expected = np.full(len(positions), np.nan), np.full(len(positions), np.nan)
        propensity[most] = weighed.propensity
        expected[most] = weighed.net_minor
        if self.demoted:
            return Choice(ruled, 1.0, propensity, expected)
        able = np.flatnonzero(weighed.propensity >= own.policy.propensity_min)
        of_rules = None if ruled is None else next(iter(np.flatnonzero(most[able] == ruled).tolist()), None)
        chosen = self.learner.chosen(self.state, weighed.arms.take(able), of_rules, draws(request.seed, len(able) + _SPARE_DRAWS)[1:])
        return Choice(None if chosen.position is None else int(most[able[chosen.position]]), chosen.p_select, propensity, expected)

    def of(self, offer: str | None) -> WeighedOffer | None:
        """The figures of an offer; None if it was not weighed."""
        here, weighed = self.moment, self.weighed
        if here is None or weighed is None:
            return None
        at = next((at for at, position in enumerate(here.positions.tolist()) if self.learner.offers[position].id == offer), None)
        if at is None:
            return None
        return WeighedOffer(weighed.known(at), self.learner.basis.partition(".")[0], float(weighed.propensity[at]), float(here.scores[at]))


def draws(seed: int, count: int) -> list[float]:
    """Numbers in [0, 1) with 53 bits each that follow from a seed (SHAKE-128 of its eight bytes), the same on every machine."""
    stream = hashlib.shake_128(seed.to_bytes(SEED_BYTES, "big")).digest(8 * count)
    return [(whole >> 11) * 2.0**-53 for whole in np.frombuffer(stream, dtype=">u8").tolist()]
