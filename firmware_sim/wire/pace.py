"""How published time follows the wall clock: as fast, so many times as fast, or not at all."""

from __future__ import annotations

import time


class Pace:
    """`now_ms` is the published time that it should be; with `faster` None it is always time for what comes next."""

    def __init__(self, faster: float | None = 1.0) -> None:
        self.faster = faster
        self.begun_s = time.monotonic()

    def elapsed_s(self) -> float:
        """Seconds on the wall since the beginning."""
        return time.monotonic() - self.begun_s

    def now_ms(self, next_ms: int) -> int:
        """The published time now; at the utmost pace `next_ms`, for nothing is waited for."""
        return next_ms if self.faster is None else int(self.elapsed_s() * 1000 * self.faster)

    def wait_s(self, due_ms: int) -> float:
        """How long on the wall until something is due; never negative."""
        return 0.0 if self.faster is None else max(0.0, due_ms / 1000 / self.faster - self.elapsed_s())

    def late_ms(self, due_ms: int) -> float:
        """How late something is that was due then, in milliseconds on the wall."""
        return 0.0 if self.faster is None else max(0.0, self.elapsed_s() * 1000 - due_ms / self.faster)
