"""Discrete-event loop in virtual time: a heap of scheduled actions.

Time is integer milliseconds since the start of the run ("published time", the time that an MQTT client observes). A recording
advances it as fast as the computer can, a live run with the wall clock; the results are the same. Actions due in the same
millisecond run in scheduling order, so an action scheduled from outside (an answer to an offer) does not
change the order of the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[int], None]
"""Scheduled action; its argument is the time in milliseconds at which it is due."""


class EventLoop:
    """Event loop. `now_ms` is the due time of the current action, or of the last one."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._planned: list[tuple[int, int, Action]] = []
        self._order = count()

    def at(self, due_ms: int, action: Action) -> None:
        """Schedule `action` for `due_ms`; a time in the past counts as now."""
        heapq.heappush(self._planned, (max(due_ms, self.now_ms), next(self._order), action))

    def every(self, first_ms: int, period_ms: int, action: Action, is_over: Callable[[int], bool] | None = None) -> None:
        """Schedule `action` at `first_ms` and every `period_ms` after it, without drift, until `is_over(now_ms)`."""

        def again(now_ms: int) -> None:
            if is_over is not None and is_over(now_ms):
                return
            self.at(now_ms + period_ms, again)
            action(now_ms)

        self.at(first_ms, again)

    def due_ms(self) -> int | None:
        """Due time of the next action in milliseconds, or None if nothing is scheduled."""
        return self._planned[0][0] if self._planned else None

    def run_until(self, end_ms: int) -> None:
        """Run every action due before `end_ms`, in order, then set the time to `end_ms`."""
        while self._planned and self._planned[0][0] < end_ms:
            self.now_ms, _, action = heapq.heappop(self._planned)
            action(self.now_ms)
        self.now_ms = max(self.now_ms, end_ms)
