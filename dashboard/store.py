"""The collector's database: a batch is stored whole or not at all, and repeating it changes nothing.

A receipt promises that the records are stored, so the transaction is on the disk before the receipt is made
(SQLite: synchronous=FULL; PostgreSQL: synchronous_commit). Batches that arrive while a transaction is written share the next one: each
waits for the disk once, and the changes of the sums are added up before the write.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select, tuple_
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, SQLAlchemyError

from dashboard import limits
from dashboard.admission import admit
from dashboard.bulk import Row, insert_rows
from dashboard.database import RECORDS, Database, StoreError
from dashboard.gateways import note_contacts
from dashboard.refusals import Refused
from dashboard.rollups import Changes
from dashboard.schema import batches, records
from gateway.core.records import Batch, Receipt, Record

_ENCODER = msgspec.json.Encoder()


def content_digest(record: Record) -> bytes:
    """SHA-256 of a record encoded in the field order of the schema: spacing and key order of the sender do not matter."""
    return hashlib.sha256(_ENCODER.encode(record)).digest()


class Arrival:
    """A batch that waits to be stored, with the digests of its records; `fault` is set if it was not stored."""

    def __init__(self, batch: Batch, now_ms: int) -> None:
        self.batch, self.now_ms = batch, now_ms
        self.digests = [content_digest(record) for record in batch.records]
        self.whole = hashlib.sha256(b"".join(self.digests)).digest()
        self.is_done = False
        self.woken = threading.Event()
        self.fault: Exception | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Gateway and id of the batch."""
        return self.batch.gateway, self.batch.batch


class New(NamedTuple):
    """The part of an arrival that is not stored yet: records and digests by id. A repeated batch has none."""

    arrival: Arrival
    is_repeated: bool
    records: dict[str, tuple[Record, bytes]]


class Store(Database):
    """The database at `url`, with the batches of the gateways. Raises StoreError if it cannot be used."""

    def __init__(self, url: str, people_max: int = limits.PEOPLE_MAX) -> None:
        super().__init__(url)
        self._people_max = people_max
        self._waiting: deque[Arrival] = deque()
        self._lock = threading.Lock()
        self._is_led = False  # one of the waiting threads stores
        self._is_busy = False
        self._is_full = threading.Event()  # a whole group waits

    def take(self, batch: Batch, now_ms: int) -> Receipt:
        """Store `batch`; the receipt lists its record ids.

        Raises Refused (409) if one of its ids is stored with other content, and DBAPIError if the database cannot be used.
        """
        arrival = Arrival(batch, now_ms)
        with self._lock:
            self._waiting.append(arrival)
            if len(self._waiting) >= limits.GROUP_BATCHES_MAX:
                self._is_full.set()
            leads, self._is_led = not self._is_led, True
        if not leads:
            arrival.woken.wait()
        if not arrival.is_done:
            self._lead()
        if arrival.fault is not None:
            raise arrival.fault
        return Receipt(batch=batch.batch, taken=tuple(dict.fromkeys(record.id for record in batch.records)))

    def _lead(self) -> None:
        """Store the oldest arrivals, among which is that of this thread; then the thread of the next arrival leads."""
        if self._is_busy:
            self._is_full.wait(limits.GROUP_S)
        self._is_full.clear()
        group = self._next()
        self._is_busy = len(group) > 1
        try:
            self._store(group)
        finally:
            for arrival in group:
                if not arrival.is_done:
                    arrival.fault, arrival.is_done = StoreError("the batch was not stored: another one of its transaction failed"), True
                arrival.woken.set()
            with self._lock:
                self._is_led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].woken.set()

    def _next(self) -> list[Arrival]:
        """The arrivals of the next transaction, oldest first."""
        group = [self._waiting.popleft()]
        size = len(group[0].digests)
        while self._waiting and len(group) < limits.GROUP_BATCHES_MAX and size + len(self._waiting[0].digests) <= limits.GROUP_RECORDS_MAX:
            size += len(self._waiting[0].digests)
            group.append(self._waiting.popleft())
        return group

    def _store(self, group: Sequence[Arrival]) -> None:
        """Store arrivals in one transaction. A fault of the data is that of one batch, so each is then stored alone."""
        try:
            self._write(group)
        except (SQLAlchemyError, ValueError, ArithmeticError) as fault:  # raised again by `take` of each arrival
            if len(group) > 1 and not isinstance(fault, OperationalError | InterfaceError):
                for arrival in group:
                    self._store([arrival])
                return
            for arrival in group:
                arrival.fault = fault
        for arrival in group:
            arrival.is_done = True

    def _write(self, group: Sequence[Arrival]) -> None:
        """All ids are taken for new, as nearly always; a known one raises IntegrityError, and the next try looks."""
        try:
            with self.writing(RECORDS) as connection:
                self._insert(connection, _new(group, {}, {}))
        except IntegrityError:
            for arrival in group:
                arrival.fault = None
            with self.writing(RECORDS) as connection:
                self._insert(connection, _new(group, *_known(connection, group)))

    def _insert(self, connection: Connection, found: Sequence[New]) -> None:
        changes = Changes()
        fresh = [one for one in found if not one.is_repeated]
        insert_rows(connection, batches, [(*one.arrival.key, one.arrival.whole, one.arrival.now_ms) for one in fresh])
        rows: list[Row] = []
        for one in fresh:
            gateway, now_ms = one.arrival.batch.gateway, one.arrival.now_ms
            rows += [(gateway, key, content, now_ms) for key, (_, content) in one.records.items()]
            changes.add_stored(len(one.records), 1, now_ms)
        insert_rows(connection, records, rows)
        new = [([record for record, _ in one.records.values()], one.arrival.now_ms) for one in fresh if one.records]
        admit(connection, new, self._people_max, changes)
        changes.write(connection)
        note_contacts(connection, [(one.arrival.batch, one.arrival.now_ms) for one in found])


