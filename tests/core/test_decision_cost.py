"""A decision makes no call per offer: counted calls of functions, which do not depend on the machine."""

from __future__ import annotations

import sys

from gateway.core import limits
from gateway.core.context import ZoneContext
from gateway.core.policy.choose import decide
from gateway.core.policy.prepared import DecisionRequest
from tests.core.attribute_cost import MEASURED, ConstantScorer, memory, person, site
from tests.kit.testbed import NOON_MS

BATCHES = 4  # of the model, for the largest campaign here
CALLS_PER_BATCH_MAX = 60
CALLS_PER_CANDIDATE_MAX = 1
CALLS_PER_HISTORY_MAX = 12  # of one attribute: look up its state, read it, and the arithmetic of that


def calls(attributes: int, offers: int) -> int:
    """Calls of Python and built-in functions in one decision, after a first one."""
    here = site(attributes, offers)
    request = DecisionRequest(person(here, days=5), "cafe", "entered", NOON_MS, here)
    place, scorer, counted = ZoneContext(dict.fromkeys(MEASURED, (12.0, NOON_MS))), ConstantScorer(), 0

    def count(_frame: object, kind: str, _argument: object) -> None:
        nonlocal counted
        counted += kind in {"call", "c_call"}

    decide(request, place, scorer, "first")
    sys.setprofile(count)
    try:
        decide(request, place, scorer, "counted")
    finally:
        sys.setprofile(None)
    return counted


def test_more_offers_cost_calls_only_for_the_candidates_kept_and_the_batches_of_the_model() -> None:
    one, kept, many = (calls(30, offers) for offers in (1, limits.CANDIDATES_KEPT_MAX, BATCHES * limits.SCORE_ROWS_MAX))
    assert kept - one <= CALLS_PER_CANDIDATE_MAX * limits.CANDIDATES_KEPT_MAX
    assert many - kept <= CALLS_PER_BATCH_MAX * BATCHES


def test_more_attributes_cost_calls_only_for_those_of_the_person() -> None:
    """A third of the attributes are history; readings of one quantity share a call, and fields of offers are columns."""
    assert calls(300, 1) - calls(90, 1) <= CALLS_PER_HISTORY_MAX * (300 - 90) // 3


def test_a_person_with_100_attributes_takes_less_than_20_kb() -> None:
    assert memory(100).memory_bytes < 20_000
