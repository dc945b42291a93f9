"""Store of the sensors slice: the counters of people of each zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.counting import Counting
from gateway.core.state.sensors import SensorsState

if TYPE_CHECKING:
    from gateway.core.state.sensors import SensorsChanges

_PACK = msgspec.msgpack.Encoder()
_COUNTING = msgspec.msgpack.Decoder(Counting)


class SensorsTable(Table):
    """The counters of a zone are written in the commit of the report, so that a balance holds over a restart."""

    def state(self) -> SensorsState:
        """Counters as of the last commit."""
        return SensorsState({zone: _COUNTING.decode(counting) for zone, counting in self.rows("SELECT zone, counting FROM counters")})

    def save(self, changes: SensorsChanges) -> None:
        """Write the counters."""
        self._write(changes.counted)

    def save_times(self, state: SensorsState) -> None:
        """Write the times again, because a restart could not detect the step of the clock."""
        known = {zone for (zone,) in self.rows("SELECT zone FROM counters")}
        self._write({zone: context.counting for zone, context in state.zones.items() if zone in known})

    def _write(self, counted: dict[str, Counting]) -> None:
        rows = [(zone, _PACK.encode(counting)) for zone, counting in counted.items()]
        self._db.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", rows)
