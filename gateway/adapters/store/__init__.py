"""The store: one SQLite file, one connection, one thread that writes.

The file is encrypted (SQLite3 Multiple Ciphers, ChaCha20-Poly1305) and runs in WAL mode with synchronous=FULL: changes that `save`
committed survive a power cut. Each slice of the state has a file here (see `gateway.core.state`); `save` walks them in one transaction.
The engine reads through the `Repository` methods on the same connection.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store import database, in_use, keys, rekey
from gateway.adapters.store.budgets import BudgetsTable
from gateway.adapters.store.clock import ClockTable
from gateway.adapters.store.counts import CountsTable
from gateway.adapters.store.coupons import CouponsTable
from gateway.adapters.store.dead_letters import DeadLettersTable
from gateway.adapters.store.decision_rows import expected
from gateway.adapters.store.decisions import DecisionsTable
from gateway.adapters.store.entropy import SystemEntropy
from gateway.adapters.store.facts import FactsTable
from gateway.adapters.store.filters import FiltersTable
from gateway.adapters.store.history import HistoryTable
from gateway.adapters.store.incidents import IncidentsTable
from gateway.adapters.store.learning import LearningTable
from gateway.adapters.store.marks import Marks
from gateway.adapters.store.occasions import OccasionsTable
from gateway.adapters.store.outcomes import OutcomesTable
from gateway.adapters.store.people import PeopleTable
from gateway.adapters.store.register import RegisterTable
from gateway.adapters.store.released import ReleaseMarks, marks_path
from gateway.adapters.store.retention import RetentionTable
from gateway.adapters.store.screens import ScreensTable
from gateway.adapters.store.sensors import SensorsTable
from gateway.adapters.store.table import Hasher, Table
from gateway.adapters.store.visits import VisitsTable
from gateway.adapters.store.words import Words
from gateway.core import limits
from gateway.core.context import may_be_offered, may_be_remembered
from gateway.core.ports import Counted, DeadLetter, StoreDamagedError, StoreError, StoreFullError
from gateway.core.state import Changes, ClaimsState, Proposed, RetentionState, ScreensState, State, Trigger, VisitsState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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


class Store:
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
        self._cipher = cipher
        self._path, self._key_file = path, key_file
        self._lock = database.lock(path, StoreError) if exclusive else None
        try:
            key = self._settled(key)
            self._begin_marks()
            self.marks = Marks(path.with_name(f"{path.name}.withdrawn"), key)
            has_log = in_use.has_log(path)
            self._db = self._opened(key)
            self._check_copy(has_log=has_log)
            hasher = Hasher(self._hash_key())
        except StoreError:
            self._unlock()
            raise
        self._is_closed = False
        self._erases = True  # of the last process, which may have ended before
        self._inode = (path.stat().st_dev, path.stat().st_ino)
        self.register = RegisterTable(self._db)
        self._words = Words(self._db)
        self.people = PeopleTable(self._db, self.register, self._words)
        self.facts = FactsTable(self._db, hasher)
        self.visits = VisitsTable(self._db)
        self.history = HistoryTable(self._db)
        self.decisions = DecisionsTable(self._db, self._words)
        self.budgets = BudgetsTable(self._db)
        self.outcomes = OutcomesTable(self._db)
        self.learning = LearningTable(self._db)
        self.counts = CountsTable(self._db, hasher, entropy or SystemEntropy())
        self.sensors = SensorsTable(self._db)
        self.retention = RetentionTable(self._db)
        self.occasions = OccasionsTable(self._db)
        self.incidents = IncidentsTable(self._db)
        self.clock = ClockTable(self._db)
        self.screens = ScreensTable(self._db)
        self.dead_letters = DeadLettersTable(self._db, hasher)
        self.coupons = CouponsTable(self._db, hasher)
        self.filters = FiltersTable(self._db)
        self._tables: dict[str, Table] = {
            "people": self.people,
            "facts": self.facts,
            "visits": self.visits,
            "history": self.history,
            "decisions": self.decisions,
            "budgets": self.budgets,
            "outcomes": self.outcomes,
            "learning": self.learning,
            "counts": self.counts,
            "sensors": self.sensors,
            "retention": self.retention,
            "register": self.register,
            "claims": Table(self._db),
            "replies": Table(self._db),
            "coupons": self.coupons,
            "occasions": self.occasions,
            "incidents": self.incidents,
            "clock": self.clock,
            "screens": self.screens,
        }
        try:
            self._carry_out_marks(path)
            self.release_marks = ReleaseMarks(marks_path(path))
            self._note_lost_releases(path)
        except StoreError:
            self.close()
            raise
        self._mark_in_use()

    def _begin_marks(self) -> None:
        """Make the files of marks with a new database: from then on a missing one is a lost one. Raises StoreError."""
        if self._lock is None or self._path.exists():
            return
        try:
            self._path.with_name(f"{self._path.name}.withdrawn").touch(0o600)
            marks_path(self._path).touch(0o600)
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be made ({error.strerror}); check that its folder is writable") from None

    def _settled(self, key: bytes) -> bytes:
        """The key, after a replacement that was interrupted has ended. Raises StoreError."""
        if self._key_file is None:
            return key
        try:
            rekey.settle(self._path, self._key_file)
            return keys.read_key(self._key_file, may_create=False)
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._key_file} cannot be replaced ({error}): the gateway needs to write it and its folder") from None

    def _opened(self, key: bytes) -> apsw.Connection:
        """The open database. Raises StoreError, and StoreDamagedError also for a copy from before an erasure."""
        try:
            return database.open_database(self._path, key, StoreError)
        except StoreDamagedError:
            raise
        except StoreError:
            if self._path.is_file() and rekey.salt(self._path) in self.marks.replaced:
                raise StoreDamagedError(f"{self._path} is a copy from before an erasure, and its key was destroyed with it") from None
            raise

    def _check_copy(self, *, has_log: bool) -> None:
        """Raise StoreDamagedError for a copy of a running gateway's database without its log: commits are missing in it."""
        if in_use.is_set(self._db) and not has_log:
            self._db.close(force=True)
            raise StoreDamagedError(
                f"{self._path} is a copy that was made while its gateway ran, without the file {self._path.name}-wal, and lacks commits: "
                "put that file beside it, or restore a backup of `wayside backup`"
            )

    def _hash_key(self) -> bytes:
        """The key of the hashes: from its file, which is made with a new database.

        Raises StoreError if it was lost, and StoreFullError if a new database cannot be written.
        """
        file = keys.hash_key_file(self._path, self._key_file)
        try:
            key, is_new = keys.hash_key(file), not self._db.execute("SELECT 1 FROM meta WHERE name = 'hashed'").fetchone()
            if key is None and is_new:
                key = keys.make_key(file)
            if is_new:
                with self._db:
                    self._db.execute("INSERT INTO meta VALUES ('hashed', 1)")
        except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError) as error:
            self._db.close()
            raise StoreFullError(f"{self._path} cannot be written ({error})") from None
        except (OSError, ValueError) as error:
            self._db.close()
            raise StoreError(f"{file} cannot be used: {error}") from None
        if key is None:
            self._db.close()
            raise StoreError(f"{file} is missing: restore it, because repeated facts could not be recognised without it")
        return key

    def _mark_in_use(self) -> None:
        """Mark the file of the one gateway that writes; on a full disk a copy of it is not recognised."""
        if self._lock is not None:
            with suppress(apsw.Error):
                in_use.mark(self._db)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _check_file(self) -> None:
        """Raise StoreFullError if the file was deleted or replaced: its rows would be lost with the open descriptor."""
        try:
            found = self._path.stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._inode:
            raise StoreFullError(f"{self._path} was deleted or replaced; new messages wait at the broker: restart the gateway")

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

    def finish_erasure(self) -> None:
        """Empty the write-ahead log after a deletion: a part of it would show the rows again. A reader that holds it delays that.

        Raises StoreDamagedError.
        """
        if self._erases:
            try:
                self._db.set_busy_timeout(0)
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                self._erases = False
            except (apsw.CorruptError, apsw.NotADBError):
                raise StoreDamagedError(f"{self._path} is damaged") from None
            except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError):
                pass  # a reader may hold the log, and a failing disk is reported by the next commit
            finally:
                self._db.set_busy_timeout(database.WRITER_BUSY_MS)

    @property
    def awaits_new_key(self) -> bool:
        """Whether people were erased since the key was made."""
        return self._key_file is not None and bool(self.people.one("SELECT 1 FROM meta WHERE name = 'erased'"))

    def replace_key(self) -> bool:
        """Replace the key if people were erased since it was made; returns False while another program has the database open.

        Raises StoreFullError if the new file or the new key cannot be written; then everything stays as it is.
        """
        if self._key_file is None or not self.awaits_new_key:
            return True
        before = rekey.salt(self._path)
        try:
            in_use.clear(self._db)  # the log is removed meanwhile
            key = rekey.copied(self._db, self._path, self._key_file)
        except apsw.BusyError:
            self._mark_in_use()
            return False
        except (apsw.Error, OSError) as error:
            self._mark_in_use()
            raise StoreFullError(f"the key of {self._path} cannot be replaced after an erasure ({error}): free some space") from None
        finally:
            self._db.set_busy_timeout(database.WRITER_BUSY_MS)
        self._db.close()
        rekey.adopt(self._path)
        self.marks.restart(key, before)
        rekey.settle(self._path, self._key_file)
        self._reconnect(database.open_database(self._path, key, StoreError))
        with self._transaction():
            self._db.execute("DELETE FROM meta WHERE name = 'erased'")
        self._mark_in_use()
        return True

    def forget_everyone(self) -> None:
        """Erase all people as a withdrawal does, and end the open period of the counts. Raises StoreFullError."""
        with self._transaction():
            for subject in self.people.subjects():
                self._apply_consent(subject, None)
            self.counts.forget_period()
        self._db.execute("VACUUM")  # the file becomes as small as its rows

    def _reconnect(self, opened: apsw.Connection) -> None:
        self._db = opened
        self._inode = (self._path.stat().st_dev, self._path.stat().st_ino)
        self._words.reconnect(opened)
        for table in (*self._tables.values(), self.dead_letters, self.filters):
            table.reconnect(opened)

    def _note_erasure(self) -> None:
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('erased', 1)")

    def _carry_out_marks(self, path: Path) -> None:
        """Carry out the withdrawals since this copy of the file was made.

        Raises StoreError if the marks are older than the file, and StoreDamagedError if marks of that time are gone.
        """
        known = self.people.generation()
        if known < self.marks.floor and self.people.owners():
            raise StoreDamagedError(f"{path} is a copy from before an erasure, whose mark went with the key of that time")
        if known > self.marks.generation:
            raise StoreError(
                f"{path}.withdrawn holds {self.marks.generation} withdrawals, the database {known}: restore the file that belongs to it, "
                "because an older one could revive withdrawn consents"
            )
        if known == self.marks.generation:
            return
        with self._transaction():
            for device, subject in self.people.owners():
                person = self.people.context(subject)
                if person is not None and person.device == device and self.marks.newest(device) > person.generation:
                    self._apply_consent(subject, None)
                    self._note_erasure()
            self.people.save_generation(self.marks.generation)
        self.people.clear()

    def _note_lost_releases(self, path: Path) -> None:
        """Note the releases since this copy of the file was made. Raises StoreError if the marks are older than the file."""
        newest = self.counts.newest_release()
        if newest is not None and newest not in {mark[:2] for mark in self.release_marks.marks}:
            raise StoreError(
                f"{path}.released lacks releases that the database has: restore the file that belongs to it, "
                "because an older one could release a period twice"
            )
        with self._transaction():
            self.counts.note_lost(list(self.release_marks.marks)[-limits.RELEASED_MARKS_MAX // 2 :])

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

    def _apply_consent(self, subject: str, context: SubjectContext | None) -> None:
        """Delete the rows that the consent no longer covers; all of them after a withdrawal."""
        if context is None:
            for table in (
                self.facts,
                self.coupons,
                self.decisions,
                self.visits,
                self.history,
                self.register,
                self.counts,
                self.people,
            ):  # facts and coupons read the decisions
                table.forget(subject)
            return
        if not may_be_offered(context.purposes):
            self.decisions.withhold(subject)
        if "measurement" not in context.purposes:
            self.counts.forget(subject)
        if not may_be_remembered(context.purposes):
            self.visits.forget_ended(subject)
            self.history.forget(subject)

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

    # --- inside ------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._check_file()
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._words.forget()
            for table in self._tables.values():
                table.rolled_back()
            if isinstance(error, apsw.BusyError):
                raise StoreFullError(
                    "another program holds the database: close it; nothing is lost, new messages wait at the broker"
                ) from error
            if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
                raise StoreDamagedError(f"{self._path} is damaged") from error
            if isinstance(error, (apsw.FullError, apsw.IOError, apsw.ReadOnlyError)):  # a failing card is remounted read-only
                raise StoreFullError(
                    "the disk is full or failing: free some space; nothing is lost, new messages wait at the broker"
                ) from error
            raise
