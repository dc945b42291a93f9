"""The store: one SQLite file, one connection, one thread that writes.

The file is encrypted (SQLite3 Multiple Ciphers, ChaCha20-Poly1305) and runs in WAL mode with synchronous=FULL: changes that `save`
committed survive a power cut. Each slice of the state has a file here (see `gateway.core.state`); `save` walks them in one transaction.
The engine reads through the `Repository` methods on the same connection.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store import database, in_use
from gateway.adapters.store.decision_rows import expected
from gateway.adapters.store.erasing import Erasing
from gateway.adapters.store.opening import opened
from gateway.core.ports import Counted, DeadLetter, StoreDamagedError, StoreError, StoreFullError
from gateway.core.state import Changes, ClaimsState, Proposed, RetentionState, ScreensState, State, Trigger, VisitsState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.core.addresses import Cipher
    from gateway.core.context import SubjectContext
    from gateway.core.policy.decision import Decision
    from gateway.core.presence import PresenceRules
    from gateway.core.privacy.laplace import Entropy
    from gateway.core.records import Batch
    from gateway.core.site import Cuts, Site
    from gateway.core.state.screens import Slot
    from gateway.core.types import Envelope, Redemption

TABLES = (
    "contexts",
    "keys",
    "presences",
    "visits",
    "history",
    "facts",
    "decisions",
    "windows",
    "outcomes",
    "contacts",
    "withdrawals",
    "triggers",
    "outbox",
    "dead_letters",
)


class Store(Erasing):
    """Opens and migrates the file at `path`; implements `gateway.core.ports.Store`. Used by one thread only."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        *,
        key_file: Path | None = None,
        exclusive: bool = False,
        cipher: Cipher | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        """Open with a 32-byte key. Raises StoreError for a wrong key, a newer schema, a damaged file, or marks that are older than it.

        With `key_file`, which holds the key, the key is replaced after an erasure. `exclusive` is for the one gateway that writes: a
        second one is refused. `cipher` resolves private addresses for the state that is read from here. `entropy` is the source of
        noise; the operating system's without one.
        """
        self._cipher, self._key_file = cipher, key_file
        self._is_closed, self._is_exclusive = False, exclusive
        self._lock = database.lock(path, StoreError) if exclusive else None
        connection = None
        try:
            connection, marks, hasher = opened(path, key, key_file, may_make=exclusive)
            super().__init__(path, connection, marks, hasher, entropy)
        except StoreError:
            self._give_up(connection)
            raise
        self._mark_in_use()

    def _give_up(self, connection: apsw.Connection | None) -> None:
        """Close a file that could not be used."""
        if connection is not None:
            with suppress(apsw.Error):
                in_use.clear(connection)
            connection.close(force=True)
        self._unlock()

    def former_filters(self, filters: Sequence[str]) -> list[str]:
        """The topic filters of earlier starts that are not in `filters`, which are remembered too. Raises StoreFullError."""
        former = [one for one in self.filters.former() if one not in filters]
        with self._transaction():
            self.filters.keep(filters)
        return former

    def close(self) -> None:
        """Finish erasures, checkpoint and close; a second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with suppress(StoreFullError, StoreDamagedError):  # the next start goes on with it
                self.replace_key()
            with suppress(apsw.Error):
                in_use.clear(self._db)
            self._db.close()
        except (apsw.CorruptError, apsw.NotADBError):  # a new connection shows it as well
            self._db.close(force=True)
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def expect(self, site: Site, model: str) -> None:
        """Store the decisions of this site and model in fewer bytes: repeated ones stand in the store once."""
        self.decisions.expected = expected(site, model)

    # --- reads of the engine (gateway.core.ports.Repository) ------------------------------------------

    def context(self, subject: str) -> SubjectContext | None:
        """The context of a subject with its recent contacts."""
        return self.people.context(subject)

    def expired(self, now_ms: int) -> list[str]:
        """Subjects with an expired consent, some at a time."""
        return self.people.expired(now_ms)

    def is_known(self, envelope: Envelope) -> bool:
        """Whether a fact with this envelope was committed."""
        return self.facts.is_known(envelope)

    def withdrawn_seq(self, envelope: Envelope) -> int | None:
        """Sequence number of the last withdrawal in this boot of the device, or None."""
        return self.facts.withdrawn_seq(envelope)

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision proposed."""
        return self.decisions.proposed(decision)

    def answered(self, decision: str) -> set[str]:
        """The kinds of the committed answers to a decision."""
        return self.facts.answered(decision)

    def requested(self, envelope: Envelope) -> Decision | None:
        """The decision that answered the request of this envelope."""
        found = self.facts.decision(envelope)
        return None if found is None else self.decisions.decision(*found)

    def decision(self, id_: str) -> Decision | None:
        """A decision of the log for an offer, sent or not, or None."""
        return self.decisions.decision(id_)

    def slot(self, id_: str) -> Slot | None:
        """A slot of a screen's programme, or None."""
        return self.screens.slot(id_)

    def redemptions(self, decision: str) -> list[Redemption]:
        """The known redemptions of the coupon of a decision, the earliest first."""
        return self.coupons.redemptions(decision)

    def is_outdated(self, cuts: Cuts) -> bool:
        """Whether any table holds rows older than `cuts`."""
        return self.retention.is_outdated(cuts)

    def backlog(self) -> int:
        """Records waiting to leave."""
        return self.counts.waiting

    def counted(self) -> Counted:
        """Totals of counting since the start."""
        return Counted(self.counts.made, self.counts.dropped)

    def is_outbox_full(self) -> bool:
        """Whether the outbox has no room for more records."""
        return self.counts.is_full()

    # --- state and changes ---------------------------------------------------------------------------------

    def state(self, now_ms: int, rules: PresenceRules) -> State:
        """The state as of the last commit; quarantined batches get another try."""
        with self._transaction():
            self.counts.retry_quarantined()
        return State(
            people=self.people.state(self._cipher, self.marks.generation),
            visits=self.visits.state(now_ms, rules),
            budgets=self.budgets.state(),
            outcomes=self.outcomes.state(now_ms),
            learning=self.learning.state(),
            counts=self.counts.state(),
            sensors=self.sensors.state(),
            retention=RetentionState(now_ms),
            claims=ClaimsState(now_ms),
            occasions=self.occasions.state(),
            incidents=self.incidents.state(),
            clock=self.clock.state(now_ms),
            screens=ScreensState(),
        )

    def save(self, changes: Changes) -> None:
        """Commit all of `changes` or nothing. Raises StoreFullError and StoreDamagedError.

        Withdrawals and releases are marked beside the file before the commit: after a power cut in between, the mark of a withdrawal is
        carried out at the next start, and the period of a release is not released.
        """
        if changes.people.generation is not None:
            self.marks.append(dict.fromkeys(device for device, _ in changes.facts.withdrawals), changes.people.generation)
        if changes.counts.closing is not None:
            self.release_marks.append(self.counts.due(changes.counts.closing))
        with self._transaction():
            for name, part in changes:
                self._tables[name].save(part)
            for subject, context in changes.people.contexts.items():
                self._apply_consent(subject, context)  # last, so that rows of this very batch go as well
            if None in changes.people.contexts.values():
                self._note_erasure()
        for name, part in changes:
            self._tables[name].committed(part)
        self._erases = self._erases or changes.retention.cuts is not None or None in changes.people.contexts.values()
        self.finish_erasure()

    def save_times(self, state: State) -> None:
        """Store the moments of the state again. Raises StoreFullError."""
        with self._transaction():
            for name in state.__struct_fields__:
                self._tables[name].save_times(getattr(state, name))

    def save_heard(self, visits: VisitsState) -> None:
        """Store the last sighting of each open visit, and the averages over decisions. Raises StoreFullError."""
        with self._transaction():
            self.visits.save_times(visits)
            self.people.save_moments()
            self.learning.save_moments()
        self.people.moments_saved()
        self.learning.moments_saved()

    # --- triggers, outbox, dead letters ----------------------------------------------------------------------

    def waiting_triggers(self) -> list[Trigger]:
        """Triggers that the broker has not acknowledged."""
        return self.decisions.waiting()

    def open_redemptions(self, gateway: str, now_ms: int) -> list[Redemption]:
        """Redemptions at the gateway's own tills of coupons that have not ended."""
        return self.coupons.open_redemptions(gateway, now_ms)

    def triggers_sent(self, ids: Sequence[str]) -> None:
        """Delete triggers that the broker acknowledged or that expired. Raises StoreFullError."""
        with self._transaction():
            self.decisions.delete_triggers(ids)

    def next_batch(self, gateway: str) -> Batch | None:
        """The batch to send next; None if nothing waits. Raises StoreFullError."""
        batch = self.counts.batch(gateway)
        if batch is None and self.counts.waiting:
            with self._transaction():
                self.counts.cut_batch(gateway)
            batch = self.counts.batch(gateway)
        return batch

    def records_taken(self, batch: Batch, taken: Sequence[str]) -> int:
        """Delete the records that the cloud acknowledged; returns their number. Raises StoreFullError."""
        with self._transaction():
            return self.counts.delete_taken(batch, taken)

    def quarantine(self, batch: Batch) -> int:
        """Quarantine a batch that the cloud refuses as it is; returns the number of its records. Raises StoreFullError."""
        with self._transaction():
            return self.counts.quarantine(batch)

    def store_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Keep refused messages, the newest DEAD_LETTERS_MAX. Raises StoreFullError."""
        if dead_letters:
            with self._transaction():
                self.dead_letters.add(dead_letters)

    def totals(self) -> dict[str, int]:
        """Number of rows by table."""
        return {table: int(self.people.one(f"SELECT count(*) FROM {table}")) for table in TABLES}  # noqa: S608 - names from TABLES
