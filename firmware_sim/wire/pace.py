"""Published time as a function of the wall clock: equal, faster by a factor, or unlimited."""

from __future__ import annotations

import time


class Pace:
    """Published time is `faster` times the wall time since construction; `faster` None means without waiting."""

    def __init__(self, faster: float | None = 1.0) -> None:
        self.faster = faster
        self.begun_s = time.monotonic()

    def elapsed_s(self) -> float:
        """Seconds of wall time since construction."""
        return time.monotonic() - self.begun_s

    def now_ms(self, next_ms: int) -> int:
        """Published time now in milliseconds; `next_ms` if there is no waiting."""
        return next_ms if self.faster is None else int(self.elapsed_s() * 1000 * self.faster)

    def wait_s(self, due_ms: int) -> float:
        """Seconds of wall time until the published time `due_ms`, at least 0."""
        return 0.0 if self.faster is None else max(0.0, due_ms / 1000 / self.faster - self.elapsed_s())

    def late_ms(self, due_ms: int) -> float:
        """Milliseconds of wall time since the published time `due_ms`, at least 0."""
        return 0.0 if self.faster is None else max(0.0, self.elapsed_s() * 1000 - due_ms / self.faster)
