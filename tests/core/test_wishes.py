"""Wishes: stated by the own phone, one statement replaces the other, erased with the consent."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.policy.gates import Reason
from gateway.core.state import Changes
from gateway.core.types import Envelope, Named, WishList
from tests.core.test_gates import closed_to, closed_to_all, request, wishing
from tests.kit.testbed import Gateway, Phone, berlin_ms, offer

NO_COFFEE = Named(categories=("coffee_house",))


def wishes(phone: Phone, change: int = 1, **fields: Any) -> WishList:
    return WishList(phone.envelope(), change, **fields)


def outcome(changes: Changes) -> tuple[object, object]:
    (reply,) = changes.replies.messages
    assert reply.kind == "wishes"
    return reply.body["outcome"], reply.body["change"]


def arrive(gateway: Gateway, phone: Phone) -> Changes:
    return gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))


def test_what_is_blocked_is_not_proposed_also_after_a_restart_and_a_renewed_consent(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    assert outcome(gateway.apply(wishes(phone, blocked=NO_COFFEE))) == ("taken", 1)
    gateway.restart()
    gateway.apply(phone.consent())
    (decision,) = arrive(gateway, phone).decisions.made
    assert (decision.offer, decision.reason) == (None, "blocked")


def test_one_statement_replaces_the_other_by_its_number(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    gateway.apply(wishes(phone, 2))
    assert outcome(gateway.apply(wishes(phone, 1, blocked=NO_COFFEE))) == ("overtaken", 2)
    assert outcome(gateway.apply(wishes(phone, 2, blocked=NO_COFFEE))) == ("overtaken", 2)
    (decision,) = arrive(gateway, phone).decisions.made
    assert decision.offer == "flat-white"


def test_a_repeated_statement_has_a_receipt_and_no_effect(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    first = wishes(phone, 1, blocked=NO_COFFEE)
    gateway.apply(first)
    gateway.apply(wishes(phone, 2))
    again = gateway.apply(first)
    assert again.discarded == {"repeated": 1}
    assert outcome(again) == ("taken", 2)


@pytest.mark.parametrize("device", ["phone-0002", "till-cafe"])
def test_nobody_else_states_wishes(gateway: Gateway, device: str) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    changes = gateway.apply(WishList(Envelope(device, "b1", 1), 1, NO_COFFEE))
    assert changes.discarded == {"not_consented": 1}
    assert outcome(changes) == ("refused", 0)


def test_a_tag_states_no_wishes(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    assert gateway.apply(WishList(Envelope(phone.tag, "b1", 1), 1, NO_COFFEE)).discarded == {"not_consented": 1}


def test_waiting_triggers_are_withheld(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    assert arrive(gateway, phone).decisions.triggers
    assert gateway.store.waiting_triggers()
    gateway.apply(wishes(phone, blocked=NO_COFFEE))
    assert not gateway.store.waiting_triggers()


def test_a_trigger_of_the_same_batch_is_withheld(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    changes = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"), wishes(phone, blocked=NO_COFFEE))
    assert changes.decisions.made[0].offer == "flat-white"
    assert not changes.decisions.triggers


def test_wishes_are_erased_with_the_consent(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    gateway.apply(wishes(phone, blocked=Named(shops=("a-shop-that-is-remembered",))))
    assert "a-shop-that-is-remembered" in gateway.dump()
    gateway.apply(phone.withdrawal())
    assert "a-shop-that-is-remembered" not in gateway.dump()
    gateway.apply(phone.consent())
    assert arrive(gateway, phone).decisions.made[0].offer == "flat-white"


# --- at the gates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocked", "reason"),
    [
        (Named(offers=("flat-white",)), "blocked"),
        (Named(categories=("coffee_house",)), "blocked"),
        (Named(shops=("cafe",)), "blocked"),
        (Named(offers=("cafe",), categories=("cafe",), shops=("coffee_house",)), None),
        (Named(), None),
    ],
)
def test_a_person_blocks_an_offer_a_category_or_a_shop(blocked: Named, reason: Reason | None) -> None:
    assert closed_to(offer(), request(wishing(blocked=blocked))) == reason
    assert closed_to(offer(kind="service"), request(wishing(blocked=blocked))) == reason, "a service message too"


@pytest.mark.parametrize(
    ("hours", "closed"),
    [
        (((720, 721),), True),
        (((719, 720),), False),
        (((721, 720),), False),
        (((1320, 721),), True),
        (((720, 720),), False),
        (((0, 1), (700, 730)), True),
        ((), False),
    ],
)
def test_hours_without_offers(hours: tuple[tuple[int, int], ...], *, closed: bool) -> None:
    assert closed_to_all(request(wishing(hours=hours))) == ("blocked_hours" if closed else None)


def test_hours_without_offers_are_those_of_the_wall_in_both_nights_of_the_year() -> None:
    asleep = wishing(hours=((150, 180),))  # 02:30 to 03:00
    for fold in (0, 1):
        assert closed_to_all(request(asleep, berlin_ms(2026, 10, 25, 2, 30, fold=fold))) == "blocked_hours"
        assert closed_to_all(request(asleep, berlin_ms(2026, 10, 25, 2, 29, 59, fold=fold))) is None
    skipped_ms = berlin_ms(2026, 3, 29, 1, 59, 59)
    assert closed_to_all(request(asleep, skipped_ms)) is None
    assert closed_to_all(request(asleep, skipped_ms + 1_000)) is None
