"""MQTT connections of the simulator.

A few connections carry the whole fleet: thousands of simulated devices would otherwise cost thousands of
sockets and show nothing about the gateway. MQTT 5 is asked for first; a broker that knows only 3.1.1 says
so (or hangs up), and is then asked again in its own words.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

HANDSHAKE_S_MAX = 5.0
RECONNECT_S_MAX = 2
DEFAULT_PORT = 1883
REFUSED_V5 = {"Unsupported protocol version", "Unacceptable protocol version"}

Receive = Callable[[str, bytes], None]
"""What to do with a message that came down; called on the connection's own thread."""


class UsageError(ValueError):
    """The broker's address makes no sense."""


class BrokerError(RuntimeError):
    """There is no broker there, or it will not have us."""


class Broker(NamedTuple):
    """Where the broker is and, if it asks, who we are."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        """The address without the secret."""
        return f"mqtt://{self.host}:{self.port}"


def parse_broker(url: str) -> Broker:
    """`mqtt://[user:password@]host[:port]`, or `UsageError`."""
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme != "mqtt":
        raise UsageError(f"broker {url!r}: only mqtt:// is spoken here, as in mqtt://127.0.0.1:1883")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise UsageError(f"broker {url!r}: {error}") from error
    if not parts.hostname:
        raise UsageError(f"broker {url!r}: no host, as in mqtt://127.0.0.1:1883")
    username = unquote(parts.username) if parts.username else None
    return Broker(parts.hostname, port, username, unquote(parts.password) if parts.password else None)


def connect(broker: Broker, name: str) -> Client:
    """A connected paho client whose loop the caller runs; `BrokerError` when no protocol version gets through."""
    last = ""
    for protocol in (MQTTv5, MQTTv311):
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"wayside-sim-{name}-{os.getpid()}", protocol=protocol)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        client.reconnect_delay_set(1, RECONNECT_S_MAX)
        last = _handshake(client, broker)
        if not last:
            return client
        if last not in REFUSED_V5:
            break
    raise BrokerError(f"the broker at {broker.url} refused the connection: {last}")


def _handshake(client: Client, broker: Broker) -> str:
    """Connect and wait for the broker's word: empty when it agreed, else its reason."""
    said: list[str] = []

    def on_connect(_client: Client, _userdata: object, _flags: object, reason: Any, _properties: object) -> None:
        said.append("" if not reason.is_failure else str(reason))

    client.on_connect = on_connect
    try:
        client.connect(broker.host, broker.port)
    except OSError as error:
        raise BrokerError(f"no broker at {broker.url} ({error}); start one, for example `mosquitto -p {broker.port}`") from error
    give_up = time.monotonic() + HANDSHAKE_S_MAX
    while not said and time.monotonic() < give_up:
        if client.loop(0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS and not said:
            # Some brokers hang up on a version that they do not know instead of saying so.
            said.append(next(iter(REFUSED_V5)) if client.protocol == MQTTProtocolVersion.MQTTv5 else "it hung up")
    client.on_connect = None
    return said[0] if said else f"no answer within {HANDSHAKE_S_MAX:g} s"


class Wire:
    """One live connection on a thread of its own, which reconnects by itself.

    What is published at QoS 0 while there is no connection is lost, as on any radio; it is counted.
    """

    def __init__(self, broker: Broker, name: str, topic_filter: str | None = None, receive: Receive | None = None) -> None:
        self._client = connect(broker, name)
        self.protocol = "5" if self._client.protocol == MQTTProtocolVersion.MQTTv5 else "3.1.1"
        self.lost = 0
        self._settled: deque[int] = deque()  # filled by the connection's thread, emptied by the caller's
        self._pending: set[int] = set()
        self._client.on_publish = lambda _client, _userdata, mid, _reason, _properties: self._settled.append(mid)
        if topic_filter is not None and receive is not None:
            self._listen(topic_filter, receive)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        """Hand one message over; at QoS 1 it is kept until the broker has acknowledged it."""
        info = self._client.publish(topic, payload, qos, retain)
        if qos:
            self._pending.add(info.mid)
        elif info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.lost += 1

    def unacknowledged(self) -> int:
        """How many messages at QoS 1 the broker has not acknowledged yet."""
        while self._settled:
            self._pending.discard(self._settled.popleft())
        return len(self._pending)

    def close(self) -> None:
        """Say goodbye and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _listen(self, topic_filter: str, receive: Receive) -> None:
        """Subscribe now and after every reconnection, for the session may be gone."""

        def on_connect(client: Client, _userdata: object, _flags: object, _reason: object, _properties: object) -> None:
            client.subscribe(topic_filter, qos=1)

        def on_message(_client: Client, _userdata: object, message: MQTTMessage) -> None:
            receive(message.topic, bytes(message.payload))

        self._client.on_connect = on_connect
        self._client.on_message = on_message
        self._client.subscribe(topic_filter, qos=1)
