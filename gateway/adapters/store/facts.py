"""Store of the facts slice: facts under a keyed hash of their envelope, and withdrawals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Hasher, Table

if TYPE_CHECKING:
    import apsw

    from gateway.core.state.facts import FactsChanges
    from gateway.core.types import Envelope


class FactsTable(Table):
    """Facts stay after a withdrawal, without their reference to the person."""

    def __init__(self, database: apsw.Connection, hasher: Hasher) -> None:
        """Hash envelopes with `hasher`."""
        super().__init__(database)
        self._hasher = hasher

    def is_known(self, envelope: Envelope) -> bool:
        """Whether the fact of this envelope was committed."""
        return self.one("SELECT 1 FROM facts WHERE envelope = ?", (self._hasher.envelope(envelope),)) is not None

    def decision(self, envelope: Envelope) -> tuple[str, str | None] | None:
        """The decision that the fact of this envelope belongs to, and its subject, or None."""
        row = self.row("SELECT decision, subject FROM facts WHERE envelope = ?", (self._hasher.envelope(envelope),))
        return None if row is None or row[0] is None else (row[0], row[1])

    def answered(self, decision: str) -> set[str]:
        """The kinds of the answers to a decision."""
        return {kind for (kind,) in self.rows("SELECT detail FROM facts WHERE decision = ? AND kind = 'answer'", (decision,))}

    def withdrawn_seq(self, envelope: Envelope) -> int | None:
        """Sequence number of the last withdrawal in this boot of the device, or None."""
        seq: int | None = self.one("SELECT seq FROM withdrawals WHERE start = ?", (self._hasher.boot(envelope.device, envelope.boot),))
        return seq

    def save(self, changes: FactsChanges) -> None:
        """Write facts and withdrawals."""
        self._db.executemany(
            "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    self._hasher.envelope(row.envelope),
                    row.kind,
                    row.at_ms,
                    row.subject,
                    row.zone,
                    row.decision,
                    row.detail,
                    row.amount_minor,
                    msgspec.msgpack.encode(row.items) if row.items else None,
                    row.reason,
                )
                for row in changes.rows.values()
            ],
        )
        if changes.withdrawals:
            self._db.executemany(
                "INSERT OR REPLACE INTO withdrawals VALUES (?, ?, ?)",
                [(self._hasher.boot(device, boot), seq, at_ms) for (device, boot), (seq, at_ms) in changes.withdrawals.items()],
            )

    def forget(self, subject: str) -> None:
        """Remove the person from the facts: sales stay without a decision, and of the person's own facts kind and time.

        Runs before the decisions are deleted.
        """
        self._db.execute("UPDATE facts SET decision = NULL WHERE decision IN (SELECT id FROM decisions WHERE subject = ?)", (subject,))
        self._db.execute("UPDATE facts SET subject = NULL, decision = NULL, zone = NULL, detail = NULL WHERE subject = ?", (subject,))
