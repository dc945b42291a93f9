"""The brokers of the bus test suite behind one interface: publish, receive, cut a connection, stop the broker."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Protocol

from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import MqttOptions
from gateway.adapters.mqtt_paho import PahoBus
from gateway.adapters.mqtt_sessions import TwoSessions
from gateway.commands.demo.processes import Part, start_broker
from gateway.core.bus import Bus, Publication
from tests.kit.broker import HOST, MosquittoBroker
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.mqtt311_broker import Mqtt311Broker
from tests.kit.subscriber import Received, Subscriber
from tests.kit.testbed import ManualClock
from tests.kit.waiting import until

PASSWORD = "open sesame"


class Rig(Protocol):
    """A broker and the actions of a test on it. `protocol` is the protocol that a bus must report, `sessions` how many it has there."""

    protocol: str
    sessions: int

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        """A bus that subscribes to `in/#`, not started."""

    def bus_with_wrong_password(self) -> Bus:
        """A bus with a wrong password, and a broker that requires one."""

    def publish(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        """Publish as another device; returns when the broker has all."""

    def received(self, topic: str) -> list[Received]:
        """Messages on a topic that another device received since the rig was made."""

    def retained(self, topic: str) -> list[bytes]:
        """Retained payloads of a topic."""

    def cut(self, bus: Bus) -> None:
        """Break the connection of a bus without DISCONNECT."""

    def stop(self) -> None:
        """Stop the broker."""

    def start(self) -> None:
        """Start the broker again."""

    def pass_time(self, ms: int) -> None:
        """Advance the clock of the in-memory broker; real brokers use real time."""

    def close(self) -> None:
        """Close bus and broker."""


class FakeRig:
    """The in-memory bus."""

    protocol = "memory"
    sessions = 1

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = FakeBroker(self.clock.now_ms)

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        return FakeBus(self.broker, name, will=will)

    def bus_with_wrong_password(self) -> Bus:
        return FakeBus(FakeBroker(self.clock.now_ms, PASSWORD), password="wrong")

    def publish(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        for payload in payloads:
            self.broker.route(Publication(topic, payload, qos))

    def received(self, topic: str) -> list[Received]:
        return [message for message in self.broker.published if message.topic == topic]

    def retained(self, topic: str) -> list[bytes]:
        return self.broker.retained_payloads(topic)

    def cut(self, bus: Bus) -> None:
        assert isinstance(bus, FakeBus)
        bus.cut()

    def stop(self) -> None:
        self.broker.stop()

    def start(self) -> None:
        self.broker.start()

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)

    def close(self) -> None:
        """Nothing to close."""


class PairRig(FakeRig):
    """Two in-memory buses as one; the second one has messages of its own, `apart/#`."""

    sessions = 2

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        self.first, self.urgent = FakeBus(self.broker, name, will=will), FakeBus(self.broker, f"{name}:apart", ("apart/#",))
        return TwoSessions(self.first, self.urgent)

    def cut(self, bus: Bus) -> None:  # noqa: ARG002 - the shared interface
        super().cut(self.first)


class MqttRig:
    """`MqttBus` on a real broker at `port`, with a subscriber connected directly to the broker."""

    protocol = "MQTT 5"
    sessions = 1
    is_mqtt5 = True
    kind: type[MqttBus | PahoBus] = MqttBus

    def __init__(self, port: int) -> None:
        self.port = port
        self._subscriber: Subscriber | None = None

    @property
    def subscriber(self) -> Subscriber:
        """The subscriber, connected at the first use."""
        if self._subscriber is None:
            self._subscriber = Subscriber(HOST, self.port, mqtt5=self.is_mqtt5)
        return self._subscriber

    def bus_port(self) -> int:
        """Port that the bus connects to."""
        return self.port

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        _ = self.subscriber  # connected before the bus
        return self.kind(MqttOptions(HOST, self.bus_port(), name, ("in/#",), will=will), _now_ms)

    def publish(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        infos = [self.subscriber.publish_nowait(topic, payload, qos=qos) for payload in payloads]
        until(lambda: all(info.is_published() for info in infos))

    def received(self, topic: str) -> list[Received]:
        return [message for message in list(self.subscriber.received) if message.topic == topic]

    def retained(self, topic: str) -> list[bytes]:
        with Subscriber(HOST, self.port, "#", mqtt5=self.is_mqtt5) as late:
            late.publish("end/of/retained", b"")
            late.wait_for("end/of/retained")
            return [message.payload for message in late.received if message.topic == topic and message.retain]

    def cut(self, bus: Bus) -> None:
        if isinstance(bus, PahoBus):
            assert bus._client is not None
            wire = bus._client.socket()
        else:
            assert isinstance(bus, MqttBus)
            assert bus._connection is not None
            wire = bus._connection._wire._socket
        assert isinstance(wire, socket.socket)
        wire.shutdown(socket.SHUT_RDWR)

    def pass_time(self, ms: int) -> None:
        """Real time passes by itself."""

    def close(self) -> None:
        if self._subscriber is not None:
            self._subscriber.close()


class MosquittoRig(MqttRig):
    """Mosquitto with MQTT 5 and persistent sessions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.broker = MosquittoBroker(folder, persistence=folder / "kept", lines=("max_queued_messages 5000",))
        self.broker.start()
        super().__init__(self.broker.port)

    def _wrong_password(self) -> Path:
        path = self._folder / "wrong-password"
        path.write_text("wrong\n", "utf-8")
        return path

    def bus_with_wrong_password(self) -> Bus:
        self.close()
        passwords = self._folder / "passwords"
        passwords.write_text("gateway:$7$101$AAAAAAAAAAAAAAAA$" + "A" * 86 + "==\n", "utf-8")  # matches no password
        self.broker = MosquittoBroker(self._folder, lines=("allow_anonymous false", f"password_file {passwords}"))
        self.broker.start()
        self.port = self.broker.port
        options = MqttOptions(HOST, self.bus_port(), "gw", ("in/#",), username="gateway", password_file=self._wrong_password())
        return self.kind(options, _now_ms)

    def stop(self) -> None:
        self.broker.stop()

    def start(self) -> None:
        self.broker.start()

    def close(self) -> None:
        super().close()
        self.broker.kill()  # a clean stop takes a second