Digests = dict[tuple[str, str], bytes]
"""Digests by gateway and id."""


def _new(group: Sequence[Arrival], held: Digests, stored: Digests) -> list[New]:
    """The new part of each arrival; `held` batches and `stored` records are known.

    The fault of an arrival is set if one of its ids has other content.
    """
    found: list[New] = []
    for arrival in group:
        try:
            one = _new_of(arrival, held, stored)
        except Refused as fault:
            arrival.fault = fault
            continue
        held[arrival.key] = arrival.whole
        stored |= {(arrival.batch.gateway, key): content for key, (_, content) in one.records.items()}
        found.append(one)
    return found


def _new_of(arrival: Arrival, held: Digests, stored: Digests) -> New:
    """The new part of one arrival. Raises Refused (409)."""
    before = held.get(arrival.key)
    if before is not None and before != arrival.whole:
        raise Refused(409, "this batch id was used before with other records; give every batch its own id")
    new: dict[str, tuple[Record, bytes]] = {}
    if before is not None:
        return New(arrival, True, new)  # noqa: FBT003  a field of a tuple
    for index, (record, content) in enumerate(zip(arrival.batch.records, arrival.digests, strict=True)):
        known = stored.get((record.gateway, record.id)) or (new[record.id][1] if record.id in new else None)
        if known is None:
            new[record.id] = record, content
        elif known != content:
            raise Refused(409, f"$.records[{index}] has the id of a stored record with other content; nothing of this batch was stored")
    return New(arrival, False, new)  # noqa: FBT003


def _known(connection: Connection, group: Sequence[Arrival]) -> tuple[Digests, Digests]:
    """Digests of the stored batches and records that have an id of the group, by gateway and id."""
    of_batches = select(batches.c.gateway, batches.c.batch, batches.c.digest)
    found = connection.execute(of_batches.where(tuple_(batches.c.gateway, batches.c.batch).in_([one.key for one in group])))
    held = {(gateway, key): bytes(content) for gateway, key, content in found}
    stored: Digests = {}
    for one in group:
        of_records = select(records.c.id, records.c.digest).where(records.c.gateway == one.batch.gateway)
        wanted = {record.id for record in one.batch.records}
        stored |= {
            (one.batch.gateway, key): bytes(content) for key, content in connection.execute(of_records.where(records.c.id.in_(wanted)))
        }
    return held, stored
