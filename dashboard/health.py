"""Health records of the gateways, one for each window."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from dashboard import limits
from dashboard.schema import health


class Health(msgspec.Struct, frozen=True):
    """One health record: state of a gateway at the end of a window."""

    gateway: str
    window_start_ms: int
    window_ms: int
    backlog: int
    demonstration: bool


def health_of(connection: Connection, gateway: str) -> list[Health]:
    """The last `WINDOWS_MAX` health records of a gateway, newest first."""
    query = select(*(health.c[name] for name in Health.__struct_fields__)).where(health.c.gateway == gateway)
    newest = query.order_by(health.c.window_start_ms.desc(), health.c.id).limit(limits.WINDOWS_MAX)
    return [Health(*row) for row in connection.execute(newest)]
