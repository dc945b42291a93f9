"""Open pages that wait for offers: each is woken by the commits that concern its person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.ports import StoreError

if TYPE_CHECKING:
    from gateway.core.state import Changes

STREAMS_MAX = 128
STREAMS_PERSON_MAX = 8
ALIVE_S = 15.0  # between two signs of life, so that a page that was closed is noticed
AGAIN_S = 1.0  # after a read that failed, as while an erasure replaces the key of the database
STOP = b"event: stop\ndata:\n\n"
LIFE_S = 600.0  # of one stream; the browser opens the next by itself


class Shown(NamedTuple):
    """A part of the page, and the seconds after which it changes by itself (None: only by a commit)."""

    markup: str
    changes_in_s: float | None


class Streams:
    """`committed` is called by the writer thread, all else by the thread of the server."""

    def __init__(self) -> None:
        """No page is open."""
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.open = 0

    def has_room(self, subject: str) -> bool:
        """Whether one more page of a person may wait."""
        return self.open < STREAMS_MAX and len(self._waiting.get(subject, ())) < STREAMS_PERSON_MAX

    def committed(self, changes: Changes) -> None:
        """Wake the pages of the people of a commit."""
        loop = self._loop
        if loop is None or not self._waiting:
            return
        people: set[str] = set()
        for name, part in changes:
            if name == "decisions":
                people.update(decision.subject for decision in changes.decisions.made)
            elif name == "people":
                people.update(changes.people.contexts)
            elif name == "visits":
                people.update(subject for subject, _ in part.presences)  # type: ignore[attr-defined]  # of the slice of visits
        with suppress(RuntimeError):  # the server has stopped
            loop.call_soon_threadsafe(self._wake, people)

    def _wake(self, people: set[str]) -> None:
        for subject in people:
            for event in self._waiting.get(subject, ()):
                event.set()

    async def serve(self, subject: str, render: Callable[[], Awaitable[Shown | None]]) -> AsyncGenerator[bytes, None]:
        """Server-sent events of one page: its changing part at once and whenever it changes, and `stop` once `render` returns None."""
        loop = self._loop = asyncio.get_running_loop()
        event, before, until = asyncio.Event(), None, loop.time() + LIFE_S
        self._waiting.setdefault(subject, set()).add(event)
        self.open += 1
        try:
            while loop.time() < until:
                event.clear()
                try:
                    shown = await render()
                except StoreError:
                    yield b":\n\n"
                    await asyncio.sleep(AGAIN_S)
                    continue
                if shown is None:
                    yield STOP
                    return
                yield b":\n\n" if shown.markup == before else _message(shown.markup)
                before = shown.markup
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), min(ALIVE_S, shown.changes_in_s or ALIVE_S))
        finally:
            self.open -= 1
            self._waiting[subject].discard(event)
            if not self._waiting[subject]:
                del self._waiting[subject]


def _message(markup: str) -> bytes:
    """One event; `retry` is the pause of the browser before it reconnects."""
    lines = "".join(f"data: {line}\n" for line in markup.splitlines())
    return f"retry: 2000\n{lines}\n".encode()
