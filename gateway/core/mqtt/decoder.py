"""A stream of bytes from a broker as messages and packets.

Nearly all bytes are PUBLISH packets of a few hundred bytes, so these are read in one loop without a call each; all others take the slower
way through `_other`. A packet that breaks the specification raises ProtocolFaultError, after which the connection must be closed.

The Rust codec mqtt5 0.8 reads a PUBLISH in half the time (`wayside bench` measures it where it is installed), which is a thirtieth of
the cost of a sighting. It has no MQTT 3.1.1, takes a duplicate of QoS 0 for valid and cannot skip a packet, so it is not used.

A PUBLISH over PACKET_BYTES_MAX is skipped while it arrives and stands for a message with a payload over the limit, which is then refused
and counted: MQTT 3.1.1 cannot announce a limit to the broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import limits
from gateway.core.mqtt.packets import (
    AUTH,
    CONNACK,
    DISCONNECT,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREL,
    SUBACK,
    UNSUBACK,
    Ack,
    Auth,
    ConnAck,
    Disconnect,
    PingResp,
    ProtocolFaultError,
    SubAck,
    Version,
)
from gateway.core.mqtt.properties import read_properties, read_varint
from gateway.core.types import Message

if TYPE_CHECKING:
    from gateway.core.mqtt.packets import Properties

Packet = Message | ConnAck | Ack | SubAck | PingResp | Disconnect | Auth

PACKET_BYTES_MAX = limits.PAYLOAD_BYTES_MAX + limits.TOPIC_BYTES_MAX + 1_024
TOPICS_KEPT_MAX = 16_384  # topics whose text is kept, so that a frequent topic is decoded a few times only
MET_KEPT = 8  # one of so many is kept: soon a frequent one, and a flood of radios that pass once makes and drops few
PACKET_ID_BITS = 16
PLAIN = PUBLISH << 4  # a PUBLISH of QoS 0 that is neither retained nor a duplicate
UNREADABLE = "\ufffd"
"""Stands for a topic that no broker may send; it matches no filter but #, and no format."""
_TOO_LARGE = bytes(limits.PAYLOAD_BYTES_MAX + 1)


