"""Polls feeds: each changed document becomes messages of the feed's own topic, which the router decodes like those of the broker.

A document is one object or an array of objects (a CloudEvents batch, NGSI-LD entities); each is one message, so a bad one stops no other.
Items that a feed repeats are recognised as repeated facts: an external event counts once by its source and id.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from gateway.core.syncing import Uplink, after_reply
from gateway.core.types import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.ports import Feed
    from gateway.runtime.mailbox import Mailbox

log = logging.getLogger("wayside")

ITEMS_MAX = 1_000  # of one document
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])

Result = Literal["changed", "same", "failed", "full"]


class FeedError(ValueError):
    """The document is no JSON object or array, or has too many items."""


class Polled(NamedTuple):
    """Result of one poll, and the time of the next one."""

    result: Result
    next_ms: int


PREFIX = "$feed/"  # the gateway does not subscribe to it, and no wildcard matches a topic that begins with `$`


def feed_topic(name: str) -> str:
    """The topic of the messages of a feed."""
    return PREFIX + name


class FeedThread:
    """Polls one feed on a thread of its own."""

    def __init__(self, name: str, feed: Feed, mailbox: Mailbox, now_ms: Callable[[], int], interval_s: float) -> None:
        """Prepare the thread; `start` starts it."""
        self._name, self._feed, self._mailbox, self._now_ms = name, feed, mailbox, now_ms
        self._interval_ms = int(interval_s * 1_000)
        self._uplink = Uplink()
        self._trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present poll."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            polled = self.poll()
            self._stopping.wait(max(0, polled.next_ms - self._now_ms()) / 1_000)

    def poll(self) -> Polled:
        """Fetch once, and deliver a changed document; a failure is logged once and makes the pause longer."""
        fetched = self._feed.fetch()
        result: Result = fetched.kind
        trouble = fetched.trouble
        if fetched.kind == "changed":
            try:
                result = "changed" if self._mailbox.offer(self._messages(fetched.body)) else "full"
            except FeedError as error:
                trouble = str(error)
            if result == "changed":
                self._feed.taken(fetched)  # also one that cannot be read: it is not fetched again before it has changed
        return Polled(result, self._next_ms(result, trouble, fetched.retry_after_ms))

    def _messages(self, body: bytes) -> list[Message]:
        """One message an item. Raises FeedError."""
        now_ms, topic = self._now_ms(), feed_topic(self._name)
        try:
            items: list[msgspec.Raw] = _ITEMS.decode(body) if body.lstrip()[:1] == b"[" else [msgspec.Raw(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FeedError(f"is no JSON ({error})") from None
        if len(items) > ITEMS_MAX:
            raise FeedError(f"has {len(items)} items, over {ITEMS_MAX}")
        return [Message(topic, bytes(item), now_ms) for item in items]

    def _next_ms(self, result: Result, trouble: str, retry_after_ms: int | None) -> int:
        now_ms = self._now_ms()
        if trouble and trouble != self._trouble:
            log.warning("the feed %s: %s", self._name, trouble)
        self._trouble = trouble
        if result in ("changed", "same"):
            self._uplink = Uplink()
            return now_ms + self._interval_ms
        self._uplink = after_reply(self._uplink, "busy", now_ms, random.random(), retry_after_ms)  # noqa: S311 - spreading load
        pause_ms = self._uplink.not_before_ms - now_ms
        return now_ms + (pause_ms if result == "full" else max(pause_ms, self._interval_ms))
