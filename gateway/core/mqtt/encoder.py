"""Packets that a client sends, as bytes. Each function writes one packet for one protocol level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.core.mqtt.packets import CONNECT, DISCONNECT, PUBLISH, PUBREL, SUBSCRIBE, UNSUBSCRIBE, Properties, Version
from gateway.core.mqtt.properties import encode_properties, encoded_text, varint

if TYPE_CHECKING:
    from gateway.core.bus import Publication

PINGREQ_BYTES = b"\xc0\x00"
WILL_FLAG, PASSWORD_FLAG, USERNAME_FLAG, CLEAN_FLAG = 0x04, 0x40, 0x80, 0x02


def connect(
    version: Version,
    client_id: str,
    keepalive_s: int,
    *,
    clean: bool = False,
    username: str | None = None,
    password: str | None = None,
    will: Publication | None = None,
    properties: Properties | None = None,
) -> bytes:
    """CONNECT (section 3.1). Raises ValueError for a password without a user name, which MQTT 3.1.1 does not allow, and too long texts."""
    if password is not None and username is None:
        raise ValueError("a password needs a user name")
    flags = CLEAN_FLAG if clean else 0
    payload = encoded_text(client_id)
    if will is not None:
        flags |= WILL_FLAG | will.qos << 3 | (0x20 if will.retain else 0)
        payload += (b"\x00" if version == 5 else b"") + encoded_text(will.topic) + encoded_text(will.payload)
    if username is not None:
        flags |= USERNAME_FLAG
        payload += encoded_text(username)
    if password is not None:
        flags |= PASSWORD_FLAG
        payload += encoded_text(password)
    head = encoded_text("MQTT") + bytes((version, flags)) + keepalive_s.to_bytes(2, "big")
    return _packet(CONNECT << 4, head + _properties(version, CONNECT, properties) + payload)


def publish(version: Version, publication: Publication, packet_id: int, *, dup: bool = False) -> bytes:
    """PUBLISH (section 3.3); `packet_id` counts for QoS 1 and 2 only. Raises ValueError for an empty topic and one with a wildcard."""
    if not publication.topic or "#" in publication.topic or "+" in publication.topic:
        raise ValueError(f"{publication.topic!r} is no topic that can be published to [MQTT-3.3.2-2]")
    body = encoded_text(publication.topic) + (packet_id.to_bytes(2, "big") if publication.qos else b"")
    expiry = {} if publication.expiry_s is None else {"message_expiry_interval": publication.expiry_s}
    first = PUBLISH << 4 | (8 if dup and publication.qos else 0) | publication.qos << 1 | publication.retain
    return _packet(first, body + _properties(version, PUBLISH, expiry) + publication.payload)


def acknowledgements(kind: int, packet_ids: Sequence[int]) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP packets without a failure (sections 3.4 to 3.7); the same bytes in both versions."""
    first = bytes((kind << 4 | (2 if kind == PUBREL else 0), 2))
    return b"".join([first + packet_id.to_bytes(2, "big") for packet_id in packet_ids])


def subscribe(version: Version, packet_id: int, filters: Sequence[tuple[str, int]]) -> bytes:
    """SUBSCRIBE (section 3.8) to (topic filter, highest QoS). Raises ValueError without a filter [MQTT-3.8.3-2]."""
    if not filters:
        raise ValueError("SUBSCRIBE needs a topic filter")
    body = packet_id.to_bytes(2, "big") + _properties(version, SUBSCRIBE, None)
    return _packet(SUBSCRIBE << 4 | 2, body + b"".join(encoded_text(topic) + bytes((qos,)) for topic, qos in filters))


def unsubscribe(version: Version, packet_id: int, filters: Sequence[str]) -> bytes:
    """UNSUBSCRIBE (section 3.10). Raises ValueError without a filter [MQTT-3.10.3-2]."""
    if not filters:
        raise ValueError("UNSUBSCRIBE needs a topic filter")
    body = packet_id.to_bytes(2, "big") + _properties(version, UNSUBSCRIBE, None)
    return _packet(UNSUBSCRIBE << 4 | 2, body + b"".join(map(encoded_text, filters)))


def disconnect(version: Version, reason: int = 0) -> bytes:
    """DISCONNECT (section 3.14); MQTT 3.1.1 has no reason."""
    return _packet(DISCONNECT << 4, bytes((reason,)) if version == 5 and reason else b"")


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + varint(len(body)) + body


def _properties(version: Version, packet: int, properties: Properties | None) -> bytes:
    return encode_properties(packet, properties or {}) if version == 5 else b""
