"""Sums over all gateways, kept in the table `sums` by the transaction that stores, accepts or retracts the counts.

| kind | sums of | by |
|---|---|---|
| zones, hours | offers sent | window and zone; window |
| places, offers | outcomes of contacts | service day, offer, zone and outcome; without the zone |
| joined | corrections of `dashboard.joining` | service day and zone, empty: of all zones |
| days | service days of gateways, in `cells` | service day and offer, empty: of all offers |
| visitors, control | devices of no consenting person; answers | day and zone; quarter and item |
| health, stored | health records, in `cells`; records and batches | window; day of arrival |

The kinds in EVER_KINDS also have sums of all times, under the start EVER.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, literal, select

from dashboard.bulk import Row, insert_rows
from dashboard.schema import EVER, sums

Kind = Literal["zones", "hours", "places", "offers", "joined", "days", "visitors", "control", "health", "stored"]
EVER_KINDS = frozenset({"zones", "places", "offers", "joined", "control", "stored"})
WITHOUT_ZONE = {"zones": "hours", "places": "offers"}
Key = tuple[str, int, int, str, str, str]
"""Kind, start and length of the period, offer, zone, outcome."""
DAY_MS = 86_400_000
_KEYS = [column for column in sums.columns if column.primary_key]
_EMPTY = delete(sums).where(sums.c.cells <= 0, *(column == bindparam(f"key_{column.name}") for column in _KEYS))


class Changes(dict[Key, list[float]]):
    """Changes of sums: count, variance and number of counts by key."""

    def add(self, key: Key, count: float, variance: float, cells: int) -> None:
        """Add to one sum."""
        found = self.get(key)
        if found is None:
            self[key] = [count, variance, cells]
        else:
            found[0] += count
            found[1] += variance
            found[2] += cells

    def add_rows(self, table: str, rows: Sequence[Row], sign: int = 1) -> None:
        """Add rows of a table of counts, or subtract with the sign -1."""
        if table == "contacts":
            for _, start_ms, offer, zone, outcome, _, length_ms, count, variance in rows:
                self.add(("places", start_ms, length_ms, offer, zone, outcome), sign * count, sign * variance, sign)
            for start_ms, length_ms, offer, _ in {(row[1], row[6], row[2], row[0]) for row in rows}:
                self.add(("days", start_ms, length_ms, offer, "", ""), 0.0, 0.0, sign)
        elif table == "health":
            for row in rows:
                self.add(("health", row[1], row[3], "", "", ""), 0.0, 0.0, sign)
        elif table == "control":
            for _, start_ms, item, _, length_ms, count, variance in rows:
                self.add(("control", start_ms, length_ms, "", "", item), sign * count, sign * variance, sign)
        else:
            kind = {"hours": "zones", "visitors": "visitors"}[table]
            for _, start_ms, zone, _, length_ms, count, variance in rows:
                self.add((kind, start_ms, length_ms, "", zone, ""), sign * count, sign * variance, sign)

    def add_stored(self, records: int, batches: int, now_ms: int) -> None:
        """Add to the numbers of stored records and batches."""
        day_ms = now_ms // DAY_MS * DAY_MS
        for name, number in (("records", records), ("batches", batches)):
            if number:
                self.add(("stored", day_ms, DAY_MS, "", "", name), float(number), 0.0, number)

    def write(self, connection: Connection) -> None:
        """Write the changes, and those of the sums that follow; a sum of no count is deleted."""
        every = Changes()
        for key, values in self.items():
            for one in _with_following(key):
                every.add(one, values[0], values[1], int(values[2]))
        insert_rows(connection, sums, [(*key, *every[key]) for key in sorted(every)], "add")
        gone = [key for key, values in every.items() if values[2] < 0]
        if gone:
            names = [f"key_{column.name}" for column in _KEYS]
            connection.execute(_EMPTY, [dict(zip(names, key, strict=True)) for key in gone])


def _with_following(key: Key) -> Iterable[Key]:
    kind, _, _, offer, zone, outcome = key
    yield key
    if kind in EVER_KINDS:
        yield kind, EVER, 0, offer, zone, outcome
    if kind in WITHOUT_ZONE:
        yield from _with_following((WITHOUT_ZONE[kind], *key[1:4], "", outcome))


def stored(connection: Connection) -> dict[str, int]:
    """The numbers of stored records and batches, quarantined ones included, under `records` and `batches`."""
    query = select(sums.c.outcome, sums.c.cells).where(sums.c.kind == "stored", sums.c.window_start_ms == EVER)
    return {"records": 0, "batches": 0} | dict(connection.execute(query).all())


def forget(connection: Connection, before_ms: int) -> None:
    """Delete the sums of periods that begin before a time, and make those of all times anew from the others."""
    connection.execute(delete(sums).where(sums.c.window_start_ms < before_ms))
    names = ("offer", "zone", "outcome")
    groups = [sums.c.kind, *(sums.c[name] for name in names)]
    values = [func.sum(sums.c[name]) for name in ("count", "variance", "cells")]
    again = (
        select(sums.c.kind, literal(EVER), literal(0), *groups[1:], *values).where(sums.c.kind.in_(sorted(EVER_KINDS))).group_by(*groups)
    )
    connection.execute(insert(sums).from_select([column.name for column in sums.columns], again))
