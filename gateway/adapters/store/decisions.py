"""Store of the decisions slice: the decision log, answers, and triggers that the broker has not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.decision_rows import COLUMNS, IS_CHOICE, packed, unpacked
from gateway.adapters.store.table import Table
from gateway.core.state import Proposed, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from gateway.adapters.store.words import Words
    from gateway.core.policy.decision import Decision
    from gateway.core.state.decisions import DecisionsChanges


class DecisionsTable(Table):
    """Caps, answers and `wayside why` read the decision log. `expected` are the bytes that its bodies repeat."""

    def __init__(self, database: apsw.Connection, words: Words) -> None:
        """Compress with a dictionary of `words`."""
        super().__init__(database)
        self._words = words
        self.expected = b""

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision proposed, or None."""
        sql = "SELECT subject, zone, offer, answer FROM decisions WHERE id = ? AND offer IS NOT NULL"
        row = self.row(sql, (decision,))
        return Proposed(*row) if row else None

    def decision(self, id_: str, subject: str | None = None) -> Decision | None:
        """A decision of the log, or None; one for silence only with its `subject`."""
        row = self.row(f"SELECT {COLUMNS}, body FROM decisions WHERE id = ? AND {IS_CHOICE}", (id_,))  # noqa: S608 - names from there
        if row is None and subject is not None:
            sql = f"SELECT {COLUMNS}, body FROM decisions WHERE subject = ? AND id = ? ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - as above
            row = self.row(sql, (subject, id_))
        return None if row is None else unpacked(row, self._words)

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
            f"INSERT INTO decisions ({COLUMNS}, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - names from there
            [
                (
                    made.id,
                    made.subject,
                    made.zone,
                    made.at_ms,
                    made.reason,
                    made.offer,
                    made.arm,
                    made.intended,
                    made.steady_ms,
                    packed(made, self._words, self.expected),
                )
                for made in changes.made
            ],
        )
        answers = [(answer, id_) for id_, answer in changes.answers.items()]
        self._db.executemany("UPDATE decisions SET answer = ? WHERE id = ? AND offer IS NOT NULL", answers)
        for subject in changes.withheld:
            self.withhold(subject)
        for id_ in changes.undelivered:
            self._release(id_)
        rows = [msgspec.structs.astuple(trigger) for trigger in changes.triggers]
        self._db.executemany("INSERT INTO triggers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _release(self, id_: str) -> None:
        """Note that the offer of a decision did not leave the gateway."""
        self._db.execute("UPDATE decisions SET arm = 'undelivered' WHERE id = ? AND offer IS NOT NULL", (id_,))
        self.delete_triggers([id_])

    def forget(self, subject: str) -> None:
        """Delete the person's decisions and triggers."""
        self.withhold(subject)
        self._db.execute("DELETE FROM decisions WHERE subject = ?", (subject,))

    def withhold(self, subject: str) -> None:
        """Delete the person's waiting triggers."""
        self._db.execute("DELETE FROM triggers WHERE subject = ?", (subject,))
