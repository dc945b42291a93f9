"""When a fault is at work: from and until, or again and again for a while, at times that are drawn."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from firmware_sim.faults.rules import Rule

HOUR_MS = 3_600_000
NEVER_MS = 1 << 62


class FaultWindow(NamedTuple):
    """From when until when (excluded) a rule is at work, and the how-many-th time that is (0, 1, ...)."""

    from_ms: int
    until_ms: int
    number: int


class FaultWindows:
    """The spells of one rule on one device. Random ones are drawn as time goes on, which only goes forward."""

    def __init__(self, rule: Rule, draws: Random) -> None:
        self._rule, self._draws = rule, draws
        self._end_ms = NEVER_MS if rule.until_s is None else round(rule.until_s * 1000)
        begin_ms = round(rule.from_s * 1000)
        self._window = FaultWindow(begin_ms, self._end_ms, 0) if rule.per_hour is None else self._drawn(begin_ms, 0, rule.per_hour)

    def at(self, now_ms: int) -> FaultWindow | None:
        """The spell at a time, if there is one."""
        per_hour = self._rule.per_hour
        while per_hour is not None and self._window.until_ms <= now_ms and self._window.until_ms < self._end_ms:
            self._window = self._drawn(self._window.until_ms, self._window.number + 1, per_hour)
        return self._window if self._window.from_ms <= now_ms < self._window.until_ms else None

    def begun(self, now_ms: int) -> int:
        """How many spells have begun by a time."""
        self.at(now_ms)
        return self._window.number + (self._window.from_ms <= now_ms and self._window.from_ms < self._end_ms)

    def following(self, now_ms: int) -> FaultWindow | None:
        """The spell that is on, or the next one; None when there will be none."""
        self.at(now_ms)
        return self._window if self._window.until_ms > now_ms and self._window.from_ms < self._end_ms else None

    def _drawn(self, after_ms: int, number: int, per_hour: float) -> FaultWindow:
        from_ms = min(self._end_ms, after_ms + max(1, round(self._draws.expovariate(per_hour) * HOUR_MS)))
        return FaultWindow(from_ms, min(self._end_ms, from_ms + max(1, round(self._rule.lasts_s * 1000))), number)
