"""Ends of things by id, the earliest first. The time of a look depends on the number of due ones, not of all."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator


class Ends:
    """A heap of (time in ms, id). An id stays in it after its removal from `open_`, and is passed over from then on."""

    def __init__(self, open_: Collection[str]) -> None:
        """Nothing ends yet; `open_` has the ids that count, and may change."""
        self._open = open_
        self._heap: list[tuple[int, str]] = []

    def add(self, end_ms: int, id_: str) -> None:
        """Note the end of an id, once each."""
        heapq.heappush(self._heap, (end_ms, id_))

    def first_ms(self) -> int | None:
        """The earliest end, or None."""
        while self._heap and self._heap[0][1] not in self._open:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def until(self, at_ms: int) -> Iterator[str]:
        """The open ids whose end is not after `at_ms`, by time and id. They stay; nothing may be added or removed meanwhile."""
        heap = self._heap
        branches = [(heap[0], 0)] if heap else []
        while branches:  # a child in a heap is never earlier than its parent
            (end_ms, id_), place = heapq.heappop(branches)
            if end_ms > at_ms:
                return
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(heap):
                    heapq.heappush(branches, (heap[child], child))
            if id_ in self._open:
                yield id_
