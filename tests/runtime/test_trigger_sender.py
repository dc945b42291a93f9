"""Triggers are sent to the broker, or wait for it and are dropped when they expire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.bus import Link, Publication
from gateway.core.coupons import check, read
from gateway.core.ports import StoreFullError
from gateway.core.state import Trigger
from gateway.runtime.trigger_sender import TriggerSender
from tests.kit.coupons import keys, signer
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.testbed import Gateway, ManualClock, Phone, campaign, make_site, offer
from tests.kit.waiting import until

TOPIC = "wayside/v1/street/down/phone-0001/offer"


class Rig:
    """A trigger sender between a store with one trigger and a broker in memory."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.gateway = Gateway(folder, clock=self.clock)
        phone = Phone()
        self.gateway.apply(phone.consent())
        (self.trigger,) = self.gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe")).decisions.triggers
        self.broker = FakeBroker(self.clock.now_ms)
        self.bus = FakeBus(self.broker)
        self.sender = TriggerSender(make_site(), self.bus)

    def connect(self) -> None:
        self.bus.start(lambda _messages: True)
        until(lambda: self.bus.link().connected)

    def waiting(self) -> list[Trigger]:
        return self.gateway.store.waiting_triggers()

    def sent(self) -> list[bytes]:
        return [message.payload for message in self.broker.published if message.topic == TOPIC]


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.bus.close()
    made.gateway.close()


def test_a_trigger_is_what_the_contract_says(sender: Rig) -> None:
    sender.connect()
    assert sender.sender.send(sender.trigger, sender.clock.now_ms())
    (published,) = sender.broker.published
    assert (published.topic, published.qos, published.retain, published.expiry_s) == (TOPIC, 1, False, 120)
    assert json.loads(published.payload) == {
        "v": 1,
        "decision": sender.trigger.id,
        "offer": "flat-white",
        "zone": "cafe",
        "shop": "cafe",
        "title": "A flat white, one euro off",
        "body": "",
        "expires_at_ms": sender.trigger.expires_at_ms,
    }


def test_it_waits_for_the_broker_and_is_forgotten_when_that_has_it(sender: Rig) -> None:
    assert not sender.sender.send(sender.trigger, sender.clock.now_ms())
    sender.sender.flush(sender.gateway.store)
    assert sender.waiting() == [sender.trigger]
    sender.connect()
    sender.clock.advance(60_000)
    sender.sender.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert len(sender.sent()) == 1
    assert sender.broker.published[0].expiry_s == 60, "the time that it waited has to come off"
    sender.sender.flush(sender.gateway.store)
    assert sender.waiting() == []
    assert (sender.sender.sent, sender.sender.expired) == (1, 0)


def test_what_is_under_way_is_not_sent_twice(sender: Rig) -> None:
    sender.connect()
    assert sender.sender.send(sender.trigger, sender.clock.now_ms())
    sender.sender.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert len(sender.sent()) == 1


@pytest.mark.parametrize("late_ms", [120_000, 3_600_000])
def test_nobody_is_told_of_what_they_walked_past(sender: Rig, late_ms: int) -> None:
    sender.clock.advance(late_ms)
    sender.connect()
    sender.sender.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert sender.sent() == []
    sender.sender.flush(sender.gateway.store)
    assert sender.waiting() == []
    assert (sender.sender.sent, sender.sender.expired) == (0, 1)


def test_the_last_second_still_counts_as_one(sender: Rig) -> None:
    sender.connect()
    sender.clock.advance(119_999)
    assert sender.sender.send(sender.trigger, sender.clock.now_ms())
    assert sender.broker.published[0].expiry_s == 1


def test_an_offer_that_the_bundle_no_longer_has_is_let_go(sender: Rig) -> None:
    sender.connect()
    gone = msgspec.structs.replace(sender.trigger, offer="last-summer")
    assert not sender.sender.send(gone, sender.clock.now_ms())
    sender.sender.flush(sender.gateway.store)
    assert (sender.sent(), sender.waiting(), sender.sender.expired) == ([], [], 1)


def test_a_failing_disk_forgets_nothing(sender: Rig) -> None:
    sender.connect()
    sender.sender.send(sender.trigger, sender.clock.now_ms())
    sender.gateway.store._db.pragma("query_only", 1)  # writing fails, as on a card that was remounted read-only
    for _ in range(2):
        with pytest.raises(StoreFullError):
            sender.sender.flush(sender.gateway.store)
    assert sender.waiting() == [sender.trigger]
    sender.gateway.store._db.pragma("query_only", 0)
    sender.sender.flush(sender.gateway.store)
    assert sender.waiting() == []


def test_what_a_lost_connection_may_not_have_carried_goes_out_again_with_the_time_that_is_left(sender: Rig) -> None:
    sender.connect()
    assert sender.sender.send(sender.trigger, sender.clock.now_ms())
    sender.sender.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert len(sender.sent()) == 1, "it was under way"
    forgetful = Forgetful(sender.bus)
    again = TriggerSender(make_site(), forgetful)
    again.send(sender.trigger, sender.clock.now_ms())
    forgetful.connects += 1
    sender.clock.advance(100_000)
    again.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert [one.expiry_s for one in forgetful.published] == [120, 20]
    forgetful.connects += 1
    sender.clock.advance(30_000)
    again.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert (len(forgetful.published), again.expired) == (2, 1)
    again.send_waiting(sender.gateway.store, sender.clock.now_ms())
    assert again.expired == 1, "let go once"


class Forgetful:
    """A bus that loses its connections before any acknowledgement."""

    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus
        self.connects = 1
        self.published: list[Publication] = []

    def publish(self, publication: Publication) -> bool:
        self.published.append(publication)
        return True

    def taken(self) -> list[str]:
        return []

    def link(self) -> Link:
        return Link(connected=True, connects=self.connects)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


def test_a_trigger_of_a_silent_zone_is_dropped_and_counted(sender: Rig) -> None:
    silent = True
    sender.sender = TriggerSender(make_site(), sender.bus, lambda trigger, _now_ms: silent and trigger.zone == "cafe")
    sender.connect()
    sender.sender.send_waiting(sender.gateway.store, sender.clock.now_ms())
    sender.sender.flush(sender.gateway.store)
    assert (sender.sent(), sender.waiting(), sender.sender.silenced, sender.sender.expired) == ([], [], 1, 0)


def test_an_offer_with_a_coupon_is_sent_with_the_same_code_each_time(tmp_path: Path) -> None:
    site = make_site(campaign=campaign(offer(coupon=True)), coupons=signer())
    gateway, phone = Gateway(tmp_path, site=site), Phone()
    (trigger,) = gateway.apply(phone.consent(), phone.near("scan-cafe"), phone.near("scan-cafe")).decisions.triggers
    broker = FakeBroker(gateway.clock.now_ms)
    bus = FakeBus(broker)
    bus.start(lambda _messages: True)
    until(lambda: bus.link().connected)
    for _ in range(2):
        assert TriggerSender(site, bus).send(trigger, gateway.clock.now_ms())
    codes = [json.loads(message.payload)["coupon"] for message in broker.published]
    assert codes[0] == codes[1]
    coupon = check(read(codes[0]), keys(1), "cafe", gateway.clock.now_ms())
    assert coupon == (trigger.id, "flat-white", "cafe", gateway.clock.now_ms() // 1000 + 7_200)
    bus.close()
    gateway.close()
