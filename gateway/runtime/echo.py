"""The echo: a message of the gateway to itself through the broker, which waits in each queue in which a sighting waits.

The time between two reads of the socket shows nothing of messages that wait at the broker or on the way; the round trip does. An echo that
has not come back yet counts with its age, so a queue is seen while it grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core.bus import Publication

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.types import Message

EVERY_MS = 5_000
OTHER_MS = 60_000  # without a further echo the second gateway has gone
DOUBLE = "another gateway named"
WAITING_MAX = 12  # without an answer; older ones are forgotten
ROUND_TRIP_MS_MAX = 2_000  # beyond it the gateway is in trouble: a person walks on within seconds


class _Sent(msgspec.Struct, gc=False):
    boot: str
    number: int


_BODY = msgspec.json.Decoder(_Sent)


def echo_topic(site: str, gateway: str) -> str:
    """The topic of a gateway's echo."""
    return f"wayside/v1/{site}/gateway/{gateway}/echo"


def double_trouble(gateway: str) -> str:
    """The trouble of two running gateways of one name."""
    return f"{DOUBLE} {gateway!r} runs at this broker, so each message counts twice: give one of the two another name, or stop it"


class Echo:
    """Echoes of one process. Used by the writer thread."""

    def __init__(self, topic: str, boot: str) -> None:
        """Start without an echo; `boot` tells the echoes of this process from those of others."""
        self.topic = topic
        self._boot = boot
        self._number = 0
        self._due_ms = 0
        self._sent_ms: dict[int, int] = {}
        self._newest_ms: int | None = None
        self._others_ms: dict[str, int] = {}
        self._other_until_ms = 0
        self.transit_ms = 0
        """Milliseconds from the publication of the newest echo to its arrival at the socket."""

    def next(self, now_ms: int) -> Publication | None:
        """The echo to publish now, or None before the next one is due."""
        if now_ms < self._due_ms:
            return None
        self._due_ms = now_ms + EVERY_MS
        self._number += 1
        self._sent_ms[self._number] = now_ms
        if len(self._sent_ms) > WAITING_MAX:
            del self._sent_ms[next(iter(self._sent_ms))]
        return Publication(self.topic, msgspec.json.encode(_Sent(self._boot, self._number)))

    def hear(self, messages: Iterable[Message], now_ms: int) -> None:
        """Note echoes that came back; repeated ones count nothing, and those of another process show a second gateway of this name."""
        for message in messages:
            try:
                body = _BODY.decode(message.payload)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if body.boot != self._boot:
                self._note_other(body.boot, now_ms)
                continue
            sent_ms = self._sent_ms.get(body.number)
            if sent_ms is None:
                continue
            self._sent_ms = {number: at_ms for number, at_ms in self._sent_ms.items() if number > body.number}
            self._newest_ms = max(0, now_ms - sent_ms)
            self.transit_ms = max(0, message.received_at_ms - sent_ms)

    def _note_other(self, boot: str, now_ms: int) -> None:
        """A gateway that still sends has echoes some time apart; those of a process that has ended were waiting, and come at once."""
        if len(self._others_ms) >= WAITING_MAX:
            self._others_ms.clear()
        if now_ms - self._others_ms.setdefault(boot, now_ms) >= EVERY_MS // 2:
            self._other_until_ms = now_ms + OTHER_MS

    def has_double(self, now_ms: int) -> bool:
        """Whether another running gateway has the name of this one: both process each message, and count it twice."""
        return now_ms < self._other_until_ms

    def round_trip_ms(self, now_ms: int) -> int | None:
        """The newest round trip, or the age of an echo that is out for longer; None before the first one came back."""
        ages = [max(0, now_ms - at_ms) for at_ms in self._sent_ms.values()]
        known = [] if self._newest_ms is None else [self._newest_ms]
        late = [age for age in ages if age > EVERY_MS]
        return max(known + late, default=None)

    def forget(self) -> None:
        """Forget the echoes that are out: the clock was set, or the connection is a new one."""
        self._sent_ms.clear()
        self._due_ms = 0
