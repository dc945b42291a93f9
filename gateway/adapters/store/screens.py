"""Store of the screens slice: slots of programmes, with their proof of play."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.state.screens import Slot

if TYPE_CHECKING:
    from gateway.core.state.screens import ScreensChanges


class ScreensTable(Table):
    """A slot is written in the commit of its programme; the same programme again writes nothing."""

    def slot(self, id_: str) -> Slot | None:
        """A slot by its id, or None."""
        sql = "SELECT id, screen, zone, offer, at_ms, basis, seconds FROM slots WHERE id = ?"
        row = self._db.execute(sql, (id_,)).fetchone()
        return Slot(*row) if row else None

    def save(self, changes: ScreensChanges) -> None:
        """Write new slots, and add to the plays of known ones."""
        rows = [msgspec.structs.astuple(slot) for slot in changes.slots]
        self._db.executemany("INSERT INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0.0)", rows)
        played = [(plays, seconds, id_) for id_, (plays, seconds) in changes.played.items()]
        self._db.executemany("UPDATE slots SET plays = plays + ?, played_s = played_s + ? WHERE id = ?", played)
