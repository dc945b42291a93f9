"""A few MQTT connections that carry thousands of devices, all driven by the one thread that also moves the clockwork.

A device always takes the same connection, so what it says stays in order. Devices that a broker's access list knows by
name get a connection of their own, under that name. Nothing piles up without end: a broker that is slower than the
fleet is waited for, and the lag tells.
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
WAITING_BYTES_MAX = 64_000  # of one connection; then the broker is given the chance to read
IN_FLIGHT_MAX = 10_000  # messages at QoS 1 that one connection may have out
TEND_EVERY_S = 1.0
LOOK_S = 0.5
DRAIN_S_MAX = 10.0


class Sender:
    """See above. `own` are the devices that connect as themselves, with their name as user where there is a password."""

    def __init__(self, broker: Broker, name: str, connections: int, own: Iterable[str] = ()) -> None:
        self._shared = [Publisher(broker, f"wayside-sim-{name}-{place}-{os.getpid()}", broker.username) for place in range(connections)]
        named = {device: device if broker.password is not None else broker.username for device in own}
        self._taken = {device: Publisher(broker, device, username) for device, username in named.items()}
        self._all = [*self._shared, *self._taken.values()]
        self._dirty: set[Publisher] = set()  # have something to write
        self.sent_bytes = 0
        self._tended_s = time.monotonic()
        self._selector = selectors.DefaultSelector()
        for publisher in self._all:
            self._selector.register(publisher, selectors.EVENT_READ, publisher)

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._all)

    def unacknowledged(self) -> int:
        """How many messages at QoS 1 the broker has not acknowledged yet."""
        return sum(len(publisher.pending) for publisher in self._all)

    def send(self, device: str, message: Message) -> None:
        """Hand one message over; it leaves with the next breath."""
        publisher = self._taken.get(device)
        if publisher is None:
            publisher = self._taken[device] = self._shared[len(self._taken) % len(self._shared)]
        self.sent_bytes += len(message.payload)
        publisher.publish(message.topic, message.payload, message.qos, retain=message.retain)
        self._dirty.add(publisher)
        if publisher.waiting > WAITING_BYTES_MAX or len(publisher.pending) > IN_FLIGHT_MAX:
            self._make_room(publisher)

    def breathe(self, wait_s: float) -> None:
        """Write what waits, read what came, keep the connections alive; waits at most so long for something to read."""
        for publisher in self._dirty:
            publisher.flush()
        self._dirty = {publisher for publisher in self._dirty if publisher.waiting}
        for key, _ in self._selector.select(wait_s):
            key.data.read()
        if time.monotonic() - self._tended_s > TEND_EVERY_S:
            self._tended_s = time.monotonic()
            for publisher in self._all:
                publisher.tend()

    def close(self) -> None:
        """Let the broker take and acknowledge what it has been given, and part."""
        give_up = time.monotonic() + DRAIN_S_MAX
        while (self._dirty or self.unacknowledged()) and time.monotonic() < give_up:
            self.breathe(0.01)
        self._selector.close()
        for publisher in self._all:
            publisher.close()

    def _make_room(self, publisher: Publisher) -> None:
        """The broker is slower than we are: wait for it instead of piling up."""
        with selectors.DefaultSelector() as room:
            room.register(publisher, selectors.EVENT_READ | selectors.EVENT_WRITE)
            publisher.flush()
            while publisher.waiting > WAITING_BYTES_MAX or len(publisher.pending) > IN_FLIGHT_MAX:
                room.modify(publisher, selectors.EVENT_READ | (selectors.EVENT_WRITE if publisher.waiting else 0))
                for _, mask in room.select(LOOK_S):
                    if mask & selectors.EVENT_READ:
                        publisher.read()
                    if mask & selectors.EVENT_WRITE:
                        publisher.flush()
