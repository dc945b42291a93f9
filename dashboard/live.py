"""News for open pages: a pulse that beats when records arrive, and the stream that follows it.

A stream sends the same piece of page that the server renders at a load, so live and loaded cannot
differ. However much arrives, a stream renders at most once per gap and always ends on the newest;
when nothing arrives it renders at every refresh, because ages grow. Closing the pulse ends all
streams, so that a shutdown does not wait for pages that somebody forgot to close.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.refusals import Refused


class Pulse:
    """Counts beats and wakes who waits for the next; all of it on the server's one event loop."""

    def __init__(self) -> None:
        self.beats = 0
        self.readers = 0
        self.closed = False
        self._next = asyncio.Event()

    def beat(self) -> None:
        """Something new is held."""
        self.beats += 1
        self._wake()

    def close(self) -> None:
        """No more streams."""
        self.closed = True
        self._wake()

    async def wait(self, seen: int, timeout_s: float) -> None:
        """Return at a beat after `seen`, at the close, or after `timeout_s`."""
        if self.beats == seen and not self.closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._next.wait()

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()


def server_sent(text: str) -> str:
    """One server-sent message; every line of `text` is a line of its data."""
    return "".join(f"data: {line}\n" for line in text.splitlines()) + "\n"


def open_stream(pulse: Pulse, render: Callable[[], str], refresh_s: float, gap_s: float) -> AsyncIterator[str]:
    """The stream of what `render` returns; Refused 503 when too many are open."""
    if pulse.closed or pulse.readers >= limits.READERS_MAX:
        raise Refused(503, f"{limits.READERS_MAX} pages are open already: close one, or reload this one for newer figures")
    return _stream(pulse, render, refresh_s, gap_s)


async def _stream(pulse: Pulse, render: Callable[[], str], refresh_s: float, gap_s: float) -> AsyncIterator[str]:
    pulse.readers += 1
    try:
        last = ""
        yield "retry: 2000\n\n"
        while not pulse.closed:
            seen = pulse.beats
            text = await run_in_threadpool(render)
            yield server_sent(text) if text != last else ": nothing new\n\n"
            last = text
            await asyncio.sleep(gap_s)
            await pulse.wait(seen, refresh_s)
    finally:
        pulse.readers -= 1
