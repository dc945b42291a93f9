"""The bus in memory: sessions, redelivery, wills, retained messages and expiry, by the clock of the test.

It passes the same suite as the MQTT bus (tests/adapters/test_bus.py), so tests can use it instead. Each bus delivers on a thread of its
own, as paho does, so a `deliver` that blocks does not block other buses.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.bus import Deliver, Link, Publication
from gateway.core.types import Message
from gateway.decoders.topics import topic_matches
from tests.kit.subscriber import Received

TICKET_BITS = 16


class _Queued(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    expires_at_ms: int | None
    retained: bool = False


class _Session:
    """The session of one client id, connected or not."""

    def __init__(self) -> None:
        self.filters: tuple[str, ...] = ()
        self.waiting: deque[_Queued] = deque()
        self.unacked: dict[int, _Queued] = {}
        self.bus: FakeBus | None = None

    def resume(self) -> None:
        """Queue unacknowledged messages again, before the others: a new connection was made."""
        self.waiting.extendleft(reversed(self.unacked.values()))
        self.unacked.clear()


class FakeBroker:
    """Routes in memory. `up` is False while the broker is stopped; its sessions are persistent. `published` holds all publications."""

    def __init__(self, now_ms: Callable[[], int], password: str | None = None) -> None:
        self.now_ms = now_ms
        self.password = password
        self.up = True
        self.changed = threading.Condition(threading.RLock())
        self.sessions: dict[str, _Session] = {}
        self.retained: dict[str, _Queued] = {}
        self.published: list[Received] = []

    def route(self, publication: Publication) -> None:
        """Queue a publication in every session that subscribed to it, and add it to `published`."""
        with self.changed:
            expires_at_ms = None if publication.expiry_s is None else self.now_ms() + publication.expiry_s * 1000
            if publication.retain:
                self.retained[publication.topic] = _Queued(publication.topic, publication.payload, publication.qos, expires_at_ms)
            self.published.append(
                Received(publication.topic, publication.payload, publication.qos, retain=False, expiry_s=publication.expiry_s)
            )
            for session in self.sessions.values():
                if any(topic_matches(wanted, publication.topic) for wanted in session.filters):
                    qos = min(1, publication.qos)
                    if qos or session.bus is not None:
                        session.waiting.append(_Queued(publication.topic, publication.payload, qos, expires_at_ms))
            self.changed.notify_all()

    def retained_payloads(self, topic: str) -> list[bytes]:
        """Retained payloads of a topic that a new subscriber receives."""
        queued = self.retained.get(topic)
        fresh = queued is not None and (queued.expires_at_ms is None or self.now_ms() < queued.expires_at_ms)
        return [queued.payload] if queued is not None and fresh else []

    def stop(self) -> None:
        """Stop; wills are not published, because the broker is gone."""
        with self.changed:
            self.up = False
            for session in self.sessions.values():
                if session.bus is not None:
                    session.bus.lose("the broker is gone")
            self.changed.notify_all()

    def start(self) -> None:
        """Start again."""
        with self.changed:
            self.up = True
            self.changed.notify_all()


HOLD_S = 0.01  # how often a full receiver is asked again


class FakeBus:
    """See `gateway.core.bus.Bus`."""

    def __init__(
        self,
        broker: FakeBroker,
        name: str = "gw",
        topics: Sequence[str] = ("in/#",),
        will: Publication | None = None,
        password: str | None = None,
    ) -> None:
        self._broker = broker
        self._name = name
        self._topics = tuple(topics)
        self._will = will
        self._password = password
        self._deliver: Deliver = lambda _messages: True
        self._connection = 0
        self._session = _Session()
        self._taken: list[str] = []
        self._link = Link(connected=False)
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._thread.start()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        with self._broker.changed:
            for message in messages:
                if message.qos and message.ticket >> TICKET_BITS == self._connection:
                    self._session.unacked.pop(message.ticket & ((1 << TICKET_BITS) - 1), None)
            self._broker.changed.notify_all()

    def publish(self, publication: Publication) -> bool:
        with self._broker.changed:
            if not self._link.connected:
                return False
            self._broker.route(publication)
            if publication.token and publication.qos:
                self._taken.append(publication.token)
            return True

    def taken(self) -> list[str]:
        with self._broker.changed:
            taken, self._taken = self._taken, []
            return taken

    def link(self) -> Link:
        return self._link

    def close(self) -> None:
        with self._broker.changed:
            self._closing = True
            self._leave("")
            self._broker.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def hear(self, heard_ms: int) -> None:
        """Have the link report that the broker last sent anything at `heard_ms`."""
        self._link = msgspec.structs.replace(self._link, heard_ms=heard_ms)

    def lose(self, trouble: str) -> None:
        """Lose the connection without DISCONNECT."""
        self._leave(trouble)

    def cut(self) -> None:
        """Lose the connection; the broker publishes the will, and the bus reconnects."""
        with self._broker.changed:
            if self._link.connected:
                self._leave("connection lost")
                if self._will is not None:
                    self._broker.route(self._will)
                self._broker.changed.notify_all()

    def _leave(self, trouble: str) -> None:
        self._connection += 1
        if self._session.bus is self:
            self._session.bus = None
        self._link = msgspec.structs.replace(self._link, connected=False, hears=False, trouble=trouble)

    def _run(self) -> None:
        for message in self._messages():
            while not self._deliver([message]):
                with self._broker.changed:
                    self._broker.changed.wait(HOLD_S)
                    if self._closing:
                        return

    def _messages(self) -> Iterator[Message]:
        """Connect whenever possible, and take the queued messages one by one."""
        while True:
            with self._broker.changed:
                self._broker.changed.wait_for(self._is_awake)
                if self._closing:
                    return
                if not self._link.connected:
                    self._connect()
                    continue
                message = self._next()
            if message is not None:
                yield message

    def _is_awake(self) -> bool:
        if self._closing:
            return True
        if not self._link.connected:
            return self._may_connect()
        return bool(self._session.waiting) and len(self._session.unacked) < limits.UNACKED_MESSAGES_MAX

    def _may_connect(self) -> bool:
        trouble = ""
        if not self._broker.up:
            trouble = "the broker does not answer"
        elif self._broker.password not in {None, self._password}:
            trouble = "the broker refuses the password"
        if trouble:
            self._link = msgspec.structs.replace(self._link, connected=False, trouble=trouble)
        return not trouble

    def _connect(self) -> None:
        fresh = self._link.fresh + (self._name not in self._broker.sessions)
        self._session = self._broker.sessions.setdefault(self._name, _Session())
        self._session.filters = self._topics
        self._session.bus = self
        self._session.resume()
        for queued in self._broker.retained.values():  # a broker sends them at every subscription
            if any(topic_matches(wanted, queued.topic) for wanted in self._topics):
                self._session.waiting.append(queued._replace(retained=True, qos=min(1, queued.qos)))
        self._connection += 1
        self._link = Link(connected=True, protocol="memory", connects=self._link.connects + 1, fresh=fresh, hears=True)

    def _next(self) -> Message | None:
        queued = self._session.waiting.popleft()
        if queued.expires_at_ms is not None and queued.expires_at_ms <= self._broker.now_ms():
            return None
        ticket = 0
        if queued.qos:
            # Packet ids are used again after each connection, as by a broker: an old ticket must not match a new message.
            used = self._session.unacked
            ticket = next(id_ for id_ in range(1, 1 << TICKET_BITS) if id_ not in used)
            used[ticket] = queued
        ticket |= self._connection << TICKET_BITS
        return Message(queued.topic, queued.payload, self._broker.now_ms(), queued.qos, ticket, queued.retained)
