"""The mailbox: passes messages from the MQTT thread, and calls from other threads, to the writer thread.

Messages wait in two lanes. Those that will be acknowledged (QoS 1 and 2: consents, answers, purchases) go first and are never dropped:
while their lane is full `deliver` takes none, so nothing more is read from the socket and messages wait at the broker. A batch takes one of
each device in turn, so that the withdrawal of one does not wait behind a flood of another. The others (sightings, readings) never stop the
socket: beyond a number and a size some are dropped and counted, the oldest of the devices that fill the most. Calls (the uplink's use of
the store) go ahead of messages; they are few, so triggers hardly wait for them.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from concurrent.futures import Future
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.core import limits
from gateway.core.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.core.ports import Store
    from gateway.core.types import Message

T = TypeVar("T")
TOPICS_KEPT = 2 * limits.MAILBOX_MESSAGES_MAX  # topics whose device is known, so that a shed does not work each out again


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


def _above(topic: str) -> str:
    """The levels above the last one."""
    return topic.rpartition("/")[0]


class Mailbox:
    """Filled by any thread, emptied by the writer thread."""

    def __init__(self, messages_max: int, sender: Callable[[str], str] = _above) -> None:
        """Hold at most `messages_max` messages and MAILBOX_BYTES_MAX in each lane; `sender` names the device of a topic."""
        self._sender = lru_cache(TOPICS_KEPT)(sender)  # a message that waits is looked at many times
        self._kept: OrderedDict[str, deque[Message]] = OrderedDict()
        self._kept_count = self._kept_bytes = 0
        self._in_order: deque[Message] = deque()
        self._done: dict[int, bool] = {}  # by the id of a message in `_in_order`
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
            if self._is_full():
                return False
            for message in messages:
                if message.qos:
                    self._keep(message)
                    self._in_order.append(message)
                    self._done[id(message)] = False
                else:
                    self._others.append(message)
                    self._other_bytes += len(message.payload)
            if len(self._others) > self._messages_max or self._other_bytes > limits.MAILBOX_BYTES_MAX:
                self._shed()
            if self._waiting:
                self._ready.notify_all()
        return True

    def offer(self, messages: Sequence[Message]) -> bool:
        """Add messages that are never dropped, although no broker waits for an acknowledgement; False if the first lane is full."""
        with self._ready:
            if self._is_full():
                return False
            if not self._closed:
                for message in messages:
                    self._keep(message)
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

        Of each lane about TURN_BYTES_MAX at once: a message that arrives meanwhile in the first lane waits for these.
        """

        def is_ready() -> bool:
            return bool(self._calls or (most and (self._kept or self._others)))

        if not is_ready() and wait_s > 0:
            with self._ready:
                self._waiting = True
                self._ready.wait_for(lambda: is_ready() or not self._waiting, wait_s)
                self._waiting = False
        with self._ready:
            messages = self._take_kept(most)
            others, size = self._others, 0
            for _ in range(min(len(others), most - len(messages))):
                message = others.popleft()
                messages.append(message)
                size += len(message.payload)
                if size >= limits.TURN_BYTES_MAX:
                    break
            self._other_bytes -= size
        calls: list[Call[Any]] = []
        while self._calls:
            calls.append(self._calls.popleft())
        return messages, calls

    def __len__(self) -> int:
        """Number of waiting messages."""
        return self._kept_count + len(self._others)

    def settled(self, messages: Sequence[Message]) -> list[Message]:
        """The messages to acknowledge once these are worked through: in the order of arrival [MQTT-4.6.0-2]."""
        settled: list[Message] = []
        if not self._in_order:
            return settled
        with self._ready:
            self._done.update((id(message), True) for message in messages if id(message) in self._done)
            while self._in_order and self._done.get(id(self._in_order[0]), True):
                settled.append(self._in_order.popleft())
                self._done.pop(id(settled[-1]), None)  # a message that was delivered twice as one object is there once
        return settled

    def _is_full(self) -> bool:
        return self._kept_count >= self._messages_max or self._kept_bytes >= limits.MAILBOX_BYTES_MAX

    def _keep(self, message: Message) -> None:
        self._kept.setdefault(self._sender(message.topic), deque()).append(message)
        self._kept_count += 1
        self._kept_bytes += len(message.payload)

    def _take_kept(self, most: int) -> list[Message]:
        """One message of each device in turn."""
        taken: list[Message] = []
        size = 0
        while self._kept and len(taken) < most and size < limits.TURN_BYTES_MAX:
            sender, waiting = self._kept.popitem(last=False)
            taken.append(waiting.popleft())
            size += len(taken[-1].payload)
            if waiting:
                self._kept[sender] = waiting
        self._kept_count -= len(taken)
        self._kept_bytes -= size
        return taken

    def _shed(self) -> None:
        """Drop messages of the second lane beyond its bounds, and an eighth more, so that it is not done for each message."""
        if len(self._others) > self._messages_max:
            self._shed_to(self._messages_max, lambda _: 1)
        if self._other_bytes > limits.MAILBOX_BYTES_MAX:
            self._shed_to(limits.MAILBOX_BYTES_MAX, lambda message: len(message.payload))

    def _shed_to(self, most: int, size: Callable[[Message], int]) -> None:
        """Drop the oldest messages of each device that holds more than its share."""
        held: Counter[str] = Counter()
        for message in self._others:
            held[self._sender(message.topic)] += size(message)
        share = _share(held.values(), most - most // 8)
        before, self._others = self._others, deque()
        for message in before:
            sender = self._sender(message.topic)
            if held[sender] > share:
                held[sender] -= size(message)
                self._other_bytes -= len(message.payload)
                self.shed += 1
            else:
                self._others.append(message)

    def close(self) -> None:
        """Accept nothing more, and cancel waiting calls."""
        with self._ready:
            self._closed = True
            for call in self._calls:
                call.future.cancel()
            self._calls.clear()
            self._ready.notify_all()


def _share(held: Iterable[int], room: int) -> int:
    """The most that each device may hold, so that all fit into `room`; those that hold less leave their rest to the others."""
    left = sorted(held)
    for number, one in enumerate(left):
        share = room // (len(left) - number)
        if one > share:
            return share
        room -= one
    return room
