"""Reads of the page: on a thread of their own with a read-only connection, so that neither writer nor server waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from gateway.page.kept import People

T = TypeVar("T")


class OpenPeople(People, Protocol):
    """A reader, which is closed in the thread that opened it."""

    def close(self) -> None:
        """Close the file."""


class Records:
    """The database, opened at the first read."""

    def __init__(self, open_reader: Callable[[], OpenPeople]) -> None:
        """`open_reader` may raise StoreError."""
        self._open = open_reader
        self._reader: OpenPeople | None = None
        self._thread = ThreadPoolExecutor(1, "page-reader")

    async def read(self, task: Callable[[People], T]) -> T:
        """The result of `task(people)`. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, task)

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _run(self, task: Callable[[People], T]) -> T:
        if self._reader is None:
            self._reader = self._open()
        return task(self._reader)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
