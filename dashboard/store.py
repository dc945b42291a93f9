"""The collector's database: a batch is stored whole or not at all, and repeating it changes nothing.

A receipt promises that the records are stored, so the transaction is on the disk (synchronous=FULL)
before the receipt is made. SQL has no dialect outside `_sqlite`, which sets pragmas and starts writing
transactions with BEGIN IMMEDIATE: a transaction that began as a reader cannot always become a writer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, insert, make_url, select, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from dashboard import limits, quarantine
from dashboard.bounds import implausible
from dashboard.refusals import Refused
from dashboard.schema import (
    ALL_ZONES,
    CONTROL_ITEMS,
    VERSION,
    batches,
    contacts,
    control,
    gateways,
    health,
    hours,
    metadata,
    records,
    schema_version,
)
from gateway.core.records import OUTCOMES, Batch, ControlCounts, GatewayHealth, HourCounts, OfferCounts, Receipt, Record

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")


class StoreError(RuntimeError):
    """The database cannot be used; the text is one line with the cause."""


def content_digest(value: Batch | Record) -> bytes:
    """SHA-256 of a value encoded in the field order of the schema: spacing and key order of the sender do not matter."""
    return hashlib.sha256(msgspec.json.encode(value)).digest()


class Store:
    """The database at `url`; missing tables are created. Raises StoreError if it cannot be used."""

    def __init__(self, url: str, people_max: int = limits.PEOPLE_MAX) -> None:
        self._people_max = people_max
        try:
            self._engine = create_engine(url, hide_parameters=True)
            if self._engine.dialect.name == "sqlite":
                _make_private(make_url(url).database)
                _sqlite(self._engine)
            with self._engine.begin() as connection:
                metadata.create_all(connection)
                _check_version(connection)
        except (ArgumentError, DBAPIError, OSError) as fault:
            cause = fault.orig if isinstance(fault, DBAPIError) else fault
            raise StoreError(f"cannot use the store: {cause}") from fault

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in one transaction, so that all reads see the same state."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in one transaction that writes."""
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def take(self, batch: Batch, now_ms: int) -> Receipt:
        """Store `batch`; the receipt lists its record ids. Raises Refused (409) if one of its ids is stored with other content."""
        for _ in range(limits.TAKE_TRIES_MAX - 1):
            try:
                return self._take(batch, now_ms)
            except IntegrityError:  # another writer has inserted the same id meanwhile; the next try sees it
                continue
        return self._take(batch, now_ms)

    def _take(self, batch: Batch, now_ms: int) -> Receipt:
        with self.writing() as connection:
            if not _known_batch(connection, batch):
                self._insert_records(connection, _new_records(connection, batch), now_ms)
                _insert(
                    connection,
                    batches,
                    [{"gateway": batch.gateway, "batch": batch.batch, "digest": content_digest(batch), "received_ms": now_ms}],
                )
            _record_contact(connection, batch.gateway, now_ms)
        return Receipt(batch=batch.batch, taken=tuple(dict.fromkeys(record.id for record in batch.records)))

    def _insert_records(self, connection: Connection, new: dict[str, Record], now_ms: int) -> None:
        """Insert records, plausible ones as rows of the counts and the others into quarantine."""
        known = [{"gateway": one.gateway, "id": one.id, "digest": content_digest(one), "received_ms": now_ms} for one in new.values()]
        _insert(connection, records, known)
        if not new:
            return
        gateway = next(iter(new.values())).gateway
        before = quarantine.known_of(connection, gateway, new.values())
        plausible: list[Record] = []
        for record in new.values():
            reason = implausible(record, before, now_ms, self._people_max)
            if reason is None:
                plausible.append(record)
            else:
                rows = quarantine.rows_of(record, _hour_rows(record), _contact_rows(record), _control_rows(record))
                quarantine.set_aside(connection, record, rows, reason, now_ms)
        quarantine.learn(connection, gateway, before.zones, before.offers)
        _insert(connection, hours, [row for record in plausible for row in _hour_rows(record)])
        _insert(connection, contacts, [row for record in plausible for row in _contact_rows(record)])
        _insert(connection, control, [row for record in plausible for row in _control_rows(record)])
        _insert(connection, health, [msgspec.structs.asdict(record) for record in plausible if isinstance(record, GatewayHealth)])


def _known_batch(connection: Connection, batch: Batch) -> bool:
    where = (batches.c.gateway == batch.gateway) & (batches.c.batch == batch.batch)
    held = connection.execute(select(batches.c.digest).where(where)).scalar_one_or_none()
    if held is not None and held != content_digest(batch):
        raise Refused(409, "this batch id was used before with other records; give every batch its own id")
    return held is not None


def _new_records(connection: Connection, batch: Batch) -> dict[str, Record]:
    ids = {record.id for record in batch.records}
    where = (records.c.gateway == batch.gateway) & records.c.id.in_(ids)
    held = dict(connection.execute(select(records.c.id, records.c.digest).where(where)).all())
    new: dict[str, Record] = {}
    for index, record in enumerate(batch.records):
        content = content_digest(record)
        if record.id not in held:
            held[record.id] = content
            new[record.id] = record
        elif held[record.id] != content:
            raise Refused(409, f"$.records[{index}] has the id of a stored record with other content; nothing of this batch was stored")
    return new


def _hour_rows(record: Record) -> Iterator[dict[str, Any]]:
    if not isinstance(record, HourCounts):
        return
    for zone, count in zip(record.zones, record.counts, strict=True):
        yield _row(record) | {"zone": zone, "count": count}


def _contact_rows(record: Record) -> Iterator[dict[str, Any]]:
    if not isinstance(record, OfferCounts):
        return
    zones = (ALL_ZONES,) if record.sums_zones else record.zones
    cells = ((zone, outcome) for zone in zones for outcome in OUTCOMES)
    for (zone, outcome), count in zip(cells, record.counts, strict=True):
        yield _row(record) | {"offer": record.offer, "zone": zone, "outcome": outcome, "count": count}


def _control_rows(record: Record) -> Iterator[dict[str, Any]]:
    if isinstance(record, ControlCounts):
        for item, count in zip(CONTROL_ITEMS, record.counts, strict=True):
            yield _row(record) | {"item": item, "count": count}


def _row(record: HourCounts | OfferCounts | ControlCounts) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in ("gateway", "id", "window_start_ms", "window_ms")}
    return fields | {"variance": record.noise.variance}


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _record_contact(connection: Connection, gateway: str, now_ms: int) -> None:
    where = gateways.c.gateway == gateway
    last_ms = connection.execute(select(gateways.c.last_seen_ms).where(where)).scalar_one_or_none()
    if last_ms is None:
        _insert(connection, gateways, [{"gateway": gateway, "first_seen_ms": now_ms, "last_seen_ms": now_ms}])
    elif now_ms > last_ms:  # the server's clock may step back, the time of the last contact may not
        connection.execute(update(gateways).where(where).values(last_seen_ms=now_ms))


def _check_version(connection: Connection) -> None:
    version = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if version is None:
        _insert(connection, schema_version, [{"version": VERSION}])
    elif version != VERSION:
        raise StoreError(f"the store has schema version {version}, not {VERSION}; use the release that made it, or another file")


def _make_private(database: str | None) -> None:
    """Make the file readable by its owner only; SQLite gives its journal files the same mode."""
    if not database or database == ":memory:":
        return
    path = Path(database)
    path.touch(mode=0o600)
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if file.exists() and file.stat().st_uid == os.getuid():
            file.chmod(0o600)


def _sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Turn off the driver's implicit transactions; `_on_begin` issues BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
