"""Store of the decisions slice: the decision log, answers, and triggers that the broker has not acknowledged."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core.policy.decision import Decision
from gateway.core.state import Proposed, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.state.decisions import DecisionsChanges

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Decision)


def packed(decision: Decision) -> bytes:
    """A decision as it is stored: MessagePack, compressed, because the rows of its candidates differ in few columns."""
    return zlib.compress(_ENCODER.encode(decision), 1)


def unpacked(body: bytes) -> Decision:
    """A stored decision."""
    return _DECODER.decode(zlib.decompress(body))


class DecisionsTable(Table):
    """Caps, answers and `wayside why` read the decision log."""

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision proposed, or None."""
        sql = "SELECT subject, zone, offer, answer FROM decisions WHERE id = ? AND offer IS NOT NULL"
        row = self._db.execute(sql, (decision,)).fetchone()
        return Proposed(*row) if row else None

    def decision(self, id_: str) -> Decision | None:
        """A decision of the log, or None."""
        body = self.one("SELECT body FROM decisions WHERE id = ?", (id_,))
        return None if body is None else unpacked(body)

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
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?)",
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
                    made.policy,
                    made.seed,
                    packed(made),
                )
                for made in changes.made
            ],
        )
        self._db.executemany("UPDATE decisions SET answer = ? WHERE id = ?", [(answer, id_) for id_, answer in changes.answers.items()])
        for subject in changes.withheld:
            self.withhold(subject)
        for id_ in changes.undelivered:
            self._release(id_)
        rows = [msgspec.structs.astuple(trigger) for trigger in changes.triggers]
        self._db.executemany("INSERT INTO triggers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _release(self, id_: str) -> None:
        """Note that the offer of a decision did not leave the gateway."""
        made = self.decision(id_)
        if made is not None:
            body = packed(msgspec.structs.replace(made, arm="undelivered"))
            self._db.execute("UPDATE decisions SET arm = 'undelivered', body = ? WHERE id = ?", (body, id_))
        self.delete_triggers([id_])

    def forget(self, subject: str) -> None:
        """Delete the person's decisions and triggers."""
        self.withhold(subject)
        self._db.execute("DELETE FROM decisions WHERE subject = ?", (subject,))

    def withhold(self, subject: str) -> None:
        """Delete the person's waiting triggers."""
        self._db.execute("DELETE FROM triggers WHERE subject = ?", (subject,))
