"""Store of the decisions slice: the decision log, answers, and triggers that the broker has not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.policy.decision import Decision
from gateway.core.state import Proposed, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.state.decisions import DecisionsChanges

_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(Decision)


class DecisionsTable(Table):
    """Caps, answers and `wayside why` read the decision log."""

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision proposed, or None."""
        sql = "SELECT subject, zone, offer, answer FROM decisions WHERE id = ? AND offer IS NOT NULL"
        row = self.row(sql, (decision,))
        return Proposed(*row) if row else None

    def decision(self, id_: str) -> Decision | None:
        """A decision of the log, or None."""
        body = self.one("SELECT body FROM decisions WHERE id = ?", (id_,))
        return None if body is None else _UNPACK.decode(body)

    def waiting(self) -> list[Trigger]:
        """Triggers that the broker has not acknowledged."""
        sql = "SELECT id, subject, channel, target, offer, creative, zone, expires_at_ms FROM triggers"
        return [Trigger(*row) for row in self.rows(sql)]

    def delete_triggers(self, ids: Sequence[str]) -> None:
        """Delete triggers that were acknowledged or that expired."""
        self._db.executemany("DELETE FROM triggers WHERE id = ?", [(id_,) for id_ in ids])

    def save(self, changes: DecisionsChanges) -> None:
        """Write decisions, answers and triggers."""
        self._db.executemany(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)",
            [
                (
                    made.id,
                    made.subject,
                    made.zone,
                    made.at_ms,
                    made.reason,
                    made.offer,
                    _PACK.encode(made),
                    made.arm,
                    made.intended,
                    made.policy,
                    made.seed,
                    made.steady_ms,
                )
                for made in changes.made
            ],
        )
        self._db.executemany("UPDATE decisions SET answer = ? WHERE id = ?", [(answer, id_) for id_, answer in changes.answers.items()])
        for subject in changes.withheld:
            self.withhold(subject)
        rows = [msgspec.structs.astuple(trigger) for trigger in changes.triggers]
        self._db.executemany("INSERT INTO triggers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, subject: str) -> None:
        """Delete the person's decisions and triggers."""
        self.withhold(subject)
        self._db.execute("DELETE FROM decisions WHERE subject = ?", (subject,))

    def withhold(self, subject: str) -> None:
        """Delete the person's waiting triggers."""
        self._db.execute("DELETE FROM triggers WHERE subject = ?", (subject,))
