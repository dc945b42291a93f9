"""Time windows in which a fault rule is active: one fixed window, or random windows of a Poisson process."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from firmware_sim.faults.rules import Rule

HOUR_MS = 3_600_000
NEVER_MS = 1 << 62


class FaultWindow(NamedTuple):
    """Half-open interval in milliseconds in which a rule is active, and its number (0, 1, ...)."""

    from_ms: int
    until_ms: int
    number: int


class FaultWindows:
    """Windows of one rule on one device. Random windows are drawn on demand, so queries must not go back in time."""

    def __init__(self, rule: Rule, draws: Random) -> None:
        self._rule, self._draws = rule, draws
        self._end_ms = NEVER_MS if rule.until_s is None else round(rule.until_s * 1000)
        begin_ms = round(rule.from_s * 1000)
        self._window = FaultWindow(begin_ms, self._end_ms, 0) if rule.per_hour is None else self._drawn(begin_ms, 0, rule.per_hour)

    def at(self, now_ms: int) -> FaultWindow | None:
        """The window that contains `now_ms`, or None."""
        per_hour = self._rule.per_hour
        while per_hour is not None and self._window.until_ms <= now_ms and self._window.until_ms < self._end_ms:
            self._window = self._drawn(self._window.until_ms, self._window.number + 1, per_hour)
        return self._window if self._window.from_ms <= now_ms < self._window.until_ms else None

    def begun(self, now_ms: int) -> int:
        """How many windows have begun by `now_ms`."""
        self.at(now_ms)
        return self._window.number + (self._window.from_ms <= now_ms and self._window.from_ms < self._end_ms)

    def following(self, now_ms: int) -> FaultWindow | None:
        """The current window or the next one; None if none is left."""
        self.at(now_ms)
        return self._window if self._window.until_ms > now_ms and self._window.from_ms < self._end_ms else None

    def _drawn(self, after_ms: int, number: int, per_hour: float) -> FaultWindow:
        from_ms = min(self._end_ms, after_ms + max(1, round(self._draws.expovariate(per_hour) * HOUR_MS)))
        return FaultWindow(from_ms, min(self._end_ms, from_ms + max(1, round(self._rule.lasts_s * 1000))), number)
