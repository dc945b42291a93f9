"""Store of dead letters: refused messages without their content, counted by topic, decoder and reason, the newest DEAD_LETTERS_MAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Hasher, Table
from gateway.core import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from gateway.core.ports import DeadLetter


ADD = (
    "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " at_ms = excluded.at_ms, detail = excluded.detail, bytes = excluded.bytes, count = count + excluded.count"
)


class DeadLettersTable(Table):
    """Topics are stored as keyed hashes, because a topic may hold the id of a person's device."""

    def __init__(self, database: apsw.Connection, hasher: Hasher) -> None:
        """Hash topics with `hasher`."""
        super().__init__(database)
        self._hasher = hasher

    def add(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Add refused messages to those of the same topic, decoder and reason, and delete the oldest rows above DEAD_LETTERS_MAX."""
        self._db.executemany(
            ADD,
            [
                (self._hasher.text(one.topic), one.decoder, one.reason, one.at_ms, one.detail, one.payload_bytes, one.times)
                for one in dead_letters
            ],
        )
        spare = int(self.one("SELECT count(*) FROM dead_letters")) - limits.DEAD_LETTERS_MAX
        if spare > 0:
            self._db.execute(
                "DELETE FROM dead_letters WHERE (topic_hash, decoder, reason) IN"
                " (SELECT topic_hash, decoder, reason FROM dead_letters ORDER BY at_ms LIMIT ?)",
                (spare,),
            )
