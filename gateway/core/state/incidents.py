"""Incidents: until when each zone is silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gateway.core.state.slices import SliceChanges


class IncidentsChanges(SliceChanges):
    """`until_ms` by zone; None ends the silence."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"until_ms"})

    until_ms: dict[str, int | None] = msgspec.field(default_factory=dict)


class IncidentsState:
    """The end of the silence of each zone, `*` for all zones."""

    def __init__(self, until_ms: Mapping[str, int] | None = None) -> None:
        self.until_ms = dict(until_ms or {})

    def accept(self, changes: IncidentsChanges) -> None:
        """Apply committed changes."""
        for zone, until_ms in changes.until_ms.items():
            if until_ms is None:
                self.until_ms.pop(zone, None)
            else:
                self.until_ms[zone] = until_ms

    def rebase(self, step_ms: int) -> None:
        """Move the ends with the clock, so that a set clock neither begins nor ends a silence."""
        self.until_ms = {zone: until_ms + step_ms for zone, until_ms in self.until_ms.items()}
