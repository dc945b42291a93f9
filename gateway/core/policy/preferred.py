"""Offers that are not weighed: service messages and wishes of the person. Both go before all other offers and need no score.

A service message is sent to people of the holdout too, and has no arm: it is not measured as an offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gateway.core import limits
from gateway.core.policy.decision import Candidate
from gateway.core.policy.gates import CHOSEN, HELD_OUT, LOWER_RANK, REASONS, SERVICE, STEPS, YIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.core.policy.prepared import Positions, Prepared


class Preferred(NamedTuple):
    """The candidates that are kept, the chosen one first, the number of all open offers by step, and the probability of the choice."""

    candidates: list[Candidate]
    counts: NDArray[np.intp]
    p_select: float = 1.0


def preferred(prepared: Prepared, positions: Positions) -> Preferred | None:
    """The choice among the preferred ones of the open offers, or None if there are none.

    Service messages come first, then wishes; of each the one with the highest value, and of equal ones the first in the campaign.
    """
    offers = prepared.offers
    is_service, is_wanted = offers.is_service[positions], prepared.named(positions, prepared.wishes.wanted)
    found = is_service | is_wanted
    if not found.any():
        return None
    rank = np.where(is_service, 0, np.where(is_wanted, 1, 2))
    order = np.lexsort((-offers.value_minor[positions], rank))
    steps = np.where(found, STEPS[LOWER_RANK.reason], STEPS[YIELDS.reason])
    chosen = SERVICE if is_service[order[0]] else HELD_OUT if prepared.request.held_out else CHOSEN
    steps[order[0]] = STEPS[chosen.reason]
    by_step = tuple(REASONS)
    kept = order[: limits.CANDIDATES_KEPT_MAX].tolist()
    candidates = [Candidate(offers.ids[positions[at]], by_step[steps[at]]) for at in kept]
    return Preferred(candidates, np.bincount(steps, minlength=len(REASONS)))
