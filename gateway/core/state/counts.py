"""Contacts to count, and the open period of counting; the store holds the counts, so that a release is one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway.core.privacy.tables import Catalogue, Contact, Period, TableName
from gateway.core.state.slices import SliceChanges

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class Closing(msgspec.Struct, frozen=True):
    """The window of `period` is over, and the days of the tables `ended`; the ids of the released records begin with `name`.

    `hours` is among `ended` if the service day is over.
    """

    period: Period
    ended: tuple[TableName, ...]
    catalogue: Catalogue
    name: str


class CountsChanges(SliceChanges):
    """`contacts` in order, counted after the release of the period that is `closing`; the period that `opened` after it."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"contacts", "closing", "opened"})

    contacts: list[Contact] = msgspec.field(default_factory=list)
    closing: Closing | None = None
    opened: Period | None = None

    def forget(self, person: SubjectContext) -> None:
        """Drop the contacts of a withdrawn person."""
        self.contacts = [contact for contact in self.contacts if contact.subject != person.subject]


class CountsState:
    """`period` is the open one; None before the first."""

    def __init__(self, period: Period | None = None) -> None:
        self.period = period

    def accept(self, changes: CountsChanges) -> None:
        """Apply the changes."""
        if changes.opened is not None:
            self.period = changes.opened

    def rebase(self, step_ms: int) -> None:
        """Nothing to move: a window keeps its start time after a step of the clock."""
