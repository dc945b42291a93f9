"""Visits: presences (people in, or on the way into, a zone), timers, and visits that ended."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway.core import limits
from gateway.core.presence import Presence, PresenceRules, Transition, rebased, restored
from gateway.core.state.slices import SliceChanges

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext

PresenceKey = tuple[str, str]
"""(subject, zone)"""


class Visit(msgspec.Struct, frozen=True):
    """One visit that ended; `observations` is the number of sightings and fixes behind it (a lower bound after a crash)."""

    subject: str
    zone: str
    entered_ms: int
    left_ms: int
    confidence: float
    observations: int


class VisitsChanges(SliceChanges):
    """`transitions` in order; `ended` visits to remember; `presences` by key, None where the visit or approach is over.

    Presences are stored with a transition only: a sighting alone costs no commit.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"transitions", "ended"})
    CARRIED: ClassVar[frozenset[str]] = frozenset({"presences"})

    transitions: list[Transition] = msgspec.field(default_factory=list)
    ended: list[Visit] = msgspec.field(default_factory=list)
    presences: dict[PresenceKey, Presence | None] = msgspec.field(default_factory=dict)

    def forget(self, person: SubjectContext) -> None:
        """Keep no ended visit of this person."""
        self.ended = [visit for visit in self.ended if visit.subject != person.subject]


class VisitsState:
    """Presences by key, a heap of due times, and the time in which the gateway could hear.

    `hears_from_ms` is the time since which messages arrive, None without a connection: then no presence is due. `heard_until_ms` is the
    time of arrival up to which all messages are folded; None if it is now.
    """

    def __init__(self, presences: Iterable[Presence], now_ms: int, rules: PresenceRules) -> None:
        """Restore open visits; each gets one full silence before it ends, because the gateway could not hear while it was off."""
        self.hears_from_ms: int | None = now_ms
        self.heard_until_ms: int | None = None
        self.presences: dict[PresenceKey, Presence] = {}
        self._timers: list[tuple[int, PresenceKey]] = []
        for presence in presences:
            self._keep((presence.subject, presence.zone), restored(presence, now_ms, rules))

    def accept(self, changes: VisitsChanges) -> None:
        """Apply committed changes."""
        for key, presence in changes.presences.items():
            if presence is None:
                self.presences.pop(key, None)
            else:
                self._keep(key, presence)

    def rebase(self, step_ms: int) -> None:
        """Move every open presence with the clock, so that a set clock neither starts nor ends a visit."""
        if self.hears_from_ms is not None:
            self.hears_from_ms += step_ms
        presences = [rebased(presence, step_ms) for presence in self.presences.values()]
        self._timers.clear()
        self.presences.clear()
        for presence in presences:
            self._keep((presence.subject, presence.zone), presence)

    def known_ms(self, now_ms: int) -> int:
        """The time up to which it is known who was heard: now, or the arrival of the last message that is folded."""
        return now_ms if self.heard_until_ms is None else min(self.heard_until_ms, now_ms)

    def due(self, now_ms: int) -> list[Presence]:
        """Presences whose due time has come, ordered by key; the timers stay. None without a connection."""
        next_ms = self.next_due_ms()
        if next_ms is None or next_ms > now_ms:
            return []
        due: set[PresenceKey] = set()
        branches = [0]  # a child in a heap is never earlier than its parent, so later branches need no look
        while branches:
            index = branches.pop()
            if index < len(self._timers) and self._timers[index][0] <= now_ms:
                due.add(self._timers[index][1])
                branches += (2 * index + 1, 2 * index + 2)
        present = [self.presences[key] for key in sorted(due) if key in self.presences]
        return [presence for presence in present if presence.due_at_ms <= now_ms]

    def next_due_ms(self) -> int | None:
        """The earliest due time of a presence, or None; None without a connection, and while messages of that time may be missing."""
        if self.hears_from_ms is None:
            return None
        while self._timers:
            due_at_ms, key = self._timers[0]
            presence = self.presences.get(key)
            if presence is not None and presence.due_at_ms == due_at_ms:
                return due_at_ms if self.heard_until_ms is None or due_at_ms <= self.heard_until_ms else None
            heapq.heappop(self._timers)
        return None

    def _keep(self, key: PresenceKey, presence: Presence) -> None:
        before = self.presences.get(key)
        self.presences[key] = presence
        if before is None or before.due_at_ms != presence.due_at_ms:
            heapq.heappush(self._timers, (presence.due_at_ms, key))
        if len(self._timers) > limits.TIMERS_SPARE_MAX + 2 * len(self.presences):
            self._timers = [(presence.due_at_ms, key) for key, presence in self.presences.items()]
            heapq.heapify(self._timers)
