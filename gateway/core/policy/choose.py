"""Gates, then scores, then ranks. Silence is a candidate with an expected value of 0, and no rank reopens a gate.

Expected value = propensity x value - cost of contacting the person, in minor units of the currency. All offers that the gates
leave open are scored in one batch of the model.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import numpy as np

from gateway.core import limits
from gateway.core.attributes.read import Request
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import (
    CHOSEN,
    LOWER_RANK,
    NO_MODEL,
    NOT_WORTH_IT,
    PROPENSITY_LOW,
    REASONS,
    DecisionRequest,
    Outcome,
    Reason,
    closed_to,
    closed_to_all,
)
from gateway.core.site import local

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.core.context import ZoneContext
    from gateway.core.offers import Offer, Policy

_PROGRESS = {reason: step for step, reason in enumerate(REASONS)}


class Scorer(Protocol):
    """The probability that an offer is taken, for each situation. Scoring changes nothing in the scorer."""

    @property
    def version(self) -> str:
        """Name and version of the model; empty if there is none."""

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities in [0, 1], shape (n,), for rows of shape (n, columns), n <= SCORE_ROWS_MAX; None without a usable model."""


def decide(request: DecisionRequest, here: ZoneContext, scorer: Scorer, decision_id: str) -> Decision:
    """The offer with the highest expected value, or silence; every offer of the campaign is a candidate with a reason.

    The reason of the decision is that of the candidate that passed the most checks.
    """
    offers = request.site.campaign.offers
    closed = closed_to_all(request)
    if closed is not None:
        return _decision(request, decision_id, None, closed, [Candidate(offer.id, closed) for offer in offers], scorer)
    candidates = _candidates(request, here, scorer, offers)
    furthest = max(candidates, key=lambda candidate: _PROGRESS[candidate.reason])
    chosen = furthest.offer if furthest.reason == CHOSEN.reason else None
    return _decision(request, decision_id, chosen, furthest.reason, candidates, scorer)


def read_request(request: DecisionRequest, here: ZoneContext) -> Request:
    """What attributes are read from: the person, zone, event and time of a decision request."""
    site, subject = request.site, request.subject
    zone = site.zones[request.zone]
    clock = local(request.now_ms, site.timezone)
    person = subject.told, subject.history, subject.purposes
    return Request(*person, zone.id, zone.transit, here, request.occasion, request.dwell_s, request.now_ms, clock)


class _Scored(NamedTuple):
    """An open offer: its position in the campaign, propensity and expected value."""

    position: int
    propensity: float
    expected_value: float


def _candidates(request: DecisionRequest, here: ZoneContext, scorer: Scorer, offers: Sequence[Offer]) -> list[Candidate]:
    """All offers: first the scored ones, best first, then those that a gate closed, in the campaign's order."""
    dropped: list[Candidate] = []
    open_offers: list[int] = []
    for position, offer in enumerate(offers):
        reason = closed_to(offer, request)
        if reason is None:
            open_offers.append(position)
        else:
            dropped.append(Candidate(offer.id, reason))
    return (_ranked(request, here, scorer, open_offers) if open_offers else []) + dropped


def _ranked(request: DecisionRequest, here: ZoneContext, scorer: Scorer, positions: Sequence[int]) -> list[Candidate]:
    """Score the open offers and rank them by expected value, best first; equal ones keep the campaign's order."""
    offers, policy, plan = request.site.campaign.offers, request.site.campaign.policy, request.site.plan
    reading = read_request(request, here)
    values = plan.values(reading)
    propensities: list[float] = []
    for start in range(0, len(positions), limits.SCORE_ROWS_MAX):
        scores = scorer.score(plan.matrix(reading, positions[start : start + limits.SCORE_ROWS_MAX], values))
        if scores is None:
            return [Candidate(offers[position].id, NO_MODEL.reason) for position in positions]
        propensities += scores.tolist()
    scored: list[_Scored] = []
    failed: list[Candidate] = []
    for position, propensity in zip(positions, propensities, strict=True):
        if 0.0 <= propensity <= 1.0:  # false for NaN too
            scored.append(_Scored(position, propensity, propensity * offers[position].value_minor - policy.contact_cost_minor))
        else:
            failed.append(Candidate(offers[position].id, NO_MODEL.reason))
    scored.sort(key=lambda one: (_outcome(one, policy) is not LOWER_RANK, -one.expected_value))
    kept = scored[: limits.CANDIDATES_KEPT_MAX]
    rows = plan.matrix(reading, [one.position for one in kept], values).tolist()
    known = [tuple(None if math.isnan(value) else value for value in row) for row in rows]
    ranked = [
        Candidate(
            offers[one.position].id, _outcome(one, policy).reason, one.propensity, one.expected_value, known[at] if at < len(known) else ()
        )
        for at, one in enumerate(scored)
    ]
    if ranked and ranked[0].reason == LOWER_RANK.reason:
        ranked[0] = msgspec.structs.replace(ranked[0], reason=CHOSEN.reason)
    return ranked + failed


def _outcome(scored: _Scored, policy: Policy) -> Outcome:
    """LOWER_RANK if the offer may be chosen, else why it may not."""
    if scored.propensity < policy.propensity_min:
        return PROPENSITY_LOW
    return NOT_WORTH_IT if scored.expected_value <= 0.0 else LOWER_RANK


def _decision(
    request: DecisionRequest, decision_id: str, offer: str | None, reason: Reason, candidates: Sequence[Candidate], scorer: Scorer
) -> Decision:
    kept = limits.CANDIDATES_KEPT_MAX
    return Decision(
        id=decision_id,
        subject=request.subject.subject,
        zone=request.zone,
        occasion=request.occasion,
        at_ms=request.now_ms,
        offer=offer,
        reason=reason,
        candidates=tuple(candidates[:kept]),
        model=scorer.version,
        left_out=Counter(candidate.reason for candidate in candidates[kept:]),
        facts=request.subject.facts,
        columns=request.site.plan.digest,
    )
