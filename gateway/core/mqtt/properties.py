"""The properties of MQTT 5 as a table (section 2.2.2.2), and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from gateway.core.mqtt.packets import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    Properties,
    ProtocolFaultError,
)

Kind = Literal["byte", "two", "four", "varint", "text", "binary", "pair"]
_ACKS = (PUBACK, PUBREC, PUBREL, PUBCOMP)
_ANSWERS = (CONNACK, *_ACKS, SUBACK, UNSUBACK, DISCONNECT, AUTH)
VARINT_BYTES_MAX = 4


class Property(NamedTuple):
    """One row: number, name, type, the packets that may carry it, and whether it may be repeated."""

    number: int
    name: str
    kind: Kind
    packets: tuple[int, ...]
    repeats: bool = False


PROPERTIES: tuple[Property, ...] = (
    Property(0x01, "payload_format_indicator", "byte", (PUBLISH,)),
    Property(0x02, "message_expiry_interval", "four", (PUBLISH,)),
    Property(0x03, "content_type", "text", (PUBLISH,)),
    Property(0x08, "response_topic", "text", (PUBLISH,)),
    Property(0x09, "correlation_data", "binary", (PUBLISH,)),
    Property(0x0B, "subscription_identifier", "varint", (PUBLISH, SUBSCRIBE), repeats=True),
    Property(0x11, "session_expiry_interval", "four", (CONNECT, CONNACK, DISCONNECT)),
    Property(0x12, "assigned_client_identifier", "text", (CONNACK,)),
    Property(0x13, "server_keep_alive", "two", (CONNACK,)),
    Property(0x15, "authentication_method", "text", (CONNECT, CONNACK, AUTH)),
    Property(0x16, "authentication_data", "binary", (CONNECT, CONNACK, AUTH)),
    Property(0x17, "request_problem_information", "byte", (CONNECT,)),
    Property(0x19, "request_response_information", "byte", (CONNECT,)),
    Property(0x1A, "response_information", "text", (CONNACK,)),
    Property(0x1C, "server_reference", "text", (CONNACK, DISCONNECT)),
    Property(0x1F, "reason_string", "text", _ANSWERS),
    Property(0x21, "receive_maximum", "two", (CONNECT, CONNACK)),
    Property(0x22, "topic_alias_maximum", "two", (CONNECT, CONNACK)),
    Property(0x23, "topic_alias", "two", (PUBLISH,)),
    Property(0x24, "maximum_qos", "byte", (CONNACK,)),
    Property(0x25, "retain_available", "byte", (CONNACK,)),
    Property(0x26, "user_property", "pair", (CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, *_ANSWERS), repeats=True),
    Property(0x27, "maximum_packet_size", "four", (CONNECT, CONNACK)),
    Property(0x28, "wildcard_subscription_available", "byte", (CONNACK,)),
    Property(0x29, "subscription_identifiers_available", "byte", (CONNACK,)),
    Property(0x2A, "shared_subscription_available", "byte", (CONNACK,)),
)
"""All properties but those of a will only (0x18, will delay), which this client does not use."""

_BY_NUMBER: Mapping[int, Property] = {row.number: row for row in PROPERTIES}
_BY_NAME: Mapping[str, Property] = {row.name: row for row in PROPERTIES}
_NOT_ZERO = frozenset(("receive_maximum", "topic_alias", "maximum_packet_size", "subscription_identifier"))
_WIDTHS: Mapping[Kind, int] = {"byte": 1, "two": 2, "four": 4}


def varint(value: int) -> bytes:
    """A variable byte integer (section 1.5.5)."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer and the position after it. Raises ProtocolFaultError if it is cut off, too long or not the shortest form."""
    value = 0
    for count in range(VARINT_BYTES_MAX):
        if at >= end:
            raise ProtocolFaultError("section 1.5.5", "a variable byte integer is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if count and not byte:
                raise ProtocolFaultError("[MQTT-1.5.5-1]", "a variable byte integer is not in its shortest form")
            return value, at
    raise ProtocolFaultError("section 1.5.5", "a variable byte integer has more than four bytes")


def encoded_text(text: str | bytes) -> bytes:
    """A text or binary data with its length of two bytes (sections 1.5.4, 1.5.6). Raises ValueError if it is too long."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > 0xFFFF:
        raise ValueError(f"{len(raw)} bytes are too long for a text of MQTT, at most 65535")
    return len(raw).to_bytes(2, "big") + raw


def read_binary(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Binary data and the position after it. Raises ProtocolFaultError if it is cut off."""
    stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if at + 2 > end or stop > end:
        raise ProtocolFaultError("section 1.5.6", "binary data or a text is cut off")
    return data[at + 2 : stop], stop


def read_text(data: bytes, at: int, end: int) -> tuple[str, int]:
    """A text and the position after it. Raises ProtocolFaultError if it is cut off, not UTF-8 or holds U+0000."""
    raw, at = read_binary(data, at, end)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ProtocolFaultError("[MQTT-1.5.4-1]", "a text is not valid UTF-8") from None
    if "\0" in text:
        raise ProtocolFaultError("[MQTT-1.5.4-2]", "a text holds the character U+0000")
    return text, at


def encode_properties(packet: int, properties: Properties) -> bytes:
    """Properties with their length. Raises KeyError for an unknown name, ValueError for one that `packet` may not carry."""
    out = bytearray()
    for name, value in properties.items():
        row = _BY_NAME[name]
        if packet not in row.packets:
            raise ValueError(f"{name} is not a property of packet type {packet}")
        for one in value if row.repeats else (value,):
            out.append(row.number)
            out += _encode(row.kind, one)
    return varint(len(out)) + bytes(out)


def read_properties(packet: int, data: bytes, at: int, end: int) -> tuple[Properties, int]:
    """The properties of a packet and the position after them.

    Raises ProtocolFaultError for an unknown, repeated, misplaced or cut-off property.
    """
    length, at = read_varint(data, at, end)
    stop = at + length
    if stop > end:
        raise ProtocolFaultError("section 2.2.2.1", "the properties are cut off")
    found: Properties = {}
    while at < stop:
        number, at = read_varint(data, at, stop)
        row = _BY_NUMBER.get(number)
        if row is None or packet not in row.packets:
            raise ProtocolFaultError("section 2.2.2.2", f"property {number:#04x} does not belong to packet type {packet}")
        value, at = _read(row.kind, data, at, stop)
        if value == 0 and row.name in _NOT_ZERO:
            raise ProtocolFaultError("section 2.2.2.2", f"{row.name} is 0", 0x82)
        if row.repeats:
            found.setdefault(row.name, []).append(value)
        elif row.name in found:
            raise ProtocolFaultError("section 2.2.2.2", f"{row.name} occurs twice", 0x82)
        else:
            found[row.name] = value
    return found, at


def _encode(kind: Kind, value: object) -> bytes:
    if kind in _WIDTHS:
        assert isinstance(value, int)
        return value.to_bytes(_WIDTHS[kind], "big")
    if kind == "varint":
        assert isinstance(value, int)
        return varint(value)
    if kind == "pair":
        assert isinstance(value, tuple)
        return encoded_text(value[0]) + encoded_text(value[1])
    assert isinstance(value, str | bytes)
    return encoded_text(value)


def _read(kind: Kind, data: bytes, at: int, end: int) -> tuple[object, int]:
    if kind in _WIDTHS:
        width = _WIDTHS[kind]
        if at + width > end:
            raise ProtocolFaultError("section 1.5", "an integer is cut off")
        return int.from_bytes(data[at : at + width], "big"), at + width
    if kind == "varint":
        return read_varint(data, at, end)
    if kind == "binary":
        return read_binary(data, at, end)
    text, at = read_text(data, at, end)
    if kind == "text":
        return text, at
    second, at = read_text(data, at, end)
    return (text, second), at
