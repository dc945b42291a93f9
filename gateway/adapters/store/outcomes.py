"""Store of the outcomes slice: open windows, and outcomes of closed ones. Both are deleted with their decision, by triggers of SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.state import OutcomesState, Window

if TYPE_CHECKING:
    from gateway.core.state.outcomes import OutcomesChanges

_PACK = msgspec.msgpack.Encoder()
_WINDOW = msgspec.msgpack.Decoder(Window)


class OutcomesTable(Table):
    """A window is written in the commit of its decision, and its outcome in the commit that deletes it."""

    def state(self, now_ms: int) -> OutcomesState:
        """Open windows as of the last commit, restored at `now_ms`."""
        rows = self.rows("SELECT decision, until_ms, body FROM windows ORDER BY until_ms, decision")
        return OutcomesState(
            {id_: msgspec.structs.replace(_WINDOW.decode(body), until_ms=until_ms) for id_, until_ms, body in rows}, now_ms
        )

    def save(self, changes: OutcomesChanges) -> None:
        """Write windows, and move the closed ones to the outcomes."""
        self._db.executemany(
            "INSERT OR REPLACE INTO windows SELECT id, ?2, ?3 FROM decisions WHERE id = ?1 AND intended IS NOT NULL",
            [(decision, window.until_ms, _PACK.encode(window)) for decision, window in changes.windows.items()],
        )
        self._db.executemany(
            "INSERT INTO outcomes SELECT id, ?2, ?3, ?4, ?5 FROM decisions WHERE id = ?1 AND intended IS NOT NULL",
            [(decision, one.closed_at_ms, one.outcome, int(one.visited), one.amount_minor) for decision, one in changes.closed.items()],
        )
        self._db.executemany("DELETE FROM windows WHERE decision = ?", [(decision,) for decision in (*changes.closed, *changes.dropped)])

    def save_times(self, state: OutcomesState) -> None:
        """Write the ends of the windows again, because a restart could not detect the step of the clock."""
        rows = [(window.until_ms, decision) for decision, window in state.open.items()]
        self._db.executemany("UPDATE windows SET until_ms = ? WHERE decision = ?", rows)
