"""The aggregator of a cohort: how far a person's present walk has come in a journey, and when the person last completed it.

A walk ends with a gap between two visits that is longer than the journey's. Steps must occur in order, others may lie in between; a visit
to the same place again is the same step. These are the rules by which `wayside-models journeys` finds journeys.
"""

from __future__ import annotations

from gateway.core.attributes.aggregators import DAY_MS, HOUR_MS, HistoryFact, Progress, State, Value
from gateway.core.attributes.groups import Cohort


def fold_journey(cohort: Cohort, state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
    """The progress after a fact; a visit that is older than the one before changes nothing."""
    step = fact.zone if cohort.by == "zone" else fact.zone_kind
    if fact.of != "visits" or step is None:
        return state
    at_ms = min(fact.at_ms, now_ms)
    before = state if isinstance(state, Progress) else Progress(0, "", at_ms, None)
    if at_ms < before.at_ms:
        return state
    walks_on = at_ms - before.at_ms <= cohort.gap_h * HOUR_MS
    reached, last = (before.reached, before.step) if walks_on else (0, "")
    if step == last or step != cohort.steps[reached]:
        return Progress(reached, step, at_ms, before.completed_ms)
    if reached + 1 == len(cohort.steps):
        return Progress(0, step, at_ms, at_ms)
    return Progress(reached + 1, step, at_ms, before.completed_ms)


def read_journey(cohort: Cohort, state: State | None, now_ms: int) -> Value:
    """1.0 for a person who completed the journey within its days, else 0.0."""
    if not isinstance(state, Progress) or state.completed_ms is None:
        return 0.0
    return float(now_ms // DAY_MS - state.completed_ms // DAY_MS < cohort.within_days)
