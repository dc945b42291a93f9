"""One MQTT connection of a live site, for as long as the run lasts: it reconnects by itself.

QoS 0 messages are lost while there is no connection, and counted. QoS 1 messages are kept, and sent again
over the next connection until the broker has acknowledged them: at least once, in order. At most `BATCH_MAX` messages are
given to the client at a time; the others wait in a queue, and `is_full` is the back-pressure on the simulation.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence

from aiomqtt import Client, MqttError

from firmware_sim.message import Message
from firmware_sim.wire.broker import Broker, BrokerError, connect

QUEUED_MAX = 10_000
BATCH_MAX = 200
UNACKNOWLEDGED_MAX = 20  # QoS 1 messages in a batch: brokers allow so many, and the client would send further ones out of order
ACK_S_MAX = 20.0  # a broker that has not taken a batch after this time is treated as gone
RECONNECT_S_MIN, RECONNECT_S_MAX = 0.5, 2.0

Receive = Callable[[str, bytes], None]
"""Callback for a received message: topic and payload."""


class Connection:
    """Publishes the messages given to `publish`, and passes messages of `topic_filters` to `receive`, while `run` runs."""

    def __init__(
        self, broker: Broker, name: str, topic_filters: Sequence[str] = (), receive: Receive = lambda _topic, _payload: None
    ) -> None:
        self.protocol = ""  # "5" or "3.1.1", of the newest connection
        self.lost = 0  # QoS 0 messages
        self.ready = asyncio.Event()  # connected, and subscribed, for the first time
        self.drained = asyncio.Event()  # nothing waits, everything is acknowledged
        self._broker, self._name, self._topic_filters, self._receive = broker, name, topic_filters, receive
        self._connected = False
        self._queue: deque[Message] = deque()
        self._batch: list[Message] = []  # given to the client and not known to be taken by the broker
        self._filled = asyncio.Event()
        self.drained.set()

    @property
    def is_full(self) -> bool:
        """Whether the simulation must wait before it publishes more."""
        return len(self._queue) >= QUEUED_MAX

    def publish(self, message: Message) -> None:
        """Queue a message; without a connection a QoS 0 message is lost and counted."""
        if not self._connected and not message.qos:
            self.lost += 1
            return
        self._queue.append(message)
        self._filled.set()
        self.drained.clear()

    def unacknowledged(self) -> int:
        """Number of QoS 1 messages that the broker has not acknowledged."""
        return sum(message.qos for message in (*self._batch, *self._queue))

    async def run(self) -> None:
        """Connect, send and receive until cancelled; reconnect after a growing pause. Raises BrokerError if the first attempt fails."""
        pause_s = RECONNECT_S_MIN
        while True:
            try:
                async with connect(self._broker, self._name) as (client, self.protocol):
                    pause_s = RECONNECT_S_MIN
                    await self._use(client)
            except BrokerError:
                if not self.ready.is_set():
                    raise
            finally:
                self._disconnected()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_S_MAX)

    async def _use(self, client: Client) -> None:
        """Send and receive until the connection ends."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for topic_filter in self._topic_filters:
                    await client.subscribe(topic_filter, qos=1)
                self._connected = True
                self.ready.set()
                tasks.create_task(self._send(client))
                async for message in client.messages:  # raises MqttError when the connection ends
                    self._receive(str(message.topic), bytes(message.payload))
        except* (MqttError, TimeoutError):
            pass

    async def _send(self, client: Client) -> None:
        """Send batch after batch, each one when the broker has taken the one before: QoS 0 written, QoS 1 acknowledged."""
        while True:
            if not self._queue:
                self._filled.clear()
                self.drained.set()
                await self._filled.wait()
            self._batch = self._next_batch()
            calls = [asyncio.ensure_future(client.publish(m.topic, m.payload, m.qos, m.retain, timeout=math.inf)) for m in self._batch]
            try:
                async with asyncio.timeout(ACK_S_MAX):
                    await asyncio.gather(*calls)
            finally:
                self._batch = [m for m, call in zip(self._batch, calls, strict=True) if not _is_taken(call)]
                for call in calls:
                    call.cancel()

    def _next_batch(self) -> list[Message]:
        batch: list[Message] = []
        room = UNACKNOWLEDGED_MAX
        while self._queue and len(batch) < BATCH_MAX and self._queue[0].qos <= room:
            batch.append(self._queue.popleft())
            room -= batch[-1].qos
        return batch

    def _disconnected(self) -> None:
        """Keep the QoS 1 messages for the next connection; the others are lost."""
        self._connected = False
        waiting = (*self._batch, *self._queue)
        self._batch, self._queue = [], deque(message for message in waiting if message.qos)
        self.lost += len(waiting) - len(self._queue)
        if not self._queue:
            self.drained.set()


def _is_taken(call: asyncio.Future[None]) -> bool:
    return call.done() and not call.cancelled() and call.exception() is None
