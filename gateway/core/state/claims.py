"""Claims of radio ids that are being settled: in memory only."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.state.people import keep_newest
from gateway.core.state.slices import SliceChanges


class Refusals(NamedTuple):
    """How many `claims` of one device were refused since `since_ms`."""

    claims: int
    since_ms: int


class ClaimsChanges(SliceChanges):
    """Times of `presented` tags, devices that claim each one (`asked`), `refused` claims by device, times of `notified` owners by tag."""

    VOLATILE: ClassVar[frozenset[str]] = frozenset({"presented", "asked", "refused", "notified"})

    presented: dict[str, int] = msgspec.field(default_factory=dict)
    asked: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    refused: dict[str, Refusals] = msgspec.field(default_factory=dict)
    notified: dict[str, int] = msgspec.field(default_factory=dict)


class ClaimsState:
    """The newest entries of each table; a restart forgets them, and a presentation is repeated."""

    def __init__(self) -> None:
        self.presented: dict[str, int] = {}
        self.asked: dict[str, dict[str, int]] = {}
        self.refused: dict[str, Refusals] = {}
        self.notified: dict[str, int] = {}

    def accept(self, changes: ClaimsChanges) -> None:
        """Apply the changes."""
        keep_newest(self.presented, changes.presented, limits.PRESENTED_TAGS_MAX)
        keep_newest(self.asked, changes.asked, limits.PRESENTED_TAGS_MAX)
        keep_newest(self.refused, changes.refused, limits.CLAIMING_DEVICES_MAX)
        keep_newest(self.notified, changes.notified, limits.CLAIMING_DEVICES_MAX)

    def rebase(self, step_ms: int) -> None:  # noqa: ARG002 - the entries live for seconds
        """Forget presentations and refusals, whose times were measured by the old clock."""
        for table in (self.presented, self.asked, self.refused, self.notified):
            table.clear()
