"""The store: one SQLite file, one connection, one thread that writes.

The file is encrypted (SQLite3 Multiple Ciphers, ChaCha20-Poly1305) and runs in WAL mode with
synchronous=FULL: what `save` has returned from survives a power cut. Only `save` and the small outbox and trigger
book-keeping write; the engine asks its questions through the `Memory` methods on the same connection.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from gateway.adapters import migrations
from gateway.core import limits
from gateway.core.context import Contact, SubjectContext, may_be_offered, may_be_remembered
from gateway.core.ports import StoreError, StoreFullError
from gateway.core.presence import Presence, PresenceRules
from gateway.core.privacy import CounterKey
from gateway.core.records import Batch, Record
from gateway.core.world import Changes, Proposed, State, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from gateway.core.addresses import Cipher
    from gateway.core.site import Cuts
    from gateway.core.types import Envelope

OUTDATED: dict[str, tuple[str, str]] = {
    "visits": ("left_ms", "subject, entered_ms, zone"),
    "decisions": ("at_ms", "id"),
    "facts": ("at_ms", "envelope"),
    "withdrawals": ("at_ms", "start"),
}
"""What is kept for so many days only: table -> what its age is counted from, and its key. In the order of `Cuts`."""

CONTACTS_BACK_MS = 2 * 86_400_000  # a local day is at most 25 h; two days hold every "today"

_PACK = msgspec.msgpack.Encoder()
_CONTEXT = msgspec.msgpack.Decoder(SubjectContext)


class Store:
    """Opens (and migrates) the file at `path`. Used by one thread only."""

    def __init__(self, path: Path, key: bytes, *, exclusive: bool = False, cipher: Cipher | None = None) -> None:
        """Open with a 32-byte key; raises StoreError for a wrong key, a newer schema or a damaged file.

        `exclusive` is for the one gateway that writes: a second one is refused, so that no two worlds share a database. `cipher` is
        what a world that is read from here looks private addresses up with.
        """
        self._cipher = cipher
        self._lock = migrations.lock(path, StoreError) if exclusive else None
        self._db = migrations.open_database(path, key, StoreError)
        self._contexts: OrderedDict[str, SubjectContext] = OrderedDict()
        self._backlog, self._aside = self._count_outbox()
        self._position = int(self._one("SELECT coalesce(max(position), 0) FROM outbox"))
        self._envelope_key = self._envelope_secret()

    def close(self) -> None:
        """Checkpoint and close."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- what the engine asks (gateway.core.world.Memory) ---------------------------------------------

    def context(self, subject: str) -> SubjectContext | None:
        """The context of a subject with its recent contacts."""
        cached = self._contexts.get(subject)
        if cached is not None:
            self._contexts.move_to_end(subject)
            return cached
        row = self._db.execute("SELECT body FROM contexts WHERE subject = ?", (subject,)).fetchone()
        if row is None:
            return None
        stored = _CONTEXT.decode(row[0])
        contacts = tuple(
            Contact(*contact)
            for contact in self._db.execute(
                "SELECT id, offer, at_ms, answer FROM (SELECT id, offer, at_ms, answer FROM decisions "
                "WHERE subject = ?1 AND offer IS NOT NULL AND at_ms >= "
                "(SELECT max(at_ms) FROM decisions WHERE subject = ?1) - ?2 ORDER BY at_ms DESC LIMIT ?3) ORDER BY at_ms",
                (subject, CONTACTS_BACK_MS, limits.CONTACTS_KEPT_MAX),
            )
        )
        context = msgspec.structs.replace(stored, contacts=contacts)
        self._cache(context)
        return context

    def is_known(self, envelope: Envelope) -> bool:
        """Whether a fact with this envelope was committed."""
        return self._db.execute("SELECT 1 FROM facts WHERE envelope = ?", (self._hashed(envelope),)).fetchone() is not None

    def withdrawn_seq(self, envelope: Envelope) -> int | None:
        """The last no of this start of this device."""
        key = self._keyed(f"{envelope.device}\0{envelope.boot}")
        row = self._db.execute("SELECT seq FROM withdrawals WHERE start = ?", (key,)).fetchone()
        return int(row[0]) if row else None

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision proposed."""
        sql = "SELECT subject, zone, offer, answer FROM decisions WHERE id = ? AND offer IS NOT NULL"
        row = self._db.execute(sql, (decision,)).fetchone()
        return Proposed(*row) if row else None

    def is_outdated(self, cuts: Cuts) -> bool:
        """Whether any table holds what is older than it may become."""
        return any(
            self._db.execute(f"SELECT 1 FROM {table} WHERE {time} < ? LIMIT 1", (cut_ms,)).fetchone()  # noqa: S608 - names from OUTDATED
            for (table, (time, _)), cut_ms in zip(OUTDATED.items(), cuts, strict=True)
        )

    def backlog(self) -> int:
        """Records waiting to leave."""
        return self._backlog

    def is_outbox_full(self) -> bool:
        """Whether there is no room for more records, those set aside included."""
        return self._backlog + self._aside >= limits.OUTBOX_RECORDS_MAX

    def expired(self, now_ms: int) -> list[str]:
        """Subjects whose yes has run out, some at a time."""
        rows = self._rows("SELECT subject FROM contexts WHERE expires_at_ms <= ? LIMIT ?", (now_ms, limits.EXPIRED_SUBJECTS_MAX))
        return [subject for (subject,) in rows]

    # --- starting and saving ---------------------------------------------------------------------------

    def state(self, now_ms: int, rules: PresenceRules) -> State:
        """The world as it was committed last; batches that were set aside get another try."""
        with self._transaction():
            self._db.execute("UPDATE outbox SET aside = 0 WHERE aside")
        self._backlog, self._aside = self._count_outbox()
        window = self._db.execute("SELECT value FROM meta WHERE name = 'window_start_ms'").fetchone()
        return State(
            dict(self._rows("SELECT mover, subject FROM identities")),
            [
                Presence(subject, zone, seen_ms, due_at_ms, entered_ms, bool(dwelled), confidence=confidence, heard=heard)
                for subject, zone, seen_ms, due_at_ms, entered_ms, dwelled, confidence, heard in self._rows(
                    "SELECT subject, zone, seen_ms, due_at_ms, entered_ms, dwelled, confidence, heard FROM presences"
                )
            ],
            {CounterKey(zone, offer, kind): count for zone, offer, kind, count in self._rows("SELECT zone, offer, kind, count FROM cells")},
            int(window[0]) if window else None,
            now_ms=now_ms,
            rules=rules,
            keys=dict(self._rows("SELECT key, subject FROM keys")),
            cipher=self._cipher,
        )

    def move_visits(self, presences: Iterable[Presence]) -> None:
        """Write the moments of open visits anew: the clock was set."""
        rows = [(present.entered_ms, present.seen_ms, present.due_at_ms, present.subject, present.zone) for present in presences]
        with self._transaction():
            self._db.executemany(
                "UPDATE presences SET entered_ms = ?, seen_ms = ?, due_at_ms = ? WHERE subject = ? AND zone = ?",
                [row for row in rows if row[0] is not None],
            )

    def save(self, changes: Changes) -> None:
        """Commit everything that an outcome changes, or nothing of it."""
        with self._transaction():
            self._save_people(changes)
            self._save_decisions(changes)
            self._save_counts(changes)
            for subject, context in changes.contexts.items():
                if context is None:
                    self._forget(subject)  # last, so that it forgets what this very batch has written too
            if changes.purge is not None:
                self._purge(changes.purge, changes.purge_at_ms or 0)
        for subject, context in changes.contexts.items():
            if context is None:
                self._contexts.pop(subject, None)
            else:
                self._cache(context)

    def _save_people(self, changes: Changes) -> None:
        for subject, context in changes.contexts.items():
            if context is not None:
                body = _PACK.encode(msgspec.structs.replace(context, contacts=()))
                self._db.execute("INSERT OR REPLACE INTO contexts VALUES (?, ?, ?)", (subject, context.consent_expires_at_ms, body))
                if not may_be_offered(context.purposes):
                    self._db.execute("DELETE FROM triggers WHERE device = ?", (context.device,))
                if not may_be_remembered(context.purposes):
                    self._db.execute("DELETE FROM visits WHERE subject = ?", (subject,))
        for table, name, owners in (("identities", "mover", changes.identities), ("keys", "key", changes.keys)):
            for theirs, owner in owners.items():
                self._db.execute(f"DELETE FROM {table} WHERE {name} = ?", (theirs,))  # noqa: S608 - names from the line above
                if owner is not None:
                    self._db.execute(f"INSERT INTO {table} VALUES (?, ?)", (theirs, owner))  # noqa: S608 - as above
        self._save_visits(changes)
        self._save_facts(changes)

    def _save_visits(self, changes: Changes) -> None:
        for transition in changes.transitions:
            place = (transition.subject, transition.zone)
            present = changes.presences.get(place)
            self._db.execute("DELETE FROM presences WHERE subject = ? AND zone = ?", place)
            if present is not None and present.entered_ms is not None:
                times = (present.entered_ms, int(present.dwelled), present.seen_ms, present.due_at_ms)
                row = (*place, *times, present.confidence, present.heard)
                self._db.execute("INSERT INTO presences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._db.executemany(
            "INSERT OR REPLACE INTO visits VALUES (?, ?, ?, ?, ?, ?)",
            [(visit.subject, visit.entered_ms, visit.zone, visit.left_ms, visit.confidence, visit.heard) for visit in changes.visits],
        )

    def _save_facts(self, changes: Changes) -> None:
        self._db.executemany(
            "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (self._hashed(row.envelope), row.kind, row.at_ms, row.subject, row.zone, row.decision, row.detail, row.amount_minor)
                for row in changes.facts.values()
            ],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO withdrawals VALUES (?, ?, ?)",
            [(self._keyed(f"{device}\0{boot}"), *said) for (device, boot), said in changes.withdrawals.items()],
        )

    def _save_decisions(self, changes: Changes) -> None:
        self._db.executemany(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
            [
                (decision.id, decision.subject, decision.zone, decision.at_ms, decision.reason, decision.offer, _PACK.encode(decision))
                for decision in changes.decisions
            ],
        )
        self._db.executemany("UPDATE decisions SET answer = ? WHERE id = ?", [(answer, id_) for id_, answer in changes.answers.items()])
        self._db.executemany("INSERT INTO triggers VALUES (?, ?, ?, ?, ?)", [msgspec.structs.astuple(row) for row in changes.triggers])

    def _save_counts(self, changes: Changes) -> None:
        if changes.closed_window_ms is not None:
            self._db.execute("DELETE FROM cells")
        if changes.opened_window_ms is not None:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('window_start_ms', ?)", (changes.opened_window_ms,))
        self._db.executemany(
            "INSERT INTO cells VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*cell, count) for cell, count in changes.cells.items()],
        )
        for record in changes.records:
            self._position += 1
            self._db.execute("INSERT INTO outbox VALUES (?, ?, NULL, 0, ?)", (record.id, self._position, _PACK.encode(record)))
        self._backlog += len(changes.records)

    def _forget(self, subject: str) -> None:
        """Delete what is kept of a person who withdrew. What the facts say of shops stays, without the person."""
        theirs = "(SELECT id FROM decisions WHERE subject = ?)"
        self._db.execute(f"DELETE FROM triggers WHERE decision IN {theirs}", (subject,))  # noqa: S608 - the text of the line above
        self._db.execute(f"UPDATE facts SET decision = NULL WHERE decision IN {theirs}", (subject,))  # noqa: S608 - as above
        for table in ("contexts", "identities", "keys", "presences", "visits", "decisions"):
            self._db.execute(f"DELETE FROM {table} WHERE subject = ?", (subject,))  # noqa: S608 - the names stand in the line above
        self._db.execute("UPDATE facts SET subject = NULL, decision = NULL WHERE subject = ?", (subject,))

    def _purge(self, cuts: Cuts, again_at_ms: int) -> None:
        """Delete a slice of what has been kept for long enough: a whole summer at once would hold up the street.

        What was written before anybody had set the clock looks old and is not: its days are counted from now on.
        """
        for (table, (time, key)), cut_ms in zip(OUTDATED.items(), cuts, strict=True):
            unset = f"UPDATE {table} SET {time} = ? WHERE {time} < ?"  # noqa: S608 - names from OUTDATED
            self._db.execute(unset, (again_at_ms, limits.CLOCK_FLOOR_MS))
            oldest = f"SELECT {key} FROM {table} WHERE {time} < ? ORDER BY {time} LIMIT ?"  # noqa: S608 - names from OUTDATED
            self._db.execute(f"DELETE FROM {table} WHERE ({key}) IN ({oldest})", (cut_ms, limits.PURGE_ROWS_MAX))  # noqa: S608 - as above

    # --- triggers and outbox -----------------------------------------------------------------------------

    def waiting_triggers(self) -> list[Trigger]:
        """Triggers that were decided but are not known to be with the broker."""
        return [Trigger(*row) for row in self._rows("SELECT decision, device, offer, zone, expires_at_ms FROM triggers")]

    def triggers_sent(self, decisions: Sequence[str]) -> None:
        """Forget triggers that the broker has taken (or that expired)."""
        with self._transaction():
            self._db.executemany("DELETE FROM triggers WHERE decision = ?", [(decision,) for decision in decisions])

    def next_batch(self, gateway: str) -> Batch | None:
        """The batch to send: the one already cut if there is one, else a new cut of what waits longest."""
        cut = self._db.execute("SELECT batch FROM outbox WHERE batch IS NOT NULL AND NOT aside LIMIT 1").fetchone()
        if cut is None:
            if not self._backlog:
                return None
            cut = (f"{gateway}.{secrets.token_hex(8)}",)
            with self._transaction():
                self._db.execute(
                    "UPDATE outbox SET batch = ? WHERE position IN (SELECT position FROM outbox WHERE NOT aside ORDER BY position LIMIT ?)",
                    (cut[0], limits.RECORDS_PER_BATCH_MAX),
                )
        bodies = self._rows("SELECT body FROM outbox WHERE batch = ? ORDER BY position", cut)
        return Batch(cut[0], gateway, tuple(msgspec.msgpack.decode(body, type=Record) for (body,) in bodies))

    def records_taken(self, batch: Batch, taken: Sequence[str]) -> int:
        """Delete what the cloud says it holds; returns how many records that were."""
        mine = {record.id for record in batch.records} & set(taken)
        with self._transaction():
            before = self._db.total_changes()
            self._db.executemany("DELETE FROM outbox WHERE id = ?", [(record,) for record in sorted(mine)])
            gone = self._db.total_changes() - before
            self._db.execute("UPDATE outbox SET batch = NULL WHERE batch = ?", (batch.batch,))
        self._backlog -= gone
        return gone

    def quarantine(self, batch: Batch) -> int:
        """Keep a batch that the cloud refuses as it is out of the way of the others; how many records that are."""
        with self._transaction():
            before = self._db.total_changes()
            self._db.execute("UPDATE outbox SET aside = 1 WHERE batch = ? AND NOT aside", (batch.batch,))
            moved = self._db.total_changes() - before
        self._backlog -= moved
        self._aside += moved
        return moved

    def store_dead_letters(self, dead_letters: Sequence[tuple[int, str, str, str, str, int]]) -> None:
        """Keep refused messages, newest DEAD_LETTERS_MAX: (at_ms, decoder, reason, detail, topic, bytes)."""
        rows = [(at, decoder, reason, detail, self._keyed(topic), size) for at, decoder, reason, detail, topic, size in dead_letters]
        if not rows:
            return
        with self._transaction():
            self._db.executemany(
                "INSERT INTO dead_letters (at_ms, decoder, reason, detail, topic_hash, bytes) VALUES (?, ?, ?, ?, ?, ?)", rows
            )
            self._db.execute("DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?", (limits.DEAD_LETTERS_MAX,))

    # --- for people --------------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """How many rows of each kind there are."""
        tables = ("contexts", "keys", "presences", "visits", "facts", "decisions", "withdrawals", "triggers", "outbox", "dead_letters")
        return {table: int(self._one(f"SELECT count(*) FROM {table}")) for table in tables}  # noqa: S608 - names from the line above

    # --- inside --------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        backlog, position = self._backlog, self._position
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._backlog, self._position = backlog, position
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, apsw.BusyError):
                raise StoreFullError(
                    "another program holds the database: close it; nothing is lost, the broker holds what comes"
                ) from error
            if isinstance(error, (apsw.FullError, apsw.IOError, apsw.ReadOnlyError)):  # a failing card is mounted anew, to be read only
                raise StoreFullError(
                    "the disk is full or failing: free some space; nothing is lost, the broker holds what comes"
                ) from error
            raise

    def _cache(self, context: SubjectContext) -> None:
        self._contexts[context.subject] = context
        self._contexts.move_to_end(context.subject)
        if len(self._contexts) > limits.CONTEXTS_CACHED_MAX:
            self._contexts.popitem(last=False)

    def _envelope_secret(self) -> bytes:
        row = self._db.execute("SELECT value FROM meta WHERE name = 'envelope_key'").fetchone()
        if row is not None:
            return bytes(row[0])
        key = secrets.token_bytes(32)
        with self._transaction():
            self._db.execute("INSERT INTO meta VALUES ('envelope_key', ?)", (key,))
        return key

    def _hashed(self, envelope: Envelope) -> bytes:
        return self._keyed(f"{envelope.device}\0{envelope.boot}\0{envelope.seq}")

    def _keyed(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._envelope_key, digest_size=16).digest()

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        return iter(self._db.execute(sql, values).fetchall())

    def _count_outbox(self) -> tuple[int, int]:
        """Records that wait to be sent, and records that were set aside."""
        aside = int(self._one("SELECT count(*) FROM outbox WHERE aside"))
        return int(self._one("SELECT count(*) FROM outbox")) - aside, aside

    def _one(self, sql: str) -> Any:
        return self._db.execute(sql).fetchall()[0][0]
