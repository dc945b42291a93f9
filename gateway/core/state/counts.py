"""Counts of the window that is open now, and the records of the window that closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gateway.core.privacy import CounterKey, GatewayCounters
from gateway.core.records import Record
from gateway.core.state.slices import SliceChanges


class CountsChanges(SliceChanges):
    """Increments of `cells` and of the gateway's own `activity`; windows that closed and opened, and the `records` made of the former.

    Activity is not stored: every fact and decision that it counts is in a log of its own.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"cells", "records", "closed_window_ms", "opened_window_ms"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"activity"})

    cells: Counter[CounterKey] = msgspec.field(default_factory=Counter)
    activity: dict[str, int] = msgspec.field(default_factory=dict)
    records: tuple[Record, ...] = ()
    closed_window_ms: int | None = None
    opened_window_ms: int | None = None

    def count(self, name: str) -> None:
        """Add one to the gateway's activity."""
        self.activity[name] = self.activity.get(name, 0) + 1


class CountsState:
    """`cells` and `activity` of the open window, which began at `window_start_ms` (None before the first)."""

    def __init__(
        self, cells: Mapping[CounterKey, int] | None = None, activity: Mapping[str, int] | None = None, window_start_ms: int | None = None
    ) -> None:
        self.cells: Counter[CounterKey] = Counter(cells or {})
        self.activity: Counter[str] = Counter(activity or {})
        self.window_start_ms = window_start_ms

    def accept(self, changes: CountsChanges) -> None:
        """Apply the changes."""
        if changes.closed_window_ms is not None:
            self.cells.clear()
            self.activity.clear()
        if changes.opened_window_ms is not None:
            self.window_start_ms = changes.opened_window_ms
        self.cells.update(changes.cells)
        self.activity.update(changes.activity)

    def totals(self) -> GatewayCounters:
        """The gateway's activity in the open window."""
        return GatewayCounters(**{name: self.activity[name] for name in GatewayCounters._fields})

    def rebase(self, step_ms: int) -> None:
        """Nothing to move: a window keeps its start time after a step of the clock."""
