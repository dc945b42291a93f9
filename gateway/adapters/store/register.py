"""Store of the register slice: one row a person and purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Table
from gateway.core.state.register import Grant

if TYPE_CHECKING:
    from gateway.core.state.register import RegisterChanges


class RegisterTable(Table):
    """A context is read with the purposes of its rows here; a purpose without a row is not granted."""

    def grants(self, subject: str) -> list[Grant]:
        """The grants that stand of a person."""
        columns = "purpose, change, version, wording, source, at_ms, expires_at_ms"
        return [Grant(*row) for row in self.rows(f"SELECT {columns} FROM register WHERE subject = ?", (subject,))]  # noqa: S608 - names from above

    def save(self, changes: RegisterChanges) -> None:
        """Replace the rows of each person."""
        for subject, grants in changes.grants.items():
            self.forget(subject)
            self._db.executemany(
                "INSERT INTO register VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(subject, one.purpose, one.change, one.version, one.wording, one.source, one.at_ms, one.expires_at_ms) for one in grants],
            )

    def forget(self, subject: str) -> None:
        """Delete the person's rows."""
        self._db.execute("DELETE FROM register WHERE subject = ?", (subject,))
