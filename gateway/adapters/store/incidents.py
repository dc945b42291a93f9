"""Store of the incidents slice: until when each zone is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Table
from gateway.core.state.incidents import IncidentsState

if TYPE_CHECKING:
    from gateway.core.state.incidents import IncidentsChanges


class IncidentsTable(Table):
    """A silence is written in the commit of the message that began it, so it holds over a restart."""

    def state(self) -> IncidentsState:
        """Incidents as of the last commit."""
        return IncidentsState(dict(self.rows("SELECT zone, until_ms FROM incidents")))

    def save(self, changes: IncidentsChanges) -> None:
        """Write the changes."""
        self._db.executemany("DELETE FROM incidents WHERE zone = ?", [(zone,) for zone in changes.until_ms])
        rows = [(zone, until_ms) for zone, until_ms in changes.until_ms.items() if until_ms is not None]
        self._db.executemany("INSERT INTO incidents VALUES (?, ?)", rows)

    def save_times(self, state: IncidentsState) -> None:
        """Write the ends again, because a restart could not detect the step of the clock."""
        self._db.executemany("UPDATE incidents SET until_ms = ? WHERE zone = ?", [(end, zone) for zone, end in state.until_ms.items()])
