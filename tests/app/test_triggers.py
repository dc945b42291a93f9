"""Triggers reach the broker or wait for it, and are let go when they no longer mean anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.store import StoreFullError
from gateway.core.bus import Link, Publication
from gateway.core.world import Trigger
from gateway.triggers import TriggerDesk
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.street import Gateway as Kept
from tests.kit.street import ManualClock, Phone, make_street
from tests.kit.waiting import until

TOPIC = "wayside/v1/street/down/phone-0001/offer"


class Desk:
    """A desk between a store with one decided trigger and a broker in memory."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.kept = Kept(folder, clock=self.clock)
        phone = Phone()
        self.kept.tell(phone.consent())
        (self.trigger,) = self.kept.tell(phone.near("scan-cafe"), phone.near("scan-cafe")).triggers
        self.broker = FakeBroker(self.clock.now_ms)
        self.bus = FakeBus(self.broker)
        self.desk = TriggerDesk(make_street(), self.bus)

    def connect(self) -> None:
        self.bus.start(lambda _message: None)
        until(lambda: self.bus.link().connected)

    def waiting(self) -> list[Trigger]:
        return self.kept.store.waiting_triggers()

    def sent(self) -> list[bytes]:
        return [heard.payload for topic, heard in self.broker.heard if topic == TOPIC]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.bus.close()
    made.kept.close()


def test_a_trigger_is_what_the_contract_says(desk: Desk) -> None:
    desk.connect()
    assert desk.desk.send(desk.trigger, desk.clock.now_ms())
    ((_, heard),) = desk.broker.heard
    assert (heard.topic, heard.qos, heard.retain, heard.expiry_s) == (TOPIC, 1, False, 120)
    assert json.loads(heard.payload) == {
        "v": 1,
        "decision": desk.trigger.decision,
        "offer": "flat-white",
        "zone": "cafe",
        "shop": "cafe",
        "title": "A flat white, one euro off",
        "body": "",
        "expires_at_ms": desk.trigger.expires_at_ms,
    }


def test_it_waits_for_the_broker_and_is_forgotten_when_that_has_it(desk: Desk) -> None:
    assert not desk.desk.send(desk.trigger, desk.clock.now_ms())
    desk.desk.write_down(desk.kept.store)
    assert desk.waiting() == [desk.trigger]
    desk.connect()
    desk.clock.advance(60_000)
    desk.desk.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert len(desk.sent()) == 1
    assert desk.broker.heard[0][1].expiry_s == 60, "the time that it waited has to come off"
    desk.desk.write_down(desk.kept.store)
    assert desk.waiting() == []
    assert (desk.desk.sent, desk.desk.expired) == (1, 0)


def test_what_is_under_way_is_not_sent_twice(desk: Desk) -> None:
    desk.connect()
    assert desk.desk.send(desk.trigger, desk.clock.now_ms())
    desk.desk.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert len(desk.sent()) == 1


@pytest.mark.parametrize("late_ms", [120_000, 3_600_000])
def test_nobody_is_told_of_what_they_walked_past(desk: Desk, late_ms: int) -> None:
    desk.clock.advance(late_ms)
    desk.connect()
    desk.desk.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert desk.sent() == []
    desk.desk.write_down(desk.kept.store)
    assert desk.waiting() == []
    assert (desk.desk.sent, desk.desk.expired) == (0, 1)


def test_the_last_second_still_counts_as_one(desk: Desk) -> None:
    desk.connect()
    desk.clock.advance(119_999)
    assert desk.desk.send(desk.trigger, desk.clock.now_ms())
    assert desk.broker.heard[0][1].expiry_s == 1


def test_an_offer_that_the_bundle_no_longer_has_is_let_go(desk: Desk) -> None:
    desk.connect()
    gone = Trigger(desk.trigger.decision, "phone-0001", "last-summer", "cafe", desk.trigger.expires_at_ms)
    assert not desk.desk.send(gone, desk.clock.now_ms())
    desk.desk.write_down(desk.kept.store)
    assert (desk.sent(), desk.waiting(), desk.desk.expired) == ([], [], 1)


def test_a_failing_disk_forgets_nothing(desk: Desk) -> None:
    desk.connect()
    desk.desk.send(desk.trigger, desk.clock.now_ms())
    desk.kept.store._db.pragma("query_only", 1)  # writing fails, as on a card that was mounted anew to be read only
    for _ in range(2):
        with pytest.raises(StoreFullError):
            desk.desk.write_down(desk.kept.store)
    assert desk.waiting() == [desk.trigger]
    desk.kept.store._db.pragma("query_only", 0)
    desk.desk.write_down(desk.kept.store)
    assert desk.waiting() == []


def test_what_a_lost_connection_may_not_have_carried_goes_out_again_with_the_time_that_is_left(desk: Desk) -> None:
    desk.connect()
    assert desk.desk.send(desk.trigger, desk.clock.now_ms())
    desk.desk.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert len(desk.sent()) == 1, "it was under way"
    forgetful = Forgetful(desk.bus)
    again = TriggerDesk(make_street(), forgetful)
    again.send(desk.trigger, desk.clock.now_ms())
    forgetful.connects += 1
    desk.clock.advance(100_000)
    again.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert [one.expiry_s for one in forgetful.published] == [120, 20]
    forgetful.connects += 1
    desk.clock.advance(30_000)
    again.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert (len(forgetful.published), again.expired) == (2, 1)
    again.send_waiting(desk.kept.store, desk.clock.now_ms())
    assert again.expired == 1, "let go once"


class Forgetful:
    """A bus whose connections end before the broker has thanked for anything."""

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
