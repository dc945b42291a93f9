"""Store of the history slice: the log of facts that were folded into attributes, of subjects with consent to learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store import days
from gateway.adapters.store.table import Table

if TYPE_CHECKING:
    from gateway.core.state.history import HistoryChanges

_PACK = msgspec.msgpack.Encoder()


class HistoryTable(Table):
    """One row a fact, by person and number."""

    def save(self, changes: HistoryChanges) -> None:
        """Write the rows."""
        self._db.executemany(
            "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?)",
            [(row.subject, row.number, row.at_ms, _PACK.encode(row.body), row.at_ms // days.DAY_MS) for row in changes.rows],
        )

    def forget(self, subject: str) -> None:
        """Delete the person's rows."""
        self._db.execute(f"DELETE FROM history WHERE {days.of_person('history')}", (subject,))  # noqa: S608 - no text from outside
