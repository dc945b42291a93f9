"""What the gateway holds in memory between batches, and the draft that a batch writes into.

`advance` never changes the world: it reads through to it and writes into an `Changes`. Only when the
outcome is safely stored is it accepted. A failed commit therefore leaves memory exactly where the disk is.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from gateway.core import limits
from gateway.core.addresses import Cipher, Resolved
from gateway.core.clocks import DeviceClock
from gateway.core.context import SubjectContext, ZoneContext, moved
from gateway.core.policy.decision import Decision
from gateway.core.presence import Presence, PresenceRules, Transition, shifted, woken
from gateway.core.privacy import CounterKey, GatewayCounters
from gateway.core.records import Record
from gateway.core.site import Cuts
from gateway.core.types import AnswerKind, Envelope

Place = tuple[str, str]
"""(subject, zone)"""

T = TypeVar("T")


class Proposed(msgspec.Struct, frozen=True):
    """What the decision log says of an offer that was proposed earlier."""

    subject: str
    zone: str
    offer: str
    answer: AnswerKind | None = None


class Visit(msgspec.Struct, frozen=True):
    """One visit that has ended; `heard` is by how many sightings and fixes the zone knew of it (at least: a crash forgets some)."""

    subject: str
    zone: str
    entered_ms: int
    left_ms: int
    confidence: float
    heard: int


class Trigger(msgspec.Struct, frozen=True):
    """A decision on its way to a phone."""

    decision: str
    device: str
    offer: str
    zone: str
    expires_at_ms: int


class FactRow(msgspec.Struct, frozen=True):
    """A fact as it is kept. The device is not kept, only what its envelope hashes to (see the store)."""

    envelope: Envelope
    kind: str
    at_ms: int
    subject: str | None = None
    zone: str | None = None
    decision: str | None = None
    detail: str | None = None
    amount_minor: int | None = None


class Changes:
    """All that one batch changes. `None` in a mapping means: gone."""

    def __init__(self) -> None:
        """Start empty."""
        self.contexts: dict[str, SubjectContext | None] = {}
        self.identities: dict[str, str | None] = {}
        self.keys: dict[str, str | None] = {}
        self.addresses: dict[str, Resolved] = {}
        self.clocks: dict[str, DeviceClock] = {}
        self.presences: dict[Place, Presence | None] = {}
        self.places: dict[str, ZoneContext] = {}
        self.transitions: list[Transition] = []
        self.visits: list[Visit] = []
        self.facts: dict[Envelope, FactRow] = {}
        self.withdrawals: dict[tuple[str, str], tuple[int, int]] = {}
        self.decisions: list[Decision] = []
        self.answers: dict[str, AnswerKind] = {}
        self.triggers: list[Trigger] = []
        self.cells: Counter[CounterKey] = Counter()
        self.records: tuple[Record, ...] = ()
        self.closed_window_ms: int | None = None
        self.opened_window_ms: int | None = None
        self.purge: Cuts | None = None
        self.purge_at_ms: int | None = None
        self.counts: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()

    @property
    def is_durable(self) -> bool:
        """Whether there is anything that must be on the disk before anyone is told."""
        return bool(
            self.facts
            or self.transitions
            or self.decisions
            or self.contexts
            or self.identities
            or self.cells
            or self.opened_window_ms is not None
            or self.purge is not None
        )


class State:
    """The memory of the writer thread; see `Changes` for how it changes."""

    def __init__(
        self,
        identities: Mapping[str, str],
        presences: Iterable[Presence],
        cells: Mapping[CounterKey, int],
        window_ms: int | None,
        *,
        now_ms: int,
        rules: PresenceRules,
        keys: Mapping[str, str] | None = None,
        cipher: Cipher | None = None,
    ) -> None:
        """Take up what the store remembers; visits still open get a full silence more before they end.

        `keys` (identity resolving keys -> subject) need a `cipher` to be of use.
        """
        self.identities = dict(identities)
        self.keys = dict(keys or {})
        self.cipher = cipher
        self.addresses: dict[str, Resolved] = {}
        self.clocks: dict[str, DeviceClock] = {}
        self.purge_at_ms = now_ms + limits.PURGE_FIRST_MS
        self.presences: dict[Place, Presence] = {}
        self.places: dict[str, ZoneContext] = {}
        self.cells: Counter[CounterKey] = Counter(cells)
        self.window_start_ms = window_ms
        self.activity: Counter[str] = Counter()
        self._timers: list[tuple[int, Place]] = []
        for presence in presences:
            self._keep((presence.subject, presence.zone), woken(presence, now_ms, rules))

    def accept(self, changes: Changes) -> None:
        """Make a stored outcome true in memory."""
        self._accept_addresses(changes)
        for mover, subject in changes.identities.items():
            if subject is None:
                self.identities.pop(mover, None)
                self.clocks.pop(mover, None)  # after the clocks of this batch, which may hold theirs
            else:
                self.identities[mover] = subject
        for place, presence in changes.presences.items():
            if presence is None:
                self.presences.pop(place, None)
            else:
                self._keep(place, presence)
        self.places.update(changes.places)
        if changes.closed_window_ms is not None:
            self.cells.clear()
            self.activity.clear()
        if changes.opened_window_ms is not None:
            self.window_start_ms = changes.opened_window_ms
        if changes.purge_at_ms is not None:
            self.purge_at_ms = changes.purge_at_ms
        self.cells.update(changes.cells)
        self.activity.update({name: changes.counts[name] for name in GatewayCounters._fields if changes.counts[name]})

    def due(self, now_ms: int) -> list[Presence]:
        """Presences whose moment has come, without forgetting them."""
        next_ms = self.next_due_ms()
        if next_ms is None or next_ms > now_ms:
            return []
        rung: set[Place] = set()
        branches = [0]  # a child in a heap is never earlier than its parent, so later branches need no look
        while branches:
            index = branches.pop()
            if index < len(self._timers) and self._timers[index][0] <= now_ms:
                rung.add(self._timers[index][1])
                branches += (2 * index + 1, 2 * index + 2)
        present = [self.presences[place] for place in sorted(rung) if place in self.presences]
        return [presence for presence in present if presence.due_at_ms <= now_ms]

    def next_due_ms(self) -> int | None:
        """The earliest moment at which time has to be asked, if any."""
        while self._timers:
            due_at_ms, place = self._timers[0]
            presence = self.presences.get(place)
            if presence is not None and presence.due_at_ms == due_at_ms:
                return due_at_ms
            heapq.heappop(self._timers)
        return None

    def shift(self, step_ms: int) -> None:
        """Move every open presence with a stepped clock, so that a wrong clock makes nobody come or go."""
        presences = [shifted(presence, step_ms) for presence in self.presences.values()]
        self._timers.clear()
        self.presences.clear()
        for presence in presences:
            self._keep((presence.subject, presence.zone), presence)
        self.places = {zone: moved(context, step_ms) for zone, context in self.places.items()}
        self.addresses.clear()
        self.clocks.clear()  # they were measured against the clock as it was
        self.purge_at_ms += step_ms

    def _accept_addresses(self, changes: Changes) -> None:
        """Tables of strangers' making: the oldest entries go when there are too many, and are found out anew if need be."""
        for key, subject in changes.keys.items():
            if subject is None:
                self.keys.pop(key, None)
            else:
                self.keys[key] = subject
        if changes.keys:
            self.addresses.clear()  # who was nobody may be somebody now; and a key that was taken back is kept nowhere
            if self.cipher is not None:
                self.cipher.encrypted(tuple(self.keys), b"")
        else:
            for address, resolved in changes.addresses.items():
                self.addresses.pop(address, None)
                self.addresses[address] = resolved
        for device, clock in changes.clocks.items():
            self.clocks.pop(device, None)
            self.clocks[device] = clock
        _trim(self.addresses, limits.ADDRESSES_CACHED_MAX)
        _trim(self.clocks, limits.CLOCK_DEVICES_MAX)

    def _keep(self, place: Place, presence: Presence) -> None:
        before = self.presences.get(place)
        self.presences[place] = presence
        if before is None or before.due_at_ms != presence.due_at_ms:
            heapq.heappush(self._timers, (presence.due_at_ms, place))
        if len(self._timers) > limits.TIMERS_SPARE_MAX + 2 * len(self.presences):
            self._timers = [(presence.due_at_ms, place) for place, presence in self.presences.items()]
            heapq.heapify(self._timers)


def _trim(table: dict[str, T], most: int) -> None:
    """Drop what was written longest ago."""
    for key in list(islice(table, max(0, len(table) - most))):
        del table[key]
