"""The mailbox: passes messages from the MQTT threads, and calls from other threads, to the writer thread.

Messages wait in three lanes. Urgent ones (consents and wishes, which have an MQTT session of their own) go first, then the others that
will be acknowledged (QoS 1 and 2: answers, purchases). While one of these lanes is full `deliver` takes none for it, so nothing more is
read from that session's socket and its messages wait at the broker. A batch takes one of each device in turn, so that the withdrawal of
one does not wait behind a flood of another. Facts are never dropped. Of urgent ones a device has at most URGENT_MESSAGES_MAX in the lane;
for a further one its oldest is acknowledged, dropped and counted, so that a flood of consents does not fill the broker's queue in front of
other people's: a device repeats a consent until it has a receipt, and its newest one counts. All else (sightings, readings) never stops the
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
    from collections.abc import Callable, Iterable, Iterator, Sequence

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


class _Lane:
    """Waiting messages by device, and the order in which those of one MQTT session arrived. Not locked."""

    def __init__(self, sender: Callable[[str], str], device_max: int | None = None) -> None:
        self._sender, self._device_max = sender, device_max
        self._waiting: OrderedDict[str, deque[Message]] = OrderedDict()
        self.in_order: deque[Message] = deque()  # to be acknowledged
        self._done: dict[int, bool] = {}  # by the id of a message in `in_order`
        self.count = self._bytes = self.shed = 0

    def is_full(self, messages_max: int) -> bool:
        """Whether it holds as much as it may."""
        return self.count >= messages_max or self._bytes >= limits.MAILBOX_BYTES_MAX

    def keep(self, message: Message, *, is_acknowledged: bool) -> None:
        """Add a message; beyond `device_max` the oldest of its device is dropped."""
        waiting = self._waiting.setdefault(self._sender(message.topic), deque())
        if len(waiting) == self._device_max:
            self._drop(waiting.popleft())
        waiting.append(message)
        self.count += 1
        self._bytes += len(message.payload)
        if is_acknowledged:
            self.in_order.append(message)
            self._done[id(message)] = False

    def take(self, most: int) -> list[Message]:
        """At most `most` messages, about TURN_BYTES_MAX, one of each device in turn."""
        taken: list[Message] = []
        size = 0
        while self._waiting and len(taken) < most and size < limits.TURN_BYTES_MAX:
            sender, waiting = self._waiting.popitem(last=False)
            taken.append(waiting.popleft())
            size += len(taken[-1].payload)
            if waiting:
                self._waiting[sender] = waiting
        self.count -= len(taken)
        self._bytes -= size
        return taken

    def _drop(self, message: Message) -> None:
        self.count -= 1
        self._bytes -= len(message.payload)
        self.shed += 1
        if id(message) in self._done:
            self._done[id(message)] = True

    def settled(self, messages: Sequence[Message]) -> Iterator[Message]:
        """See `Mailbox.settled`."""
        self._done.update((id(message), True) for message in messages if id(message) in self._done)
        while self.in_order and self._done.get(id(self.in_order[0]), True):
            message = self.in_order.popleft()
            self._done.pop(id(message), None)  # a message that was delivered twice as one object is there once
            yield message


class Mailbox:
    """Filled by any thread, emptied by the writer thread."""

    def __init__(self, messages_max: int, sender: Callable[[str], str] = _above) -> None:
        """Hold at most `messages_max` messages and MAILBOX_BYTES_MAX in each lane; `sender` names the device of a topic."""
        self._sender = lru_cache(TOPICS_KEPT)(sender)  # a message that waits is looked at many times
        self._urgent, self._facts = _Lane(self._sender, limits.URGENT_MESSAGES_MAX), _Lane(self._sender)
        self._others: deque[Message] = deque()
        self._other_bytes = 0
        self._messages_max = messages_max
        self._others_shed = 0
        self._calls: deque[Call[Any]] = deque()
        self._ready = threading.Condition()
        self._waiting = False
        self._closed = False

    def deliver(self, messages: Sequence[Message]) -> bool:
        """Add messages of one session; False if its lane is full. After `close` messages are dropped without acknowledgement.

        A list is taken whole, so the lane may exceed its limit by what one read from the broker holds.
        """
        with self._ready:
            if self._closed:
                return True
            is_urgent = any(message.is_urgent for message in messages[:1])
            lane = self._urgent if is_urgent else self._facts
            if lane.is_full(self._messages_max):
                return False
            for message in messages:
                if message.qos or is_urgent:
                    lane.keep(message, is_acknowledged=message.qos > 0)
                else:
                    self._others.append(message)
                    self._other_bytes += len(message.payload)
            if len(self._others) > self._messages_max or self._other_bytes > limits.MAILBOX_BYTES_MAX:
                self._shed()
            if self._waiting:
                self._ready.notify_all()
        return True

    def offer(self, messages: Sequence[Message]) -> bool:
        """Add messages that are never dropped, although no broker waits for an acknowledgement; False if the lane of facts is full."""
        with self._ready:
            if self._facts.is_full(self._messages_max):
                return False
            if not self._closed:
                for message in messages:
                    self._facts.keep(message, is_acknowledged=False)
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

        Of each lane about TURN_BYTES_MAX at once: a message that arrives meanwhile in the first lane waits for these. Urgent ones are at
        most half of a batch, so that a flood of them does not stop all else.
        """

        def is_ready() -> bool:
            return bool(self._calls or (most and len(self)))

        if not is_ready() and wait_s > 0:
            with self._ready:
                self._waiting = True
                self._ready.wait_for(lambda: is_ready() or not self._waiting, wait_s)
                self._waiting = False
        with self._ready:
            messages = self._urgent.take((most + 1) // 2)
            messages += self._facts.take(most - len(messages))
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
        return self._urgent.count + self._facts.count + len(self._others)

    @property
    def shed(self) -> int:
        """Number of dropped messages."""
        return self._others_shed + self._urgent.shed

    def settled(self, messages: Sequence[Message]) -> list[Message]:
        """The messages to acknowledge once these are worked through: of each session in the order of arrival [MQTT-4.6.0-2]."""
        if not (self._urgent.in_order or self._facts.in_order):
            return []
        with self._ready:
            return [*self._urgent.settled(messages), *self._facts.settled(messages)]

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
                self._others_shed += 1
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
