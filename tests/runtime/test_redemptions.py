"""Redemptions are passed on after their commit, again at each connect and each hour, and in messages of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core import limits
from gateway.core.coupons import Coupon
from gateway.core.types import Message
from gateway.decoders.formats.wayside_v1 import decode
from gateway.runtime.redemptions import RedemptionExchange
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.testbed import HOUR_MS, Gateway, make_site, purchase
from tests.kit.waiting import until

TOPIC = "wayside/v1/street/up/gw-t/redeemed"


class Rig:
    """An exchange between a store with redemptions and a broker in memory."""

    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(folder, synced=False)
        self.clock = self.gateway.clock
        self.broker = FakeBroker(self.clock.now_ms)
        self.bus = FakeBus(self.broker)
        self.exchange = RedemptionExchange(make_site(), self.bus, "g1")

    def redeem(self, count: int, first: int = 0) -> None:
        """Redeem coupons of another gateway's decisions at an own till, and pass the new redemptions on."""
        end_s = (self.clock.now_ms() + 2 * HOUR_MS) // 1_000
        coupons = [Coupon(f"gw-b.{first + number:016x}", "flat-white", "cafe", end_s) for number in range(count)]
        sales = [purchase("till-cafe", first + number, coupon=one, decision=one.decision) for number, one in enumerate(coupons)]
        self.exchange.publish(self.gateway.apply(*sales))

    def connect(self) -> None:
        self.bus.start(lambda _messages: True)
        until(lambda: self.bus.link().connected)

    def sent(self) -> list[list[dict[str, Any]]]:
        """The redemptions of each message so far."""
        return [json.loads(message.payload)["redeemed"] for message in self.broker.published if message.topic == TOPIC]

    def repeat(self) -> None:
        self.exchange.repeat(self.gateway.store, self.clock.now_ms())


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.bus.close()
    made.gateway.close()


def test_messages_are_bounded_and_read_by_the_decoder(rig: Rig) -> None:
    rig.connect()
    rig.redeem(2 * limits.REDEMPTIONS_PER_MESSAGE_MAX + 1)
    assert [len(part) for part in rig.sent()] == [100, 100, 1]
    assert len({one["decision"] for part in rig.sent() for one in part}) == 201
    found = [decode(Message(message.topic, message.payload, 0)) for message in rig.broker.published]
    assert sum(len(one.redemptions) for (one,) in found) == 201  # type: ignore[misc, union-attr]
    assert max(len(message.payload) for message in rig.broker.published) < limits.PAYLOAD_BYTES_MAX
    assert {message.qos for message in rig.broker.published} == {1}


def test_redemptions_while_the_broker_was_away_follow_at_the_connect_and_each_hour(rig: Rig) -> None:
    rig.redeem(3)
    rig.repeat()
    assert rig.sent() == []
    rig.connect()
    rig.repeat()
    rig.repeat()
    assert [len(part) for part in rig.sent()] == [3]
    rig.clock.advance(limits.REDEMPTIONS_REPEAT_MS - 1)
    rig.repeat()
    assert len(rig.sent()) == 1
    rig.clock.advance(1)
    rig.repeat()
    assert [len(part) for part in rig.sent()] == [3, 3]
    rig.clock.advance(2 * HOUR_MS)
    rig.repeat()
    assert len(rig.sent()) == 2, "the coupons have ended"


def test_a_crash_between_commit_and_message_loses_none(rig: Rig) -> None:
    rig.redeem(2)
    rig.gateway.crash()
    again = RedemptionExchange(make_site(), rig.bus, "g2")
    rig.connect()
    again.repeat(rig.gateway.store, rig.clock.now_ms())
    assert [len(part) for part in rig.sent()] == [2]
