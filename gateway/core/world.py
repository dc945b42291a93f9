"""What the gateway holds in memory between batches, and the draft that a batch writes into.

`advance` never changes the world: it reads through to it and writes into an `Outcome`. Only when the
outcome is safely stored is it accepted. A failed commit therefore leaves memory exactly where the disk is.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Protocol, TypeVar

import msgspec

from gateway.core import limits
from gateway.core.addresses import Cipher, Resolved
from gateway.core.clocks import DeviceClock
from gateway.core.context import SubjectContext, ZoneContext, moved
from gateway.core.policy.decision import Decision
from gateway.core.presence import Presence, PresenceRules, Transition, shifted, woken
from gateway.core.privacy import Activity, Cell
from gateway.core.records import Record
from gateway.core.street import Cuts
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


class Memory(Protocol):
    """The store as the engine sees it: answers questions about what was committed, and changes nothing."""

    def context(self, subject: str) -> SubjectContext | None:
        """The context of a subject, with the contacts that the decision log tells."""

    def is_known(self, envelope: Envelope) -> bool:
        """Whether this fact was committed before."""

    def withdrawn_seq(self, envelope: Envelope) -> int | None:
        """Which of its sayings the last no was, of the same start of the same device."""

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision proposed, if this gateway made it."""

    def expired(self, now_ms: int) -> list[str]:
        """Subjects whose yes has run out, some at a time."""

    def is_outdated(self, cuts: Cuts) -> bool:
        """Whether there is anything older than it may become."""

    def backlog(self) -> int:
        """How many records wait to leave."""

    def is_outbox_full(self) -> bool:
        """Whether there is no room for more records."""


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


class Outcome:
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
        self.cells: Counter[Cell] = Counter()
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


class World:
    """The memory of the writer thread; see `Outcome` for how it changes."""

    def __init__(
        self,
        identities: Mapping[str, str],
        presences: Iterable[Presence],
        cells: Mapping[Cell, int],
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
        self.cells: Counter[Cell] = Counter(cells)
        self.window_start_ms = window_ms
        self.activity: Counter[str] = Counter()
        self._timers: list[tuple[int, Place]] = []
        for presence in presences:
            self._keep((presence.subject, presence.zone), woken(presence, now_ms, rules))

    def accept(self, outcome: Outcome) -> None:
        """Make a stored outcome true in memory."""
        self._accept_addresses(outcome)
        for mover, subject in outcome.identities.items():
            if subject is None:
                self.identities.pop(mover, None)
                self.clocks.pop(mover, None)  # after the clocks of this batch, which may hold theirs
            else:
                self.identities[mover] = subject
        for place, presence in outcome.presences.items():
            if presence is None:
                self.presences.pop(place, None)
            else:
                self._keep(place, presence)
        self.places.update(outcome.places)
        if outcome.closed_window_ms is not None:
            self.cells.clear()
            self.activity.clear()
        if outcome.opened_window_ms is not None:
            self.window_start_ms = outcome.opened_window_ms
        if outcome.purge_at_ms is not None:
            self.purge_at_ms = outcome.purge_at_ms
        self.cells.update(outcome.cells)
        self.activity.update({name: outcome.counts[name] for name in Activity._fields if outcome.counts[name]})

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

    def _accept_addresses(self, outcome: Outcome) -> None:
        """Tables of strangers' making: the oldest entries go when there are too many, and are found out anew if need be."""
        for key, subject in outcome.keys.items():
            if subject is None:
                self.keys.pop(key, None)
            else:
                self.keys[key] = subject
        if outcome.keys:
            self.addresses.clear()  # who was nobody may be somebody now; and a key that was taken back is kept nowhere
            if self.cipher is not None:
                self.cipher.encrypted(tuple(self.keys), b"")
        else:
            for address, resolved in outcome.addresses.items():
                self.addresses.pop(address, None)
                self.addresses[address] = resolved
        for device, clock in outcome.clocks.items():
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
