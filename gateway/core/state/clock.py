"""The steady time: the clock without its steps. It measures the time that has passed for certain.

Steps of a clock that was trusted count. After a start the network sets the clock within minutes. A step forward then may be the time for
which the gateway was off, or the end of an error that was there before: it counts as no time, so that a cap holds too long and never too
short. On the first start of a database there is no older contact, and such a step is time. A step back corrects the start. A step back
that was counted is forgotten at a start if the clock may have been corrected while the gateway was off. At a start steady time is never
before the newest decision.

Until the clock of a start has settled, the time for which the gateway was off is in doubt: a clock that woke up a day ahead would open the
caps of the next day. Caps then count as if the gateway had not been off.
"""

from __future__ import annotations

from gateway.core import limits
from gateway.core.state.slices import SliceChanges


class ClockChanges(SliceChanges):
    """A batch changes nothing here."""


class ClockState:
    """`set_ms` is the sum of all steps that count; the steady time is the clock's less that."""

    def __init__(self, now_ms: int, set_ms: int = 0, newest_ms: int = 0) -> None:
        """Trust the clock CLOCK_SETTLE_MS after a start at `now_ms`; `newest_ms` is the steady time of the newest decision."""
        is_corrected = set_ms < 0 <= now_ms - newest_ms
        self.set_ms, self._newest_ms = 0 if is_corrected else min(set_ms, now_ms - newest_ms), newest_ms
        self._settles_ms = now_ms + limits.CLOCK_SETTLE_MS
        self.is_trusted, self._is_first = False, not newest_ms

    def steady_ms(self, now_ms: int) -> int:
        """The steady time at `now_ms`."""
        return now_ms - self.set_ms

    def doubt_ms(self, now_ms: int) -> int:
        """Milliseconds of steady time that may not have passed since the newest decision before the start; 0 once the clock is trusted."""
        if self.is_trusted or self._is_first:
            return 0
        running_ms = now_ms - self._settles_ms + limits.CLOCK_SETTLE_MS
        return max(0, self.steady_ms(now_ms) - self._newest_ms - running_ms)

    def note(self, now_ms: int, floor_ms: int) -> None:
        """Trust the clock once it is set and has settled."""
        if not self.is_trusted:
            self.set_ms = min(self.set_ms, now_ms - self._newest_ms)
            self.is_trusted = now_ms >= max(floor_ms, self._settles_ms)

    def accept(self, changes: ClockChanges) -> None:
        """Apply nothing."""

    def rebase(self, step_ms: int) -> None:
        """Count a step of the clock."""
        self._settles_ms += step_ms
        if self.is_trusted or (step_ms > 0 and not self._is_first):
            self.set_ms += step_ms
