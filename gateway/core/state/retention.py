"""Retention: when rows that are older than their days are deleted."""

from __future__ import annotations

from typing import ClassVar

from gateway.core import limits
from gateway.core.site import Cuts
from gateway.core.state.slices import SliceChanges


class RetentionChanges(SliceChanges):
    """`cuts`: rows older than these moments are deleted in this commit; `next_ms`: time of the next look."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"cuts"})
    CARRIED: ClassVar[frozenset[str]] = frozenset({"next_ms"})

    cuts: Cuts | None = None
    next_ms: int | None = None


class RetentionState:
    """`next_ms` is the time of the next look; after a start it leaves time for the network to set a wrong clock.

    Until `settles_ms`, some minutes after a start or a step of the clock, nothing is deleted by the clock: it may be wrong for a moment.
    """

    def __init__(self, now_ms: int) -> None:
        self.next_ms = now_ms + limits.PURGE_FIRST_MS
        self.settles_ms = 0

    def accept(self, changes: RetentionChanges) -> None:
        """Apply the changes."""
        if changes.next_ms is not None:
            self.next_ms = changes.next_ms

    def rebase(self, step_ms: int) -> None:
        """Move the time of the next look with the clock."""
        self.next_ms += step_ms
        self.settles_ms += step_ms
