"""A few MQTT connections that carry thousands of devices, driven by the thread that runs the simulation.

All messages of a device take the same connection, which keeps the order. Devices that an access list of the broker knows by
name have a connection of their own, under that name. The buffers are bounded: while a broker is slower than the fleet, `send`
waits, which shows as lag.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterable

from firmware_sim.message import Message
from firmware_sim.wire.broker import Broker
from firmware_sim.wire.publisher import Publisher

OWN_MAX = 500
WAITING_BYTES_MAX = 64_000  # in the buffer of one connection
IN_FLIGHT_MAX = 10_000  # unacknowledged QoS 1 messages of one connection
KEEP_ALIVE_EVERY_S = 1.0
ROOM_WAIT_S = 0.5
DRAIN_S_MAX = 10.0


class Sender:
    """Sends messages of devices. Those in `own` connect under their own name, which is also the user name if there is a password."""

    def __init__(self, broker: Broker, name: str, connections: int, own: Iterable[str] = ()) -> None:
        self._shared = [Publisher(broker, f"wayside-sim-{name}-{place}-{os.getpid()}", broker.username) for place in range(connections)]
        named = {device: device if broker.password is not None else broker.username for device in own}
        self._assigned = {device: Publisher(broker, device, username) for device, username in named.items()}
        self._all = [*self._shared, *self._assigned.values()]
        self._dirty: set[Publisher] = set()  # those with bytes to write
        self.sent_bytes = 0
        self._kept_alive_s = time.monotonic()
        self._selector = selectors.DefaultSelector()
        for publisher in self._all:
            self._selector.register(publisher, selectors.EVENT_READ, publisher)

    @property
    def connections(self) -> int:
        """Number of connections."""
        return len(self._all)

    def unacknowledged(self) -> int:
        """Number of QoS 1 messages that the broker has not acknowledged."""
        return sum(len(publisher.pending) for publisher in self._all)

    def send(self, device: str, message: Message) -> None:
        """Append a message to the buffer of its connection; the next `exchange` writes it. Waits while that buffer is full."""
        publisher = self._assigned.get(device)
        if publisher is None:
            publisher = self._assigned[device] = self._shared[len(self._assigned) % len(self._shared)]
        self.sent_bytes += len(message.payload)
        publisher.publish(message.topic, message.payload, message.qos, retain=message.retain)
        self._dirty.add(publisher)
        while publisher.waiting > WAITING_BYTES_MAX or len(publisher.pending) > IN_FLIGHT_MAX:
            publisher.exchange(ROOM_WAIT_S)

    def exchange(self, wait_s: float) -> None:
        """Write the buffers, read acknowledgements, keep the connections alive; waits at most `wait_s` for something to read."""
        for publisher in self._dirty:
            publisher.flush()
        self._dirty = {publisher for publisher in self._dirty if publisher.waiting}
        for key, _ in self._selector.select(wait_s):
            key.data.read()
        if time.monotonic() - self._kept_alive_s > KEEP_ALIVE_EVERY_S:
            self._kept_alive_s = time.monotonic()
            for publisher in self._all:
                publisher.keep_alive()

    def close(self) -> None:
        """Wait until the broker has acknowledged everything, at most `DRAIN_S_MAX`, and disconnect."""
        give_up = time.monotonic() + DRAIN_S_MAX
        while (self._dirty or self.unacknowledged()) and time.monotonic() < give_up:
            self.exchange(0.01)
        self._selector.close()
        for publisher in self._all:
            publisher.close()
