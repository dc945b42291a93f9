"""Requests for an offer: who may ask for whom and where, and one answer to a repeated request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gateway.core.requests import REQUEST_AGE_MS_MAX
from gateway.core.state import Changes
from gateway.core.types import Envelope, OfferRequest
from tests.kit.testbed import Gateway, Phone, campaign, make_site, offer

ASKED = ("requested",)


def arrive(gateway: Gateway, phone: Phone, anchor: str = "scan-cafe") -> Changes:
    """A consenting person enters a zone."""
    gateway.apply(phone.consent())
    return gateway.apply(phone.near(anchor), phone.near(anchor))


def with_offers(gateway: Gateway, *offers: Any, **policy: Any) -> None:
    """The gateway's campaign becomes these offers, without a cool-down."""
    made = campaign(*offers, **({"gap_s_min": 0} | policy))
    gateway.site = msgspec.structs.replace(gateway.site, campaign=made)


def reply(changes: Changes) -> Mapping[str, object]:
    (found,) = changes.replies.messages
    assert found.kind == "offer"
    return found.body


def kiosk(person: str | None, seq: int = 1, zone: str | None = None, device: str = "till-cafe") -> OfferRequest:
    return OfferRequest(Envelope(device, "k1", seq), person, zone)


def test_a_phone_asks_where_its_person_is(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED), offer("at-the-door"))
    phone = Phone()
    (entered,) = arrive(gateway, phone).decisions.made
    assert entered.offer == "at-the-door", "an offer for requests is not pushed"
    changes = gateway.apply(OfferRequest(phone.envelope()))
    (decision,) = changes.decisions.made
    assert (decision.occasion, decision.zone, decision.offer) == ("requested", "cafe", "flat-white")
    assert not changes.decisions.triggers, "the answer is the reply"
    assert reply(changes) == {
        "boot": "b1",
        "seq": 2,
        "outcome": "offer",
        "decision": decision.id,
        "offer": "flat-white",
        "zone": "cafe",
        "shop": "cafe",
        "title": "A flat white, one euro off",
        "body": "",
        "expires_at_ms": decision.at_ms + 120_000,
    }
    assert changes.totals["triggers"] == 1
    assert gateway.apply(phone.answer(decision.id)).totals["accepted"] == 1


def test_a_requested_offer_counts_as_a_contact(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED, per_person_day_max=5), per_person_day_max=1)
    phone = Phone()
    arrive(gateway, phone)
    outcomes = [reply(gateway.apply(OfferRequest(phone.envelope())))["outcome"] for _ in range(2)]
    assert outcomes == ["offer", "none"]


def test_a_repeated_request_has_the_same_answer_and_is_no_second_contact(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED, per_person_day_max=5))
    phone = Phone()
    arrive(gateway, phone)
    asked = OfferRequest(phone.envelope())
    both = gateway.apply(asked, asked)  # two deliveries in one batch
    first, second = [one.body for one in both.replies.messages]
    gateway.clock.advance(60_000)
    later = gateway.apply(asked)
    gateway.restart()
    after_restart = gateway.apply(asked)
    assert first == second == reply(later) == reply(after_restart)
    assert len(both.decisions.made) == 1
    assert not later.decisions.made
    assert not after_restart.decisions.made


def test_two_placements_at_once_are_two_contacts_of_one_cap(gateway: Gateway) -> None:
    """The phone and the counter in one batch: the offer on the phone is the one of the day, whichever is asked first."""
    with_offers(gateway, offer(occasions=("entered", "requested"), per_person_day_max=5), per_person_day_max=1)
    phone = Phone()
    gateway.apply(phone.consent())
    changes = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"), kiosk(phone.tag), OfferRequest(phone.envelope()))
    assert [(one.occasion, one.reason) for one in changes.decisions.made] == [
        ("entered", "chosen"),
        ("requested", "cap_person_day"),
        ("requested", "cap_person_day"),
    ]


