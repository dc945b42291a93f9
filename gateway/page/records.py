"""Reads of the page: on a thread of their own with a read-only connection, so that neither writer nor server waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Protocol, TypeVar

from gateway.page.kept import People

T = TypeVar("T")


class OpenPeople(People, Protocol):
    """A reader, which is closed in the thread that opened it."""

    def close(self) -> None:
        """Close the file."""


class Records:
    """The database, opened for each read: the writer may replace the file and its key after an erasure, while no reader has it open."""

    def __init__(self, open_reader: Callable[[], OpenPeople]) -> None:
        """`open_reader` may raise StoreError."""
        self._open = open_reader
        self._thread = ThreadPoolExecutor(1, "page-reader")

    async def read(self, task: Callable[[People], T]) -> T:
        """The result of `task(people)`. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, task)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _run(self, task: Callable[[People], T]) -> T:
        with closing(self._open()) as people:
            return task(people)
