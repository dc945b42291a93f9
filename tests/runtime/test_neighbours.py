"""A gateway states each contact on its way to the person to its neighbours; one that was not delivered is not stated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.channels import PAGE_PREFIX
from gateway.core.state.replies import Withdrawn
from gateway.core.types import Envelope, Message, NeighbourContact, NeighbourWithdrawal, OfferRequest
from gateway.decoders.formats.wayside_v1 import decode
from gateway.runtime.trigger_sender import TriggerSender
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.testbed import Gateway, Phone, campaign, make_site, offer
from tests.kit.waiting import until

TOPIC = "wayside/v1/street/up/gw-t/contact"


class Rig:
    """A gateway with a neighbour, a phone in the cafe, and a broker in memory."""

    def __init__(self, folder: Path, *, neighbours: frozenset[str] = frozenset({"gw-b"}), **policy: Any) -> None:
        self.site = make_site(
            neighbours=neighbours, campaign=campaign(offer(occasions=("entered", "requested"), per_person_day_max=3), **policy)
        )
        self.gateway, self.phone = Gateway(folder, site=self.site, synced=False), Phone()
        self.broker = FakeBroker(self.gateway.clock.now_ms)
        self.bus = FakeBus(self.broker)
        self.sender = TriggerSender(self.site, self.bus)
        self.gateway.apply(self.phone.consent())

    def connect(self) -> None:
        self.bus.start(lambda _messages: True)
        until(lambda: self.bus.link().connected)

    def enter(self) -> str:
        """Enter the cafe, and send what was decided; the decision's id."""
        changes = self.gateway.apply(self.phone.near("scan-cafe"), self.phone.near("scan-cafe"))
        for trigger in changes.decisions.triggers:
            self.sender.send(trigger, self.gateway.clock.now_ms())
        self.sender.contacts.state_unsent(changes, self.gateway.store)
        return changes.decisions.made[0].id

    def stated(self) -> list[dict[str, Any]]:
        return [json.loads(one.payload) for one in self.broker.published if one.topic == TOPIC]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.bus.close()
    made.gateway.close()


def test_an_offer_to_a_phone_is_stated_when_it_is_published(rig: Rig) -> None:
    rig.connect()
    decision = rig.enter()
    (published,) = [one for one in rig.broker.published if one.topic == TOPIC]
    assert (published.qos, published.expiry_s) == (1, 86_400)
    assert decode(Message(TOPIC, published.payload, 0)) == [NeighbourContact("gw-t", rig.phone.device, decision, "flat-white")]


def test_an_offer_that_is_not_delivered_is_not_stated(rig: Rig) -> None:
    rig.enter()
    rig.gateway.clock.advance(200_000)  # the trigger has expired
    rig.connect()
    rig.sender.send_waiting(rig.gateway.store, rig.gateway.clock.now_ms())
    assert rig.stated() == []


def test_a_reply_is_stated_once(rig: Rig) -> None:
    rig.enter()
    rig.connect()
    rig.gateway.clock.advance(600_000)
    changes = rig.gateway.apply(OfferRequest(Envelope(rig.phone.device, "b1", 99), zone="cafe"))
    rig.sender.contacts.state_unsent(changes, rig.gateway.store)
    (decision,) = changes.decisions.made
    assert (decision.offer, changes.decisions.triggers) == ("flat-white", [])
    assert [(one["decision"], one["person"], one["sent"]) for one in rig.stated()] == [(decision.id, rig.phone.device, True)]


def test_a_contact_of_the_holdout_is_stated_as_not_sent(tmp_path: Path) -> None:
    rig = Rig(tmp_path, holdout=0.5)
    for number in range(20):  # half of the people
        rig.phone = Phone(f"phone-{number:04}")
        rig.gateway.apply(rig.phone.consent())
        rig.connect() if number == 0 else None
        rig.enter()
    sent = [one["sent"] for one in rig.stated()]
    assert len(sent) == 20
    assert {False, True} == set(sent)
    rig.bus.close()
    rig.gateway.close()


def test_without_a_neighbour_nothing_is_stated(tmp_path: Path) -> None:
    rig = Rig(tmp_path, neighbours=frozenset())
    rig.connect()
    rig.enter()
    assert rig.stated() == []
    rig.bus.close()
    rig.gateway.close()


def withdrawals(rig: Rig) -> list[Any]:
    topic = TOPIC.replace("contact", "withdrawn")
    return [one for published in rig.broker.published if published.topic == topic for one in decode(Message(topic, published.payload, 0))]


def test_a_withdrawal_is_stated_until_the_broker_has_it(rig: Rig) -> None:
    contacts = rig.sender.contacts
    contacts.state_withdrawn([Withdrawn("phone-0001", 7, "b1"), Withdrawn(f"{PAGE_PREFIX}0", 2, "b2")])
    assert withdrawals(rig) == [], "there is no connection yet"
    rig.connect()
    contacts.repeat_withdrawn()
    assert withdrawals(rig) == [NeighbourWithdrawal("gw-t", "phone-0001", "b1", 7)], "no neighbour knows the page of this gateway"
    contacts.repeat_withdrawn()
    assert len(withdrawals(rig)) == 1, "once for each connection"
    rig.broker.stop()
    until(lambda: not rig.bus.link().connected)
    rig.broker.start()
    until(lambda: rig.bus.link().connected)
    contacts.repeat_withdrawn()
    assert len(withdrawals(rig)) == 2, "it was not collected as acknowledged"
    until(lambda: contacts.settled(rig.bus.taken()) == [] and not contacts._withdrawn)