@pytest.mark.parametrize(
    ("device", "zone", "reason"),
    [
        ("phone-0002", None, "not_consented"),
        ("phone-0001", "bar", "unmapped_device"),
        ("phone-0001", "nowhere", "unmapped_device"),
    ],
)
def test_a_phone_cannot_ask_elsewhere_or_without_consent(gateway: Gateway, device: str, zone: str | None, reason: str) -> None:
    with_offers(gateway, offer(occasions=ASKED, zones=("cafe", "bar")))
    arrive(gateway, Phone())
    changes = gateway.apply(OfferRequest(Envelope(device, "b9", 1), zone=zone))
    assert changes.discarded == {reason: 1}
    assert (reply(changes)["outcome"], reply(changes)["reason"]) == ("refused", reason)
    assert not changes.decisions.made


def test_a_phone_asks_for_nobody_else(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED))
    phone, other = Phone(), Phone("phone-0002")
    arrive(gateway, phone)
    arrive(gateway, other)
    assert gateway.apply(OfferRequest(other.envelope(), phone.tag)).discarded == {"other_speaker": 1}
    assert gateway.apply(OfferRequest(other.envelope(), other.device)).decisions.made, "naming itself is fine"


def test_a_till_asks_in_its_own_zone_for_the_person_whose_tag_it_reads(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED))
    phone = Phone()
    gateway.apply(phone.consent())  # not seen in any zone: the till is the proof of the place
    changes = gateway.apply(kiosk(phone.tag, zone="bar"))
    (decision,) = changes.decisions.made
    assert (decision.zone, decision.offer) == ("cafe", "flat-white")
    assert changes.replies.messages[0].device == "till-cafe"
    assert gateway.apply(kiosk("tag-of-a-stranger", seq=2)).discarded == {"not_consented": 1}
    assert gateway.apply(kiosk(None, seq=3)).discarded == {"not_consented": 1}, "a till is no person"


def test_a_kiosk_of_the_whole_site_states_the_zone(gateway: Gateway) -> None:
    gateway.site = make_site(campaign=campaign(offer(occasions=ASKED)), devices={"desk": "*"})
    phone = Phone()
    gateway.apply(phone.consent())
    assert gateway.apply(kiosk(phone.tag, 1, device="desk")).discarded == {"unmapped_device": 1}
    (decision,) = gateway.apply(kiosk(phone.tag, 2, "cafe", device="desk")).decisions.made
    assert decision.zone == "cafe"


def test_a_till_does_not_learn_why_there_is_no_offer(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED))
    phone = Phone()
    gateway.apply(phone.consent(purposes=("presence",)))
    changes = gateway.apply(kiosk(phone.tag))
    (decision,) = changes.decisions.made
    assert decision.reason == "no_consent"
    assert reply(changes) == {"boot": "k1", "seq": 1, "outcome": "none", "decision": decision.id}


@pytest.mark.parametrize(("age_ms", "kept"), [(REQUEST_AGE_MS_MAX, 1), (REQUEST_AGE_MS_MAX + 1, 0)])
def test_a_late_request_is_not_answered(gateway: Gateway, age_ms: int, kept: int) -> None:
    with_offers(gateway, offer(occasions=ASKED))
    phone = Phone()
    arrive(gateway, phone)
    changes = gateway.apply(OfferRequest(phone.envelope(), at_ms=gateway.clock.now_ms() - age_ms))
    assert len(changes.decisions.made) == kept
    assert changes.discarded == ({} if kept else {"late": 1})


def test_a_withdrawal_in_the_same_batch_keeps_the_answer_from_the_till(gateway: Gateway) -> None:
    with_offers(gateway, offer(occasions=ASKED))
    phone = Phone()
    gateway.apply(phone.consent())
    asked = kiosk(phone.tag)
    changes = gateway.apply(asked, phone.withdrawal())
    assert [one.kind for one in changes.replies.messages] == ["receipt"]
    assert not changes.decisions.made
    assert reply(gateway.apply(asked)) == {"boot": "k1", "seq": 1, "outcome": "refused", "reason": "not_consented"}
