"""Store of the clock slice: a row of `meta`. Each decision holds its steady time."""

from __future__ import annotations

from gateway.adapters.store.table import Table
from gateway.core.state.clock import ClockState


class ClockTable(Table):
    """The sum of the clock's steps is written with each step."""

    def state(self, now_ms: int) -> ClockState:
        """The clock as of the last step."""
        set_ms = int(self.one("SELECT value FROM meta WHERE name = 'clock_set_ms'") or 0)
        return ClockState(now_ms, set_ms, int(self.one("SELECT steady_ms FROM decisions ORDER BY rowid DESC LIMIT 1") or 0))

    def save_times(self, state: ClockState) -> None:
        """Write the sum of the steps."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('clock_set_ms', ?)", (state.set_ms,))
