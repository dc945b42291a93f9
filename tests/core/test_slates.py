"""Slates: each item has the gates, caps and budget of a decision of its own; they have variety; a repeated request has the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.context import Contact
from gateway.core.offers import Cap
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.policy.slate import item_draw, variety
from gateway.core.state import Changes
from gateway.core.types import Envelope, Named, OfferRequest, WishList
from tests.kit.testbed import HOUR_MS, NOON_MS, Gateway, Phone, TableScorer, campaign, make_site, offer

PAGE: tuple[Any, ...] = tuple(
    offer(id_, category=category, shop=shop, value_minor=value, occasions=("requested",), zones=("cafe",))
    for id_, category, shop, value in (
        ("espresso", "coffee_house", "cafe", 900),
        ("flat-white", "coffee_house", "cafe", 800),
        ("cake", "coffee_house", "cafe", 700),
        ("pint", "bar", "bar", 500),
        ("soup", "restaurant_cheap", "square", 300),
    )
)


def served(folder: Path, *offers: Any, propensity: float = 0.5, **policy: Any) -> tuple[Gateway, Phone]:
    """A gateway, and a person in the cafe."""
    site = make_site(campaign=campaign(*(offers or PAGE), **({"contact_cost_minor": 10.0} | policy)))
    gateway, phone = Gateway(folder, site=site, scorer=TableScorer(propensity), synced=False), Phone()
    gateway.apply(phone.consent(), phone.near("scan-cafe"), phone.near("scan-cafe"))
    return gateway, phone


def ask(gateway: Gateway, phone: Phone, most: int, seq: int = 50) -> Changes:
    return gateway.apply(OfferRequest(Envelope(phone.device, "b1", seq), most=most))


def items(changes: Changes) -> list[str]:
    """The offers of the reply, in order."""
    (reply,) = changes.replies.messages
    shown: Any = reply.body.get("offers", [])
    assert [one["position"] for one in shown] == list(range(len(shown)))
    return [one["offer"] for one in shown]


def test_a_slate_has_variety_above_half_of_the_value(tmp_path: Path) -> None:
    """Values less the contact cost: 440, 390, 340, 240, 140. A further offer of category and shop of an item counts half: 195 and 170."""
    gateway, phone = served(tmp_path)
    changes = ask(gateway, phone, 4)
    assert items(changes) == ["espresso", "pint", "flat-white", "cake"]
    first = changes.decisions.made[0].id
    assert [(one.slate, one.position, one.p_select) for one in changes.decisions.made] == [(first, at, 1.0) for at in range(4)]
    assert [one.policy.partition(".")[0] for one in changes.decisions.made] == ["plain-1", "slate-1", "slate-1", "slate-1"]
    assert len({one.id for one in changes.decisions.made}) == 4
    gateway.close()


def test_the_marginal_relevance_of_an_offer_falls_with_its_likeness_to_an_item() -> None:
    """Beside an espresso of the cafe: half for category and shop, a sixth less for one of both, nothing less for neither."""
    offers = (*PAGE, offer("tea", category="coffee_house", shop="bar"), offer("beer", category="bar", shop="cafe"))
    person = contexts.with_consent(None, "s1", Phone().consent(), (), NOON_MS, make_site().plan.history)
    beside = (Contact("d", "espresso", NOON_MS),)
    asked = DecisionRequest(person, "cafe", "requested", NOON_MS, make_site(campaign=campaign(*offers)), beside=beside)
    assert variety(Prepared(asked), np.arange(7)) == pytest.approx((0.5, 0.5, 0.5, 1.0, 1.0, 5 / 6, 5 / 6))


def test_one_offer_is_asked_for_as_before(tmp_path: Path) -> None:
    gateway, phone = served(tmp_path)
    changes = ask(gateway, phone, 1)
    (reply,) = changes.replies.messages
    assert (reply.body["outcome"], reply.body["offer"]) == ("offer", "espresso")
    assert [(one.slate, one.position) for one in changes.decisions.made] == [("", 0)]
    gateway.close()


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        ({}, 4),  # the cap of the day
        ({"per_person_day_max": 2}, 2),
        ({"per_person_day_max": 0}, 0),
        ({"caps": (Cap("category", 1, 3_600),)}, 3),
        ({"caps": (Cap("shop", 1, 3_600),)}, 3),
        ({"caps": (Cap("person", 1, 3_600),)}, 1),
        ({"quiet_from": 0, "quiet_until": 1_439}, 0),
    ],
)
def test_caps_count_each_item(tmp_path: Path, policy: dict[str, Any], shown: int) -> None:
    gateway, phone = served(tmp_path, **policy)
    changes = ask(gateway, phone, limits.SLATE_ITEMS_MAX)
    assert len(items(changes)) == shown
    person = gateway.store.context(changes.decisions.made[0].subject)
    assert person is not None
    assert len(person.contacts) == shown
    gateway.close()


def test_the_cool_down_holds_after_a_slate_and_not_within(tmp_path: Path) -> None:
    gateway, phone = served(tmp_path, gap_s_min=600, per_person_day_max=60)
    assert len(items(ask(gateway, phone, 2))) == 2
    again = ask(gateway, phone, 2, 51)
    assert (items(again), [one.reason for one in again.decisions.made]) == ([], ["cool_down"])
    gateway.clock.advance(HOUR_MS)
    assert len(items(ask(gateway, phone, 2, 52))) == 2
    gateway.close()


def test_a_budget_covers_each_item(tmp_path: Path) -> None:
    """One offer twice is no slate, and an offer whose budget is reserved by another person is left out."""
    tight = [msgspec.structs.replace(one, budget_minor=100, cost_minor=100, per_person_day_max=60) for one in PAGE]
    gateway, phone = served(tmp_path, *tight)
    first = ask(gateway, phone, 2)
    assert items(first) == ["espresso", "pint"]
    assert {gateway.state.budgets.used(one) for one in items(first)} == {100}
    other = Phone("phone-0002")
    gateway.apply(other.consent(), other.near("scan-cafe"), other.near("scan-cafe"))
    assert items(ask(gateway, other, 3)) == ["flat-white", "cake", "soup"]
    gateway.close()


def test_an_item_below_the_floor_ends_the_slate(tmp_path: Path) -> None:
    gateway, phone = served(tmp_path, contact_cost_minor=200.0, per_person_day_max=60)
    assert items(ask(gateway, phone, 6)) == ["espresso", "flat-white", "cake", "pint"], "the soup is worth less than a contact"
    gateway.close()


def test_wishes_hold_for_each_item(tmp_path: Path) -> None:
    gateway, phone = served(tmp_path)
    gateway.apply(WishList(phone.envelope(), 1, blocked=Named(shops=("bar",)), wanted=Named(offers=("soup",))))
    assert items(ask(gateway, phone, 3)) == ["soup", "espresso", "flat-white"]
    gateway.close()


@pytest.mark.parametrize("restarts", [False, True])
def test_the_same_request_has_the_same_slate(tmp_path: Path, *, restarts: bool) -> None:
    gateway, phone = served(tmp_path)
    asked = OfferRequest(Envelope(phone.device, "b1", 50), most=3)
    both = gateway.apply(asked, asked)
    first, second = [one.body for one in both.replies.messages]
    if restarts:
        gateway.restart()
    (later,) = gateway.apply(asked).replies.messages
    assert first == second == later.body
    assert len(both.decisions.made) == 3
    gateway.close()


def test_items_are_found_by_the_first_one() -> None:
    drawn = "0f3a2b1c4d5e6f70"
    found = [item_draw(drawn, position) for position in range(limits.SLATE_ITEMS_MAX)]
    assert found[0] == drawn
    assert len(set(found)) == len(found)
    assert all(len(one) == 16 for one in found)


def test_a_slate_of_a_person_of_the_holdout_is_counted_and_not_shown(tmp_path: Path) -> None:
    gateway, _ = served(tmp_path, holdout=0.5)
    arms = set()
    for number in range(20, 32):
        phone = Phone(f"phone-{number:04}")
        gateway.apply(phone.consent(), phone.near("scan-cafe"), phone.near("scan-cafe"))
        changes = ask(gateway, phone, 2)
        (arm,) = {one.arm for one in changes.decisions.made}
        arms.add(arm)
        assert len(changes.decisions.made) == 2
        assert len(items(changes)) == (2 if arm == "sent" else 0)
    assert arms == {"sent", "held_out"}
    gateway.close()


def test_the_answers_to_items_are_their_own_and_a_withdrawal_leaves_none(tmp_path: Path) -> None:
    gateway, phone = served(tmp_path)
    made = ask(gateway, phone, 3).decisions.made
    gateway.apply(phone.answer(made[1].id, "accepted"))
    found = [gateway.decision(one.id) for one in made]
    assert [one[1] if one else "gone" for one in found] == [None, "accepted", None]
    gateway.apply(phone.withdrawal())
    (reply,) = gateway.apply(OfferRequest(Envelope(phone.device, "b1", 50), most=3)).replies.messages
    assert reply.body["outcome"] == "refused"
    assert not any(one.id in gateway.dump() for one in made)
    gateway.close()


def test_only_the_first_item_is_learned_from(tmp_path: Path) -> None:
    gateway, phone = served(tmp_path, learn=True, contact_cost_minor=0.0, buying_share=0.0)
    made = ask(gateway, phone, 3).decisions.made
    windows = [gateway.state.outcomes.open[one.id] for one in made if one.id in gateway.state.outcomes.open]
    assert [one.known is not None for one in windows] == [True, *[False] * (len(windows) - 1)]
    gateway.close()
