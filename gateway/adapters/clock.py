"""The device's clock: wall time carried forward by the monotonic clock, so that a set clock is a step we are told of.

A Raspberry Pi has no clock battery: it wakes up in the past and jumps when the network tells it the time. Between
`take_step()` calls time here never jumps; each call returns the jump the wall clock made since the last one.
"""

from __future__ import annotations

import time

STEP_MS_MIN = 2_000  # below it the two clocks merely drift apart; slewed, not stepped


class SystemClock:
    """Milliseconds since 1970 (UTC)."""

    def __init__(self) -> None:
        """Start from the wall clock."""
        self._offset_ms = self._wall_ms() - self._steady_ms()

    def now_ms(self) -> int:
        """The time; never steps between two calls of `take_step`."""
        return self._steady_ms() + self._offset_ms

    def take_step(self) -> int:
        """Adopt the wall clock; how far it had been set forward (or back), 0 if it was not."""
        step_ms = self._wall_ms() - self.now_ms()
        self._offset_ms += step_ms
        return step_ms if abs(step_ms) >= STEP_MS_MIN else 0

    @staticmethod
    def _wall_ms() -> int:
        return time.time_ns() // 1_000_000

    @staticmethod
    def _steady_ms() -> int:
        return time.monotonic_ns() // 1_000_000
