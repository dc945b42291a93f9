"""The port to the message broker.

`gateway.adapters.mqtt` and `gateway.adapters.mqtt_paho` implement it, and `gateway.adapters.mqtt_sessions` joins two of them; these and the
in-memory bus of the tests pass the same test suite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gateway.core.types import Message


class Publication(msgspec.Struct, frozen=True):
    """A message to publish. `Bus.taken` returns its `token` after the broker acknowledged it (QoS 1 only).

    `expiry_s` is the MQTT 5 message expiry: the broker drops the message after that time.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None
    token: str = ""


class Link(msgspec.Struct, frozen=True):
    """State of the connection: protocol, number of connections so far, and the cause of the last failure as text.

    `fresh` is the number of connections for which the broker had no session, so that no message has waited there. `heard_ms` is the time
    at which the broker last sent anything: up to then all messages that it has sent are delivered. None if that is not known. `hears`: the
    broker has confirmed all subscriptions.
    """

    connected: bool
    protocol: str = ""
    connects: int = 0
    trouble: str = ""
    fresh: int = 0
    heard_ms: int | None = None
    hears: bool = False


Deliver = Callable[[Sequence[Message]], bool]
"""Takes all messages or none; False means that there is no room yet, and the bus offers the same messages again."""


class Bus(Protocol):
    """A persistent session with a broker, at least once in both directions for QoS 1."""

    def start(self, deliver: Deliver) -> None:
        """Connect, and reconnect without end; while `deliver` has no room, nothing more is read from the broker (back-pressure)."""

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages. A QoS 1 message without acknowledgement is delivered again after a reconnect."""

    def publish(self, publication: Publication) -> bool:
        """Queue a publication for sending. Without a connection it is dropped, and False is returned."""

    def taken(self) -> list[str]:
        """Tokens of QoS 1 publications that the broker acknowledged since the last call."""

    def link(self) -> Link:
        """The present state of the connection."""

    def close(self) -> None:
        """Disconnect, so that the last will is not sent, and stop delivering."""
