"""The collector's database: a batch is stored whole or not at all, and repeating it changes nothing.

A receipt promises that the records are stored, so the transaction is on the disk before the receipt is made
(SQLite: synchronous=FULL; PostgreSQL: synchronous_commit).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from dashboard import limits, quarantine
from dashboard.bounds import implausible
from dashboard.database import Database
from dashboard.gateways import note_contact
from dashboard.refusals import Refused
from dashboard.schema import (
    ALL_ZONES,
    CONTROL_ITEMS,
    batches,
    contacts,
    control,
    health,
    hours,
    records,
    visitors,
)
from gateway.core.records import OUTCOMES, Batch, ControlCounts, GatewayHealth, HourCounts, OfferCounts, Receipt, Record, VisitorCounts

_ENCODER = msgspec.json.Encoder()


def content_digest(record: Record) -> bytes:
    """SHA-256 of a record encoded in the field order of the schema: spacing and key order of the sender do not matter."""
    return hashlib.sha256(_ENCODER.encode(record)).digest()


class Store(Database):
    """The database at `url`, with the batches of the gateways. Raises StoreError if it cannot be used."""

    def __init__(self, url: str, people_max: int = limits.PEOPLE_MAX) -> None:
        super().__init__(url)
        self._people_max = people_max

    def take(self, batch: Batch, now_ms: int) -> Receipt:
        """Store `batch`; the receipt lists its record ids. Raises Refused (409) if one of its ids is stored with other content."""
        contents = [content_digest(record) for record in batch.records]
        for number in range(limits.TAKE_TRIES_MAX - 1):
            try:
                return self._take(batch, contents, now_ms, look=number > 0)
            except IntegrityError:  # an id is known, or another writer has inserted it meanwhile; the next try looks
                continue
        return self._take(batch, contents, now_ms, look=True)

    def _take(self, batch: Batch, contents: list[bytes], now_ms: int, *, look: bool) -> Receipt:
        """One try. Without a `look` all records are taken for new, as nearly always; the first known one raises IntegrityError."""
        whole = hashlib.sha256(b"".join(contents)).digest()
        with self.writing(batch.gateway) as connection:
            if not _known_batch(connection, batch, whole):
                self._insert_records(connection, _new_records(connection, batch, contents, look=look), now_ms)
                row = {"gateway": batch.gateway, "batch": batch.batch, "digest": whole, "received_ms": now_ms}
                _insert(connection, batches, [row])
            note_contact(connection, batch, now_ms)
        return Receipt(batch=batch.batch, taken=tuple(dict.fromkeys(record.id for record in batch.records)))

    def _insert_records(self, connection: Connection, found: list[tuple[Record, bytes]], now_ms: int) -> None:
        """Insert records and digests; plausible ones become rows of the counts, the others go into quarantine."""
        known = [{"gateway": one.gateway, "id": one.id, "digest": content, "received_ms": now_ms} for one, content in found]
        _insert(connection, records, known)
        if not found:
            return
        new = {record.id: record for record, _ in found}
        gateway = next(iter(new.values())).gateway
        before = quarantine.known_of(connection, gateway, new.values())
        named = len(before.zones), len(before.offers)
        plausible: list[Record] = []
        for record in new.values():
            reason = implausible(record, before, now_ms, self._people_max)
            if reason is None:
                plausible.append(record)
            else:
                rows = quarantine.rows_of(record, _hour_rows(record), _contact_rows(record), _control_rows(record), _visitor_rows(record))
                quarantine.set_aside(connection, record, rows, reason, now_ms)
        if (len(before.zones), len(before.offers)) != named:
            quarantine.learn(connection, gateway, before.zones, before.offers)
        _insert(connection, hours, [row for record in plausible for row in _hour_rows(record)])
        _insert(connection, contacts, [row for record in plausible for row in _contact_rows(record)])
        _insert(connection, control, [row for record in plausible for row in _control_rows(record)])
        _insert(connection, visitors, [row for record in plausible for row in _visitor_rows(record)])
        _insert(connection, health, [msgspec.structs.asdict(record) for record in plausible if isinstance(record, GatewayHealth)])


def _known_batch(connection: Connection, batch: Batch, content: bytes) -> bool:
    where = (batches.c.gateway == batch.gateway) & (batches.c.batch == batch.batch)
    held = connection.execute(select(batches.c.digest).where(where)).scalar_one_or_none()
    if held is not None and held != content:
        raise Refused(409, "this batch id was used before with other records; give every batch its own id")
    return held is not None


def _new_records(connection: Connection, batch: Batch, contents: list[bytes], *, look: bool) -> list[tuple[Record, bytes]]:
    """The records that are not stored, each once, with digests; without a `look` none is taken for stored."""
    held: dict[str, bytes] = {}
    if look:
        where = (records.c.gateway == batch.gateway) & records.c.id.in_({record.id for record in batch.records})
        held = dict(connection.execute(select(records.c.id, records.c.digest).where(where)).all())
    new: list[tuple[Record, bytes]] = []
    for index, (record, content) in enumerate(zip(batch.records, contents, strict=True)):
        if record.id not in held:
            held[record.id] = content
            new.append((record, content))
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


def _visitor_rows(record: Record) -> Iterator[dict[str, Any]]:
    if isinstance(record, VisitorCounts):
        for zone, count in zip(record.zones, record.counts, strict=True):
            yield _row(record) | {"zone": zone, "count": count}


def _row(record: HourCounts | OfferCounts | ControlCounts | VisitorCounts) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in ("gateway", "id", "window_start_ms", "window_ms")}
    return fields | {"variance": record.noise.variance}


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)
