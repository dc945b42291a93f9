"""Claims of radio ids that are being settled, and the second facts of offers: in memory only."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.state.people import keep_newest
from gateway.core.state.slices import SliceChanges

BOOTS_KEPT = 4  # earlier boots of a device, whose messages are not accepted again


class Refusals(NamedTuple):
    """How many `claims` of one device were refused since `since_ms`."""

    claims: int
    since_ms: int


class Waiting(NamedTuple):
    """The app that a page waits for since `since_ms`, the `number` that it shows, and the wrong numbers that were typed so far."""

    device: str
    number: str
    since_ms: int
    tries: int = 0


class Sent(NamedTuple):
    """The messages of one boot of a device with a sighting of one radio: the newest number, a bit for each of the numbers up to it.

    `boots` are the earlier boots, newest first.
    """

    boot: str = ""
    newest: int = -1
    seen: int = 0
    boots: tuple[str, ...] = ()

    def with_message(self, boot: str, seq: int) -> Sent | None:
        """With one more message; None if it arrived before, or is older than the numbers that are kept."""
        if boot in self.boots:
            return None
        if boot != self.boot:
            return Sent(boot, seq, 1, ((self.boot, *self.boots) if self.boot else ())[:BOOTS_KEPT])
        back = self.newest - seq
        if back < 0:
            return Sent(boot, seq, (self.seen << -back | 1) & SENT_MASK if -back < limits.SENT_MESSAGES_MAX else 1, self.boots)
        is_known = back >= limits.SENT_MESSAGES_MAX or self.seen >> back & 1
        return None if is_known else Sent(boot, self.newest, self.seen | 1 << back, self.boots)


SENT_MASK = (1 << limits.SENT_MESSAGES_MAX) - 1


class ClaimsChanges(SliceChanges):
    """Times of `presented` tags, devices that claim each one (`asked`), `refused` claims by device, times of `notified` owners by tag.

    `pages` are the waits for an app by page; `sent` messages by device and radio; times by subject of a tag in two places (`doubted`) and
    of messages of the own device (`spoke`).
    """

    VOLATILE: ClassVar[frozenset[str]] = frozenset({"presented", "asked", "pages", "refused", "notified", "sent", "doubted", "spoke"})

    presented: dict[str, int] = msgspec.field(default_factory=dict)
    asked: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    pages: dict[str, Waiting] = msgspec.field(default_factory=dict)
    refused: dict[str, Refusals] = msgspec.field(default_factory=dict)
    notified: dict[str, int] = msgspec.field(default_factory=dict)
    sent: dict[tuple[str, str], Sent] = msgspec.field(default_factory=dict)
    doubted: dict[str, int] = msgspec.field(default_factory=dict)
    spoke: dict[str, int] = msgspec.field(default_factory=dict)


class ClaimsState:
    """The newest entries of each table; a restart forgets them, and a presentation is repeated."""

    def __init__(self, now_ms: int = 0) -> None:
        """Start empty at `now_ms`."""
        self.since_ms = now_ms
        self.sent: dict[tuple[str, str], Sent] = {}
        self.doubted: dict[str, int] = {}
        self.spoke: dict[str, int] = {}
        self.presented: dict[str, int] = {}
        self.asked: dict[str, dict[str, int]] = {}
        self.pages: dict[str, Waiting] = {}
        self.refused: dict[str, Refusals] = {}
        self.notified: dict[str, int] = {}

    def accept(self, changes: ClaimsChanges) -> None:
        """Apply the changes."""
        keep_newest(self.presented, changes.presented, limits.PRESENTED_TAGS_MAX)
        keep_newest(self.asked, changes.asked, limits.PRESENTED_TAGS_MAX)
        keep_newest(self.pages, changes.pages, limits.CLAIMING_DEVICES_MAX)
        keep_newest(self.refused, changes.refused, limits.CLAIMING_DEVICES_MAX)
        keep_newest(self.notified, changes.notified, limits.CLAIMING_DEVICES_MAX)
        keep_newest(self.sent, changes.sent, limits.SENT_DEVICES_MAX)
        keep_newest(self.doubted, changes.doubted, limits.CLAIMING_DEVICES_MAX)
        keep_newest(self.spoke, changes.spoke, limits.IDENTITIES_MAX)

    def rebase(self, step_ms: int) -> None:
        """Forget presentations and refusals, which live for seconds, and move the other times with the clock."""
        self.since_ms += step_ms
        self.doubted = {subject: at_ms + step_ms for subject, at_ms in self.doubted.items()}
        self.spoke = {subject: at_ms + step_ms for subject, at_ms in self.spoke.items()}
        for table in (self.presented, self.asked, self.pages, self.refused, self.notified):
            table.clear()
