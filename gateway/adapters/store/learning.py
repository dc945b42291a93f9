"""Store of the learning slice: one row for each key of the learner's state, and one for its health.

Rows of EVERY_MOMENT are averages that change a little with each decision. As each commit of these took a tenth of the bytes of a visit, the
store writes them every few minutes and at the end; a crash loses the newest moments.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.learning.health import Health
from gateway.core.learning.state import LearnedState, state_of
from gateway.core.state import LearningState

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from gateway.core.state.learning import LearningChanges

BASIS, HEALTH = "basis", "health"
EVERY_MOMENT = ("outlooks/", "moments/", "visits/", "busy/")
UPSERT = "INSERT INTO learned VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"

_PACK = msgspec.msgpack.Encoder()
_HEALTH = msgspec.msgpack.Decoder(Health)
_TEXT = msgspec.msgpack.Decoder(str)


class LearningTable(Table):
    """Rows are written in the commit of the decision or outcome, those of EVERY_MOMENT by `save_moments`."""

    def __init__(self, database: apsw.Connection) -> None:
        """Start without rows that wait."""
        super().__init__(database)
        self._waiting: dict[str, bytes] = {}

    def state(self) -> LearningState:
        """As of the last commit; empty if this program does not read the rows' format: it begins anew."""
        try:
            rows = {key: zlib.decompress(body) for key, body in self.rows("SELECT key, body FROM learned ORDER BY key")}
            basis, health = rows.pop(BASIS, None), rows.pop(HEALTH, None)
            return LearningState(
                state_of(rows.items()), Health() if health is None else _HEALTH.decode(health), "" if basis is None else _TEXT.decode(basis)
            )
        except (zlib.error, msgspec.DecodeError, KeyError):
            return LearningState()

    def save(self, changes: LearningChanges) -> None:
        """Write the changed rows; all others are deleted if the state begins anew."""
        rows = [
            row for row in (changes.learned or LearnedState()).rows() if changes.begun is not None or not row[0].startswith(EVERY_MOMENT)
        ]
        if changes.begun is not None:
            self._db.execute("DELETE FROM learned WHERE key <> ?", (HEALTH,))
            rows.append((BASIS, _PACK.encode(changes.begun)))
        if changes.health is not None:
            rows.append((HEALTH, _PACK.encode(changes.health)))
        self._db.executemany(UPSERT, _compressed(rows))

    def committed(self, changes: LearningChanges) -> None:
        """Keep the rows that wait; those of a state that began anew are written."""
        if changes.begun is not None:
            self._waiting.clear()
        elif changes.learned is not None:
            self._waiting.update(row for row in changes.learned.rows() if row[0].startswith(EVERY_MOMENT))

    def save_moments(self) -> None:
        """Write the rows that wait; `moments_saved` follows the commit."""
        self._db.executemany(UPSERT, _compressed(self._waiting.items()))

    def moments_saved(self) -> None:
        """No row waits any more."""
        self._waiting.clear()


def _compressed(rows: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The rows as they are stored: the weights of a model are mostly those of its beginning, and take a twentieth of their size."""
    return [(key, zlib.compress(body, 1)) for key, body in rows]
