"""How wrong a device's clock is, so that a wrong clock is not taken for lateness, nor lateness for a wrong clock.

What a device says carries the moment that its own clock claims. The lag between that claim and the arrival is the clock's error plus
the time on the way, and the time on the way is hardly ever negative: the least lag of a while is the clock's error, or close above it.

A device that was cut off and now tells what it kept shows large lags too; but they shrink while it catches up. So a slow clock is
believed only once several lows in a row agree (within STEADY_MS over LOWS_KEPT periods); until then the claim is taken at its word,
and what is too old counts as late. A lesser lag is believed at once, because nothing arrives before it was sent.
"""

from __future__ import annotations

from typing import NamedTuple

PERIOD_MS = 15_000
LOWS_KEPT = 4
STEADY_MS = 5_000  # a quartz drifts by less in a day; whoever catches up at all does so faster


class DeviceClock(NamedTuple):
    """The least lag of each of the last periods in which the device spoke, the open one last; `since_ms` is when that began.

    `error_ms` is by how much its claims lie in the past (negative: in the future), as far as that is certain.
    """

    since_ms: int
    lows_ms: tuple[int, ...]
    error_ms: int = 0


def heard(before: DeviceClock | None, lag_ms: int, now_ms: int) -> DeviceClock:
    """Fold one lag; the same object when it tells nothing new."""
    if before is None:
        return DeviceClock(now_ms, (lag_ms,), min(0, lag_ms))
    if now_ms >= before.since_ms + PERIOD_MS:
        return _judged(now_ms, (*before.lows_ms, lag_ms)[-LOWS_KEPT:], before.error_ms)
    if lag_ms >= before.lows_ms[-1]:
        return before
    return _judged(before.since_ms, (*before.lows_ms[:-1], lag_ms), before.error_ms)


def _judged(since_ms: int, lows_ms: tuple[int, ...], error_ms: int) -> DeviceClock:
    least_ms = min(lows_ms)
    is_steady = len(lows_ms) == LOWS_KEPT and max(lows_ms) - least_ms <= STEADY_MS
    return DeviceClock(since_ms, lows_ms, least_ms if is_steady else min(error_ms, least_ms))
