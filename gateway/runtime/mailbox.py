"""The one crossing between threads: what has arrived, and what others ask the writer to do.

Messages are bounded: when the box is full `deliver` blocks the MQTT thread, nothing more is read from the
socket, and the flood waits at the broker. Jobs (the uplink's looks into the store) go ahead of messages: they
are few, and a live trigger never waits long behind one.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.core.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.ports import Store
    from gateway.core.types import Message

T = TypeVar("T")


class Call(Generic[T]):
    """Something to do with the store, and where its result is awaited."""

    def __init__(self, task: Callable[[Store], T]) -> None:
        """Not done yet."""
        self._task = task
        self.future: Future[T] = Future()

    def run(self, store: Store) -> None:
        """Do it; a refusal of the store is the asker's to handle."""
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
        self._jobs: deque[Call[Any]] = deque()
        self._ready = threading.Condition()
        self._waiting = False
        self._blocked = False
        self._closed = False

    def deliver(self, message: Message) -> None:
        """Put a message in; blocks while the box is full. After `close` messages are dropped un-thanked."""
        if len(self._messages) >= self._messages_max:
            with self._ready:
                self._blocked = True
                self._ready.wait_for(lambda: len(self._messages) < self._messages_max or self._closed)
                self._blocked = False
        if self._closed:
            return
        self._messages.append(message)
        if self._waiting:
            with self._ready:
                self._ready.notify_all()

    def call(self, task: Callable[[Store], T]) -> Future[T]:
        """Have the writer thread run `task(store)`; the future is cancelled if the writer stops first."""
        call = Call(task)
        with self._ready:
            if self._closed:
                call.future.cancel()
                return call.future
            self._jobs.append(call)
            self._ready.notify_all()
        return call.future

    def wake(self) -> None:
        """Let a waiting `take` return at once."""
        with self._ready:
            self._waiting = False
            self._ready.notify_all()

    def take(self, most: int, wait_s: float) -> tuple[list[Message], list[Call[Any]]]:
        """What is there, at most `most` messages; waits up to `wait_s` only when there is nothing that was asked for."""

        def is_something() -> bool:
            return bool(self._jobs or (most and self._messages))

        if not is_something() and wait_s > 0:
            with self._ready:
                self._waiting = True
                self._ready.wait_for(lambda: is_something() or not self._waiting, wait_s)
                self._waiting = False
        messages = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        calls: list[Call[Any]] = []
        while self._jobs:
            calls.append(self._jobs.popleft())
        if self._blocked:
            with self._ready:
                self._ready.notify_all()
        return messages, calls

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def close(self) -> None:
        """Take nothing more in; let go whoever waits."""
        with self._ready:
            self._closed = True
            for call in self._jobs:
                call.future.cancel()
            self._jobs.clear()
            self._ready.notify_all()
