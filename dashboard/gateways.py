"""Known gateways: one row for each, with its last contact and its newest health record, so that ten thousand are one short query.

The age is measured from the last batch that was stored, by the server's clock. A gateway sends once a window, so the limits for late and
silent are multiples of its window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, func, insert, or_, select, true, update

from dashboard import limits
from dashboard.bulk import insert_rows
from dashboard.health import Health
from dashboard.schema import gateways
from gateway.core.records import Batch, GatewayHealth

State = Literal["silent", "late", "fresh"]
STATES: tuple[State, ...] = ("silent", "late", "fresh")  # the first needs attention most
HEALTH = ("window_start_ms", "window_ms", "backlog", "demonstration")
_COLUMNS = tuple(column.name for column in gateways.columns)
_CHANGE = (
    update(gateways)
    .where(gateways.c.gateway == bindparam("new_gateway"))
    .values({name: bindparam(f"new_{name}") for name in ("last_seen_ms", *HEALTH)})
)


class Gateway(msgspec.Struct, frozen=True):
    """One gateway; `last_seen_ms` and `age_ms` are None before its first batch, `group` is empty without one."""

    gateway: str
    group: str
    state: State
    last_seen_ms: int | None
    age_ms: int | None
    health: Health | None


def state_of(age_ms: int | None, window_ms: int) -> State:
    """State by the age of the last batch: late after `LATE_WINDOWS` windows, silent after `SILENT_WINDOWS` or if there was none."""
    if age_ms is None or age_ms > limits.SILENT_WINDOWS * window_ms + limits.SLACK_MS:
        return "silent"
    return "late" if age_ms > limits.LATE_WINDOWS * window_ms + limits.SLACK_MS else "fresh"


def register(connection: Connection, configured: Iterable[str]) -> None:
    """A row for each gateway with a token; those without a token and without a batch are forgotten."""
    names = set(configured)
    held = dict(connection.execute(select(gateways.c.gateway, gateways.c.last_seen_ms)).all())
    gone = [{"name": name} for name, last_ms in held.items() if last_ms is None and name not in names]
    for row in gone:
        connection.execute(delete(gateways).where(gateways.c.gateway == row["name"]))
    new = [{"gateway": name} for name in sorted(names - set(held))]
    if new:
        connection.execute(insert(gateways), new)


def note_contacts(connection: Connection, found: Sequence[tuple[Batch, int]]) -> None:
    """Keep the time of each batch, and its newest health record. Neither goes back in time, also if the server's clock does."""
    names = {batch.gateway for batch, _ in found}
    held = {row.gateway: row._asdict() for row in connection.execute(select(gateways).where(gateways.c.gateway.in_(names)))}
    rows = {name: dict(row) for name, row in held.items()}
    for batch, now_ms in found:
        row = rows.setdefault(batch.gateway, dict.fromkeys(_COLUMNS) | {"gateway": batch.gateway, "group": ""})
        row["last_seen_ms"] = max(now_ms, row["last_seen_ms"] or 0)
        ends_ms = now_ms + limits.AHEAD_MS_MAX
        stated = [one for one in batch.records if isinstance(one, GatewayHealth) and one.window_start_ms + one.window_ms <= ends_ms]
        newest = max(stated, key=lambda one: one.window_start_ms, default=None)
        if newest is not None and newest.window_start_ms >= (row["window_start_ms"] or 0):
            row |= {name: getattr(newest, name) for name in HEALTH}
    insert_rows(connection, gateways, [tuple(row[name] for name in _COLUMNS) for name, row in rows.items() if name not in held])
    changed = [
        {f"new_{name}": value for name, value in row.items() if name != "group"}
        for name, row in rows.items()
        if name in held and row != held[name]
    ]
    if changed:
        connection.execute(_CHANGE, changed)


def known_gateways(connection: Connection) -> list[str]:
    """The ids of all gateways with a token or a stored batch, sorted."""
    return list(connection.execute(select(gateways.c.gateway).order_by(gateways.c.gateway)).scalars())


def count_states(connection: Connection, now_ms: int) -> dict[State, int]:
    """The number of gateways in each state."""
    rank = _rank(now_ms)
    found = dict(connection.execute(select(rank, func.count()).group_by(rank)).all())
    return {state: found.get(number, 0) for number, state in enumerate(STATES)}


def find_gateways(
    connection: Connection,
    now_ms: int,
    *,
    search: str = "",
    state: State | None = None,
    group: str = "",
    names: Sequence[str] | None = None,
    most: int | None = None,
    skip: int = 0,
) -> tuple[list[Gateway], int]:
    """Gateways that need attention first, then by id: at most `most` after `skip`, and the number of all that match."""
    rank, where = _rank(now_ms), _that_match(now_ms, search, state, group)
    if names is not None:
        where = and_(where, gateways.c.gateway.in_(names))
    total = connection.execute(select(func.count()).select_from(gateways).where(where)).scalar_one()
    query = select(gateways).where(where).order_by(rank, gateways.c.gateway).offset(skip).limit(most)
    return [_gateway(row, now_ms) for row in connection.execute(query)], total


def all_groups(connection: Connection) -> dict[str, int]:
    """The number of gateways by group, sorted by name; without those of no group."""
    query = select(gateways.c.group, func.count()).where(gateways.c.group != "").group_by(gateways.c.group).order_by(gateways.c.group)
    return dict(connection.execute(query).all())


def assign_group(connection: Connection, to: str, now_ms: int, *, search: str = "", state: State | None = None, group: str = "") -> int:
    """Put all gateways that match into the group `to`, or into none if it is empty; the number of gateways."""
    where = _that_match(now_ms, search, state, group)
    return connection.execute(update(gateways).where(where).values(group=to)).rowcount


def _that_match(now_ms: int, search: str, state: State | None, group: str) -> ColumnElement[bool]:
    where: ColumnElement[bool] = true()
    if search:
        where = and_(where, gateways.c.gateway.contains(search, autoescape=True))
    if state is not None:
        where = and_(where, _rank(now_ms) == STATES.index(state))
    return and_(where, gateways.c.group == group) if group else where


def _rank(now_ms: int) -> ColumnElement[int]:
    """The position of a gateway's state in STATES."""
    window_ms = func.coalesce(gateways.c.window_ms, limits.WINDOW_MS_ASSUMED)
    age_ms = now_ms - gateways.c.last_seen_ms
    is_silent = or_(gateways.c.last_seen_ms.is_(None), age_ms > limits.SILENT_WINDOWS * window_ms + limits.SLACK_MS)
    return case((is_silent, 0), (age_ms > limits.LATE_WINDOWS * window_ms + limits.SLACK_MS, 1), else_=2)


def _gateway(row: Any, now_ms: int) -> Gateway:
    age_ms = None if row.last_seen_ms is None else max(0, now_ms - row.last_seen_ms)
    latest = None
    if row.window_start_ms is not None:
        latest = Health(row.gateway, row.window_start_ms, row.window_ms, row.backlog, row.demonstration)
    return Gateway(
        gateway=row.gateway,
        group=row.group,
        state=state_of(age_ms, limits.WINDOW_MS_ASSUMED if latest is None else latest.window_ms),
        last_seen_ms=row.last_seen_ms,
        age_ms=age_ms,
        health=latest,
    )
