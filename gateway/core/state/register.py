"""The consent register: the grants of each person, by purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway.core.state.slices import SliceChanges
from gateway.core.types import ConsentSource, Purpose

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class Grant(msgspec.Struct, frozen=True):
    """The consent to one purpose: the app's number of the change, version and id of the text that was shown, source, time and expiry."""

    purpose: Purpose
    change: int | None
    version: int
    wording: str | None
    source: ConsentSource
    at_ms: int
    expires_at_ms: int | None


class RegisterChanges(SliceChanges):
    """`grants` by subject: all that stand after the consent."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"grants"})

    grants: dict[str, tuple[Grant, ...]] = msgspec.field(default_factory=dict)

    def forget(self, person: SubjectContext) -> None:
        """Keep no grant of this person."""
        self.grants.pop(person.subject, None)
