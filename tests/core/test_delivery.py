"""A contact is reserved with its decision, stands when the offer has left, and is released when it did not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.core.incidents import silences
from gateway.core.policy.decision import Decision
from gateway.core.types import Envelope, Incident, Undelivered
from gateway.runtime.trigger_sender import TriggerSender
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.testbed import HOUR_MS, Gateway, Phone, campaign, make_site, offer
from tests.kit.waiting import until

ONCE = campaign(offer(zones=("cafe", "bar"), budget_minor=100, cost_minor=100), gap_s_min=0, per_person_day_max=1)


@pytest.fixture
def shop(tmp_path: Path) -> Gateway:
    """One offer with room for one acceptance, once a person and day; a desk that declares incidents."""
    devices = {"desk-1": "*", "till-cafe": "cafe"}
    return Gateway(tmp_path, site=make_site(campaign=ONCE, devices=devices), synced=False)


def enter(gateway: Gateway, phone: Phone, anchor: str = "scan-cafe") -> Decision:
    """The decision at an entry."""
    gateway.pass_time(60_000)
    gateway.apply(phone.near(anchor))
    gateway.clock.advance(1_000)
    (decision,) = gateway.apply(phone.near(anchor)).decisions.made
    return decision


def state(gateway: Gateway, decision: Decision) -> tuple[int, int, int, int]:
    """Contacts of the person, used budget, open windows, and waiting triggers."""
    person = gateway.store.context(decision.subject)
    assert person is not None
    counts = len(person.contacts), gateway.state.budgets.used("flat-white"), len(gateway.state.outcomes.open)
    return *counts, len(gateway.store.waiting_triggers())


@pytest.mark.parametrize("restarts", [False, True])
def test_a_failed_delivery_is_no_contact(shop: Gateway, *, restarts: bool) -> None:
    phone = Phone()
    shop.apply(phone.consent())
    made = enter(shop, phone)
    assert (made.offer, state(shop, made)) == ("flat-white", (1, 100, 1, 1))
    assert enter(shop, phone, "scan-bar").reason == "cap_person_day", "reserved"
    assert shop.apply(Undelivered((made.id,))).totals["undelivered"] == 1
    if restarts:
        shop.restart()
    assert state(shop, made) == (0, 0, 0, 0)
    found = shop.decision(made.id)
    assert found is not None
    assert (found[0].arm, found[0].offer) == ("undelivered", "flat-white")
    assert enter(shop, phone).offer == "flat-white"


def test_the_budget_is_free_for_another_person(shop: Gateway) -> None:
    one, other = Phone("phone-0001"), Phone("phone-0002")
    shop.apply(one.consent(), other.consent())
    made = enter(shop, one)
    assert enter(shop, other).reason == "budget_spent"
    shop.apply(Undelivered((made.id,)))
    assert enter(shop, other).offer == "flat-white"


def test_a_release_that_is_repeated_or_of_a_person_who_withdrew_changes_nothing(shop: Gateway) -> None:
    phone = Phone()
    shop.apply(phone.consent())
    made = enter(shop, phone)
    shop.apply(Undelivered((made.id,)))
    shop.apply(Undelivered((made.id,)))
    assert state(shop, made) == (0, 0, 0, 0)
    again = enter(shop, phone)
    shop.apply(phone.withdrawal(), Undelivered((again.id,)))
    assert shop.state.budgets.used("flat-white") == 100, "as after any withdrawal, until its end"


def test_two_hundred_kills_between_reserve_and_commit_double_no_contact(shop: Gateway) -> None:
    """Decisions, deliveries and failures in random order; the process is killed before or after each commit."""
    draws = random.Random(7)  # noqa: S311 - a seeded test
    phones = [Phone(f"phone-{number:04}") for number in range(200)]
    released = 0
    for phone in phones:
        shop.apply(phone.consent())
        shop.clock.advance(1_000)
        shop.apply(phone.near("scan-cafe"))
        shop.clock.advance(1_000)
        changes = shop.advance(phone.near("scan-cafe"))
        if draws.random() < 0.5:
            shop.commit(changes)
        shop.crash()
        reserved = [row[0] for row in shop.rows("reservations")]
        assert [trigger.id for trigger in shop.store.waiting_triggers()] == reserved
        contacts = list(shop.store._db.execute("SELECT id FROM decisions WHERE arm = 'sent'"))
        assert len(contacts) == len(reserved) <= 1
        if reserved:
            changes = shop.advance(Undelivered(tuple(reserved)))
            if draws.random() < 0.7:
                shop.commit(changes)
                released += 1
            shop.crash()
    assert released > 30, "hardly anything was released, so nothing was tested"


class Sending:
    """A gateway with its trigger sender, and a broker in memory."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.broker = gateway, FakeBroker(gateway.clock.now_ms)
        self.bus = FakeBus(self.broker)
        self.sender = TriggerSender(
            gateway.site, self.bus, lambda one, now_ms: silences(gateway.state, gateway.site.campaign, one.zone, one.offer, now_ms)
        )
        self.phone = Phone()
        gateway.apply(self.phone.consent())
        self.made = enter(gateway, self.phone)
        (self.trigger,) = gateway.store.waiting_triggers()

    def connect(self) -> None:
        self.bus.start(lambda _messages: True)
        until(lambda: self.bus.link().connected)

    def retry(self) -> tuple[str, ...]:
        """Send what waits; the decisions that failed."""
        self.sender.send_waiting(self.gateway.store, self.gateway.clock.now_ms())
        return self.sender.take_failed()


def test_an_offer_that_expired_before_it_left_has_failed(shop: Gateway) -> None:
    sending = Sending(shop)
    assert not sending.sender.begin(sending.trigger, shop.clock.now_ms())
    assert sending.retry() == ()
    shop.clock.advance(HOUR_MS)
    sending.connect()
    assert sending.retry() == (sending.made.id,)
    assert sending.retry() == ()
    sending.bus.close()


def test_an_offer_that_was_published_before_it_expired_has_not_failed(shop: Gateway) -> None:
    """The broker may have it, also if its acknowledgement was lost."""
    sending = Sending(shop)
    sending.connect()
    assert sending.sender.begin(sending.trigger, shop.clock.now_ms())
    shop.clock.advance(HOUR_MS)
    sending.sender.send(sending.trigger, shop.clock.now_ms())
    assert sending.retry() == ()
    sending.bus.close()


def test_an_offer_of_an_earlier_start_may_have_left(shop: Gateway) -> None:
    sending = Sending(shop)
    shop.clock.advance(HOUR_MS)
    sending.connect()
    assert sending.retry() == ()
    sending.bus.close()


def test_an_offer_that_an_incident_stopped_has_failed(shop: Gateway) -> None:
    sending = Sending(shop)
    sending.sender.begin(sending.trigger, shop.clock.now_ms())
    shop.apply(Incident(Envelope("desk-1", "b", 1), "cafe", 60))
    sending.connect()
    assert sending.retry() == (sending.made.id,)
    assert sending.sender.silenced == 1
    sending.bus.close()
