"""Gates, then scores, then ranks. Silence is a candidate with an expected value of 0, and no rank reopens a gate.

Expected value = propensity x value - P(purchase without the offer) x usual margin - cost of contacting the person, in minor units of the
currency. The second term is known with a model of uplift, and 0 otherwise; a campaign that learns has learned figures and explores
(`gateway.core.policy.learned`). All offers that the gates
leave open are scored in batches of the model. Offers are positions in the campaign and reasons are steps of REASONS until the end: only
the CANDIDATES_KEPT_MAX furthest offers become candidates, the others are counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from gateway.core import limits
from gateway.core.compromise import compromise, distances
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
    SILENCE_DRAWN,
    STEPS,
    SURE_THING,
    Reason,
    closed_to_all,
    gated,
)
from gateway.core.policy.preferred import preferred
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.policy.rules import missing
from gateway.core.policy.slate import variety

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.core.attributes.offer_columns import Floats
    from gateway.core.attributes.read import Numbers, ReadPlan
    from gateway.core.attributes.sources import Request
    from gateway.core.context import ZoneContext
    from gateway.core.offers import Policy
    from gateway.core.policy.learned import Deliberation

PLAIN, VIKOR, LEARNED, SLATE = "plain-1", "vikor-1", "learned-1", "slate-1"
"""Versions of the policies: without learning the highest score x value, or a compromise; `gateway.core.learning.policy`; further items of a
slate.
"""
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

    def untreated(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities of a purchase without the offer, as `score`; None of a model that does not have them."""


def decide(request: DecisionRequest, here: ZoneContext, scorer: Scorer, decision_id: str, thought: Deliberation | None = None) -> Decision:
    """The offer with the highest expected value, or silence; every offer of the campaign is a candidate with a reason.

    The reason of the decision is that of the candidate that passed the most checks. With `thought` the learned policy chooses, unless
    it is demoted.
    """
    plain = PLAIN if request.site.campaign.policy.ranking is None else VIKOR
    policy = SLATE if request.beside else plain if thought is None or thought.demoted else LEARNED
    prepared = Prepared(request, here)
    closed = closed_to_all(prepared)
    if closed is not None:
        ids = prepared.offers.ids
        counts = np.zeros(len(REASONS), dtype=np.intp)
        counts[STEPS[closed]] = len(ids)
        kept = [Candidate(id_, closed) for id_ in ids[: limits.CANDIDATES_KEPT_MAX]]
        return _decision(request, decision_id, kept, counts, scorer, policy)
    after_gates = gated(prepared)
    kept, counts, p_select = [], after_gates.counts, 1.0
    if len(after_gates.possible):
        kept, ranked, p_select = preferred(prepared, after_gates.possible) or _ranked(prepared, scorer, after_gates.possible, thought)
        counts = counts + ranked
    room = limits.CANDIDATES_KEPT_MAX - len(kept)
    dropped = zip(after_gates.closed[:room].tolist(), after_gates.steps[:room].tolist(), strict=True)
    kept += [
        Candidate(prepared.offers.ids[at], _BY_STEP[step], missing=missing(prepared, at) if step == _MISSING else "")
        for at, step in dropped
    ]
    return _decision(request, decision_id, kept, counts, scorer, policy, p_select)


class _Ranked(NamedTuple):
    """The candidates that are kept, the number of all open offers by step, and the probability of the choice."""

    candidates: list[Candidate]
    counts: NDArray[np.intp]
    p_select: float


def _ranked(prepared: Prepared, scorer: Scorer, positions: NDArray[np.intp], thought: Deliberation | None) -> _Ranked:
    """The first candidates of the open offers, the chosen one first, then by expected value.

    Equal ones keep the campaign's order. Offers that may be chosen precede those that may not, and offers without a valid probability
    come last.
    """
    offers, policy, plan = prepared.offers, prepared.request.site.campaign.policy, prepared.request.site.plan
    request, numbers = prepared.reading, prepared.numbers
    propensity, anyway, sure, scored_rows = _propensities(plan, request, positions, numbers, scorer)
    expected_value = propensity * offers.value_minor[positions] - anyway * offers.usual_minor[positions] - policy.contact_cost_minor
    barred = _barred(prepared, positions, propensity, sure)
    steps = _steps(policy, propensity, expected_value, barred)
    at, p_select = _best(steps, expected_value if policy.ranking is None else _compromises(prepared, positions, propensity, steps)), 1.0
    if thought is not None and not barred.all():
        choice = thought.choose(prepared, positions, propensity, scored_rows, at, barred == 0)
        if not thought.demoted:
            is_weighed = ~np.isnan(choice.propensity)
            propensity = np.where(is_weighed, choice.propensity, propensity)
            expected_value = np.where(is_weighed, choice.expected_minor, expected_value)
            steps = _steps(policy, propensity, expected_value, barred)
            at, p_select = choice.at, choice.p_select
            if at is None and not prepared.request.beside:
                steps[steps == _LOWER_RANK] = STEPS[SILENCE_DRAWN.reason]
    if prepared.request.beside:
        at, p_select = _best(steps, expected_value * variety(prepared, positions)), 1.0
    if at is not None:
        steps[at] = STEPS[(HELD_OUT if prepared.request.held_out else CHOSEN).reason]
    is_scored = steps != STEPS[NO_MODEL.reason]
    group = np.where(is_scored, np.where(steps > _LOWER_RANK, 0, np.where(steps == _LOWER_RANK, 1, 2)), 3)
    order = np.lexsort((np.where(is_scored, -expected_value, 0.0), group))[: limits.CANDIDATES_KEPT_MAX]
    scored = order[is_scored[order]]
    kept_rows = plan.matrix(request, positions[scored], numbers) if scored_rows is None else scored_rows[scored]
    rows, size = kept_rows.astype("<f4", copy=False).tobytes(), 4 * len(plan.columns)
    figures = positions[scored].tolist(), steps[scored].tolist(), propensity[scored].tolist(), expected_value[scored].tolist()
    candidates = [
        Candidate(offers.ids[place], _BY_STEP[step], chance, value, rows[row * size : (row + 1) * size])
        for row, (place, step, chance, value) in enumerate(zip(*figures, strict=True))
    ]
    candidates += [Candidate(offers.ids[place], NO_MODEL.reason) for place in positions[order[len(scored) :]].tolist()]
    return _Ranked(candidates, np.bincount(steps, minlength=len(REASONS)), p_select)


