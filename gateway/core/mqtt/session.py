"""One connection of a client: the packets to send and the events that follow from received bytes, without sockets and clocks.

The session survives connections at the broker (clean start 0), but nothing of it is kept here: a new connection has a new Session.
Publications that were not acknowledged when a connection ends are dropped, and the caller decides again. Messages of QoS 2 are received
too, though the gateway subscribes with QoS 1: a broker may raise the QoS. One that arrives again over a new connection is delivered again,
like one of QoS 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.core import limits
from gateway.core.bus import Publication
from gateway.core.mqtt import encoder
from gateway.core.mqtt.decoder import PACKET_BYTES_MAX, PACKET_ID_BITS, Decoder, Packet
from gateway.core.mqtt.packets import (
    FAILURE,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBACK,
    Ack,
    Auth,
    ConnAck,
    Disconnect,
    PingResp,
    ProtocolFaultError,
    SubAck,
    Version,
)
from gateway.core.types import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

SESSION_EXPIRY_S = 7 * 86_400
TOPIC_ALIAS_MAX = 32
QUEUED_MAX = 4_096  # publications that wait for the broker's receive maximum
IN_FLIGHT_MAX = 65_535  # publications without PUBACK, if the broker names no receive maximum (section 3.2.2.3.3)
PACKET_ID_MASK = (1 << PACKET_ID_BITS) - 1


class Received(msgspec.Struct):
    """Results of received bytes: messages to deliver, tokens of acknowledged publications, refused filters, and bytes to send.

    `is_subscribed`: the broker has confirmed all filters of a SUBSCRIBE. `refused` is the reason with which the broker refused a
    publication; its token is among `taken`, because it is not sent again.
    """

    messages: list[Message] = msgspec.field(default_factory=list)
    taken: list[str] = msgspec.field(default_factory=list)
    denied: list[str] = msgspec.field(default_factory=list)
    is_subscribed: bool = False
    connack: ConnAck | None = None
    disconnect: Disconnect | None = None
    refused: int | None = None
    answer: bytes = b""


class Session:
    """The rules of one connection. `number` counts connections and makes tickets differ between them."""

    def __init__(self, version: Version, number: int) -> None:
        """Start before CONNECT."""
        self.version = version
        self._decoder = Decoder(version, number << PACKET_ID_BITS, TOPIC_ALIAS_MAX if version == 5 else 0)
        self._number = number
        self._packet_id = 0
        self._waiting: dict[int, str] = {}
        self._queued: deque[Publication] = deque()
        self._requests: dict[int, tuple[str, ...]] = {}
        self._exactly_once: set[int] = set()
        self._in_flight_max = IN_FLIGHT_MAX
        self._bytes_max: int | None = None
        self.fault = ""  # why a publication cannot be sent
        self._pings = 0
        self._is_connected = False
        self.keepalive_s: int | None = None
        """The keep-alive that the broker wants instead of the requested one (section 3.2.2.3.14), or None."""

    def connect(self, client_id: str, keepalive_s: int, username: str | None, password: str | None, will: Publication | None) -> bytes:
        """CONNECT with a persistent session. Raises ValueError for values that MQTT cannot state."""
        properties = {
            "session_expiry_interval": SESSION_EXPIRY_S,
            "receive_maximum": limits.UNACKED_MESSAGES_MAX,
            "maximum_packet_size": PACKET_BYTES_MAX,
            "topic_alias_maximum": TOPIC_ALIAS_MAX,
        }
        return encoder.connect(self.version, client_id, keepalive_s, username=username, password=password, will=will, properties=properties)

    def subscribe(self, filters: Sequence[tuple[str, int]]) -> bytes:
        """SUBSCRIBE to (topic filter, highest QoS)."""
        packet_id = self._next_id()
        self._requests[packet_id] = tuple(topic for topic, _ in filters)
        return encoder.subscribe(self.version, packet_id, filters)

    def unsubscribe(self, filters: Sequence[str]) -> bytes:
        """UNSUBSCRIBE from topic filters."""
        packet_id = self._next_id()
        self._requests[packet_id] = tuple(filters)
        return encoder.unsubscribe(self.version, packet_id, filters)

    def publish(self, publication: Publication) -> bytes | None:
        """PUBLISH, or no bytes while the broker allows no further one in flight; it then follows a PUBACK.

        None if QUEUED_MAX publications wait, or if the packet is over the broker's limit.
        """
        if publication.qos and len(self._waiting) >= self._in_flight_max:
            if len(self._queued) >= QUEUED_MAX:
                return None
            self._queued.append(publication)
            return b""
        packet_id = self._next_id() if publication.qos else 0
        packet = encoder.publish(self.version, publication, packet_id)
        if self._bytes_max is not None and len(packet) > self._bytes_max:
            self.fault = f"the broker takes {self._bytes_max} bytes at once, and a message has {len(packet)}: raise its max_packet_size"
            return None
        if publication.qos:
            self._waiting[packet_id] = publication.token
        return packet

    def acknowledge(self, messages: Iterable[Message]) -> bytes:
        """PUBACK, or PUBREC, for the messages of this connection; those of an earlier one came with it and are delivered again."""
        ours = [message for message in messages if message.qos and message.ticket >> PACKET_ID_BITS == self._number]
        once = [message.ticket & PACKET_ID_MASK for message in ours if message.qos == 1]
        exactly = [message.ticket & PACKET_ID_MASK for message in ours if message.qos == 2]
        return encoder.acknowledgements(PUBACK, once) + encoder.acknowledgements(PUBREC, exactly)

    def ping(self) -> bytes:
        """PINGREQ."""
        self._pings += 1
        return encoder.PINGREQ_BYTES

    @property
    def is_ping_overdue(self) -> bool:
        """Whether a PINGREQ has had no answer."""
        return self._pings > 0

    @property
    def is_connected(self) -> bool:
        """Whether the broker accepted the connection."""
        return self._is_connected

    @property
    def is_waiting(self) -> bool:
        """Whether a publication has not been acknowledged."""
        return bool(self._waiting or self._queued)

    def feed(self, data: bytes, now_ms: int) -> Received:
        """The events of received bytes. Raises ProtocolFaultError, after which the connection must be closed."""
        found = Received()
        deliver = found.messages.append
        for packet in self._decoder.feed(data, now_ms):
            if packet.__class__ is Message and packet.qos != 2:
                deliver(packet)
            else:
                self._handle(packet, found)
        return found

    def _handle(self, packet: Packet, found: Received) -> None:
        match packet:
            case Message():
                self._received_exactly_once(packet, found)
            case Ack():
                self._acknowledged(packet, found)
            case SubAck():
                self._answered(packet, found)
            case PingResp():
                self._pings = 0
            case ConnAck():
                self._connected(packet, found)
            case Disconnect():
                found.disconnect = packet
            case Auth():
                raise ProtocolFaultError("[MQTT-4.12.0-6]", "an AUTH without an authentication method", 0x82)

    def _received_exactly_once(self, message: Message, found: Received) -> None:
        """A message of QoS 2 is delivered once, until PUBREL frees its packet id (section 4.3.3)."""
        packet_id = message.ticket & PACKET_ID_MASK
        if packet_id in self._exactly_once:
            found.answer += encoder.acknowledgements(PUBREC, [packet_id])
            return
        self._exactly_once.add(packet_id)
        found.messages.append(message)

    def _acknowledged(self, ack: Ack, found: Received) -> None:
        if ack.kind == PUBREL:
            self._exactly_once.discard(ack.packet_id)
            found.answer += encoder.acknowledgements(PUBCOMP, [ack.packet_id])
        elif ack.kind == PUBREC and ack.reason < FAILURE and ack.packet_id in self._waiting:
            found.answer += encoder.acknowledgements(PUBREL, [ack.packet_id])
        else:
            token = self._waiting.pop(ack.packet_id, "")
            if token:
                found.taken.append(token)
            if self._queued and len(self._waiting) < self._in_flight_max:
                found.answer += self.publish(self._queued.popleft()) or b""
            found.refused = ack.reason if ack.reason >= FAILURE else found.refused

    def _answered(self, answer: SubAck, found: Received) -> None:
        filters = self._requests.pop(answer.packet_id, ())
        if answer.kind == SUBACK:
            if len(answer.reasons) != len(filters):
                raise ProtocolFaultError("[MQTT-3.8.4-6]", f"{len(answer.reasons)} reasons for {len(filters)} filters", 0x82)
            denied = [topic for topic, reason in zip(filters, answer.reasons, strict=True) if reason >= FAILURE]
            found.denied += denied
            found.is_subscribed = not denied

    def _connected(self, connack: ConnAck, found: Received) -> None:
        found.connack = connack
        self._is_connected = not connack.reason
        self._in_flight_max = connack.properties.get("receive_maximum", IN_FLIGHT_MAX)
        self._bytes_max = connack.properties.get("maximum_packet_size")
        self.keepalive_s = connack.properties.get("server_keep_alive")

    def _next_id(self) -> int:
        """The next packet id that is not in use (section 2.2.1)."""
        while True:
            self._packet_id = self._packet_id % PACKET_ID_MASK + 1
            if self._packet_id not in self._waiting and self._packet_id not in self._requests:
                return self._packet_id
