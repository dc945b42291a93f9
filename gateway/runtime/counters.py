"""Running totals of one gateway process, for the status."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.core.discards import Discard
    from gateway.core.state import Changes

LATENCIES_KEPT = 10_000


class Counters:
    """Written by the writer thread. `latencies_ms` are the newest times from a batch's oldest message to its trigger."""

    def __init__(self, started_ms: int) -> None:
        """Start at zero."""
        self.started_ms = started_ms
        self.counts: Counter[str] = Counter()
        self.discarded: Counter[Discard] = Counter()
        self.reasons: Counter[str] = Counter()
        self.latencies_ms: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self.observed_at_ms: int | None = None
        self.trouble = ""

    def add(self, changes: Changes) -> None:
        """Count the changes of a committed batch."""
        self.counts.update(changes.totals)
        self.discarded.update(changes.discarded)
        self.reasons.update(decision.reason for decision in (*changes.decisions.made, *changes.decisions.unlogged))
