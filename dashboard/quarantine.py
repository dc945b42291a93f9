"""Quarantine: records that no figure counts, with the reason, and the decisions of an operator.

A quarantined record keeps the rows that it would be in the tables of counts, so accepting it is one insert, and retracting a stored
record is the reverse. Its id stays known, so that a repetition by the gateway changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select

from dashboard import limits
from dashboard.bounds import Reason
from dashboard.counts import COUNTS, TABLE_OF, named, rows_of, unnamed
from dashboard.keeping import keep, remove
from dashboard.rollups import Changes
from dashboard.schema import ALL_ZONES, catalogue, quarantined
from gateway.core.records import Record

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table -> rows of it."""


class Held(NamedTuple):
    """One quarantined record: `zones` and `offers` that it names, and its window in ms since 1970 (None for a health record)."""

    gateway: str
    id: str
    since_ms: int
    reason: Reason
    zones: tuple[str, ...]
    offers: tuple[str, ...]
    window_start_ms: int | None
    largest: int


def learn(connection: Connection, gateway: str, zones: Iterable[str], offers: Iterable[str]) -> None:
    """Add zones and offers to the catalogue of a gateway, up to `CATALOGUE_ROWS_MAX` names."""
    found = connection.execute(select(catalogue.c.kind, catalogue.c.name).where(catalogue.c.gateway == gateway)).all()
    held = {(kind, name) for kind, name in found}
    new = [pair for pair in [*(("zone", zone) for zone in zones), *(("offer", offer) for offer in offers)] if pair not in held]
    rows = [{"gateway": gateway, "kind": kind, "name": name} for kind, name in sorted(set(new))]
    if rows[: limits.CATALOGUE_ROWS_MAX - len(held)]:
        connection.execute(insert(catalogue), rows[: limits.CATALOGUE_ROWS_MAX - len(held)])


def set_aside(connection: Connection, record: Record, reason: Reason, now_ms: int) -> None:
    """Quarantine a record with the rows that it would have; its id is stored already. A health record has none."""
    table = TABLE_OF[type(record)]
    content = {} if table == "health" else {table: named(table, rows_of(record))}
    values = {"gateway": record.gateway, "id": record.id, "since_ms": now_ms, "reason": reason}
    connection.execute(insert(quarantined), [values | {"content": msgspec.json.encode(content).decode()}])


def held(connection: Connection, gateway: str | None = None) -> list[Held]:
    """The newest quarantined records, at most `QUARANTINE_ROWS_MAX`."""
    query = select(quarantined).order_by(quarantined.c.since_ms.desc(), quarantined.c.gateway, quarantined.c.id)
    if gateway is not None:
        query = query.where(quarantined.c.gateway == gateway)
    return [_held(row) for row in connection.execute(query.limit(limits.QUARANTINE_ROWS_MAX))]


def count(connection: Connection) -> int:
    """The number of quarantined records."""
    return connection.execute(select(func.count()).select_from(quarantined)).scalar_one()


def accept(connection: Connection, gateway: str, ids: Sequence[str]) -> int:
    """Count quarantined records from now on, and add the names to the catalogue; the number of records.

    A record stays in quarantine if another record of its window was counted in the meantime.
    """
    done, changes = 0, Changes()
    for row in connection.execute(select(quarantined).where(_chosen(quarantined, gateway, ids))).all():
        content = msgspec.json.decode(row.content)
        if _is_counted(connection, gateway, content):
            continue
        one = _held(row)
        learn(connection, gateway, one.zones, one.offers)
        keep(connection, {name: unnamed(name, rows) for name, rows in content.items()}, changes)
        connection.execute(delete(quarantined).where(_chosen(quarantined, gateway, [row.id])))
        done += 1
    changes.write(connection)
    return done


def discard(connection: Connection, gateway: str, ids: Sequence[str]) -> int:
    """Delete the content of quarantined records for ever; the ids stay known. Returns the number of records."""
    return connection.execute(delete(quarantined).where(_chosen(quarantined, gateway, ids))).rowcount


def retract(connection: Connection, gateway: str, from_ms: int, until_ms: int, now_ms: int) -> int:
    """Quarantine the stored counts of a gateway of windows that begin in [from_ms, until_ms); the number of records."""
    changes = Changes()
    contents: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, gone in remove(connection, gateway, from_ms, until_ms, changes).items():
        for row in named(name, gone):
            contents.setdefault(row["id"], {}).setdefault(name, []).append(row)
    changes.write(connection)
    rows = [
        {"gateway": gateway, "id": key, "since_ms": now_ms, "reason": "retracted", "content": msgspec.json.encode(content).decode()}
        for key, content in contents.items()
    ]
    if rows:
        connection.execute(insert(quarantined), rows)
    return len(rows)


def _chosen(table: Any, gateway: str, ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(table.c.gateway == gateway, table.c.id.in_(ids))


def _is_counted(connection: Connection, gateway: str, content: Rows) -> bool:
    for name, rows in content.items():
        table, first = COUNTS[name], rows[0]
        where = and_(table.c.gateway == gateway, table.c.window_start_ms == first["window_start_ms"])
        if name == "contacts":
            where = and_(where, table.c.offer == first["offer"])
        if connection.execute(select(table.c.id).where(where).limit(1)).first() is not None:
            return True
    return False


def _held(row: Any) -> Held:
    rows = [one for of_table in msgspec.json.decode(row.content).values() for one in of_table]
    return Held(
        row.gateway,
        row.id,
        row.since_ms,
        row.reason,
        tuple(dict.fromkeys(one["zone"] for one in rows if one.get("zone", ALL_ZONES) != ALL_ZONES)),
        tuple(dict.fromkeys(one["offer"] for one in rows if "offer" in one)),
        min((one["window_start_ms"] for one in rows), default=None),
        max((abs(one["count"]) for one in rows), default=0),
    )
