"""Health records of the gateways, one for each window."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, func, select

from dashboard import limits
from dashboard.schema import health


class Health(msgspec.Struct, frozen=True):
    """One health record: state of a gateway at the end of a window."""

    gateway: str
    window_start_ms: int
    window_ms: int
    backlog: int
    demonstration: bool


def latest_health(connection: Connection) -> dict[str, Health]:
    """Newest health record by gateway."""
    newest = select(health.c.gateway, func.max(health.c.window_start_ms).label("start_ms")).group_by(health.c.gateway).subquery()
    join = health.join(newest, (health.c.gateway == newest.c.gateway) & (health.c.window_start_ms == newest.c.start_ms))
    return {row.gateway: row for row in _healths(connection, select(*_HEALTH_COLUMNS).select_from(join).order_by(health.c.id))}


def health_of(connection: Connection, gateway: str) -> list[Health]:
    """The last `WINDOWS_MAX` health records of a gateway, newest first."""
    query = select(*_HEALTH_COLUMNS).where(health.c.gateway == gateway)
    return _healths(connection, query.order_by(health.c.window_start_ms.desc(), health.c.id).limit(limits.WINDOWS_MAX))


_HEALTH_COLUMNS = [health.c[name] for name in Health.__struct_fields__]


def _healths(connection: Connection, query: object) -> list[Health]:
    return [Health(*row) for row in connection.execute(query)]  # type: ignore[call-overload]
