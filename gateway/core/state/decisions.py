"""Decisions, the answers to them, and triggers on their way to a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway.core.channels import ChannelName
from gateway.core.policy.decision import Decision
from gateway.core.state.slices import SliceChanges
from gateway.core.types import AnswerKind

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class Proposed(msgspec.Struct, frozen=True):
    """The decision log's row of an offer that was proposed earlier."""

    subject: str
    zone: str
    offer: str
    answer: AnswerKind | None = None


class Trigger(msgspec.Struct, frozen=True):
    """An offer on its way to `target` (a phone's device id) over `channel`; its id is the decision's."""

    id: str
    subject: str
    channel: ChannelName
    target: str
    offer: str
    creative: str
    zone: str
    expires_at_ms: int


class DecisionsChanges(SliceChanges):
    """`made` in order; `answers` by decision id; `triggers` to send after the commit; waiting triggers of `withheld` people go.

    Offers of `undelivered` decisions did not leave the gateway. `unlogged` are moments of people without consent to offers: they are
    counted by reason and not stored, because a log of them is a log of places.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"made", "answers", "triggers", "withheld", "undelivered"})

    VOLATILE: ClassVar[frozenset[str]] = frozenset({"unlogged"})

    made: list[Decision] = msgspec.field(default_factory=list)
    unlogged: list[Decision] = msgspec.field(default_factory=list)
    answers: dict[str, AnswerKind] = msgspec.field(default_factory=dict)
    triggers: list[Trigger] = msgspec.field(default_factory=list)
    withheld: set[str] = msgspec.field(default_factory=set)
    undelivered: list[str] = msgspec.field(default_factory=list)

    def forget(self, person: SubjectContext) -> None:
        """Neither store nor send a decision of this batch for this person."""
        self.made = [decision for decision in self.made if decision.subject != person.subject]
        self.withhold(person.subject)

    def withhold(self, subject: str) -> None:
        """Send nothing to this person."""
        self.triggers = [trigger for trigger in self.triggers if trigger.subject != subject]
