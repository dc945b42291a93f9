"""A device of its own at a real broker: it hears what others publish, and speaks when a test wants something said."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.kit.waiting import WAIT_S, until


class Heard(NamedTuple):
    """One message as a subscriber got it; `expiry_s` is what is left of its MQTT 5 expiry."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None


class Ear:
    """Subscribed to `topics` from its making until `close`; a `with` block closes it.

    With a `name` it has a session: what is said while the broker is restarted, or the ear away, waits for it.
    """

    def __init__(self, host: str, port: int, topics: str = "#", *, five: bool = True, name: str = "") -> None:
        self.heard: list[Heard] = []
        self._ready = threading.Event()
        protocol = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
        self._link = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol)
        self._link.on_subscribe = lambda *_: self._ready.set()
        self._link.on_connect = lambda link, *_: link.subscribe(topics, qos=1)
        self._link.on_message = self._take
        self._link.reconnect_delay_set(1, 1)
        if name:
            session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            session.SessionExpiryInterval = 3_600
            self._link.connect(host, port, clean_start=False, properties=session)
        else:
            self._link.connect(host, port)
        self._link.loop_start()
        assert self._ready.wait(WAIT_S), "the broker did not take the subscription"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, _link: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
        self.heard.append(Heard(message.topic, bytes(message.payload), message.qos, message.retain, expiry_s))

    def say(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish, and wait until the broker has it (QoS 1) or it is written (QoS 0)."""
        self.hand_over(topic, payload, qos=qos, retain=retain).wait_for_publish(WAIT_S)

    def hand_over(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> paho.MQTTMessageInfo:
        """Publish without waiting for the broker's word."""
        until(self._link.is_connected)
        return self._link.publish(topic, payload, qos, retain)

    def payloads(self, topic: str) -> list[bytes]:
        """What came on this topic, in order."""
        return [heard.payload for heard in list(self.heard) if heard.topic == topic]

    def wait_for(self, topic: str, payload: bytes | None = None, count: int = 1) -> list[bytes]:
        """Wait for `count` messages on a topic (or one with this payload); what came on it by then."""
        if payload is not None:
            until(lambda: payload in self.payloads(topic), tell=lambda: f"for {payload!r} on {topic}: {self.payloads(topic)}")
        else:
            until(lambda: len(self.payloads(topic)) >= count, tell=lambda: f"for {count} on {topic}: {len(self.payloads(topic))}")
        return self.payloads(topic)

    def close(self) -> None:
        """Say good-bye."""
        self._link.disconnect()
        self._link.loop_stop()
