"""The mailbox: passes messages from the MQTT thread, and calls from other threads, to the writer thread.

The number of messages is bounded: while the mailbox is full `deliver` takes none, so nothing more is read from the socket and
messages wait at the broker. Calls (the uplink's use of the store) go ahead of messages; they are few, so triggers hardly wait for them.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.core.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.core.ports import Store
    from gateway.core.types import Message

T = TypeVar("T")


class Call(Generic[T]):
    """A function to run with the store on the writer thread, and the future of its result."""

    def __init__(self, task: Callable[[Store], T]) -> None:
        """Make a call of `task` that has not run yet."""
        self._task = task
        self.future: Future[T] = Future()

    def run(self, store: Store) -> None:
        """Run the task; a StoreError is raised by the future's `result()`."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self._task(store))
        except StoreError as error:
            self.future.set_exception(error)


class Mailbox:
    """Filled by any thread, emptied by the writer thread."""

    def __init__(self, messages_max: int) -> None:
        """Hold at most `messages_max` messages."""
        self._messages: deque[Message] = deque()
        self._messages_max = messages_max
        self._calls: deque[Call[Any]] = deque()
        self._ready = threading.Condition()
        self._waiting = False
        self._closed = False

    def deliver(self, messages: Sequence[Message]) -> bool:
        """Add messages; False if the mailbox is full. After `close` messages are dropped without acknowledgement.

        A list is taken whole, so the mailbox may exceed its limit by what one read from the broker holds.
        """
        if self._closed:
            return True
        if len(self._messages) >= self._messages_max:
            return False
        self._messages.extend(messages)
        if self._waiting:
            with self._ready:
                self._ready.notify_all()
        return True

    def call(self, task: Callable[[Store], T]) -> Future[T]:
        """Have the writer thread run `task(store)`; the future is cancelled if the writer stops first."""
        call = Call(task)
        with self._ready:
            if self._closed:
                call.future.cancel()
                return call.future
            self._calls.append(call)
            self._ready.notify_all()
        return call.future

    def wake(self) -> None:
        """Make a waiting `take` return at once."""
        with self._ready:
            self._waiting = False
            self._ready.notify_all()

    def take(self, most: int, wait_s: float) -> tuple[list[Message], list[Call[Any]]]:
        """At most `most` messages, and all calls; waits up to `wait_s` if there are none."""

        def is_ready() -> bool:
            return bool(self._calls or (most and self._messages))

        if not is_ready() and wait_s > 0:
            with self._ready:
                self._waiting = True
                self._ready.wait_for(lambda: is_ready() or not self._waiting, wait_s)
                self._waiting = False
        messages = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        calls: list[Call[Any]] = []
        while self._calls:
            calls.append(self._calls.popleft())
        return messages, calls

    def __len__(self) -> int:
        """Number of waiting messages."""
        return len(self._messages)

    def close(self) -> None:
        """Accept nothing more, and cancel waiting calls."""
        with self._ready:
            self._closed = True
            for call in self._calls:
                call.future.cancel()
            self._calls.clear()
            self._ready.notify_all()
