"""Gate before score, score before rank; silence is a candidate worth 0, and rank never undoes a gate.

Worth = propensity x value - cost of disturbing a person, in minor units of money (methods: arbitration
by expected value). The score is asked once for all candidates that the gates left: one ONNX batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from gateway.core import context as contexts
from gateway.core import features
from gateway.core.features import Situation
from gateway.core.policy.decision import Candidate, Decision, Reason
from gateway.core.policy.gates import DecisionRequest, closed_to, closed_to_all
from gateway.core.site import heading, local, travel_min

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gateway.core.context import ZoneContext
    from gateway.core.offers import Offer


class Scorer(Protocol):
    """Tells how likely each situation is to end in the offer being taken. Predicting never learns."""

    @property
    def version(self) -> str:
        """Which model speaks; empty when there is none."""

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities in [0, 1], shape (n,), for rows of shape (n, len(FEATURES)); None without a usable model."""


def decide(moment: DecisionRequest, here: ZoneContext, scorer: Scorer, decision_id: str) -> Decision:
    """Choose an offer for this moment, or silence; every candidate dropped has its reason."""
    offers = moment.site.campaign.offers
    closed = closed_to_all(moment)
    if closed is not None:
        return _written(moment, decision_id, None, closed, [Candidate(offer.id, closed) for offer in offers], scorer)
    dropped: list[Candidate] = []
    open_offers: list[Offer] = []
    for offer in offers:
        reason = closed_to(offer, moment)
        if reason is None:
            open_offers.append(offer)
        else:
            dropped.append(Candidate(offer.id, reason))
    judged = _judge(moment, here, scorer, open_offers)
    best = judged[0] if judged and judged[0].reason == "chosen" else None
    candidates = [*judged, *dropped]
    return _written(moment, decision_id, best, _reason(candidates), candidates, scorer)


def situation(moment: DecisionRequest, here: ZoneContext, offer: Offer) -> Situation:
    """What the model is asked about: this person, this offer, this moment, read off the context."""
    clock = local(moment.now_ms, moment.site.timezone)
    zone = moment.site.zones[moment.zone]
    hour = clock.hour + clock.minute / 60
    shop = moment.site.zones.get(offer.shop)
    around = contexts.surroundings(here, moment.now_ms)
    return Situation(
        hour=hour,
        heading=heading(zone, hour),
        weather=around.weather,
        temperature_c=around.temperature_c,
        offer_kind=offer.kind,
        expiry_hours=offer.expiry_hours,
        travel_min=math.nan if shop is None else travel_min(zone, shop),
        visits_month=contexts.visits_month(moment.subject, moment.now_ms),
        noise_dba=around.noise_dba,
        pm2_5_ug_m3=around.pm2_5_ug_m3,
        crowd_per_hour=around.crowd_per_hour,
        context_age_min=around.age_min,
    )


def _judge(moment: DecisionRequest, here: ZoneContext, scorer: Scorer, offers: Sequence[Offer]) -> list[Candidate]:
    """Score the open offers and rank them by worth, best first; equal worth keeps the campaign's order."""
    if not offers:
        return []
    rows = features.matrix([situation(moment, here, offer) for offer in offers])
    scores = scorer.score(rows)
    if scores is None:
        return [Candidate(offer.id, "no_model") for offer in offers]
    policy = moment.site.campaign.policy
    judged = []
    for offer, propensity, row in zip(offers, scores.tolist(), rows.tolist(), strict=True):
        if not 0.0 <= propensity <= 1.0:  # NaN is neither: what is no probability says nothing
            judged.append(Candidate(offer.id, "no_model"))
            continue
        worth = propensity * offer.value_minor - policy.contact_cost_minor
        reason: Reason = "outranked"
        if propensity < policy.propensity_min:
            reason = "propensity_low"
        elif worth <= 0.0:
            reason = "not_worth_it"
        known = tuple(None if math.isnan(value) else value for value in row)
        judged.append(Candidate(offer.id, reason, propensity, worth, known))
    judged.sort(key=lambda candidate: (candidate.reason != "outranked", -(candidate.worth_minor or 0.0)))
    if judged[0].reason == "outranked":
        judged[0] = Candidate(judged[0].offer, "chosen", judged[0].propensity, judged[0].worth_minor, judged[0].features)
    return judged


def _reason(candidates: Sequence[Candidate]) -> Reason:
    """The reason for the whole decision: of the candidate that came furthest through the gates."""
    progress: list[Reason] = ["chosen", "not_worth_it", "propensity_low", "no_model", "cap_offer_day", "refused", "not_live", "not_now"]
    found = {candidate.reason for candidate in candidates}
    return next((reason for reason in progress if reason in found), "not_here")


def _written(
    moment: DecisionRequest, decision_id: str, best: Candidate | None, reason: Reason, candidates: Sequence[Candidate], scorer: Scorer
) -> Decision:
    return Decision(
        id=decision_id,
        subject=moment.subject.subject,
        zone=moment.zone,
        occasion=moment.occasion,
        at_ms=moment.now_ms,
        offer=best.offer if best else None,
        reason=reason,
        candidates=tuple(candidates),
        model=scorer.version,
    )
