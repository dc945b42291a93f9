"""When to send what waits, and how long to wait after a refusal: decided from numbers, sent elsewhere.

A batch is cut once and kept with its id: every retry sends the same bytes, so the cloud can tell a
repeat from news. After a failure the pause doubles up to a bound; the draw spreads a fleet's retries.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core import limits
from gateway.core.ports import Reply


class Send(NamedTuple):
    """Send the next batch now."""


class Wait(NamedTuple):
    """Do nothing for this long."""

    wait_ms: int


class Uplink(NamedTuple):
    """What is remembered between tries."""

    failures: int = 0
    not_before_ms: int = 0


def plan_sync(pending: int, now_ms: int, uplink: Uplink, idle_ms: int) -> Send | Wait:
    """Send when something waits and the pause is over; otherwise say how long to wait."""
    pause_ms = uplink.not_before_ms - now_ms
    if 0 < pause_ms <= limits.SYNC_BACKOFF_MS_MAX:  # a longer one was never imposed: the clock was set back since
        return Wait(pause_ms)
    return Send() if pending else Wait(idle_ms)


def after_reply(uplink: Uplink, reply: Reply, now_ms: int, draw: float, retry_after_ms: int | None = None) -> Uplink:
    """What to remember after a try. `draw` in [0, 1) spreads the pause over its upper half."""
    if reply in {"taken", "never"}:
        return Uplink()
    failures = uplink.failures + 1
    pause_ms = min(limits.SYNC_BACKOFF_MS_MAX, limits.SYNC_BACKOFF_MS_MIN * 2 ** min(failures - 1, 16))
    pause_ms = int(pause_ms * (0.5 + draw / 2))
    if retry_after_ms is not None:
        pause_ms = max(pause_ms, min(retry_after_ms, limits.SYNC_BACKOFF_MS_MAX))
    return Uplink(failures, now_ms + pause_ms)
