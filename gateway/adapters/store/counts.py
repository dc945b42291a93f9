"""Store of the counts slice: cells and activity of the open window, and the outbox of records."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core import limits
from gateway.core.privacy import CounterKey
from gateway.core.records import Batch, Record
from gateway.core.state import CountsState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from gateway.core.state.counts import CountsChanges

ADD_CELLS = "INSERT INTO cells VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"

_PACK = msgspec.msgpack.Encoder()


class CountsTable(Table):
    """`waiting` and `quarantined` are the outbox's record counts, kept beside the table because every turn reads them."""

    def __init__(self, database: apsw.Connection) -> None:
        """Count the outbox."""
        super().__init__(database)
        self.waiting = self.quarantined = self._position = 0
        self.recount()

    def state(self) -> CountsState:
        """The open window as of the last commit; its facts, decisions and triggers are counted from their logs.

        Decisions of people who withdrew since are no longer there; messages are counted from this start on.
        """
        cells = {CounterKey(*key): count for *key, count in self.rows("SELECT zone, offer, kind, count FROM cells")}
        window_ms = self.one("SELECT value FROM meta WHERE name = 'window_start_ms'")
        if window_ms is None:
            return CountsState(cells)
        facts = self.one("SELECT count(*) FROM facts WHERE at_ms >= ?", (window_ms,))
        made, sent = next(self.rows("SELECT count(*), count(offer) FROM decisions WHERE at_ms >= ?", (window_ms,)))
        return CountsState(cells, {"facts": facts, "decisions": made, "triggers": sent}, int(window_ms))

    def save(self, changes: CountsChanges) -> None:
        """Write the window's counts; of a window that closed, its records into the outbox."""
        if changes.closed_window_ms is not None:
            self._db.execute("DELETE FROM cells")
        if changes.opened_window_ms is not None:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('window_start_ms', ?)", (changes.opened_window_ms,))
        if changes.cells:
            self._db.executemany(ADD_CELLS, [(*key, count) for key, count in changes.cells.items()])
        for record in changes.records:
            self._position += 1
            self._db.execute("INSERT INTO outbox VALUES (?, ?, NULL, 0, ?)", (record.id, self._position, _PACK.encode(record)))
        self.waiting += len(changes.records)

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
        self._db.execute(
            "UPDATE outbox SET batch = ? WHERE position IN (SELECT position FROM outbox WHERE NOT quarantined ORDER BY position LIMIT ?)",
            (f"{gateway}.{secrets.token_hex(8)}", limits.RECORDS_PER_BATCH_MAX),
        )

    def batch(self, gateway: str) -> Batch | None:
        """The batch that was cut and not yet taken, or None."""
        name = self.one("SELECT batch FROM outbox WHERE batch IS NOT NULL AND NOT quarantined LIMIT 1")
        if name is None:
            return None
        bodies = self.rows("SELECT body FROM outbox WHERE batch = ? ORDER BY position", (name,))
        return Batch(name, gateway, tuple(msgspec.msgpack.decode(body, type=Record) for (body,) in bodies))

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
