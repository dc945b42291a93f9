"""Replies to devices: receipts for consents, notices about claims, answers to requests. Not stored: a device repeats until it has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from gateway.core import limits
from gateway.core.state.slices import SliceChanges

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class Reply(msgspec.Struct, frozen=True):
    """A message to `device` on `reply/{device}/{kind}`; `subject` is the person that it is about, if `device` is not that person's."""

    device: str
    kind: Literal["receipt", "claim", "offer", "wishes", "coupon", "incident"]
    body: Mapping[str, object]
    subject: str | None = None
    expiry_s: int = limits.REPLY_EXPIRY_S


class Withdrawn(msgspec.Struct, frozen=True):
    """A withdrawal that the person's own device did not state, for the other gateways; `boot` identifies it."""

    device: str
    change: int
    boot: str


class RepliesChanges(SliceChanges):
    """`messages` in order, to send after the commit, and withdrawals on the page or at the desk."""

    VOLATILE: ClassVar[frozenset[str]] = frozenset({"messages", "withdrawn"})

    messages: list[Reply] = msgspec.field(default_factory=list)
    withdrawn: list[Withdrawn] = msgspec.field(default_factory=list)

    def forget(self, person: SubjectContext) -> None:
        """Send only receipts to a withdrawn person, and nothing about the person to others."""
        self.messages = [
            one for one in self.messages if one.subject != person.subject and (one.device != person.device or one.kind == "receipt")
        ]
