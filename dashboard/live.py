"""Live updates of open pages: a notifier that is called when records arrive, and the stream that follows it.

A stream sends the same HTML that the server renders at page load. It renders at most once per gap and
always ends with the newest state; without new records it renders at every refresh, because ages change.
Closing the notifier ends all streams, so a shutdown does not wait for open pages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.refusals import Refused


class Notifier:
    """Counts notifications and wakes the coroutines that wait for the next; used on one event loop only."""

    def __init__(self) -> None:
        self.count = 0
        self.own = 0  # of `count`, those of this process
        self.readers: Counter[str] = Counter()
        self.closed = False
        self._next = asyncio.Event()

    def notify(self, *, is_own: bool = True) -> None:
        """Wake all streams: new records are stored, by this process or by another one on the same database."""
        self.count += 1
        self.own += is_own
        self._wake()

    def close(self) -> None:
        """End all streams and open no more."""
        self.closed = True
        self._wake()

    async def wait(self, seen: int, timeout_s: float) -> None:
        """Return when `count` is above `seen`, when the notifier is closed, or after `timeout_s`."""
        if self.count == seen and not self.closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._next.wait()

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()


def server_sent(text: str) -> str:
    """`text` as one server-sent event, a `data:` line for each of its lines."""
    return "".join(f"data: {line}\n" for line in text.splitlines()) + "\n"


def open_stream(notifier: Notifier, render: Callable[[], str], refresh_s: float, gap_s: float, account: str) -> AsyncIterator[str]:
    """Stream of the results of `render`, for `READER_S_MAX`; a browser then connects again.

    Raises Refused (503) if too many are open, in all or for this account, or if the server is shutting down.
    """
    if notifier.closed or notifier.readers.total() >= limits.READERS_MAX or notifier.readers[account] >= limits.READERS_PER_ACCOUNT_MAX:
        raise Refused(503, "Too many pages are open already; close one, or reload this one for newer figures")
    return _stream(notifier, render, refresh_s, gap_s, account)


async def _stream(notifier: Notifier, render: Callable[[], str], refresh_s: float, gap_s: float, account: str) -> AsyncIterator[str]:
    notifier.readers[account] += 1
    ends_s = asyncio.get_running_loop().time() + limits.READER_S_MAX
    try:
        last = ""
        yield "retry: 2000\n\n"
        while not notifier.closed and asyncio.get_running_loop().time() < ends_s:
            seen = notifier.count
            text = await run_in_threadpool(render)
            yield server_sent(text) if text != last else ": nothing new\n\n"
            last = text
            await asyncio.sleep(gap_s)
            await notifier.wait(seen, refresh_s)
    finally:
        notifier.readers[account] -= 1
