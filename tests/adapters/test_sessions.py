"""Two sessions as one bus: what the shared suite (test_bus.py) cannot show, in memory and by both adapters on Mosquitto."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import MqttOptions
from gateway.adapters.mqtt_paho import PahoBus
from gateway.adapters.mqtt_sessions import TwoSessions
from gateway.core.bus import Publication
from gateway.core.types import Message
from gateway.runtime.mailbox import Mailbox
from tests.kit.broker import mosquitto
from tests.kit.rigs import PairRig
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until


def test_without_one_of_them_nothing_is_published_and_each_connection_is_counted() -> None:
    rig = PairRig()
    bus = rig.bus()
    bus.start(lambda _messages: True)
    until(lambda: bus.link().connected)
    rig.urgent.cut()
    until(lambda: bus.link().connects == 2)
    rig.first.cut()
    until(lambda: bus.link().connects == 3)
    assert bus.link().fresh == 2, "the broker kept both"
    rig.urgent.close()
    assert not bus.publish(Publication("out", b"", qos=1))
    assert (bus.link().connected, rig.first.link().connected, rig.broker.published) == (False, True, [])
    bus.close()


def test_acknowledgements_go_by_the_session_of_each_message() -> None:
    """The ids of both sessions' messages are the same numbers."""
    rig, box = PairRig(), list[Message]()

    def deliver(messages: Sequence[Message]) -> bool:
        box.extend(messages)
        return True

    bus = rig.bus()
    bus.start(deliver)
    until(lambda: bus.link().connected)
    rig.publish("in/a", b"first")
    rig.publish("apart/a", b"urgent")
    until(lambda: len(box) == 2)
    by_lane = {message.is_urgent: message for message in box}
    assert by_lane[True].ticket == by_lane[False].ticket
    bus.acknowledge([by_lane[True]])
    rig.first.cut()
    rig.urgent.cut()
    until(lambda: len(box) == 3)
    assert box[2].payload == b"first"
    bus.close()


@pytest.mark.broker
@pytest.mark.parametrize("kind", [MqttBus, PahoBus])
def test_a_session_that_is_held_up_holds_up_only_itself(kind: type[MqttBus | PahoBus], tmp_path: Path) -> None:
    """The lane of facts is full, and 500 more wait at the broker; in one session the withdrawal waits behind them."""
    with mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as phone:

        def made(name: str, *filters: str) -> MqttBus | PahoBus:
            return kind(MqttOptions(broker.host, broker.port, name, filters), lambda: time.time_ns() // 1_000_000)

        one_mailbox, two_mailbox = Mailbox(4), Mailbox(4)
        one, two = made("one", "up/#"), TwoSessions(made("two", "up/+/purchase"), made("two:consents", "up/+/consent"))
        one.start(one_mailbox.deliver)
        two.start(two_mailbox.deliver)
        until(lambda: one.link().hears and two.link().hears)
        for number in range(500):
            phone.publish_nowait("up/till/purchase", b"%d" % number + bytes(2_000))
        phone.publish("up/phone/consent", b"no")
        until(lambda: two_mailbox._urgent.count == 1)
        taken = two_mailbox.take(256, 0.0)[0]
        assert taken[0].payload == b"no"
        assert b"no" not in [message.payload for message in one_mailbox.take(256, 0.0)[0]], "control: one session"
        two.acknowledge(two_mailbox.settled(taken))
        one.close()
        two.close()
