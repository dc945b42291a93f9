"""Occasions beyond entering and dwelling, each with a campaign that has an offer for it and one that has none."""

from __future__ import annotations

import msgspec

from gateway.core.offers import Offer
from gateway.core.state import Changes
from tests.kit.testbed import Gateway, Phone, campaign, offer, purchase


def with_offers(gateway: Gateway, *offers: Offer) -> None:
    """The gateway's campaign becomes these offers, without a cool-down."""
    made = campaign(*offers, gap_s_min=0, per_person_day_max=60)
    gateway.site = msgspec.structs.replace(gateway.site, campaign=made)


def arrive(gateway: Gateway, phone: Phone) -> Changes:
    """A consenting person enters the cafe."""
    gateway.apply(phone.consent())
    return gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))


# --- leaving ---------------------------------------------------------------------------------------------


def test_leaving_is_an_occasion(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=("left",)))
    phone = Phone()
    (entered,) = arrive(gateway, phone).decisions.made
    assert (entered.offer, entered.reason) == (None, "not_now")
    (left,) = [one for changes in gateway.pass_time(40_000) for one in changes.decisions.made]
    assert (left.occasion, left.zone, left.offer) == ("left", "cafe", "flat-white")


def test_leaving_is_not_asked_of_a_campaign_without_offers_for_it(gateway: Gateway) -> None:
    arrive(gateway, Phone())
    assert not [one for changes in gateway.pass_time(40_000) for one in changes.decisions.made]


def test_a_visit_that_ends_with_the_consent_is_no_occasion(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=("left",)))
    phone = Phone()
    arrive(gateway, phone)
    narrowed = gateway.apply(phone.consent(purposes=("offers",)))
    assert [one.kind for one in narrowed.visits.transitions] == ["left"]
    assert not narrowed.decisions.made


# --- a purchase ------------------------------------------------------------------------------------------


def test_a_redeemed_purchase_is_an_occasion_for_its_person(gateway: Gateway) -> None:
    with_offers(gateway, offer(), offer("next-time", occasions=("purchased",), zones=("bar",)))
    phone = Phone()
    (first,) = arrive(gateway, phone).decisions.made
    changes = gateway.apply(purchase("till-bar", 1, decision=first.id))
    (decision,) = changes.decisions.made
    assert (decision.occasion, decision.zone, decision.offer, decision.subject) == ("purchased", "bar", "next-time", first.subject)
    assert [one.target for one in changes.decisions.triggers] == [phone.device]
    assert not gateway.apply(purchase("till-bar", 1, decision=first.id)).decisions.made, "a repeated purchase is none"


def test_a_purchase_without_a_person_is_no_occasion(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=("purchased",)))
    arrive(gateway, Phone())
    assert not gateway.apply(purchase("till-cafe", 1), purchase("till-cafe", 2, decision="gw-t.unknown")).decisions.made


def test_a_purchase_is_not_asked_of_a_campaign_without_offers_for_it(gateway: Gateway) -> None:
    phone = Phone()
    (first,) = arrive(gateway, phone).decisions.made
    assert not gateway.apply(purchase("till-cafe", 1, decision=first.id)).decisions.made
