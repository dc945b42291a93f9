"""The broker of a simulated week: one session, one thread, and every byte that leaves the gateway passes a listener.

It keeps the promises of `gateway.core.bus.Bus` that matter here: what was not thanked for comes again after the gateway's
death, at QoS 0 what nobody is there to hear is gone, and no more than the agreed number is ever un-thanked or in the box.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gateway.core import limits
from gateway.core.bus import Deliver, Link, Publication
from gateway.core.types import Message

if TYPE_CHECKING:
    from gateway.runtime.mailbox import Mailbox


class PowerCutError(RuntimeError):
    """The gateway is dead; catch it and start another one."""


class Parcel(NamedTuple):
    """What a device said."""

    topic: str
    payload: bytes
    qos: int = 0


class Line:
    """Broker and bus in one; see `gateway.core.bus.Bus` for the gateway's half."""

    def __init__(self, now_ms: Callable[[], int], leave: Callable[[Publication], None]) -> None:
        """`leave` is told of everything that the gateway says."""
        self._now_ms = now_ms
        self._leave = leave
        self._inbox: Mailbox | None = None
        self._waiting: deque[Parcel] = deque()
        self._unthanked: dict[int, Parcel] = {}
        self._tickets = 0
        self._taken: list[str] = []
        self._link = Link(connected=False)
        self.dies_at_thanks = False
        self.counts: Counter[str] = Counter()

    # --- the devices' half ---------------------------------------------------------------------------

    def say(self, parcel: Parcel) -> None:
        """A device speaks; at QoS 0 to nobody, if nobody is connected."""
        self.counts["said"] += 1
        if self._link.connected or parcel.qos:
            self._waiting.append(parcel)
        else:
            self.counts["unheard"] += 1

    def pump(self) -> bool:
        """Hand over what there is room for; whether anything was handed over."""
        mailbox, handed = self._inbox, False
        while mailbox is not None and self._waiting and self._link.connected and len(mailbox) < limits.MAILBOX_MESSAGES_MAX:
            if self._waiting[0].qos and len(self._unthanked) >= limits.UNACKED_MESSAGES_MAX:
                break
            parcel = self._waiting.popleft()
            ticket = 0
            if parcel.qos:
                self._tickets += 1
                ticket = self._tickets
                self._unthanked[ticket] = parcel
            is_urgent = parcel.topic.endswith(("/consent", "/wishes"))
            mailbox.deliver([Message(parcel.topic, parcel.payload, self._now_ms(), parcel.qos, ticket, is_urgent=is_urgent)])
            self.counts["delivered"] += 1
            handed = True
        return handed

    def connect(self, mailbox: Mailbox) -> None:
        """A gateway begins (or is back): what was not thanked for comes first."""
        self.cut()
        self._inbox, self.dies_at_thanks = mailbox, False
        self._waiting.extendleft(reversed(self._unthanked.values()))
        self.counts["redelivered"] += len(self._unthanked)
        self._unthanked.clear()
        self._link = Link(connected=True, protocol="memory", connects=self._link.connects + 1)

    def cut(self) -> None:
        """The connection is gone."""
        self._taken.clear()
        self._link = Link(connected=False, connects=self._link.connects, trouble="cut")

    @property
    def waiting(self) -> int:
        """How many messages the broker holds that nobody has been handed."""
        return len(self._waiting)

    @property
    def has_facts(self) -> bool:
        """Whether anything waits that has to be thanked for."""
        return any(parcel.qos for parcel in self._waiting)

    @property
    def unthanked(self) -> int:
        """How many facts the gateway holds without having thanked for them."""
        return len(self._unthanked)

    # --- the gateway's half ----------------------------------------------------------------------------

    def start(self, deliver: Deliver) -> None:
        """The rig connects by `connect`, with the whole box; nothing is left to do."""

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """These never come again; unless the power fails with the thanks on the tongue."""
        if self.dies_at_thanks:
            raise PowerCutError("before_thanks")
        for message in messages:
            if message.qos:
                self._unthanked.pop(message.ticket, None)

    def publish(self, publication: Publication) -> bool:
        """Told to the listener even when nobody is connected: a try is what was decided."""
        if not self._link.connected:
            return False
        self._leave(publication)
        if publication.token and publication.qos:
            self._taken.append(publication.token)
        return True

    def taken(self) -> list[str]:
        """Tokens since this was asked last."""
        taken, self._taken = self._taken, []
        return taken

    def link(self) -> Link:
        """How the connection is."""
        return self._link

    def close(self) -> None:
        """Good-bye."""
        self.cut()
