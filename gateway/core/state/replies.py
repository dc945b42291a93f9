"""Replies to devices: receipts for consents and notices about claims. Not stored: a device repeats until it has a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from gateway.core.state.slices import SliceChanges

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class Reply(msgspec.Struct, frozen=True):
    """A message to `device` on `reply/{device}/{kind}`."""

    device: str
    kind: Literal["receipt", "claim"]
    body: Mapping[str, object]


class RepliesChanges(SliceChanges):
    """`messages` in order, to send after the commit."""

    VOLATILE: ClassVar[frozenset[str]] = frozenset({"messages"})

    messages: list[Reply] = msgspec.field(default_factory=list)

    def forget(self, person: SubjectContext) -> None:
        """Send only receipts to a withdrawn person."""
        self.messages = [one for one in self.messages if one.device != person.device or one.kind == "receipt"]
