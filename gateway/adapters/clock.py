"""The device's clock: wall time advanced by the monotonic clock, with the steps of the wall clock reported separately.

A Raspberry Pi has no clock battery: it starts with a past time, which jumps when the network sets the clock. Between two calls of
`take_step()` this time never jumps; each call returns the jump of the wall clock since the last one.
"""

from __future__ import annotations

import time

STEP_MS_MIN = 2_000  # smaller differences are drift of the two clocks, not a step


class SystemClock:
    """Milliseconds since 1970 (UTC)."""

    def __init__(self) -> None:
        """Start from the wall clock."""
        self._offset_ms = self._wall_ms() - self._steady_ms()

    def now_ms(self) -> int:
        """The time; never steps between two calls of `take_step`."""
        return self._steady_ms() + self._offset_ms

    def take_step(self) -> int:
        """Adopt the wall clock; returns the milliseconds by which it was set forward (negative: back), or 0."""
        step_ms = self._wall_ms() - self.now_ms()
        self._offset_ms += step_ms
        return step_ms if abs(step_ms) >= STEP_MS_MIN else 0

    @staticmethod
    def _wall_ms() -> int:
        return time.time_ns() // 1_000_000

    @staticmethod
    def _steady_ms() -> int:
        return time.monotonic_ns() // 1_000_000
