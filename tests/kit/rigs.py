"""The same few handles on every broker that the port's suite runs on: speak, listen, cut a connection, take the broker away."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Protocol

from gateway.adapters.mqtt import MqttBus, MqttOptions
from gateway.commands.demo.processes import Part, start_broker
from gateway.core.bus import Bus, Publication
from tests.kit.broker import HOST, MosquittoBroker
from tests.kit.ear import Ear, Heard
from tests.kit.elder import Elder
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.street import ManualClock
from tests.kit.waiting import until

PASSWORD = "open sesame"


class Rig(Protocol):
    """A broker, and what a test does to it. `protocol` is what a bus must say it speaks."""

    protocol: str

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        """A bus that wants `in/#`, not started."""

    def wrong_bus(self) -> Bus:
        """A bus with a wrong password for a broker that asks for one."""

    def say(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        """Publish as another device; returns when the broker has it all."""

    def heard(self, topic: str) -> list[Heard]:
        """What another device heard on a topic since the rig was made."""

    def kept(self, topic: str) -> list[bytes]:
        """What is retained on a topic."""

    def cut(self, bus: Bus) -> None:
        """Break the connection of a bus without a good-bye."""

    def stop(self) -> None:
        """Take the broker away."""

    def start(self) -> None:
        """Give it back."""

    def pass_time(self, ms: int) -> None:
        """Let time pass where time is the test's; elsewhere it passes by itself."""

    def close(self) -> None:
        """End everything."""


class FakeRig:
    """The in-memory bus."""

    protocol = "memory"

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = FakeBroker(self.clock.now_ms)

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        return FakeBus(self.broker, name, will=will)

    def wrong_bus(self) -> Bus:
        return FakeBus(FakeBroker(self.clock.now_ms, PASSWORD), password="wrong")

    def say(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        for payload in payloads:
            self.broker.route(Publication(topic, payload, qos))

    def heard(self, topic: str) -> list[Heard]:
        return [heard for where, heard in self.broker.heard if where == topic]

    def kept(self, topic: str) -> list[bytes]:
        return self.broker.kept(topic)

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
        """Nothing is left to end."""


class MqttRig:
    """`MqttBus` on a real broker at `port`; the other device speaks to the broker directly."""

    protocol = "MQTT 5"
    five = True

    def __init__(self, port: int) -> None:
        self.port = port
        self._ear: Ear | None = None

    @property
    def ear(self) -> Ear:
        """The other device; it comes when it is asked for first."""
        if self._ear is None:
            self._ear = Ear(HOST, self.port, five=self.five)
        return self._ear

    def bus_port(self) -> int:
        """Where the bus connects to."""
        return self.port

    def bus(self, name: str = "gw", *, will: Publication | None = None) -> Bus:
        _ = self.ear  # it hears from the start
        return MqttBus(MqttOptions(HOST, self.bus_port(), name, ("in/#",), will=will), _now_ms)

    def say(self, topic: str, *payloads: bytes, qos: int = 1) -> None:
        infos = [self.ear.hand_over(topic, payload, qos=qos) for payload in payloads]
        until(lambda: all(info.is_published() for info in infos))

    def heard(self, topic: str) -> list[Heard]:
        return [heard for heard in list(self.ear.heard) if heard.topic == topic]

    def kept(self, topic: str) -> list[bytes]:
        with Ear(HOST, self.port, "#", five=self.five) as late:
            late.say("end/of/retained", b"")
            late.wait_for("end/of/retained")
            return [heard.payload for heard in late.heard if heard.topic == topic and heard.retain]

    def cut(self, bus: Bus) -> None:
        assert isinstance(bus, MqttBus)
        assert bus._client is not None
        wire = bus._client.socket()
        assert isinstance(wire, socket.socket)
        wire.shutdown(socket.SHUT_RDWR)

    def pass_time(self, ms: int) -> None:
        """It does."""

    def close(self) -> None:
        if self._ear is not None:
            self._ear.close()


class MosquittoRig(MqttRig):
    """MQTT 5, with sessions that survive a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.broker = MosquittoBroker(folder, persistence=folder / "kept", lines=("max_queued_messages 5000",))
        self.broker.start()
        super().__init__(self.broker.port)

    def wrong_bus(self) -> Bus:
        self.close()
        passwords = self._folder / "passwords"
        passwords.write_text("gateway:$7$101$AAAAAAAAAAAAAAAA$" + "A" * 86 + "==\n", "utf-8")  # nobody's password hashes to this
        self.broker = MosquittoBroker(self._folder, lines=("allow_anonymous false", f"password_file {passwords}"))
        self.broker.start()
        self.port = self.broker.port
        options = MqttOptions(HOST, self.bus_port(), "gw", ("in/#",), username="gateway", password="wrong")
        return MqttBus(options, _now_ms)

    def stop(self) -> None:
        self.broker.stop()

    def start(self) -> None:
        self.broker.start()

    def close(self) -> None:
        super().close()
        self.broker.kill()  # stopping in order takes it a second


class ElderRig(MosquittoRig):
    """The same broker behind a door that knows only 3.1.1."""

    protocol = "MQTT 3.1.1"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.door = Elder(self.broker.port)

    def bus_port(self) -> int:
        return self.door.port

    def wrong_bus(self) -> Bus:
        super().wrong_bus()
        self.door = Elder(self.broker.port)
        options = MqttOptions(HOST, self.door.port, "gw", ("in/#",), username="gateway", password="wrong")
        return MqttBus(options, _now_ms)

    def close(self) -> None:
        super().close()
        self.door.close()


class AmqttRig(MqttRig):
    """The demonstration's fallback, as the demonstration starts it."""

    protocol = "MQTT 3.1.1"
    five = False

    def __init__(self, folder: Path) -> None:
        self.part: Part
        self.part, port, self.words = start_broker(folder, search="")
        super().__init__(port)

    def wrong_bus(self) -> Bus:
        raise NotImplementedError("amqtt's passwords are amqtt's business")

    def kept(self, topic: str) -> list[bytes]:
        return list(dict.fromkeys(super().kept(topic)))  # amqtt hands a retained message out twice

    def stop(self) -> None:
        self.part.end()

    def start(self) -> None:
        raise NotImplementedError("amqtt keeps no session over a restart")

    def close(self) -> None:
        super().close()
        self.part.end()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
