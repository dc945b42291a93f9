"""Occasions of zones: firings with people still to be decided for, sides of thresholds, times of day, and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import msgspec

from gateway.core.state.slices import SliceChanges
from gateway.core.types import Occasion

FiringKey = tuple[str, Occasion, tuple[str, ...]]
"""(zone, occasion, offers)"""


class Firing(msgspec.Struct, frozen=True):
    """An occasion for all people that were in `zone` at `at_ms`: one of `offers` may be chosen for each.

    People are taken in the order of subject ids. `after` is the start of the last id that was taken, too short to name a person.
    """

    zone: str
    occasion: Occasion
    offers: tuple[str, ...]
    at_ms: int
    after: str = ""

    @property
    def key(self) -> FiringKey:
        """The key under which the firing is kept."""
        return self.zone, self.occasion, self.offers


class OccasionsChanges(SliceChanges):
    """`firings` by key, None when all were taken; `over` by (zone, threshold); `scheduled_ms`: times up to it are handled.

    `live` has, by (zone, offer), until when an external event lets the offer be proposed; None deletes.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"firings", "over", "scheduled_ms", "live"})

    firings: dict[FiringKey, Firing | None] = msgspec.field(default_factory=dict)
    over: dict[tuple[str, str], bool] = msgspec.field(default_factory=dict)
    scheduled_ms: int | None = None
    live: dict[tuple[str, str], int | None] = msgspec.field(default_factory=dict)


class OccasionsState:
    """Open firings by key, oldest first; sides of thresholds; the last time of day handled (None: none yet); and ends of events."""

    def __init__(
        self,
        firings: Iterable[Firing] = (),
        over: Mapping[tuple[str, str], bool] | None = None,
        scheduled_ms: int | None = None,
        live: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self.firings = {one.key: one for one in firings}
        self.over = dict(over or {})
        self.scheduled_ms = scheduled_ms
        self.live = dict(live or {})

    def accept(self, changes: OccasionsChanges) -> None:
        """Apply committed changes."""
        for key, firing in changes.firings.items():
            if firing is None:
                self.firings.pop(key, None)
            else:
                self.firings[key] = firing
        self.over.update(changes.over)
        if changes.scheduled_ms is not None:
            self.scheduled_ms = changes.scheduled_ms
        for place, until_ms in changes.live.items():
            if until_ms is None:
                self.live.pop(place, None)
            else:
                self.live[place] = until_ms

    def rebase(self, step_ms: int) -> None:
        """Move firings and events with the clock, as the visits move. Times of day belong to the clock itself and stay."""
        self.live = {place: until_ms + step_ms for place, until_ms in self.live.items()}
        self.firings = {key: msgspec.structs.replace(one, at_ms=one.at_ms + step_ms) for key, one in self.firings.items()}
