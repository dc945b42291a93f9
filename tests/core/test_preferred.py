"""Offers that are not weighed, and the four rights of each decision."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.offers import Offer
from gateway.core.policy.choose import decide
from gateway.core.policy.gates import GATES, REASONS, Reason, Rights
from gateway.core.types import Named
from tests.core.test_gates import CLOSED, NO_LIMITS, RANKED, closed_to, had, person, request, request_with, wishing
from tests.kit.testbed import TableScorer, campaign, offer


def chosen(subject: SubjectContext, *offers: Offer, propensity: float | None = 0.5) -> str | None:
    asked = request(subject, offers=campaign(*offers, **NO_LIMITS))
    return decide(asked, ZoneContext(), TableScorer(propensity), "gw-t.1").offer


DEAR, CHEAP, HELP = (
    offer("dear", value_minor=900, category="bar"),
    offer("cheap", value_minor=1),
    offer("help", value_minor=0, kind="service"),
)


def test_what_a_person_asked_for_outranks_scores() -> None:
    assert chosen(person(), CHEAP, DEAR) == "dear"
    assert chosen(wishing(wanted=Named(offers=("cheap",))), CHEAP, DEAR) == "cheap", "its margin does not cover the contact"
    assert chosen(wishing(wanted=Named(categories=("bar", "coffee_house"))), CHEAP, DEAR) == "dear", "both are asked for"
    assert chosen(wishing(wanted=Named(offers=("cheap",))), CHEAP, DEAR, propensity=None) == "cheap", "without a model too"
    assert chosen(wishing(wanted=Named(offers=("cheap",)), blocked=Named(shops=("cafe",))), CHEAP) is None, "no wish reopens a gate"


def test_a_service_message_needs_no_margin_and_no_model() -> None:
    assert chosen(person(), HELP, propensity=None) == "help"
    assert chosen(person(), DEAR, HELP) == "help"
    assert chosen(wishing(wanted=Named(offers=("dear",))), DEAR, HELP) == "help"
    assert chosen(had(1, offer_id="help"), DEAR, HELP) == "dear", "its caps hold"


def test_the_holdout_keeps_wishes_back_and_no_service_message() -> None:
    for subject, offers, reason, arm in (
        (wishing(wanted=Named(offers=("cheap",))), (CHEAP, DEAR), "held_out", "held_out"),
        (person(), (DEAR, HELP), "service", ""),
    ):
        asked = msgspec.structs.replace(request(subject, offers=campaign(*offers, **NO_LIMITS)), held_out=True)
        made = decide(asked, ZoneContext(), TableScorer(), "gw-t.1")
        assert (made.reason, made.arm) == (reason, arm)


def test_an_offer_during_incidents_must_be_a_service_message() -> None:
    with pytest.raises(ValueError, match="no service message"):
        campaign(offer(during_incident=True))


def test_the_four_rights_follow_from_the_gates_that_were_passed() -> None:
    made = [*(decide(request_with(*CLOSED[gate.reason]), ZoneContext(), TableScorer(), "gw-t.1") for gate in GATES), *RANKED.values()]
    assert {one.reason for one in made} == set(REASONS) - {"lower_rank", "yields"}
    for one in made:
        assert all(one.rights) == (one.offer is not None), "one that does not hold is silence"
    assert RANKED["not_worth_it"].rights == Rights(person=True, content=False, time=True, place=True)
    by_gate = {gate.reason: one.rights for gate, one in zip(GATES, made, strict=False)}
    assert not any(by_gate[Reason("clock_untrusted")])
    for gate in GATES:
        assert not getattr(by_gate[gate.reason], gate.right)


@pytest.mark.parametrize(
    ("kind", "during", "reason"), [("offer", False, "incident"), ("service", False, "incident"), ("service", True, None)]
)
def test_an_incident_leaves_only_service_messages_that_are_meant_for_it(kind: str, during: bool, reason: Reason | None) -> None:  # noqa: FBT001
    one = offer(kind=kind, during_incident=during)
    assert closed_to(one, msgspec.structs.replace(request(), is_silent=True)) == reason
    assert closed_to(one, request()) is None
