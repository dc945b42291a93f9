"""Store of the retention slice: deletes rows that are older than their days, a bounded number per table and commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.adapters.store.days import DAY_MS
from gateway.adapters.store.table import Table
from gateway.core import limits

if TYPE_CHECKING:
    from gateway.core.site import Cuts
    from gateway.core.state.retention import RetentionChanges


class Aged(NamedTuple):
    """The outdated rows of a table: `where` is the condition, of :cut_ms, the time before which rows are outdated, and :set_ms.

    `moved` sets the age of a row to the time :next_ms; `key` names a row, `order` sorts the oldest to the front.
    """

    where: str
    moved: str
    key: str
    order: str


def _by_time(key: str) -> Aged:
    """Of a table with an index by time."""
    return Aged("at_ms < :cut_ms", "at_ms = :next_ms", key, "at_ms")


def _by_day(time: str, key: str) -> Aged:
    """Of a table whose rows lie by day."""
    return Aged(f"day <= :cut_ms / {DAY_MS} AND {time} < :cut_ms", f"{time} = :next_ms, day = :next_ms / {DAY_MS}", key, time)


_DECISIONS = Aged(
    "rowid < coalesce("
    "(SELECT rowid FROM decisions WHERE at_ms >= :cut_ms AND steady_ms >= :cut_ms - :set_ms ORDER BY rowid LIMIT 1), 1 << 62)",
    "at_ms = :next_ms, steady_ms = :next_ms - :set_ms",
    "rowid",
    "rowid",
)
"""Decisions lie in the order of their writing: all before the first one that is kept, by the clock of then and in time that has passed."""

OUTDATED: dict[str, Aged] = {
    "visits": _by_day("left_ms", "day, subject, entered_ms, zone"),
    "decisions": _DECISIONS,
    "facts": _by_time("envelope"),
    "withdrawals": _by_time("start"),
    "history": _by_day("at_ms", "day, subject, number"),
    "redemptions": _by_time("coupon, till, sale"),
    "slots": _by_time("id"),
}
"""Tables with rows that age, in the order of `Cuts`."""


class RetentionTable(Table):
    """Deletes from the tables of OUTDATED; the slice has no table of its own."""

    def is_outdated(self, cuts: Cuts) -> bool:
        """Whether any table holds rows older than `cuts`."""
        return any(
            self.one(f"SELECT 1 FROM {table} WHERE {aged.where} LIMIT 1", {"cut_ms": cut_ms, "set_ms": cuts.set_ms}) is not None  # noqa: S608 - names from OUTDATED
            for (table, aged), cut_ms in zip(OUTDATED.items(), cuts, strict=False)
        )

    def save(self, changes: RetentionChanges) -> None:
        """Delete at most PURGE_ROWS_MAX outdated rows of each table.

        Rows written before the clock was set look old and are not: their days are counted from `changes.next_ms` on.
        """
        cuts = changes.cuts
        if cuts is None:
            return
        for (table, aged), cut_ms in zip(OUTDATED.items(), cuts, strict=False):
            values = {"next_ms": changes.next_ms or 0, "set_ms": cuts.set_ms, "most": limits.PURGE_ROWS_MAX}
            unset = f"UPDATE {table} SET {aged.moved} WHERE {aged.where}"  # noqa: S608 - names from OUTDATED
            self._db.execute(unset, values | {"cut_ms": limits.CLOCK_FLOOR_MS})
            oldest = f"SELECT {aged.key} FROM {table} WHERE {aged.where} ORDER BY {aged.order} LIMIT :most"  # noqa: S608 - as above
            self._db.execute(f"DELETE FROM {table} WHERE ({aged.key}) IN ({oldest})", values | {"cut_ms": cut_ms})  # noqa: S608 - as above
