"""Known gateways, and the age of the last batch of each.

The age is measured from the last batch that was stored, by the server's clock. A gateway sends once a
window, so the limits for late and silent are multiples of its window.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from sqlalchemy import Connection, select

from dashboard import limits
from dashboard.health import Health, latest_health
from dashboard.schema import gateways

State = Literal["fresh", "late", "silent"]


class Gateway(msgspec.Struct, frozen=True):
    """One gateway; `last_seen_ms` and `age_ms` are None before its first batch."""

    gateway: str
    state: State
    last_seen_ms: int | None
    age_ms: int | None
    health: Health | None


def state_of(age_ms: int | None, window_ms: int) -> State:
    """State by the age of the last batch: late after `LATE_WINDOWS` windows, silent after `SILENT_WINDOWS` or if there was none."""
    if age_ms is None or age_ms > limits.SILENT_WINDOWS * window_ms + limits.SLACK_MS:
        return "silent"
    return "late" if age_ms > limits.LATE_WINDOWS * window_ms + limits.SLACK_MS else "fresh"


def known_gateways(connection: Connection, configured: Iterable[str], now_ms: int) -> list[Gateway]:
    """Every gateway with a token or a stored batch, sorted by id."""
    seen = dict(connection.execute(select(gateways.c.gateway, gateways.c.last_seen_ms)).all())
    healths = latest_health(connection)
    return [_gateway(name, seen.get(name), healths.get(name), now_ms) for name in sorted({*configured, *seen})]


def _gateway(name: str, last_ms: int | None, latest: Health | None, now_ms: int) -> Gateway:
    age_ms = None if last_ms is None else max(0, now_ms - last_ms)
    window_ms = latest.window_ms if latest else limits.WINDOW_MS_ASSUMED
    return Gateway(gateway=name, state=state_of(age_ms, window_ms), last_seen_ms=last_ms, age_ms=age_ms, health=latest)