class Decoder:
    """Reads one connection. `ticket_base` is added to the packet ids of messages, so that tickets of two connections differ."""

    def __init__(self, version: Version, ticket_base: int = 0, topic_alias_max: int = 0) -> None:
        """Start at the beginning of a stream; `topic_alias_max` is the number that CONNECT announced."""
        self._version = version
        self._base = ticket_base
        self._alias_max = topic_alias_max
        self._aliases: dict[int, str] = {}
        self._topics: dict[bytes, str] = {}
        self._met = 0
        self._rest = b""
        self._skipping = 0

    def feed(self, data: bytes, now_ms: int) -> list[Packet]:
        """The packets that are complete with `data`; messages have the arrival time `now_ms`. Raises ProtocolFaultError."""
        data = self._after_skipped(data)
        found: list[Packet] = []
        add, publish, topics, is_5 = found.append, self._publish, self._topics, self._version == 5
        at, size = 0, len(data)
        while size - at >= 2:
            length, body = data[at + 1], at + 2
            if length > 127:
                second = data[at + 2] if size - at > 2 else 0
                if 0 < second < 128:  # nearly all lengths have two bytes
                    length, body = length & 127 | second << 7, at + 3
                else:
                    sized = self._length(data, at + 1)
                    if sized is None:
                        break
                    length, body = sized
            end = body + length
            if end > size:
                if length > PACKET_BYTES_MAX and self._skips(data, at, body, end):
                    add(self._too_large(data, data[at], body, now_ms))
                    at = size
                break
            first = data[at]
            if (  # nearly always a whole PUBLISH without properties; the long way gives the same message, or the fault
                first == PLAIN
                and 2 <= length <= limits.PAYLOAD_BYTES_MAX
                and (head := body + 2 + is_5 + (data[body] << 8 | data[body + 1])) <= end
                and not (is_5 and data[head - 1])
                and (topic := topics.get(raw := data[body + 2 : head - is_5]) or self._topic(raw))
            ):
                add(Message(topic, data[head:end], now_ms))
                at = end
                continue
            if first >> 4 == PUBLISH and length <= PACKET_BYTES_MAX:
                add(publish(data, first, body, end, now_ms))
            else:
                add(self._other(data, first, body, end, now_ms))
            at = end
        self._rest = data[at:]
        return found

    def _after_skipped(self, data: bytes) -> bytes:
        """The bytes to read: those left from the last call and `data`, without the rest of a packet that is too large."""
        if self._skipping:
            skipped = min(self._skipping, len(data))
            self._skipping -= skipped
            data = data[skipped:]
        return self._rest + data if self._rest else data

    # --- PUBLISH ---------------------------------------------------------------------------------------

    def _publish(self, data: bytes, first: int, at: int, end: int, now_ms: int) -> Message:
        """The message of a PUBLISH whose body is data[at:end]."""
        qos, is_5 = first >> 1 & 3, self._version == 5
        start = at + 2 + (data[at] << 8 | data[at + 1]) if end - at >= 2 else end + 1
        head = start + 2 if qos else start
        if qos == 3 or (first & 8 and not qos) or head + is_5 > end:
            raise self._faulty_publish(first, qos)
        raw = data[at + 2 : start]
        topic = self._topics.get(raw)
        if topic is None:
            topic = self._topic(raw)
        ticket = 0
        if qos:
            packet_id = data[start] << 8 | data[start + 1]
            if not packet_id:
                raise ProtocolFaultError("[MQTT-2.2.1-4]", "a PUBLISH has the packet identifier 0")
            ticket = self._base + packet_id
        if is_5:
            topic, head = self._published(topic, data, head, end) if data[head] else (topic, head + 1)
        if not topic:
            raise ProtocolFaultError("[MQTT-4.7.3-1]", "a PUBLISH has no topic", 0x82)
        payload = data[head:end] if end - head <= limits.PAYLOAD_BYTES_MAX else _TOO_LARGE
        return Message(topic, payload, now_ms, qos, ticket, first & 1 == 1)

    def _topic(self, raw: bytes) -> str:
        """The text of a topic that was not met before; empty if an alias stands for it.

        A topic that is no topic (not UTF-8, with U+0000 or a wildcard: [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-3.3.2-2]) becomes
        UNREADABLE instead of a fault: the broker would deliver the message again at every connection, and none would last.
        """
        topic = raw.decode(errors="replace")
        if "#" in topic or "+" in topic or "\0" in topic or (not topic.isascii() and "\ufffd" in topic):
            topic = UNREADABLE
        self._met += 1
        if not self._met % MET_KEPT:
            if len(self._topics) >= TOPICS_KEPT_MAX:
                self._topics.clear()
            self._topics[raw] = topic
        return topic

    def _published(self, topic: str, data: bytes, at: int, end: int) -> tuple[str, int]:
        """The topic, after a topic alias, and the position of the payload."""
        properties, at = read_properties(PUBLISH, data, at, end)
        alias = properties.get("topic_alias")
        if alias is None:
            return topic, at
        if alias > self._alias_max:
            raise ProtocolFaultError("[MQTT-3.3.2-9]", f"topic alias {alias} is above {self._alias_max}", 0x94)
        if topic:
            self._aliases[alias] = topic
        elif alias not in self._aliases:
            raise ProtocolFaultError("section 3.3.4", f"topic alias {alias} stands for no topic", 0x82)
        return self._aliases[alias], at

    @staticmethod
    def _faulty_publish(first: int, qos: int) -> ProtocolFaultError:
        if qos == 3:
            return ProtocolFaultError("[MQTT-3.3.1-4]", "a PUBLISH has QoS 3")
        if first & 8 and not qos:
            return ProtocolFaultError("[MQTT-3.3.1-2]", "a PUBLISH of QoS 0 is marked as a duplicate")
        return ProtocolFaultError("section 3.3.2", "a PUBLISH is cut off")

    def _skips(self, data: bytes, at: int, body: int, end: int) -> bool:
        """Whether the rest of a packet that is too large can be skipped: its topic and packet id have arrived."""
        if data[at] >> 4 != PUBLISH:
            raise ProtocolFaultError("[MQTT-3.1.2-24]", f"a packet of {end - at} bytes is over the limit", 0x95)
        if len(data) < body + 2 or len(data) < body + 4 + (data[body] << 8 | data[body + 1]):
            return False
        self._skipping = end - len(data)
        return True

    def _too_large(self, data: bytes, first: int, body: int, now_ms: int) -> Message:
        start = body + 2 + (data[body] << 8 | data[body + 1])
        qos = first >> 1 & 3
        if qos == 3:
            raise self._faulty_publish(first, qos)
        topic = self._topic(data[body + 2 : start])
        ticket = self._base + (data[start] << 8 | data[start + 1]) if qos else 0
        return Message(topic, _TOO_LARGE, now_ms, qos, ticket, first & 1 == 1)

    # --- all other packets -----------------------------------------------------------------------------

    @staticmethod
    def _length(data: bytes, at: int) -> tuple[int, int] | None:
        """The remaining length and the position of the body; None while bytes of it are missing."""
        if len(data) - at < 4 and all(byte > 127 for byte in data[at:]):
            return None
        return read_varint(data, at, len(data))

    def _other(self, data: bytes, first: int, at: int, end: int, now_ms: int) -> Packet:
        """One packet that is not an ordinary PUBLISH."""
        kind, flags = first >> 4, first & 15
        if kind == PUBLISH:
            return self._too_large(data, first, at, now_ms)
        if flags != (2 if kind == PUBREL else 0):
            raise ProtocolFaultError("[MQTT-2.1.3-1]", f"packet type {kind} has the flags {flags:#x}")
        if kind == CONNACK:
            return self._connack(data, at, end)
        if PUBACK <= kind <= PUBCOMP:
            return self._ack(kind, data, at, end)
        if kind in {SUBACK, UNSUBACK}:
            return self._suback(kind, data, at, end)
        if kind == PINGRESP:
            if end != at:
                raise ProtocolFaultError("section 3.13", "a PINGRESP has a body")
            return PingResp()
        if kind in {DISCONNECT, AUTH} and self._version == 5:
            reason, properties = self._reason(kind, data, at, end)
            return Disconnect(reason, properties) if kind == DISCONNECT else Auth(reason, properties)
        raise ProtocolFaultError("section 2.1.2", f"packet type {kind} is not sent by a broker", 0x82)

    def _connack(self, data: bytes, at: int, end: int) -> ConnAck:
        if end - at < 2:
            raise ProtocolFaultError("section 3.2.2", "a CONNACK is cut off")
        if data[at] > 1:
            raise ProtocolFaultError("[MQTT-3.2.2-1]", "reserved flags of a CONNACK are set")
        properties, stop = read_properties(CONNACK, data, at + 2, end) if self._version == 5 else ({}, at + 2)
        self._ended(CONNACK, stop, end)
        return ConnAck(data[at] == 1, data[at + 1], properties)

    def _ack(self, kind: int, data: bytes, at: int, end: int) -> Ack:
        packet_id = self._packet_id(kind, data, at, end)
        reason, _ = self._reason(kind, data, at + 2, end) if self._version == 5 else (0, {})
        if self._version == 4:
            self._ended(kind, at + 2, end)
        return Ack(kind, packet_id, reason)

    def _suback(self, kind: int, data: bytes, at: int, end: int) -> SubAck:
        packet_id = self._packet_id(kind, data, at, end)
        at += 2
        if self._version == 5:
            _, at = read_properties(kind, data, at, end)
        if kind == UNSUBACK and self._version == 4:
            self._ended(kind, at, end)
        elif at == end:
            raise ProtocolFaultError("section 3.9.3", f"packet type {kind} has no reason codes")
        return SubAck(kind, packet_id, tuple(data[at:end]))

    def _reason(self, kind: int, data: bytes, at: int, end: int) -> tuple[int, Properties]:
        """Reason code and properties, both of which may be left out (sections 3.4.2.1, 3.14.2.1)."""
        if at == end:
            return 0, {}
        if at + 1 == end:
            return data[at], {}
        properties, stop = read_properties(kind, data, at + 1, end)
        self._ended(kind, stop, end)
        return data[at], properties

    @staticmethod
    def _packet_id(kind: int, data: bytes, at: int, end: int) -> int:
        if end - at < 2:
            raise ProtocolFaultError("section 2.2.1", f"packet type {kind} has no packet identifier")
        packet_id = data[at] << 8 | data[at + 1]
        if not packet_id:
            raise ProtocolFaultError("section 2.2.1", f"packet type {kind} has the packet identifier 0")
        return packet_id

    @staticmethod
    def _ended(kind: int, at: int, end: int) -> None:
        if at != end:
            raise ProtocolFaultError("section 2.1.4", f"packet type {kind} has {end - at} bytes too many")
