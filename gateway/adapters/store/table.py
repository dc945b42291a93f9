"""Base of the store files of the slices: the connection, and the methods that the store calls."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import apsw

from gateway.core.ports import StoreDamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.types import Envelope


class Table:
    """The tables of one slice. All methods run inside the store's transaction except `committed` and `rolled_back`."""

    def __init__(self, database: apsw.Connection) -> None:
        """Use the store's one connection."""
        self._db = database

    def reconnect(self, database: apsw.Connection) -> None:
        """Use another connection, because the file was replaced."""
        self._db = database

    def save(self, changes: Any) -> None:
        """Write the slice's changes."""

    def forget(self, subject: str) -> None:
        """Delete the rows of a person, including those that this transaction wrote."""

    def save_times(self, state: Any) -> None:
        """Write the moments of the state again after the clock was set."""

    def committed(self, changes: Any) -> None:
        """The transaction that saved these changes is on the disk."""

    def rolled_back(self) -> None:
        """The transaction failed."""

    def rows(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> Iterator[tuple[Any, ...]]:
        """All rows of a query, read at once. Raises StoreDamagedError."""
        try:
            return iter(self._db.execute(sql, values).fetchall())
        except (apsw.CorruptError, apsw.NotADBError):
            raise StoreDamagedError(f"{self._db.filename} is damaged") from None

    def row(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None. Raises StoreDamagedError."""
        return next(self.rows(sql, values), None)

    def one(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> Any:
        """The first column of the first row, or None. Raises StoreDamagedError."""
        row = self.row(sql, values)
        return None if row is None else row[0]


class Hasher:
    """Keyed BLAKE2b hashes of envelopes and topics. The key is drawn once per database and lies outside of it.

    So a copy of the database alone does not show whether a known device is behind a hash.
    """

    def __init__(self, key: bytes) -> None:
        """Hash with `key`."""
        self._key = key

    def text(self, text: str) -> bytes:
        """16 bytes for a text."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()

    def boot(self, device: str, boot: str) -> bytes:
        """16 bytes for one boot of a device."""
        return self.text(f"{device}\0{boot}")

    def envelope(self, envelope: Envelope) -> bytes:
        """16 bytes for one envelope."""
        return self.text(f"{envelope.device}\0{envelope.boot}\0{envelope.seq}")
