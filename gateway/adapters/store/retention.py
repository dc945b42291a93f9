"""Store of the retention slice: deletes rows that are older than their days, a bounded number per table and commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Table
from gateway.core import limits

if TYPE_CHECKING:
    from gateway.core.site import Cuts
    from gateway.core.state.retention import RetentionChanges

OUTDATED: dict[str, tuple[str, str]] = {
    "visits": ("left_ms", "subject, entered_ms, zone"),
    "decisions": ("at_ms", "id"),
    "facts": ("at_ms", "envelope"),
    "withdrawals": ("at_ms", "start"),
    "history": ("at_ms", "subject, number"),
    "redemptions": ("at_ms", "coupon, till, sale"),
    "slots": ("at_ms", "id"),
}
"""Table -> the column that its age is counted from, and its key; in the order of `Cuts`."""


class RetentionTable(Table):
    """Deletes from the tables of OUTDATED; the slice has no table of its own."""

    def is_outdated(self, cuts: Cuts) -> bool:
        """Whether any table holds rows older than `cuts`."""
        return any(
            self.one(f"SELECT 1 FROM {table} WHERE {time} < ? LIMIT 1", (cut_ms,)) is not None  # noqa: S608 - names from OUTDATED
            for (table, (time, _)), cut_ms in zip(OUTDATED.items(), cuts, strict=True)
        )

    def save(self, changes: RetentionChanges) -> None:
        """Delete at most PURGE_ROWS_MAX outdated rows of each table.

        Rows written before the clock was set look old and are not: their days are counted from `changes.next_ms` on.
        """
        if changes.cuts is None:
            return
        for (table, (time, key)), cut_ms in zip(OUTDATED.items(), changes.cuts, strict=True):
            unset = f"UPDATE {table} SET {time} = ? WHERE {time} < ?"  # noqa: S608 - names from OUTDATED
            self._db.execute(unset, (changes.next_ms or 0, limits.CLOCK_FLOOR_MS))
            oldest = f"SELECT {key} FROM {table} WHERE {time} < ? ORDER BY {time} LIMIT ?"  # noqa: S608 - names from OUTDATED
            self._db.execute(f"DELETE FROM {table} WHERE ({key}) IN ({oldest})", (cut_ms, limits.PURGE_ROWS_MAX))  # noqa: S608 - as above
