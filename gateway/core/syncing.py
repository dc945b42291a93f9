"""Plans the uplink: when to send the next batch, and the pause after a failure.

A batch keeps its id and content at every retry, so the cloud recognises repetitions. After a failure the pause doubles up to a limit and
is spread at random, so that the gateways of a fleet do not retry at the same time.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core import limits
from gateway.core.ports import Reply


class Send(NamedTuple):
    """Send the next batch now."""


class Wait(NamedTuple):
    """Wait for `wait_ms`."""

    wait_ms: int


class Uplink(NamedTuple):
    """State between tries: failures in a row, and the time before which nothing is sent."""

    failures: int = 0
    not_before_ms: int = 0


def plan_sync(pending: int, now_ms: int, uplink: Uplink, idle_ms: int) -> Send | Wait:
    """`Send` if records are pending and no pause is running, otherwise `Wait` for the rest of the pause or for `idle_ms`."""
    pause_ms = uplink.not_before_ms - now_ms
    if 0 < pause_ms <= limits.SYNC_BACKOFF_MS_MAX:  # a longer pause is not possible: the clock was set back
        return Wait(pause_ms)
    return Send() if pending else Wait(idle_ms)


def after_reply(uplink: Uplink, reply: Reply, now_ms: int, draw: float, retry_after_ms: int | None = None) -> Uplink:
    """The state after a try. `draw` in [0, 1) spreads the pause over its upper half; a longer `retry_after_ms` replaces it."""
    if reply in {"taken", "never"}:
        return Uplink()
    failures = uplink.failures + 1
    pause_ms = min(limits.SYNC_BACKOFF_MS_MAX, limits.SYNC_BACKOFF_MS_MIN * 2 ** min(failures - 1, 16))
    pause_ms = int(pause_ms * (0.5 + draw / 2))
    if retry_after_ms is not None:
        pause_ms = max(pause_ms, min(retry_after_ms, limits.SYNC_BACKOFF_MS_MAX))
    return Uplink(failures, now_ms + pause_ms)
