"""Store of dead letters: refused messages without their content, the newest DEAD_LETTERS_MAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Hasher, Table
from gateway.core import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from gateway.core.ports import DeadLetter


class DeadLettersTable(Table):
    """Topics are stored as keyed hashes, because a topic may hold the id of a person's device."""

    def __init__(self, database: apsw.Connection, hasher: Hasher) -> None:
        """Hash topics with `hasher`."""
        super().__init__(database)
        self._hasher = hasher

    def add(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Keep refused messages, and delete the oldest ones above DEAD_LETTERS_MAX."""
        rows = [(at, decoder, reason, detail, self._hasher.text(topic), size) for at, decoder, reason, detail, topic, size in dead_letters]
        self._db.executemany("INSERT INTO dead_letters (at_ms, decoder, reason, detail, topic_hash, bytes) VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?", (limits.DEAD_LETTERS_MAX,))
