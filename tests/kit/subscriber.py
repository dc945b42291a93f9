"""An MQTT client for tests: collects the messages of a real broker, and publishes."""

from __future__ import annotations

import socket
import threading
from typing import Any, NamedTuple, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.kit.waiting import WAIT_S, until


class Received(NamedTuple):
    """One message as it arrived; `expiry_s` is the rest of its MQTT 5 message expiry."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None


class Subscriber:
    """Subscribed to `topics` from construction until `close`; a `with` block closes it. `received` holds the messages in order.

    With a `name` it has a persistent session: messages during a restart of the broker, or while it is away, wait for it.
    """

    def __init__(self, host: str, port: int, topics: str = "#", *, mqtt5: bool = True, name: str = "") -> None:
        self.received: list[Received] = []
        self._ready = threading.Event()
        protocol = MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311
        self._link = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol)
        self._link.on_socket_open = _send_at_once
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
        assert self._ready.wait(WAIT_S), "the broker did not accept the subscription"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, _link: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
        self.received.append(Received(message.topic, bytes(message.payload), message.qos, message.retain, expiry_s))

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish, and wait until the broker has acknowledged it (QoS 1) or it is written to the socket (QoS 0)."""
        self.publish_nowait(topic, payload, qos=qos, retain=retain).wait_for_publish(WAIT_S)

    def publish_nowait(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> paho.MQTTMessageInfo:
        """Publish without waiting for the acknowledgement."""
        until(self._link.is_connected)
        return self._link.publish(topic, payload, qos, retain)

    def payloads(self, topic: str) -> list[bytes]:
        """Payloads on a topic so far, in order."""
        return [message.payload for message in list(self.received) if message.topic == topic]

    def wait_for(self, topic: str, payload: bytes | None = None, count: int = 1) -> list[bytes]:
        """Wait for `count` messages on a topic, or for one with this payload; returns the payloads so far."""
        if payload is not None:
            until(lambda: payload in self.payloads(topic), describe=lambda: f"for {payload!r} on {topic}: {self.payloads(topic)}")
        else:
            until(lambda: len(self.payloads(topic)) >= count, describe=lambda: f"for {count} on {topic}: {len(self.payloads(topic))}")
        return self.payloads(topic)

    def close(self) -> None:
        """Disconnect."""
        self._link.disconnect()
        self._link.loop_stop()


def _send_at_once(_link: paho.Client, _userdata: Any, opened: Any) -> None:
    """Without it a publication waits some 40 ms for the broker's acknowledgement of the bytes before."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
