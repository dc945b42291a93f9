"""The file of a till: the coupons that were redeemed, and the sales that the broker has not acknowledged, in SQLite.

A redemption and its sale are one transaction with synchronous=FULL, so a restart neither redeems a code again nor loses a sale.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import msgspec

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.core.coupons import Coupon

KEPT_MS = 30 * 86_400_000  # of a redemption, after the end of its coupon
BUSY_MS = 5_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS redeemed (
  decision TEXT PRIMARY KEY, till TEXT NOT NULL, at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sales (seq INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB) STRICT;
CREATE TABLE IF NOT EXISTS boot (boot TEXT NOT NULL) STRICT;
"""


class TillStoreError(Refusal):
    """The file cannot be used; the text names the cause and the way out."""


class Sale(NamedTuple):
    """A sale that waits for the broker."""

    seq: int
    payload: bytes


class TillStore:
    """The file of one till. Used by one thread."""

    def __init__(self, path: Path, now_ms: int) -> None:
        """Open or create the file, and delete redemptions that ended long ago. Raises TillStoreError."""
        try:
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(BUSY_MS)
            self._db.pragma("journal_mode", "wal")
            self._db.pragma("synchronous", "full")
            self._db.execute(_SCHEMA)
            self._db.execute("DELETE FROM redeemed WHERE expires_at_ms < ?", (now_ms - KEPT_MS,))
            self._db.execute("INSERT INTO boot SELECT ? WHERE NOT EXISTS (SELECT 1 FROM boot)", (secrets.token_hex(8),))
            ((boot,),) = self._db.execute("SELECT boot FROM boot").fetchall()
            self._boot = str(boot)
        except apsw.Error as error:
            raise TillStoreError(f"{path} cannot be used as the file of a till ({error}): name another one with --store") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def redeemed(self, decision: str) -> tuple[str, int] | None:
        """The till at which the coupon of a decision was redeemed, and the time in ms; None if it was not."""
        row: tuple[Any, ...] | None = self._db.execute("SELECT till, at_ms FROM redeemed WHERE decision = ?", (decision,)).fetchone()
        return None if row is None else (row[0], row[1])

    def redeem(self, code: str, coupon: Coupon, amount_minor: int, till: str, now_ms: int) -> None:
        """Note the redemption and queue its sale, in one transaction."""
        with self._db:
            self.note(coupon.decision, till, now_ms, coupon.expires_s * 1000)
            self._db.execute("INSERT INTO sales (payload) VALUES (NULL)")
            seq = self._db.last_insert_rowid()
            sale = {"v": 1, "boot": self._boot, "seq": seq, "at_ms": now_ms, "amount_minor": amount_minor, "coupon": code}
            self._db.execute("UPDATE sales SET payload = ? WHERE seq = ?", (msgspec.json.encode(sale), seq))

    def note(self, decision: str, till: str, at_ms: int, expires_at_ms: int) -> None:
        """Note a redemption, also one at another till; the first one that was noted stays."""
        self._db.execute("INSERT OR IGNORE INTO redeemed VALUES (?, ?, ?, ?)", (decision, till, at_ms, expires_at_ms))

    def waiting(self) -> list[Sale]:
        """The sales that the broker has not acknowledged, in order."""
        rows: list[tuple[Any, ...]] = self._db.execute("SELECT seq, payload FROM sales ORDER BY seq").fetchall()
        return [Sale(*row) for row in rows]

    def acknowledged(self, sales: list[Sale]) -> None:
        """Delete sales that the broker has acknowledged."""
        with self._db:
            self._db.executemany("DELETE FROM sales WHERE seq = ?", [(sale.seq,) for sale in sales])
