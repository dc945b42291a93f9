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
from dashboard.schema import ALL_ZONES, CONTROL_ITEMS, batches, contacts, control, health, hours, records
from gateway.core.records import OUTCOMES, Batch, ControlCounts, GatewayHealth, HourCounts, OfferCounts, Receipt, Record


def content_digest(value: Batch | Record) -> bytes:
    """SHA-256 of a value encoded in the field order of the schema: spacing and key order of the sender do not matter."""
    return hashlib.sha256(msgspec.json.encode(value)).digest()


class Store(Database):
    """The database at `url`, with the batches of the gateways. Raises StoreError if it cannot be used."""

    def __init__(self, url: str, people_max: int = limits.PEOPLE_MAX) -> None:
        super().__init__(url)
        self._people_max = people_max

    def take(self, batch: Batch, now_ms: int) -> Receipt:
        """Store `batch`; the receipt lists its record ids. Raises Refused (409) if one of its ids is stored with other content."""
        for _ in range(limits.TAKE_TRIES_MAX - 1):
            try:
                return self._take(batch, now_ms)
            except IntegrityError:  # another writer has inserted the same id meanwhile; the next try sees it
                continue
        return self._take(batch, now_ms)

    def _take(self, batch: Batch, now_ms: int) -> Receipt:
        with self.writing(batch.gateway) as connection:
            if not _known_batch(connection, batch):
                self._insert_records(connection, _new_records(connection, batch), now_ms)
                _insert(
                    connection,
                    batches,
                    [{"gateway": batch.gateway, "batch": batch.batch, "digest": content_digest(batch), "received_ms": now_ms}],
                )
            note_contact(connection, batch, now_ms)
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
