"""The port's promises, kept by every bus: in memory, on Mosquitto with MQTT 5, on a broker that knows only 3.1.1.

amqtt (the demonstration's fallback) runs a part of the suite: it throws away what was not acknowledged when a connection
ends, so nothing about coming again can be shown on it, and what it shares with the other 3.1.1 broker is shown there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import MqttOptions
from gateway.adapters.mqtt_paho import PahoBus
from gateway.core.bus import Bus, Deliver, Link, Publication
from gateway.core.types import Message
from tests.kit.broker import HOST, MosquittoBroker, free_port
from tests.kit.rigs import AmqttRig, FakeRig, MosquittoRig, Mqtt311Rig, PahoRig, PairRig, Rig
from tests.kit.waiting import WAIT_S, until
from tests.rigs.relay import Rates, Relay, chunks

EVERY: dict[str, Callable[[Path], Rig]] = {
    "memory": lambda _folder: FakeRig(),
    "memory-pair": lambda _folder: PairRig(),
    "mosquitto": MosquittoRig,
    "mosquitto-paho": PahoRig,
    "mosquitto-3.1.1": Mqtt311Rig,
    "amqtt": AmqttRig,
}
NO_FAULTS = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
KEEPING = [name for name in EVERY if name != "amqtt"]  # brokers that keep unacknowledged messages
EXPIRING = ["memory", "mosquitto", "mosquitto-paho"]


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made = EVERY[request.param](tmp_path)
    yield made
    made.close()


def on(*names: str) -> pytest.MarkDecorator:
    params = [pytest.param(name, marks=() if name in {"memory", "memory-pair", "amqtt"} else pytest.mark.broker) for name in names]
    return pytest.mark.parametrize("rig", params, indirect=True)


@contextmanager
def connected(bus: Bus, deliver: Deliver) -> Iterator[Bus]:
    """Started, connected and subscribed, closed afterwards."""
    bus.start(deliver)
    try:
        until(lambda: bus.link().connected, describe=bus.link)
        _settle(bus)
        yield bus
    finally:
        bus.close()


def into(box: list[Message]) -> Deliver:
    """A receiver that always has room."""

    def deliver(messages: Sequence[Message]) -> bool:
        box.extend(messages)
        return True

    return deliver


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


@on(*EVERY)
def test_messages_are_delivered_and_the_link_tells_how(rig: Rig) -> None:
    box: list[Message] = []
    with connected(rig.bus(), into(box)) as bus:
        expected = Link(connected=True, protocol=rig.protocol, connects=1, fresh=rig.sessions, hears=True)
        assert msgspec.structs.replace(bus.link(), heard_ms=None) == expected
        rig.publish("in/a", b"one", b"two")
        rig.publish("elsewhere", b"not ours")
        rig.publish("in/b", b"three", qos=0)
        until(lambda: len(box) == 3)
    assert payloads(box) == [b"one", b"two", b"three"]
    assert [message.topic for message in box] == ["in/a", "in/a", "in/b"]
    if not isinstance(rig, AmqttRig):  # which raises every message to the QoS of the subscription
        assert [message.qos for message in box] == [1, 1, 0]
    assert all(message.received_at_ms > 0 for message in box)


@on(*KEEPING)
def test_what_was_not_thanked_for_comes_again_and_what_was_does_not(rig: Rig) -> None:
    box: list[Message] = []
    with connected(rig.bus(), into(box)) as bus:
        rig.publish("in/a", b"thanked", b"not thanked")
        until(lambda: len(box) == 2)
        bus.acknowledge(box[:1])
        rig.publish("in/a", b"after")  # arrives after the acknowledgements, which were sent before
        until(lambda: len(box) == 3)
        bus.acknowledge(box[2:])
        _settle(bus)
        rig.cut(bus)
        until(lambda: bus.link().connects == 2)
        until(lambda: len(box) == 4)
        rig.publish("in/a", b"last")
        until(lambda: payloads(box)[4:] == [b"last"], describe=lambda: payloads(box))
    assert payloads(box) == [b"thanked", b"not thanked", b"after", b"not thanked", b"last"]


def _settle(bus: Bus) -> None:
    """Wait until all packets sent so far are at the broker: a publication follows them on the same connection."""
    assert bus.publish(Publication("settled", b"", qos=1, token="settled"))
    until(lambda: "settled" in bus.taken())


@on(*KEEPING)
def test_what_comes_while_away_waits_for_us(rig: Rig) -> None:
    with connected(rig.bus(), lambda _messages: True):
        pass
    rig.publish("in/a", b"while", b"away")
    rig.publish("in/a", b"of no weight", qos=0)
    box: list[Message] = []
    with connected(rig.bus(), into(box)) as bus:
        until(lambda: len(box) >= 2)
        bus.acknowledge(box)
        _settle(bus)
    assert payloads(box)[:2] == [b"while", b"away"]
    again: list[Message] = []
    with connected(rig.bus(), into(again)):
        rig.publish("in/a", b"last")
        until(lambda: len(again) == 1)
    assert payloads(again) == [b"last"]


@on(*KEEPING)
def test_a_connection_without_a_session_at_the_broker_is_counted(rig: Rig) -> None:
    with connected(rig.bus(), lambda _messages: True) as bus:
        rig.cut(bus)
        until(lambda: bus.link().connects == 2)
        assert bus.link().fresh == rig.sessions, "the session was kept"
    with connected(rig.bus(), lambda _messages: True) as bus:
        assert bus.link().fresh == 0
    with connected(rig.bus("another"), lambda _messages: True) as bus:
        assert bus.link().fresh == rig.sessions


@on(*KEEPING)
def test_what_the_broker_kept_is_told_from_what_is_said_now(rig: Rig) -> None:
    """A broker repeats it at every connection; taken as new it would show past positions."""
    box: list[Message] = []
    with connected(rig.bus(), into(box)) as bus:
        assert bus.publish(Publication("in/kept", b"of then", qos=1, retain=True))
        until(lambda: len(box) == 1)
        bus.acknowledge(box)
        _settle(bus)
        rig.cut(bus)
        until(lambda: len(box) == 2)
        rig.publish("in/a", b"of now")
        until(lambda: len(box) == 3)
    assert [(message.payload, message.retained) for message in box] == [(b"of then", False), (b"of then", True), (b"of now", False)]


@on(*EVERY)
def test_status_is_retained_and_the_will_is_told_when_the_connection_breaks(rig: Rig) -> None:
    will = Publication("gw/status", b"lost", qos=1, retain=True)
    with connected(rig.bus(will=will), lambda _messages: True) as bus:
        assert bus.publish(Publication("gw/status", b"online", qos=1, retain=True))
        until(lambda: rig.retained("gw/status") == [b"online"])
        rig.cut(bus)
        until(lambda: b"lost" in [heard.payload for heard in rig.received("gw/status")])
        until(lambda: bus.link().connects == 2)
    assert rig.retained("gw/status") == [b"lost"]


@on(*KEEPING)
def test_a_good_bye_does_not_tell_the_will(rig: Rig) -> None:
    bus = rig.bus(will=Publication("gw/status", b"lost", qos=1, retain=True))
    with connected(bus, lambda _messages: True):
        assert bus.publish(Publication("gw/status", b"offline", qos=1, retain=True))
    bus.close()
    assert not bus.link().connected
    rig.publish("elsewhere", b"later")
    until(lambda: rig.received("elsewhere"))
    assert [heard.payload for heard in rig.received("gw/status")] == [b"offline"]


@on(*KEEPING)
def test_a_good_bye_with_messages_unread_does_not_tell_the_will(rig: Rig) -> None:
    """A connection that is closed with bytes unread is reset, and a broker that finds it reset sends the will."""
    gate, entered = threading.Event(), threading.Event()

    def deliver(_messages: Sequence[Message]) -> bool:
        entered.set()
        return gate.is_set()

    bus = rig.bus(will=Publication("gw/status", b"lost", qos=1, retain=True))
    with connected(bus, deliver):
        rig.publish("in/a", *[b"x" * 200] * 400, qos=0)
        assert entered.wait(WAIT_S)
        assert bus.publish(Publication("gw/status", b"offline", qos=1, retain=True))
        closing = threading.Thread(target=bus.close)
        closing.start()
        gate.set()
        closing.join(WAIT_S)
    rig.publish("elsewhere", b"later")
    until(lambda: rig.received("elsewhere"))
    assert [heard.payload for heard in rig.received("gw/status")] == [b"offline"]


@on(*KEEPING)
def test_nothing_is_taken_without_a_connection(rig: Rig) -> None:
    bus = rig.bus()
    assert not bus.publish(Publication("out/a", b"too early", qos=1, token="early"))
    with connected(bus, lambda _messages: True):
        rig.stop()
        until(lambda: not bus.link().connected)
        assert not bus.publish(Publication("out/a", b"nobody there", qos=1, token="none"))
        assert bus.taken() == []
        assert bus.link().trouble
    assert not bus.publish(Publication("out/a", b"too late", qos=1, token="late"))
    assert bus.taken() == []


@on(*KEEPING)
def test_taken_tells_each_token_once(rig: Rig) -> None:
    with connected(rig.bus(), lambda _messages: True) as bus:
        for number in range(50):
            assert bus.publish(Publication("out/a", b"%d" % number, qos=1, token=f"t{number}"))
        assert bus.publish(Publication("out/a", b"no token", qos=1))
        assert bus.publish(Publication("out/a", b"no promise", qos=0, token="qos 0"))
        taken: list[str] = []
        while len(taken) < 50:
            taken += until(bus.taken)
        until(lambda: len(rig.received("out/a")) == 52)
        assert bus.taken() == []
    assert sorted(taken) == sorted(f"t{number}" for number in range(50))


@on(*EXPIRING)
def test_an_expiry_travels_with_the_message(rig: Rig) -> None:
    with connected(rig.bus(), lambda _messages: True) as bus:
        assert bus.publish(Publication("out/a", b"soon gone", qos=1, retain=True, expiry_s=1))
        assert bus.publish(Publication("out/b", b"stays", qos=1, retain=True, expiry_s=600))
        (soon,) = until(lambda: rig.received("out/a"))
        assert soon.expiry_s == 1
        rig.pass_time(1_001)
        until(lambda: rig.retained("out/a") == [])
        assert rig.retained("out/b") == [b"stays"]


@on("mosquitto-3.1.1", "amqtt")
def test_an_expiry_is_no_obstacle_where_the_protocol_has_none(rig: Rig) -> None:
    with connected(rig.bus(), lambda _messages: True) as bus:
        assert bus.publish(Publication("out/a", b"stays", qos=1, expiry_s=1))
        (heard,) = until(lambda: rig.received("out/a"))
    assert (heard.payload, heard.expiry_s) == (b"stays", None)


@on(*KEEPING)
def test_a_blocked_deliver_stops_the_reading_and_loses_nothing(rig: Rig) -> None:
    sent = [b"%d" % number for number in range(400)]
    gate, asked = threading.Event(), threading.Event()
    box: list[Message] = []
    offered: set[int] = set()

    def deliver(messages: Sequence[Message]) -> bool:
        offered.update(message.ticket for message in messages)
        asked.set()
        if gate.is_set():
            box.extend(messages)
        return gate.is_set()

    with connected(rig.bus(), deliver) as bus:
        try:
            rig.publish("in/a", *sent)
            assert asked.wait(WAIT_S)
            assert len(offered) < len(sent), "it went on reading"
        finally:
            gate.set()
        done = 0
        while done < len(sent):
            until(lambda seen=done: len(box) > seen)  # type: ignore[misc]  # mypy knows no default in a lambda
            fresh = box[done:]
            bus.acknowledge(fresh)
            done += len(fresh)
        _settle(bus)
    assert payloads(box) == sent


@on(*KEEPING)
def test_an_old_ticket_thanks_for_nothing_new(rig: Rig) -> None:
    """Brokers use packet ids again: thanks for a message of the last connection must not pass for one of this."""
    box: list[Message] = []
    with connected(rig.bus(), into(box)) as bus:
        rig.publish("in/a", b"fact")
        until(lambda: len(box) == 1)
        rig.cut(bus)
        until(lambda: len(box) == 2)
        old, new = box
        assert old.ticket != new.ticket
        bus.acknowledge([old])
        _settle(bus)
        rig.cut(bus)
        until(lambda: len(box) == 3, describe=lambda: "the message did not come again: an old ticket thanked for it")
        bus.acknowledge(box[2:])
        _settle(bus)
        rig.cut(bus)
        until(lambda: bus.link().connects == 4)
        rig.publish("in/a", b"last")
        until(lambda: b"last" in payloads(box))
    assert payloads(box) == [b"fact", b"fact", b"fact", b"last"]


@on(*KEEPING)
def test_a_broker_that_comes_back_is_found_again(rig: Rig) -> None:
    box: list[Message] = []
    with connected(rig.bus(), into(box)) as bus:
        rig.publish("in/a", b"before")
        until(lambda: len(box) == 1)
        rig.stop()
        until(lambda: not bus.link().connected)
        assert bus.link().trouble
        rig.start()
        until(lambda: bus.link().connected)
        until(lambda: len(box) == 2)
        bus.acknowledge(box)
        rig.publish("in/a", b"after")
        until(lambda: len(box) == 3)
        assert bus.link().connects == 2
        assert bus.link().trouble == ""
        assert bus.link().protocol == rig.protocol
    assert payloads(box) == [b"before", b"before", b"after"]


@pytest.mark.broker
def test_a_half_open_connection_is_noticed_and_given_up(tmp_path: Path) -> None:
    """Nothing arrives, not even the end of the connection: after the keep-alive without an answer another one is opened."""
    broker, box = MosquittoRig(tmp_path), list[Message]()
    with Relay(broker.port, NO_FAULTS, 1, chunks) as relay:
        options = MqttOptions("127.0.0.1", relay.port, "gw-t", ("in/#",), keepalive_s=1)
        with connected(MqttBus(options, lambda: time.monotonic_ns() // 1_000_000), into(box)) as bus:
            heard_ms = bus.link().heard_ms
            assert heard_ms is not None
            until(lambda: (bus.link().heard_ms or 0) > heard_ms)  # an answer to PINGREQ, while nothing else is sent
            relay.fall_silent()
            broker.publish("in/a", b"meanwhile")
            until(lambda: not bus.link().connected)
            assert bus.link().trouble.endswith("(the broker has been silent for 1 s)")
            relay.heal()
            until(lambda: payloads(box) == [b"meanwhile"])
    broker.close()


@on(*KEEPING)
def test_a_wrong_password_is_said_in_words(rig: Rig) -> None:
    bus = rig.bus_with_wrong_password()
    bus.start(lambda _messages: True)
    try:
        until(lambda: "password" in bus.link().trouble, describe=bus.link)
        assert not bus.link().connected
        assert bus.link().connects == 0
    finally:
        bus.close()


@on(*KEEPING)
def test_closing_twice_is_closing_once(rig: Rig) -> None:
    never = rig.bus("never-started")
    never.close()
    never.close()
    bus = rig.bus()
    with connected(bus, lambda _messages: True):
        bus.close()
    bus.close()
    assert not bus.link().connected


def test_nobody_there_is_said_in_words() -> None:
    port = free_port()
    bus = MqttBus(MqttOptions("127.0.0.1", port, "gw", ("in/#",)), lambda: 0)
    bus.start(lambda _messages: True)
    try:
        trouble = until(lambda: bus.link().trouble)
    finally:
        bus.close()
    assert trouble.startswith(f"broker 127.0.0.1:{port} does not answer")
    assert "correct mqtt.host" in trouble


def test_certificates_that_are_none_are_refused_before_connecting(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("no certificate", "utf-8")
    with pytest.raises(OSError, match=r"(?i)certificate|pem"):
        MqttBus(MqttOptions("localhost", 8883, "gw", (), ca_file=authority), lambda: 0)


def test_a_subscription_that_is_denied_is_told() -> None:
    bus = PahoBus(MqttOptions("127.0.0.1", 1, "gw-t", ("open/#", "closed/#")), lambda: 0)
    granted, denied = (ReasonCode(PacketTypes.SUBACK, identifier=code) for code in (1, 0x87))
    bus._on_subscribe(paho.Client(CallbackAPIVersion.VERSION2), None, 1, [granted, denied], None)
    assert bus.link().trouble == "the broker refuses the subscription to closed/#: check its access control list"


@pytest.mark.broker
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("retain_available false", "refuses: it retains no messages, but the status of a gateway is retained: allow it"),
        ("max_packet_size 300", "the broker takes 300 bytes at once, and a message has 1"),
        ("acl_file {acl}", "check its access control list"),
    ],
)
def test_limits_of_a_broker_are_named(line: str, expected: str, tmp_path: Path) -> None:
    """A will that may not be retained, a publication that is too large, and one that the broker answers with a lost connection."""
    acl = tmp_path / "acl"
    acl.write_text("topic read in/#\n")
    acl.chmod(0o644)
    broker = MosquittoBroker(tmp_path, lines=(line.format(acl=acl),))
    broker.start()
    bus = MqttBus(MqttOptions(HOST, broker.port, "gw-t", ("in/#",), will=Publication("out/status", b"lost", 1, retain=True)), lambda: 1)
    bus.start(into([]))
    try:
        until(lambda: bus.link().connected or bus.link().trouble)
        bus.publish(Publication("out/status", bytes(1_000), 1, retain=True))
        until(lambda: bus.link().trouble)
        assert expected in bus.link().trouble
    finally:
        bus.close()
        broker.kill()


@pytest.mark.broker
def test_a_broker_behind_websockets_is_reached(tmp_path: Path) -> None:
    port = free_port()
    broker = MosquittoBroker(tmp_path, lines=(f"listener {port} 127.0.0.1", "protocol websockets", "allow_anonymous true"))
    broker.start()
    box: list[Message] = []
    options = MqttOptions("127.0.0.1", port, "gw-ws", ("in/#",), websocket_path="/mqtt")
    try:
        with connected(PahoBus(options, lambda: 1), into(box)) as bus:
            assert bus.publish(Publication("in/a", b"over websockets", qos=1))
            until(lambda: payloads(box) == [b"over websockets"])
    finally:
        broker.kill()
