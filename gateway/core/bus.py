"""The port to the message broker: five methods, and what each promises.

The real one speaks MQTT (`gateway.adapters.mqtt`); the tests' in-memory one passes the same suite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gateway.core.types import Message


class Publication(msgspec.Struct, frozen=True):
    """Something to say. `token` comes back from `taken()` once the broker has it (QoS 1 only).

    `expiry_s` is the MQTT 5 message expiry: after it the broker delivers it to nobody.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None
    token: str = ""


class Link(msgspec.Struct, frozen=True):
    """How the connection is: `trouble` is the last cause of not being connected, in words."""

    connected: bool
    protocol: str = ""
    connects: int = 0
    trouble: str = ""


class Bus(Protocol):
    """A persistent session with a broker, at least once in both directions for QoS 1."""

    def start(self, deliver: Callable[[Message], None]) -> None:
        """Connect, and reconnect for ever; hand each message to `deliver`, which may block: that is the back-pressure."""

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Thank for messages: they will not come again. Without thanks a QoS 1 message comes again after a reconnect."""

    def publish(self, publication: Publication) -> bool:
        """Hand over for sending; False, and nothing kept, when there is no connection."""

    def taken(self) -> list[str]:
        """Tokens of QoS 1 publications that the broker has taken since this was asked last."""

    def link(self) -> Link:
        """How the connection is now."""

    def close(self) -> None:
        """Say good-bye (the will is not sent) and stop delivering."""
