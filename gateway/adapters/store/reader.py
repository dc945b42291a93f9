"""Looking into a gateway's database from another process: the decision log, and the history of people who may be learned from.

The gateway may be running. Its lock keeps a second *writer* out; a reader needs none, because in WAL mode it sees the last commit
and holds nobody up. It opens the file read-only, so it can neither migrate nor mend it, and what it reads is of one moment.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gateway.adapters.store import database
from gateway.core.context import SubjectContext, allows
from gateway.core.policy.decision import Decision
from gateway.core.ports import StoreError
from gateway.core.state import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONTEXT = msgspec.msgpack.Decoder(SubjectContext)
_DECISION = msgspec.msgpack.Decoder(Decision)


class Said(NamedTuple):
    """A fact that belongs to a person: an answer, or a purchase in which their offer was handed in."""

    at_ms: int
    subject: str
    what: str
    zone: str
    decision: str
    detail: str
    amount_minor: int | None


class Reader:
    """Opens the file at `path` read-only; raises StoreError with the way out."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open with the gateway's 32-byte key."""
        self._db = database.open_reader(path, key, StoreError)

    def close(self) -> None:
        """Let go."""
        self._db.close()

    def decision(self, id_: str) -> tuple[Decision, str | None] | None:
        """A decision from the log and what was answered to it."""
        row = next(self._rows("SELECT body, answer FROM decisions WHERE id = ?", (id_,)), None)
        return (_DECISION.decode(row[0]), row[1]) if row else None

    def latest_decisions(self, most: int) -> list[tuple[str, str, str, str | None]]:
        """The newest decisions: (id, zone, reason, offer)."""
        return [
            (id_, zone, reason, offer)
            for id_, zone, reason, offer in self._rows(
                "SELECT id, zone, reason, offer FROM decisions ORDER BY at_ms DESC, id DESC LIMIT ?", (most,)
            )
        ]

    # --- history: of each person separately, so that nobody's is in memory for long ---------------------

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Everything read within is of one commit, however long it takes."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def learnable(self, now_ms: int) -> list[str]:
        """Subjects whose word covers learning at this moment."""
        people = (_CONTEXT.decode(body) for (body,) in self._rows("SELECT body FROM contexts"))
        return [person.subject for person in people if allows(person, "learning", now_ms)]

    def visits(self, subject: str) -> Iterator[Visit]:
        """Their ended visits, oldest first."""
        sql = "SELECT subject, zone, entered_ms, left_ms, confidence, heard FROM visits WHERE subject = ? ORDER BY entered_ms"
        return (Visit(*row) for row in self._rows(sql, (subject,)))

    def decisions(self, subject: str) -> Iterator[Decision]:
        """What was decided for them, oldest first."""
        return (_DECISION.decode(body) for (body,) in self._rows("SELECT body FROM decisions WHERE subject = ? ORDER BY at_ms", (subject,)))

    def said(self, subject: str) -> Iterator[Said]:
        """Their answers, and the purchases in which one of their offers was handed in, oldest first."""
        return (
            Said(*row)
            for row in self._rows(
                "SELECT facts.at_ms, decisions.subject, facts.kind, facts.zone, decisions.id, facts.detail, facts.amount_minor "
                "FROM decisions JOIN facts ON facts.decision = decisions.id "
                "WHERE decisions.subject = ? AND facts.kind IN ('answer', 'purchase') ORDER BY facts.at_ms",
                (subject,),
            )
        )

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        return iter(self._db.execute(sql, values))
