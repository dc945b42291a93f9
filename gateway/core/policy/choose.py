"""Gates, then scores, then ranks. Silence is a candidate with an expected value of 0, and no rank reopens a gate.

Expected value = propensity x value - cost of contacting the person, in minor units of the currency. All offers that the gates
leave open are scored in batches of the model. Offers are positions in the campaign and reasons are steps of REASONS until the end: only
the CANDIDATES_KEPT_MAX furthest offers become candidates, the others are counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gateway.core import limits
from gateway.core.policy.decision import Arm, Candidate, Decision
from gateway.core.policy.gates import (
    CHOSEN,
    HELD_OUT,
    LOWER_RANK,
    MISSING,
    NO_MODEL,
    NOT_WORTH_IT,
    PROPENSITY_LOW,
    REASONS,
    SEGMENT_WITHOUT_DISCOUNTS,
    SERVICE,
    STEPS,
    SURE_THING,
    Reason,
    closed_to_all,
    gated,
)
from gateway.core.policy.preferred import preferred
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.policy.rules import missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.core.attributes.offer_columns import Floats
    from gateway.core.attributes.read import Numbers, ReadPlan
    from gateway.core.attributes.sources import Request
    from gateway.core.context import ZoneContext

PLAIN = "plain-1"
"""Version of the policy without learning: the highest score x value."""
_ARMS: Mapping[Reason, Arm] = {CHOSEN.reason: "sent", HELD_OUT.reason: "held_out"}
_BY_STEP = tuple(REASONS)
_LOWER_RANK = STEPS[LOWER_RANK.reason]
_MISSING = STEPS[MISSING]


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
    prepared = Prepared(request, here)
    closed = closed_to_all(prepared)
    if closed is not None:
        ids = prepared.offers.ids
        counts = np.zeros(len(REASONS), dtype=np.intp)
        counts[STEPS[closed]] = len(ids)
        kept = [Candidate(id_, closed) for id_ in ids[: limits.CANDIDATES_KEPT_MAX]]
        return _decision(request, decision_id, kept, counts, scorer)
    after_gates = gated(prepared)
    kept, counts = [], after_gates.counts
    if len(after_gates.possible):
        kept, ranked = preferred(prepared, after_gates.possible) or _ranked(prepared, scorer, after_gates.possible)
        counts = counts + ranked
    room = limits.CANDIDATES_KEPT_MAX - len(kept)
    dropped = zip(after_gates.closed[:room].tolist(), after_gates.steps[:room].tolist(), strict=True)
    kept += [
        Candidate(prepared.offers.ids[at], _BY_STEP[step], missing=missing(prepared, at) if step == _MISSING else "")
        for at, step in dropped
    ]
    return _decision(request, decision_id, kept, counts, scorer)


def _ranked(prepared: Prepared, scorer: Scorer, positions: NDArray[np.intp]) -> tuple[list[Candidate], NDArray[np.intp]]:
    """The first candidates of the open offers by expected value, best first, and the number of all open offers by step.

    Equal ones keep the campaign's order. Offers that may be chosen precede those that may not, and offers without a valid probability
    come last.
    """
    offers, policy, plan = prepared.offers, prepared.request.site.campaign.policy, prepared.request.site.plan
    request, numbers = prepared.reading, prepared.numbers
    propensity, sure, scored_rows = _propensities(plan, request, positions, numbers, scorer)
    expected_value = propensity * offers.value_minor[positions] - policy.contact_cost_minor
    is_scored = (propensity >= 0.0) & (propensity <= 1.0)  # false for NaN too
    steps = np.where(expected_value <= 0.0, STEPS[NOT_WORTH_IT.reason], _LOWER_RANK)
    steps[propensity < policy.propensity_min] = STEPS[PROPENSITY_LOW.reason]
    steps[sure & offers.is_discount[positions]] = STEPS[SURE_THING.reason]
    if plan.is_without_discounts(numbers):
        steps[offers.is_discount[positions]] = STEPS[SEGMENT_WITHOUT_DISCOUNTS.reason]
    steps[~is_scored] = STEPS[NO_MODEL.reason]
    best_first = np.where(is_scored, -expected_value, 0.0), np.where(is_scored, steps != _LOWER_RANK, 2)
    order = np.lexsort(best_first)[: limits.CANDIDATES_KEPT_MAX]
    if steps[order[0]] == _LOWER_RANK:
        steps[order[0]] = STEPS[(HELD_OUT if prepared.request.held_out else CHOSEN).reason]
    scored = order[is_scored[order]]
    kept_rows = plan.matrix(request, positions[scored], numbers) if scored_rows is None else scored_rows[scored]
    rows, size = kept_rows.astype("<f4", copy=False).tobytes(), 4 * len(plan.columns)
    figures = positions[scored].tolist(), steps[scored].tolist(), propensity[scored].tolist(), expected_value[scored].tolist()
    candidates = [
        Candidate(offers.ids[at], _BY_STEP[step], chance, value, rows[row * size : (row + 1) * size])
        for row, (at, step, chance, value) in enumerate(zip(*figures, strict=True))
    ]
    candidates += [Candidate(offers.ids[at], NO_MODEL.reason) for at in positions[order[len(scored) :]].tolist()]
    return candidates, np.bincount(steps, minlength=len(REASONS))


def _propensities(
    plan: ReadPlan, request: Request, positions: NDArray[np.intp], numbers: Numbers, scorer: Scorer
) -> tuple[NDArray[np.float64], NDArray[np.bool_], Floats | None]:
    """For the offers at these positions: scores, NaN for all without a usable model; sure things; and the rows, if it was one batch."""
    found, sure, rows = np.full(len(positions), np.nan), np.zeros(len(positions), dtype=np.bool_), None
    for start in range(0, len(positions), limits.SCORE_ROWS_MAX):
        batch = slice(start, start + limits.SCORE_ROWS_MAX)
        rows = plan.matrix(request, positions[batch], numbers)
        scores = scorer.score(rows)
        if scores is None:
            return np.full(len(positions), np.nan), sure, rows
        found[batch], sure[batch] = scores, plan.are_sure(rows)
    return found, sure, rows if len(positions) <= limits.SCORE_ROWS_MAX else None


def _decision(
    request: DecisionRequest, decision_id: str, candidates: list[Candidate], counts: NDArray[np.intp], scorer: Scorer
) -> Decision:
    """`candidates` are those that are kept, the furthest first; `counts` are all offers by step."""
    found = {reason: count for reason, count in zip(_BY_STEP, counts.tolist(), strict=True) if count}
    *_, furthest = found
    left_out: dict[Reason, int] = {}
    if sum(found.values()) > len(candidates):
        left_out = dict(Counter(found) - Counter(candidate.reason for candidate in candidates))
    return Decision(
        id=decision_id,
        subject=request.subject.subject,
        zone=request.zone,
        occasion=request.occasion,
        at_ms=request.now_ms,
        offer=candidates[0].offer if furthest in (CHOSEN.reason, SERVICE.reason) else None,
        arm=_ARMS.get(furthest, ""),
        intended=candidates[0].offer if furthest in _ARMS else None,
        policy=f"{PLAIN}.{request.site.campaign.policy.digest}",
        seed=request.seed,
        reason=furthest,
        candidates=tuple(candidates),
        model=scorer.version,
        left_out=left_out,
        facts=request.subject.facts,
        columns=request.site.plan.digest,
    )
