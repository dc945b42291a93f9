"""Packets that a broker sends to a client, and the fault of a packet that breaks the specification."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Version = Literal[4, 5]
"""Protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5."""

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE = range(1, 9)
SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(9, 16)

FAILURE = 0x80
"""A reason code of at least this is a failure (section 2.4)."""

Properties = dict[str, Any]
"""Properties by name; those that may be repeated are lists."""


class ProtocolFaultError(Exception):
    """A packet breaks the specification: `reason` is the code for DISCONNECT, the text names the statement and the fault."""

    def __init__(self, statement: str, fault: str, reason: int = 0x81) -> None:
        super().__init__(f"{statement}: {fault}")
        self.reason = reason


class ConnAck(NamedTuple):
    """Answer to CONNECT."""

    session_present: bool
    reason: int
    properties: Properties


class Ack(NamedTuple):
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: int
    packet_id: int
    reason: int


class SubAck(NamedTuple):
    """SUBACK or UNSUBACK, with a reason a filter in the order of the request; MQTT 3.1.1 has none in UNSUBACK."""

    kind: int
    packet_id: int
    reasons: tuple[int, ...]


class PingResp(NamedTuple):
    """Answer to PINGREQ."""


class Disconnect(NamedTuple):
    """The broker ends the connection (MQTT 5 only)."""

    reason: int
    properties: Properties


class Auth(NamedTuple):
    """A step of an extended authentication, which this client never begins (MQTT 5 only)."""

    reason: int
    properties: Properties


_REFUSALS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8C: "bad authentication method",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x9A: "it retains no messages, but the status of a gateway is retained: allow it",
    0x9B: "it takes no messages of QoS 1: allow them",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9F: "connection rate exceeded",
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorised",
}
"""Reasons of CONNACK: MQTT 5 table 3-1; MQTT 3.1.1 table 3.1 from 1 to 5."""
_CREDENTIALS = frozenset((0x86, 0x87, 0x8A, 0x8C, 4, 5))


def refusal_text(reason: int) -> str:
    """The meaning of a reason code of CONNACK, or its number, with the way out where it is known."""
    text = _REFUSALS.get(reason, f"reason {reason:#04x}")
    return f"{text}; check mqtt.username and the password" if reason in _CREDENTIALS else text
