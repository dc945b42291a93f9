"""Store of the counts slice: contacts whose table has not left, releases with the ledger of epsilon, and the outbox of records.

A release is one transaction: it reads the frozen counts, draws the noise, debits the ledger and writes the outbox.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.released import Released
from gateway.adapters.store.table import Table
from gateway.core import limits
from gateway.core.privacy.contribution import first
from gateway.core.privacy.release import control_record, health_record, hour_record, offer_records, visitor_record
from gateway.core.privacy.tables import Period
from gateway.core.records import EPOCHS_MAX, Batch, HourCounts, OfferCounts, Record
from gateway.core.state import CountsState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

    from gateway.adapters.store.table import Hasher
    from gateway.core.privacy.laplace import Entropy
    from gateway.core.privacy.tables import Contact, TableName
    from gateway.core.state.counts import Closing, CountsChanges

ADD_CONTACT = "INSERT INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?)"
_OVERLAPS = "SELECT EXISTS (SELECT 1 FROM releases WHERE name = :table AND start_ms < :end_ms AND :start_ms < end_ms)"
MUTED: dict[TableName, str] = {
    "hours": "SELECT EXISTS (SELECT 1 FROM releases WHERE name = 'hours' AND (start_ms = :start_ms OR day_start_ms = :day_ms AND lost)) "
    "OR EXISTS (SELECT 1 FROM ledger WHERE day_start_ms = :day_ms AND closed)",
    "offers": _OVERLAPS,
    "control": _OVERLAPS,
    "visitors": _OVERLAPS,
}
"""By table: whether its window or a part of its days was released before, or its contacts are lost."""
OPEN_DAY = "INSERT INTO ledger (day_start_ms, budget) VALUES (:day_ms, :budget) ON CONFLICT DO NOTHING"
DEBIT: dict[TableName, str] = {
    "hours": "UPDATE ledger SET hours = max(hours, :share) WHERE day_start_ms = :day_ms",
    "offers": "UPDATE ledger SET offers = offers + :share WHERE day_start_ms >= :start_ms AND day_start_ms < :end_ms",
    "control": "UPDATE ledger SET control = control + :share WHERE day_start_ms >= :start_ms AND day_start_ms < :end_ms",
    "visitors": "UPDATE ledger SET visitors = visitors + :share WHERE day_start_ms = :day_ms",
}
"""By table: spend its share of a day. All windows of `hours` are one release, because the bound of contacts holds for the whole day."""
ADD_VISITORS = "INSERT INTO visitors VALUES (?1, ?2) ON CONFLICT DO UPDATE SET number = number + ?2"
ADD_RELEASE = "INSERT INTO releases (name, start_ms, end_ms, day_start_ms, lost) VALUES (:table, :start_ms, :end_ms, :day_ms, :lost)"

CUT = (
    "UPDATE outbox SET batch = ?1 WHERE position IN (SELECT position FROM (SELECT position, row_number() OVER before AS rank, "
    "sum(length(body)) OVER before AS bytes FROM outbox WHERE NOT quarantined WINDOW before AS (ORDER BY position) LIMIT ?2) "
    "WHERE rank = 1 OR bytes <= ?3)"
)
"""Cut a batch ?1 of at most ?2 records and ?3 bytes; the first record always fits."""

_PACK = msgspec.msgpack.Encoder()
_PERIOD = msgspec.msgpack.Decoder(Period)
_RECORD: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class CountsTable(Table):
    """`waiting` and `quarantined` are the outbox's record counts, kept beside the table because every turn reads them.

    Since the start, `made` records were written and `dropped` contacts did not count: over the person's bound of the day, or in a period
    that was released before.
    """

    def __init__(self, database: apsw.Connection, hasher: Hasher, entropy: Entropy) -> None:
        """Count the outbox. `entropy` is the source of the noise."""
        super().__init__(database)
        self._hasher, self._entropy = hasher, entropy
        self.waiting = self.quarantined = self._position = 0
        self.made = self.dropped = self._made = self._dropped = 0
        self._epoch = (0, 0)  # day, and number of the key of this process in it
        self.recount()

    def state(self) -> CountsState:
        """The open period as of the last commit."""
        return CountsState(self._period(), lambda: os.urandom(32))

    def save(self, changes: CountsChanges) -> None:
        """Release the period that is over, open the next, and count the contacts."""
        self._made = self._dropped = 0
        if changes.closing is not None:
            self._release(changes.closing)
        if changes.opened is not None:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('period', ?)", (_PACK.encode(changes.opened),))
        if changes.contacts:
            self._count(changes.contacts)

    def forget(self, subject: str) -> None:
        """Remove the person's contacts from the counts; the used numbers of the day stay used."""
        self._db.execute("UPDATE contacts SET subject = NULL, zone = NULL, offer = NULL, outcome = NULL WHERE subject = ?", (subject,))

    def forget_period(self) -> None:
        """End the open period without a release: its contacts are deleted, and the next period begins anew."""
        self._db.execute("DELETE FROM contacts")
        self._db.execute("DELETE FROM visitors")
        self._db.execute("DELETE FROM meta WHERE name = 'period'")

    def committed(self, _: CountsChanges) -> None:
        """Add to the totals since the start."""
        self.made += self._made
        self.dropped += self._dropped

    # --- contacts and releases -----------------------------------------------------------------------------------

    def due(self, closing: Closing) -> list[Released]:
        """The tables that are released when a period closes; none that was released before."""
        period, terms = closing.period, closing.period.terms
        spans = {"hours": (period.window_start_ms, period.window_end_ms)}
        spans |= {table: period.span(table) for table in closing.ended if table != "hours"}
        return [
            Released(table, *spans[table], period.day_start_ms, terms.epsilon_millionths, terms.share_millionths(table))
            for table in terms.tables
            if table in spans and not self._is_muted(table, period)
        ]

    def newest_release(self) -> tuple[str, int] | None:
        """Table and start of the newest release of this database, or None."""
        return next(self.rows("SELECT name, start_ms FROM releases ORDER BY number DESC LIMIT 1"), None)

    def note_lost(self, marks: Iterable[Released]) -> None:
        """Note the releases of the marks that an older copy of the database lacks.

        The contacts of those days and tables do not count any more: some of them have left, and it is unknown which.
        """
        known = set(self.rows("SELECT name, start_ms FROM releases"))
        for mark in marks:
            if mark[:2] not in known:
                self._spend(mark, is_lost=True)
        period = self._period()
        if period is not None:
            for table in period.terms.tables:
                if self._is_muted(table, period):
                    self._db.execute("DELETE FROM contacts WHERE name = ?", (table,))

    def _spend(self, mark: Released, *, is_lost: bool = False) -> None:
        """Note a release, and debit the ledger."""
        values = {
            "table": mark.table,
            "start_ms": mark.start_ms,
            "end_ms": mark.end_ms,
            "day_ms": mark.day_start_ms,
            "budget": mark.budget_millionths,
            "share": mark.share_millionths,
            "lost": int(is_lost),
        }
        for sql in (ADD_RELEASE, OPEN_DAY, DEBIT[mark.table]):
            self._db.execute(sql, values)

    def _period(self) -> Period | None:
        body = self.one("SELECT value FROM meta WHERE name = 'period'")
        return None if body is None else _PERIOD.decode(body)

    def _is_muted(self, table: TableName, period: Period) -> bool:
        start_ms, end_ms = (period.window_start_ms, period.window_end_ms) if table == "hours" else period.span(table)
        values = {"table": table, "start_ms": start_ms, "end_ms": end_ms, "day_ms": period.day_start_ms}
        return bool(self.one(MUTED[table], values))

    def _count(self, contacts: Sequence[Contact]) -> None:
        """Store the contacts that count in the open period."""
        period = self._period()
        self._dropped += len(contacts)
        if period is None:
            return
        for table in period.terms.tables:
            counting = [contact for contact in contacts if contact.table == table]
            if not counting or self._is_muted(table, period):
                continue
            keys = [(table, self._hasher.text(f"{period.day_start_ms}\0{one.device}")) for one in counting]
            numbers = first(keys, {key: self._used(*key) for key in set(keys)}, period.terms.contacts_of(table))
            rows = [
                (*key, number, one.subject, one.zone, one.offer, one.outcome)
                for key, number, one in zip(keys, numbers, counting, strict=True)
                if number is not None
            ]
            self._db.executemany(ADD_CONTACT, rows)
            self._dropped -= len(rows)

    def _used(self, table: str, contributor: bytes) -> int:
        return int(self.one("SELECT coalesce(max(number), 0) FROM contacts WHERE name = ? AND contributor = ?", (table, contributor)))

    def _release(self, closing: Closing) -> None:
        """Write the records of a period that is over into the outbox, and debit the ledger."""
        period, name = closing.period, closing.name
        if closing.visitors and period.terms.visitors:
            self._count_visitors(closing)
        records: list[Record] = [health_record(closing.catalogue, period, self.waiting, name)]
        for mark in self.due(closing):
            if mark.table == "hours":
                records.append(hour_record(closing.catalogue, period, self._sent(), self._entropy, name))
            elif mark.table == "offers":
                records += offer_records(closing.catalogue, period, self._closed(), self._entropy, name)
            elif mark.table == "control":
                records.append(control_record(closing.catalogue, period, self._distances(), self._entropy, name))
            else:
                heard = dict(self.rows("SELECT zone, number FROM visitors"))
                records.append(visitor_record(closing.catalogue, period, heard, self._epochs(period.day_start_ms), self._entropy, name))
            self._spend(mark)
        self._clear(closing)
        self._put_out(records)
        self._show(records)

    def _sent(self) -> dict[str, int]:
        return dict(self.rows("SELECT zone, count(*) FROM contacts WHERE name = 'hours' AND zone IS NOT NULL GROUP BY zone"))

    def _closed(self) -> dict[tuple[str, str, str], int]:
        rows = self.rows(
            "SELECT zone, offer, outcome, count(*) FROM contacts WHERE name = 'offers' AND zone IS NOT NULL GROUP BY zone, offer, outcome"
        )
        return {(zone, offer, outcome): number for zone, offer, outcome, number in rows}

    def _count_visitors(self, closing: Closing) -> None:
        """Add the devices of a window, unless EPOCHS_MAX keys of the day have counted before this process."""
        day_ms = closing.period.day_start_ms
        self._db.execute(OPEN_DAY, {"day_ms": day_ms, "budget": closing.period.terms.epsilon_millionths})
        if self._epoch[0] != day_ms:
            self._epoch = (day_ms, self._epochs(day_ms) + 1)
        if self._epoch[1] > EPOCHS_MAX or self._is_muted("visitors", closing.period):
            return
        self._db.execute("UPDATE ledger SET epochs = max(epochs, ?) WHERE day_start_ms = ?", (self._epoch[1], day_ms))
        self._db.executemany(ADD_VISITORS, list(closing.visitors.items()))

    def _epochs(self, day_ms: int) -> int:
        return int(self.one("SELECT epochs FROM ledger WHERE day_start_ms = ?", (day_ms,)) or 0)

    def _distances(self) -> list[int]:
        return [int(distance) for (distance,) in self.rows("SELECT outcome FROM contacts WHERE name = 'control' AND zone IS NOT NULL")]

    def _clear(self, closing: Closing) -> None:
        """Remove the released contacts, and the used shares of tables whose days are over; of releases RELEASED_MARKS_MAX stay."""
        self._db.execute("UPDATE contacts SET subject = NULL, zone = NULL, offer = NULL, outcome = NULL WHERE name = 'hours'")
        for table in closing.ended:
            self._db.execute("DELETE FROM contacts WHERE name = ?", (table,))
        if "hours" in closing.ended:
            self._db.execute("DELETE FROM visitors")
            period = closing.period
            self._db.execute(OPEN_DAY, {"day_ms": period.day_start_ms, "budget": period.terms.epsilon_millionths})
            self._db.execute("UPDATE ledger SET closed = 1 WHERE day_start_ms = ?", (period.day_start_ms,))
            self._db.execute("DELETE FROM releases WHERE number <= (SELECT max(number) FROM releases) - ?", (limits.RELEASED_MARKS_MAX,))
            self._db.execute("DELETE FROM ledger WHERE day_start_ms < (SELECT min(day_start_ms) FROM releases)")

    def _put_out(self, records: Sequence[Record]) -> None:
        for record in records:
            self._position += 1
            self._db.execute("INSERT INTO outbox VALUES (?, ?, NULL, 0, ?)", (record.id, self._position, _PACK.encode(record)))
        self.waiting += len(records)
        self._made = len(records)

    def _show(self, records: Sequence[Record]) -> None:
        """Keep the newest released counts, with noise, for the person's page; those of offers that are gone go with the next day."""
        if any(isinstance(record, OfferCounts) for record in records):
            self._db.execute("DELETE FROM shown_records WHERE name = 'offers'")
        for record in records:
            if isinstance(record, OfferCounts):
                self._db.execute("INSERT OR REPLACE INTO shown_records VALUES ('offers', ?, ?)", (record.offer, _PACK.encode(record)))
            elif isinstance(record, HourCounts):
                self._db.execute("INSERT OR REPLACE INTO shown_records VALUES ('hours', '', ?)", (_PACK.encode(record),))

    # --- outbox -------------------------------------------------------------------------------------------------

    def rolled_back(self) -> None:
        """Count the outbox again."""
        self.recount()

    def recount(self) -> None:
        """Read the number of records and the last position from the outbox."""
        self.quarantined = int(self.one("SELECT count(*) FROM outbox WHERE quarantined"))
        self.waiting = int(self.one("SELECT count(*) FROM outbox")) - self.quarantined
        self._position = int(self.one("SELECT coalesce(max(position), 0) FROM outbox"))

    def is_full(self) -> bool:
        """Whether the outbox has no room for more records, quarantined ones included."""
        return self.waiting + self.quarantined >= limits.OUTBOX_RECORDS_MAX

    def retry_quarantined(self) -> None:
        """Let quarantined batches be sent again, once after each start."""
        self._db.execute("UPDATE outbox SET quarantined = 0 WHERE quarantined")
        self.recount()

    def cut_batch(self, gateway: str) -> None:
        """Cut a batch of the records that wait longest. Its name and content stay the same at every retry."""
        self._db.execute(CUT, (f"{gateway}.{secrets.token_hex(8)}", limits.RECORDS_PER_BATCH_MAX, limits.BATCH_BODY_BYTES_MAX))

    def batch(self, gateway: str) -> Batch | None:
        """The batch that was cut and not yet taken, or None."""
        name = self.one("SELECT batch FROM outbox WHERE batch IS NOT NULL AND NOT quarantined LIMIT 1")
        if name is None:
            return None
        bodies = self.rows("SELECT body FROM outbox WHERE batch = ? ORDER BY position", (name,))
        return Batch(name, gateway, tuple(_RECORD.decode(body) for (body,) in bodies))

    def delete_taken(self, batch: Batch, taken: Sequence[str]) -> int:
        """Delete the records of a batch that the cloud acknowledged, and free the rest; returns the number deleted."""
        acknowledged = {record.id for record in batch.records} & set(taken)
        before = self._db.total_changes()
        self._db.executemany("DELETE FROM outbox WHERE id = ?", [(record,) for record in sorted(acknowledged)])
        gone = self._db.total_changes() - before
        self._db.execute("UPDATE outbox SET batch = NULL WHERE batch = ?", (batch.batch,))
        self.waiting -= gone
        return gone

    def quarantine(self, batch: Batch) -> int:
        """Set a refused batch apart from the others; returns the number of its records."""
        before = self._db.total_changes()
        self._db.execute("UPDATE outbox SET quarantined = 1 WHERE batch = ? AND NOT quarantined", (batch.batch,))
        moved = self._db.total_changes() - before
        self.waiting -= moved
        self.quarantined += moved
        return moved
