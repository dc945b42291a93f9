"""Two MQTT sessions of one gateway as one bus: one for messages that may not wait, and one for all others.

A broker's queue for a session is first in, first out, and a session takes no more while the gateway has no room. The messages of the
urgent session are marked, so that the mailbox has a lane for them. All publications leave by the first session.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from gateway.core.bus import Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.bus import Bus, Deliver, Publication
    from gateway.core.types import Message


class TwoSessions:
    """See `gateway.core.bus.Bus`. Connected while both sessions are and the urgent one is subscribed.

    So a gateway that cannot hear a withdrawal sends no offer.
    """

    def __init__(self, first: Bus, urgent: Bus) -> None:
        """Prepare without connecting; no topic may match filters of both sessions."""
        self._first = first
        self._urgent = urgent
        self._lock = threading.Lock()  # of the two below, because several threads ask for the link
        self._made = (0, 0)
        self._connects = 0

    def start(self, deliver: Deliver) -> None:
        """Begin connecting both, in the background."""

        def deliver_urgent(messages: Sequence[Message]) -> bool:
            return deliver([msgspec.structs.replace(message, is_urgent=True) for message in messages])

        self._urgent.start(deliver_urgent)
        self._first.start(deliver)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK each message over the session that it came by."""
        urgent = [message for message in messages if message.is_urgent]
        if urgent:
            self._urgent.acknowledge(urgent)
        if len(urgent) < len(messages):
            self._first.acknowledge([message for message in messages if not message.is_urgent])

    def publish(self, publication: Publication) -> bool:
        """Queue for sending by the first session if both are connected; returns whether it is queued."""
        return self._urgent.link().hears and self._first.publish(publication)

    def taken(self) -> list[str]:
        """Tokens whose PUBACK has arrived."""
        return self._first.taken()

    def link(self) -> Link:
        """The state of both connections. Connections that were made together, as after a restart of the broker, count once.

        `heard_ms` is that of the first session, which brings the messages that show where people are.
        """
        first, urgent = self._first.link(), self._urgent.link()
        is_connected, made = first.connected and urgent.hears, (first.connects, urgent.connects)
        with self._lock:
            if is_connected:
                self._connects += max(now - before for now, before in zip(made, self._made, strict=True))
                self._made = made
        return msgspec.structs.replace(
            first,
            connected=is_connected,
            hears=first.hears and urgent.hears,
            connects=self._connects,
            fresh=first.fresh + urgent.fresh,
            trouble=first.trouble or urgent.trouble,
        )

    def close(self) -> None:
        """Disconnect both; may be called at any time."""
        self._first.close()
        self._urgent.close()
