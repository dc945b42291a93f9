"""The mailbox: passes messages from the MQTT thread, and calls from other threads, to the writer thread.

Messages wait in two lanes. Those that will be acknowledged (QoS 1 and 2: consents, answers, purchases) go first and are never dropped:
while their lane is full `deliver` takes none, so nothing more is read from the socket and messages wait at the broker. The others
(sightings, readings) never stop the socket: beyond a number and a size the oldest are dropped and counted, so that a withdrawal does not
wait behind a flood. Calls (the uplink's use of the store) go ahead of messages; they are few, so triggers hardly wait for them.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.core import limits
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
        """Hold at most `messages_max` messages in each lane, and MAILBOX_BYTES_MAX of those without acknowledgement."""
        self._kept: deque[Message] = deque()
        self._others: deque[Message] = deque()
        self._other_bytes = 0
        self._messages_max = messages_max
        self.shed = 0
        self._calls: deque[Call[Any]] = deque()
        self._ready = threading.Condition()
        self._waiting = False
        self._closed = False

    def deliver(self, messages: Sequence[Message]) -> bool:
        """Add messages of the broker; False if the first lane is full. After `close` messages are dropped without acknowledgement.

        A list is taken whole, so the lane may exceed its limit by what one read from the broker holds.
        """
        with self._ready:
            if self._closed:
                return True
            if len(self._kept) >= self._messages_max:
                return False
            for message in messages:
                if message.qos:
                    self._kept.append(message)
                else:
                    self._others.append(message)
                    self._other_bytes += len(message.payload)
            while len(self._others) > self._messages_max or self._other_bytes > limits.MAILBOX_BYTES_MAX:
                self._other_bytes -= len(self._others.popleft().payload)
                self.shed += 1
            if self._waiting:
                self._ready.notify_all()
        return True

    def offer(self, messages: Sequence[Message]) -> bool:
        """Add messages that are never dropped, although no broker waits for an acknowledgement; False if the first lane is full."""
        with self._ready:
            if len(self._kept) >= self._messages_max:
                return False
            if not self._closed:
                self._kept.extend(messages)
            self._ready.notify_all()
        return True

    def waiting_since_ms(self) -> int | None:
        """The time of arrival of the oldest waiting message without acknowledgement, or None."""
        with self._ready:
            return self._others[0].received_at_ms if self._others else None

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
        """At most `most` messages, and all calls; waits up to `wait_s` if there are none.

        Of the second lane about TURN_BYTES_MAX at once: a message that arrives meanwhile in the first lane waits for these.
        """

        def is_ready() -> bool:
            return bool(self._calls or (most and (self._kept or self._others)))

        if not is_ready() and wait_s > 0:
            with self._ready:
                self._waiting = True
                self._ready.wait_for(lambda: is_ready() or not self._waiting, wait_s)
                self._waiting = False
        with self._ready:
            messages = [self._kept.popleft() for _ in range(min(most, len(self._kept)))]
            size = 0
            while self._others and len(messages) < most and size < limits.TURN_BYTES_MAX:
                size += len(self._others[0].payload)
                messages.append(self._others.popleft())
            self._other_bytes -= size
        calls: list[Call[Any]] = []
        while self._calls:
            calls.append(self._calls.popleft())
        return messages, calls

    def __len__(self) -> int:
        """Number of waiting messages."""
        return len(self._kept) + len(self._others)

    def close(self) -> None:
        """Accept nothing more, and cancel waiting calls."""
        with self._ready:
            self._closed = True
            for call in self._calls:
                call.future.cancel()
            self._calls.clear()
            self._ready.notify_all()
