"""Gates, then scores, then ranks. Silence is a candidate with an expected value of 0, and no rank reopens a gate.

Expected value = propensity x value - cost of contacting the person, in minor units of the currency. All offers that the gates
leave open are scored in one batch of the model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import msgspec

from gateway.core import context as contexts
from gateway.core import features
from gateway.core.features import Situation
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import (
    CHOSEN,
    LOWER_RANK,
    NO_MODEL,
    NOT_WORTH_IT,
    PROPENSITY_LOW,
    REASONS,
    DecisionRequest,
    Reason,
    closed_to,
    closed_to_all,
)
from gateway.core.site import heading, local, travel_min

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gateway.core.context import ZoneContext
    from gateway.core.offers import Offer

_PROGRESS = {reason: step for step, reason in enumerate(REASONS)}


class Scorer(Protocol):
    """The probability that an offer is taken, for each situation. Scoring changes nothing in the scorer."""

    @property
    def version(self) -> str:
        """Name and version of the model; empty if there is none."""

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities in [0, 1], shape (n,), for rows of shape (n, len(FEATURES)); None without a usable model."""


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


def situation(request: DecisionRequest, here: ZoneContext, offer: Offer) -> Situation:
    """The model's input for this subject, offer and time, read from the context."""
    clock = local(request.now_ms, request.site.timezone)
    zone = request.site.zones[request.zone]
    hour = clock.hour + clock.minute / 60
    shop = request.site.zones.get(offer.shop)
    around = contexts.surroundings(here, request.now_ms)
    return Situation(
        hour=hour,
        heading=heading(zone, hour),
        weather=around.weather,
        temperature_c=around.temperature_c,
        offer_kind=offer.kind,
        expiry_hours=offer.expiry_hours,
        travel_min=math.nan if shop is None else travel_min(zone, shop),
        visits_month=contexts.visits_month(request.subject, request.now_ms),
        noise_dba=around.noise_dba,
        pm2_5_ug_m3=around.pm2_5_ug_m3,
        crowd_per_hour=around.crowd_per_hour,
        context_age_min=around.age_min,
    )


def _candidates(request: DecisionRequest, here: ZoneContext, scorer: Scorer, offers: Sequence[Offer]) -> list[Candidate]:
    """All offers: first the scored ones, best first, then those that a gate closed, in the campaign's order."""
    dropped: list[Candidate] = []
    open_offers: list[Offer] = []
    for offer in offers:
        reason = closed_to(offer, request)
        if reason is None:
            open_offers.append(offer)
        else:
            dropped.append(Candidate(offer.id, reason))
    return _ranked(request, here, scorer, open_offers) + dropped


def _ranked(request: DecisionRequest, here: ZoneContext, scorer: Scorer, offers: Sequence[Offer]) -> list[Candidate]:
    """Score the open offers and rank them by expected value, best first; equal ones keep the campaign's order."""
    if not offers:
        return []
    rows = features.matrix([situation(request, here, offer) for offer in offers])
    scores = scorer.score(rows)
    if scores is None:
        return [Candidate(offer.id, NO_MODEL.reason) for offer in offers]
    policy = request.site.campaign.policy
    ranked = []
    for offer, propensity, row in zip(offers, scores.tolist(), rows.tolist(), strict=True):
        if not 0.0 <= propensity <= 1.0:  # false for NaN too
            ranked.append(Candidate(offer.id, NO_MODEL.reason))
            continue
        expected_value = propensity * offer.value_minor - policy.contact_cost_minor
        outcome = LOWER_RANK
        if propensity < policy.propensity_min:
            outcome = PROPENSITY_LOW
        elif expected_value <= 0.0:
            outcome = NOT_WORTH_IT
        known = tuple(None if math.isnan(value) else value for value in row)
        ranked.append(Candidate(offer.id, outcome.reason, propensity, expected_value, known))
    ranked.sort(key=lambda candidate: (candidate.reason != LOWER_RANK.reason, -(candidate.expected_value_minor or 0.0)))
    if ranked[0].reason == LOWER_RANK.reason:
        ranked[0] = msgspec.structs.replace(ranked[0], reason=CHOSEN.reason)
    return ranked


def _decision(
    request: DecisionRequest, decision_id: str, offer: str | None, reason: Reason, candidates: Sequence[Candidate], scorer: Scorer
) -> Decision:
    return Decision(
        id=decision_id,
        subject=request.subject.subject,
        zone=request.zone,
        occasion=request.occasion,
        at_ms=request.now_ms,
        offer=offer,
        reason=reason,
        candidates=tuple(candidates),
        model=scorer.version,
    )