class PahoRig(MosquittoRig):
    """The same by paho."""

    kind = PahoBus


class Mqtt311Rig(MosquittoRig):
    """Mosquitto behind the proxy that supports only 3.1.1."""

    protocol = "MQTT 3.1.1"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.proxy = Mqtt311Broker(self.broker.port)

    def bus_port(self) -> int:
        return self.proxy.port

    def bus_with_wrong_password(self) -> Bus:
        super().bus_with_wrong_password()
        self.proxy = Mqtt311Broker(self.broker.port)
        options = MqttOptions(HOST, self.proxy.port, "gw", ("in/#",), username="gateway", password_file=self._wrong_password())
        return self.kind(options, _now_ms)

    def close(self) -> None:
        super().close()
        self.proxy.close()


class AmqttRig(MqttRig):
    """amqtt, started as by the demonstration."""

    protocol = "MQTT 3.1.1"
    is_mqtt5 = False

    def __init__(self, folder: Path) -> None:
        self.part: Part
        self.part, port, self.name = start_broker(folder, search="")
        super().__init__(port)

    def bus_with_wrong_password(self) -> Bus:
        raise NotImplementedError("the suite tests passwords with the other brokers")

    def retained(self, topic: str) -> list[bytes]:
        return list(dict.fromkeys(super().retained(topic)))  # amqtt sends a retained message twice

    def stop(self) -> None:
        self.part.end()

    def start(self) -> None:
        raise NotImplementedError("amqtt has no persistent sessions")

    def close(self) -> None:
        super().close()
        self.part.end()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