def _barred(prepared: Prepared, positions: NDArray[np.intp], propensity: NDArray[np.float64], sure: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each open offer the step at which it may not be chosen at any value, or 0."""
    offers = prepared.offers
    steps = np.zeros(len(positions), dtype=np.intp)
    steps[sure & offers.is_discount[positions]] = STEPS[SURE_THING.reason]
    if prepared.request.site.plan.is_without_discounts(prepared.numbers):
        steps[offers.is_discount[positions]] = STEPS[SEGMENT_WITHOUT_DISCOUNTS.reason]
    steps[~((propensity >= 0.0) & (propensity <= 1.0))] = STEPS[NO_MODEL.reason]  # NaN too
    return steps


def _steps(
    policy: Policy, propensity: NDArray[np.float64], expected_value: NDArray[np.float64], barred: NDArray[np.intp]
) -> NDArray[np.intp]:
    steps = np.where(expected_value <= 0.0, STEPS[NOT_WORTH_IT.reason], _LOWER_RANK)
    steps[propensity < policy.propensity_min] = STEPS[PROPENSITY_LOW.reason]
    return np.where(barred, barred, steps)


def _best(steps: NDArray[np.intp], expected_value: NDArray[np.float64]) -> int | None:
    """The first of the offers with the highest expected value, of those that may be chosen."""
    able = np.flatnonzero(steps == _LOWER_RANK)
    return int(able[np.argmax(expected_value[able])]) if len(able) else None


def _compromises(
    prepared: Prepared, positions: NDArray[np.intp], propensity: NDArray[np.float64], steps: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The values of a campaign with a ranking: -Q of the offers that may be chosen, compared among themselves; others have 0."""
    ranking, able = prepared.request.site.campaign.policy.ranking, np.flatnonzero(steps == _LOWER_RANK)
    values = np.zeros(len(positions))
    if ranking is not None and len(able):
        seen = prepared.times(positions[able], prepared.request.subject.reached)
        margins, weights = prepared.offers.value_minor[positions[able]], np.array((ranking.propensity, ranking.margin, ranking.novelty))
        cells = np.column_stack((propensity[able], margins, 1.0 / (1.0 + seen)))
        values[able] = -compromise(distances(cells, weights / weights.sum()), ranking.v)
    return values


def _propensities(
    plan: ReadPlan, request: Request, positions: NDArray[np.intp], numbers: Numbers, scorer: Scorer
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], Floats | None]:
    """Scores of the offers at these positions, and probabilities of a purchase without the offer; sure things; the rows of one batch.

    All scores are NaN without a usable model, the probabilities 0 where they are unknown, the rows None for several batches.
    """
    found, anyway = np.full(len(positions), np.nan), np.zeros(len(positions))
    sure, rows = np.zeros(len(positions), dtype=np.bool_), None
    for start in range(0, len(positions), limits.SCORE_ROWS_MAX):
        batch = slice(start, start + limits.SCORE_ROWS_MAX)
        rows = plan.matrix(request, positions[batch], numbers)
        scores = scorer.score(rows)
        if scores is None:
            return np.full(len(positions), np.nan), anyway, sure, rows
        found[batch], sure[batch] = scores, plan.are_sure(rows)
        untreated = scorer.untreated(rows)
        if untreated is not None:
            anyway[batch] = untreated
    return found, anyway, sure, rows if len(positions) <= limits.SCORE_ROWS_MAX else None


def _decision(
    request: DecisionRequest,
    decision_id: str,
    candidates: list[Candidate],
    counts: NDArray[np.intp],
    scorer: Scorer,
    policy: str,
    p_select: float = 1.0,
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
        p_select=p_select,
        policy=f"{policy}.{request.site.campaign.policy.digest}",
        seed=request.seed,
        steady_ms=request.now_ms - request.set_ms,
        reason=furthest,
        candidates=tuple(candidates),
        model=scorer.version,
        left_out=left_out,
        facts=request.subject.facts,
        columns=request.site.plan.digest,
    )
