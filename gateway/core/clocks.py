"""Estimates the error of a device's clock, to distinguish a wrong clock from a late message.

Observations carry a time by the device's clock. The lag from that time to the arrival is the clock's error plus the delay on the way. A
delay is hardly ever negative, so the least lag of a period is the clock's error or slightly above it.

A device that was offline and now sends its backlog shows large lags too, but they shrink while it catches up. A slow clock is therefore
assumed only after the least lags of LOWS_KEPT periods agree within STEADY_MS; until then the stated times are used, and old ones count as
late. A smaller lag is used at once, because no message arrives before it is sent.
"""

from __future__ import annotations

from typing import NamedTuple

PERIOD_MS = 15_000
LOWS_KEPT = 4
STEADY_MS = 5_000  # a quartz drifts by less in a day, and a device that sends its backlog catches up faster


class DeviceClock(NamedTuple):
    """The least lag of each of the last periods with a message, the open period last; `since_ms` is the start of the open period.

    `error_ms` is the estimated error: positive if the device's clock is slow, negative if it is fast.
    """

    since_ms: int
    lows_ms: tuple[int, ...]
    error_ms: int = 0


def fold_lag(before: DeviceClock | None, lag_ms: int, now_ms: int) -> DeviceClock:
    """Fold one lag; returns `before` itself if the estimate stays the same."""
    if before is None:
        return DeviceClock(now_ms, (lag_ms,), min(0, lag_ms))
    if now_ms >= before.since_ms + PERIOD_MS:
        return _estimated(now_ms, (*before.lows_ms, lag_ms)[-LOWS_KEPT:], before.error_ms)
    if lag_ms >= before.lows_ms[-1]:
        return before
    return _estimated(before.since_ms, (*before.lows_ms[:-1], lag_ms), before.error_ms)


def _estimated(since_ms: int, lows_ms: tuple[int, ...], error_ms: int) -> DeviceClock:
    least_ms = min(lows_ms)
    is_steady = len(lows_ms) == LOWS_KEPT and max(lows_ms) - least_ms <= STEADY_MS
    return DeviceClock(since_ms, lows_ms, least_ms if is_steady else min(error_ms, least_ms))
