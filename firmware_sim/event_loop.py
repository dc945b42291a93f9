"""Virtual time: a heap of things to do, and a hand that only moves when it is told to.

Time is integer milliseconds since the run began, as the outside sees it ("published time"). A recording
turns the hand as fast as it can, a live run as fast as the wall clock goes; what happens is the same.
Things due at the same millisecond happen in the order in which they were planned. So what is planned
from outside (an answer to an offer) moves nothing else: the others keep their order among themselves.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[int], None]
"""Something to do; it is told the time at which it is due."""


class EventLoop:
    """`now_ms` is the time of whatever is happening, or happened last."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._planned: list[tuple[int, int, Action]] = []
        self._order = count()

    def at(self, due_ms: int, action: Action) -> None:
        """Plan `action`; what lies in the past is done at once, but never before now."""
        heapq.heappush(self._planned, (max(due_ms, self.now_ms), next(self._order), action))

    def every(self, first_ms: int, period_ms: int, action: Action) -> None:
        """Plan `action` at `first_ms` and every `period_ms` after it, without drift."""

        def again(now_ms: int) -> None:
            self.at(now_ms + period_ms, again)
            action(now_ms)

        self.at(first_ms, again)

    def due_ms(self) -> int | None:
        """When the next thing is due, or None when nothing is planned."""
        return self._planned[0][0] if self._planned else None

    def run_until(self, end_ms: int) -> None:
        """Do everything due before `end_ms`, in order, and then let it be `end_ms`."""
        while self._planned and self._planned[0][0] < end_ms:
            self.now_ms, _, action = heapq.heappop(self._planned)
            action(self.now_ms)
        self.now_ms = max(self.now_ms, end_ms)
