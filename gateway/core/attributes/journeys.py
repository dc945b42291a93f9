"""The aggregator of a cohort: how far a person's present walk has come in a journey, and when the person last completed it.

A walk ends with a gap between two visits that is longer than the journey's. Steps must occur in order, others may lie in between; a visit
to the same place again is the same step. These are the rules by which `wayside-models journeys` finds journeys.
"""

from __future__ import annotations

from functools import partial

from gateway.core.attributes.aggregators import DAY_MS, HOUR_MS, Aggregator, HistoryFact, Progress, State, Value
from gateway.core.attributes.groups import Cohort


def journey_aggregator(cohort: Cohort) -> Aggregator:
    """The aggregator of a cohort's attribute: 1.0 if the person completed the journey within its days, else 0.0."""
    return Aggregator(Progress, frozenset(["visits"]), partial(_fold, cohort), partial(_read, cohort))


def _fold(cohort: Cohort, state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
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


def _read(cohort: Cohort, state: Progress, now_ms: int) -> Value:
    return float(state.completed_ms is not None and now_ms // DAY_MS - state.completed_ms // DAY_MS < cohort.within_days)
