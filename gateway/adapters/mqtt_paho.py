"""The MQTT bus by paho: the other implementation of the port, for websockets, and the one that the gateway's own is compared with.

paho's thread reads the socket and delivers one message at a time. While there is no room nothing is read and messages wait at the broker. A
message's ticket holds its packet id and the number of the connection: packet ids are used again after a reconnect, and acknowledging the
wrong message would lose it.

Every connection has a new paho client. A client that reconnects by itself sends its unacknowledged messages again with their full
message expiry; here they are dropped, and the caller decides again.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.adapters.broker_faults import connection_fault
from gateway.adapters.mqtt_options import (
    CONNACK_S_MIN,
    CONNECT_S_MAX,
    LAST_PUBACK_S_MAX,
    STABLE_S,
    UNSUPPORTED_PROTOCOL,
    MqttOptions,
    password,
    pause_s,
    tls_context,
)
from gateway.core import limits
from gateway.core.bus import Link, Publication
from gateway.core.types import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.core.bus import Deliver

SESSION_EXPIRY_S = 7 * 86_400
HOLD_S = 0.02  # how often a full receiver is asked again
PACKET_ID_BITS = 16
_TOO_LARGE = bytes(limits.PAYLOAD_BYTES_MAX + 1)
"""Replaces a payload over the limit, which MQTT 3.1.1 cannot prevent: it is refused as too large and takes no memory while it waits."""


class PahoBus:
    """See `gateway.core.bus.Bus`."""

    def __init__(self, options: MqttOptions, now_ms: Callable[[], int]) -> None:
        """Prepare without connecting; `now_ms` gives the time of arrival. Raises OSError for certificates that cannot be used."""
        self._options = options
        tls_context(options)
        self._now_ms = now_ms
        self._deliver: Deliver = lambda _messages: True
        self._client: paho.Client | None = None
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._connection = 0
        self._lock = threading.RLock()  # paho may call back from within `ack` when that finds the connection broken
        self._connack = threading.Event()
        self._refusal: int | None = None
        self._closing = threading.Event()
        self._failures = 0
        self._link = Link(connected=False)
        self._disconnected = threading.Event()
        self._sent: list[tuple[paho.MQTTMessageInfo, str, int]] = []
        self._last: tuple[paho.MQTTMessageInfo, int] | None = None
        self._opener = threading.Thread(target=self._open, name="mqtt-open", daemon=True)

    def start(self, deliver: Deliver) -> None:
        """Begin connecting, in the background."""
        self._deliver = deliver
        self._opener.start()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK the messages that arrived over the present connection."""
        with self._lock:
            client, mask = self._client, (1 << PACKET_ID_BITS) - 1
            if client is None:
                return
            for message in messages:
                if message.qos and message.ticket >> PACKET_ID_BITS == self._connection:
                    client.ack(message.ticket & mask, message.qos)

    def publish(self, publication: Publication) -> bool:
        """Queue for sending if connected; returns whether it is."""
        client, connection = self._client, self._connection
        if client is None or not self._link.connected:
            return False
        properties = None
        if self._protocol == MQTTProtocolVersion.MQTTv5 and publication.expiry_s is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = publication.expiry_s
        info = client.publish(publication.topic, publication.payload, publication.qos, publication.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        if publication.qos:
            self._last = info, connection
            if publication.token:
                self._sent.append((info, publication.token, connection))
        return True

    def taken(self) -> list[str]:
        """Tokens whose PUBACK has arrived. Publications of an earlier connection without PUBACK are dropped."""
        tokens, waiting = [], []
        for info, token, connection in self._sent:  # call is_published once: a PUBACK may arrive between two calls
            if info.is_published():
                tokens.append(token)
            elif connection == self._connection:
                waiting.append((info, token, connection))
        self._sent = waiting
        return tokens

    def link(self) -> Link:
        """The present state of the connection."""
        return self._link

    def close(self) -> None:
        """Disconnect; may be called at any time."""
        self._closing.set()
        self._connack.set()
        self._disconnected.set()
        if self._opener.is_alive():
            self._opener.join(CONNECT_S_MAX)
        client = self._client
        if client is not None:
            self._await_last_puback()
            client.disconnect()
            client.loop_stop()
        self._link = msgspec.structs.replace(self._link, connected=False, hears=False)

    def _await_last_puback(self) -> None:
        """Read up to the last PUBACK: a connection closed with bytes unread is reset, and the broker then sends the last will."""
        if self._last is not None and self._link.connected and self._last[1] == self._connection:
            with suppress(RuntimeError):  # the connection broke before the publication was written
                self._last[0].wait_for_publish(LAST_PUBACK_S_MAX)

    # --- connecting ------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open one connection after another until closed, each with a new client."""
        while not self._closing.is_set():
            self._disconnected.clear()
            started_s = time.monotonic()
            client = self._new_client()
            if self._try_connect(client):
                if not self._closing.is_set():  # checked after `clear`, which may have cleared a `close`
                    self._disconnected.wait()
                if self._closing.is_set():
                    return
                client.loop_stop()
            if time.monotonic() - started_s >= STABLE_S:
                self._failures = 0
            self._closing.wait(pause_s(self._failures))
            self._failures += 1

    def _try_connect(self, client: paho.Client) -> bool:
        """Connect and wait for CONNACK; False after a failure, which is noted, and switches to the other protocol if that may help."""
        options = self._options
        properties = None
        clean: dict[str, Any] = {}
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = limits.UNACKED_MESSAGES_MAX
            properties.MaximumPacketSize = limits.PAYLOAD_BYTES_MAX + limits.TOPIC_BYTES_MAX + 1024
            clean = {"clean_start": False}
        self._refusal = None
        self._connack.clear()
        try:
            client.connect(options.host, options.port, options.keepalive_s, properties=properties, **clean)
        except (OSError, ValueError) as error:
            self._trouble(connection_fault(f"{options.host}:{options.port}", error, is_tls=options.ca_file is not None).text)
            return False
        self._client = client
        client.loop_start()
        if not self._closing.is_set():
            self._connack.wait(min(CONNECT_S_MAX, CONNACK_S_MIN * (1 + self._failures)))  # longer at each try, for slow brokers
        if self._link.connected or self._closing.is_set():
            return True
        client.disconnect()
        client.loop_stop()
        if self._refusal is None:  # no CONNACK, or closed: possible reactions of a 3.1.1 broker to MQTT 5
            self._trouble(f"broker {options.host}:{options.port} accepted the connection but sent no CONNACK")
        if self._refusal in {None, *UNSUPPORTED_PROTOCOL}:
            self._other_protocol()
        return False

    def _new_client(self) -> paho.Client:
        options, protocol = self._options, self._protocol
        clean: dict[str, Any] = {} if protocol == MQTTProtocolVersion.MQTTv5 else {"clean_session": False}
        if options.websocket_path is not None:
            clean["transport"] = "websockets"
        client = paho.Client(
            CallbackAPIVersion.VERSION2, options.client_id, protocol=protocol, manual_ack=True, reconnect_on_failure=False, **clean
        )
        if options.websocket_path is not None:
            client.ws_set_options(path=options.websocket_path)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        if options.username is not None:
            client.username_pw_set(options.username, password(options))
        tls = tls_context(options)
        if tls is not None:
            client.tls_set_context(tls)
        if options.will is not None:
            client.will_set(options.will.topic, options.will.payload, options.will.qos, options.will.retain)
        return client

    def _on_connect(self, client: paho.Client, _userdata: object, flags: Any, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            advice = "" if reason.value in UNSUPPORTED_PROTOCOL else "; check mqtt.username and the password"
            self._trouble(f"broker {self._options.host}:{self._options.port} refuses: {reason}{advice}")
            self._refusal = int(reason.value)
            self._connack.set()
            return
        with self._lock:
            self._connection += 1
        protocol = "MQTT 5" if self._protocol == MQTTProtocolVersion.MQTTv5 else "MQTT 3.1.1"
        fresh = self._link.fresh + (not flags.session_present)
        self._link = Link(connected=True, protocol=protocol, connects=self._link.connects + 1, fresh=fresh)
        options = self._options
        if options.replaced:
            client.unsubscribe(list(options.replaced))
        # At most QoS 1: messages published with QoS 2 arrive with QoS 1, and envelopes remove repetitions.
        wanted = [*((topic, 1) for topic in options.subscriptions), *((topic, 0) for topic in options.unqueued)]
        if wanted:
            client.subscribe(wanted)
        self._connack.set()

    def _on_disconnect(self, _client: paho.Client, _userdata: object, _flags: object, reason: Any, _properties: object) -> None:
        with self._lock:
            self._connection += 1
        if self._link.connected and not self._closing.is_set():
            self._trouble(f"connection to {self._options.host}:{self._options.port} lost ({reason})")
        self._connack.set()
        self._disconnected.set()

    def _on_subscribe(self, _client: paho.Client, _userdata: object, _mid: int, reasons: Sequence[Any], _properties: object) -> None:
        filters = (*self._options.subscriptions, *self._options.unqueued)
        denied = [topic for topic, reason in zip(filters, reasons, strict=False) if reason.is_failure]
        trouble = f"the broker refuses the subscription to {', '.join(denied)}: check its access control list" if denied else ""
        self._link = msgspec.structs.replace(self._link, hears=not denied, trouble=trouble or self._link.trouble)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # matches no source: counted as unknown and acknowledged
        ticket = self._connection << PACKET_ID_BITS | message.mid
        payload = bytes(message.payload) if len(message.payload) <= limits.PAYLOAD_BYTES_MAX else _TOO_LARGE
        received = [Message(topic, payload, self._now_ms(), message.qos, ticket, message.retain)]
        while not self._deliver(received) and not self._closing.wait(HOLD_S):
            continue

    def _trouble(self, text: str) -> None:
        self._link = msgspec.structs.replace(self._link, connected=False, hears=False, trouble=text)

    def _other_protocol(self) -> None:
        is_mqtt5 = self._protocol == MQTTProtocolVersion.MQTTv5
        self._protocol = MQTTProtocolVersion.MQTTv311 if is_mqtt5 else MQTTProtocolVersion.MQTTv5
