"""Store of the occasions slice: open firings, sides of thresholds, times of day, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.state.occasions import Firing, OccasionsState

if TYPE_CHECKING:
    from gateway.core.state.occasions import FiringKey, OccasionsChanges

_PACK = msgspec.msgpack.Encoder()
_OFFERS = msgspec.msgpack.Decoder(tuple[str, ...])


class OccasionsTable(Table):
    """A firing is written when it begins and after each part of its people, in the commit of the decisions."""

    def state(self) -> OccasionsState:
        """Occasions as of the last commit."""
        rows = self.rows("SELECT zone, occasion, offers, at_ms, after FROM firings ORDER BY rowid")
        firings = [Firing(zone, occasion, _OFFERS.decode(offers), at_ms, after) for zone, occasion, offers, at_ms, after in rows]
        over = {(zone, threshold): bool(is_over) for zone, threshold, is_over in self.rows("SELECT * FROM thresholds")}
        live = {(zone, offer): until_ms for zone, offer, until_ms in self.rows("SELECT zone, offer, until_ms FROM live")}
        return OccasionsState(firings, over, self.one("SELECT until_ms FROM scheduled"), live)

    def save(self, changes: OccasionsChanges) -> None:
        """Write the changes."""
        for key, firing in changes.firings.items():
            if firing is None:
                self._db.execute("DELETE FROM firings WHERE zone = ? AND occasion = ? AND offers = ?", _row(key))
            else:
                sql = "INSERT INTO firings VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, after = excluded.after"
                self._db.execute(sql, (*_row(key), firing.at_ms, firing.after))
        rows = [(*key, int(is_over)) for key, is_over in changes.over.items()]
        self._db.executemany("INSERT OR REPLACE INTO thresholds VALUES (?, ?, ?)", rows)
        if changes.scheduled_ms is not None:
            self._db.execute("INSERT OR REPLACE INTO scheduled VALUES (1, ?)", (changes.scheduled_ms,))

        self._db.executemany("DELETE FROM live WHERE zone = ? AND offer = ?", list(changes.live))
        self._db.executemany(
            "INSERT INTO live VALUES (?, ?, ?)",
            [(*place, until_ms) for place, until_ms in changes.live.items() if until_ms is not None],
        )

    def save_times(self, state: OccasionsState) -> None:
        """Write the times of firings and events again, because a restart could not detect the step of the clock."""
        sql = "UPDATE firings SET at_ms = ? WHERE zone = ? AND occasion = ? AND offers = ?"
        self._db.executemany(sql, [(one.at_ms, *_row(one.key)) for one in state.firings.values()])
        rows = [(until_ms, *place) for place, until_ms in state.live.items()]
        self._db.executemany("UPDATE live SET until_ms = ? WHERE zone = ? AND offer = ?", rows)


def _row(key: FiringKey) -> tuple[str, str, bytes]:
    zone, occasion, offers = key
    return zone, occasion, _PACK.encode(offers)
