"""Contacts to count, and the open period of counting; the store holds the counts, so that a release is one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway.core.privacy.tables import Catalogue, Contact, Period, TableName
from gateway.core.state.slices import SliceChanges
from gateway.core.visitors import Visitors

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.context import SubjectContext


class Closing(msgspec.Struct, frozen=True):
    """The window of `period` is over, and the days of the tables `ended`; the ids of the released records begin with `name`.

    `hours` is among `ended` if the service day is over. `visitors` are the devices of no consenting person in the window, by zone.
    """

    period: Period
    ended: tuple[TableName, ...]
    catalogue: Catalogue
    name: str
    visitors: dict[str, int] = {}


class CountsChanges(SliceChanges):
    """`contacts` in order, counted after the release of the period that is `closing`; the period that `opened` after it.

    `heard` are devices of no consenting person, each with a zone.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"contacts", "closing", "opened"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"heard"})

    contacts: list[Contact] = msgspec.field(default_factory=list)
    closing: Closing | None = None
    opened: Period | None = None
    heard: list[tuple[str, str]] = msgspec.field(default_factory=list)

    def forget(self, person: SubjectContext) -> None:
        """Drop the contacts of a withdrawn person."""
        self.contacts = [contact for contact in self.contacts if contact.subject != person.subject]


class CountsState:
    """`period` is the open one; None before the first. `visitors` are in memory only."""

    def __init__(self, period: Period | None, new_key: Callable[[], bytes]) -> None:
        """`new_key` draws the keys of visitors."""
        self.period = period
        self.visitors = Visitors(new_key)

    def accept(self, changes: CountsChanges) -> None:
        """Apply the changes."""
        if changes.opened is not None:
            is_same_day = self.period is not None and self.period.day_start_ms == changes.opened.day_start_ms
            self.visitors.take() if is_same_day else self.visitors.begin()
            self.period = changes.opened
        for device, zone in changes.heard:
            self.visitors.hear(device, zone)

    def rebase(self, step_ms: int) -> None:
        """Nothing to move: a window keeps its start time after a step of the clock."""
