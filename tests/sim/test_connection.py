"""A live connection against a small broker in the test: what it keeps, sends again, loses and waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from firmware_sim.faults import rules
from firmware_sim.message import Message
from firmware_sim.scenario import Scenario
from firmware_sim.street import live as running_site
from firmware_sim.street.live import Live
from firmware_sim.wire import broker as brokers
from firmware_sim.wire import connection as connections
from firmware_sim.wire.broker import Broker, BrokerError
from firmware_sim.wire.connection import Connection
from tests.kit import waiting

WAIT_S = 300.0  # only a failing test waits for so long
CONNECT, PUBLISH, SUBSCRIBE = 1, 3, 8
Payloads = list[tuple[int, bytes]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a busy machine could reach."""
    for module, name in ((brokers, "HANDSHAKE_S_MAX"), (connections, "ACK_S_MAX"), (running_site, "DRAIN_S_MAX")):
        monkeypatch.setattr(module, name, WAIT_S)


class SmallBroker:
    """Speaks as much MQTT 3.1.1 as a publisher needs. `acks`: whether it acknowledges; `greets`: whether it answers MQTT 5 at all."""

    def __init__(self) -> None:
        self.acks = self.greets = True
        self.published: Payloads = []
        self.connects = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                first = (await reader.readexactly(1))[0]
                length, shift = 0, 0
                while (byte := (await reader.readexactly(1))[0]) & 0x80:
                    length, shift = length | (byte & 0x7F) << shift, shift + 7
                self._answer(first, await reader.readexactly(length | byte << shift), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, first: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if first >> 4 == CONNECT and body[6] > 4:
            if self.greets:
                writer.write(b"\x20\x02\x00\x01")
            writer.close()
        elif first >> 4 == CONNECT:
            self.connects += 1
            writer.write(b"\x20\x02\x00\x00")
        elif first >> 4 == SUBSCRIBE:
            writer.write(b"\x90\x03" + body[:2] + b"\x01")
        elif first >> 4 == PUBLISH:
            qos, at = first >> 1 & 3, 2 + int.from_bytes(body[:2], "big")
            self.published.append((qos, body[at + 2 :] if qos else body[at:]))
            if qos and self.acks:
                writer.write(b"\x40\x02" + body[at : at + 2])

    def hang_up(self) -> None:
        """Close all connections without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[SmallBroker, Broker]]:
    broker = SmallBroker()
    server = await asyncio.start_server(broker.handle, "127.0.0.1", 0)
    try:
        yield broker, Broker("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        broker.hang_up()
        server.close()


@asynccontextmanager
async def running(connection: Connection) -> AsyncIterator[None]:
    task = asyncio.create_task(connection.run())
    try:
        async with asyncio.timeout(WAIT_S):
            await connection.ready.wait()
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; a test that fails waits for the whole time limit."""
    await asyncio.to_thread(waiting.until, condition, WAIT_S)


def message(number: int, qos: int) -> Message:
    return Message("a/b", b"%d" % number, "", "", qos)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await test()

    asyncio.run(whole())


def test_messages_are_published_in_order_and_drained_when_acknowledged() -> None:
    async def test() -> None:
        async with listening() as (broker, address):
            connection = Connection(address, "test")
            async with running(connection):
                sent = [(number % 2, b"%d" % number) for number in range(1_000)]
                for qos, payload in sent:
                    connection.publish(message(int(payload), qos))
                assert not connection.drained.is_set()
                await asyncio.wait_for(connection.drained.wait(), WAIT_S)
            assert broker.published == sent
            assert (connection.protocol, connection.lost, connection.unacknowledged()) == ("3.1.1", 0, 0)

    run(test)


class Interrupted(Connection):
    """Publishes `meanwhile` when the first connection has ended, before there is another."""

    meanwhile: tuple[Message, ...] = ()

    def _disconnected(self) -> None:
        super()._disconnected()
        for item in self.meanwhile:
            self.publish(item)
        self.meanwhile = ()


def test_qos_1_survives_the_end_of_a_connection_in_order_and_qos_0_is_lost_and_counted() -> None:
    async def test() -> None:
        async with listening() as (broker, address):
            connection = Interrupted(address, "test")
            async with running(connection):
                broker.acks = False
                for number in range(4):
                    connection.publish(message(number, 1))
                await until(lambda: len(broker.published) == 4)
                connection.publish(message(4, 0))  # waits behind what is not acknowledged
                connection.publish(message(5, 1))
                connection.meanwhile = (message(6, 0), message(7, 1))
                broker.published.clear()
                broker.acks = True
                broker.hang_up()
                await until(lambda: broker.connects == 2)
                await asyncio.wait_for(connection.drained.wait(), WAIT_S)
            assert [int(payload) for _, payload in broker.published] == [0, 1, 2, 3, 5, 7]
            assert (broker.connects, connection.unacknowledged(), connection.lost) == (2, 0, 2)

    run(test)


def test_a_broker_that_acknowledges_nothing_is_left_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ACK_S_MAX", 0.05)

    async def test() -> None:
        async with listening() as (broker, address):
            connection = Connection(address, "test")
            async with running(connection):
                broker.acks = False
                connection.publish(message(1, 1))
                await until(lambda: broker.connects == 2)
                monkeypatch.setattr(connections, "ACK_S_MAX", WAIT_S)
                broker.acks = True
                await asyncio.wait_for(connection.drained.wait(), WAIT_S)
            assert {payload for _, payload in broker.published} == {b"1"}

    run(test)


def test_the_first_attempt_must_succeed_and_a_broker_that_is_silent_about_mqtt_5_is_asked_for_3_1_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(brokers, "HANDSHAKE_S_MAX", 0.2)

    async def test() -> None:
        async with listening() as (broker, address):
            broker.greets = False
            connection = Connection(address, "test")
            async with running(connection):
                assert connection.protocol == "3.1.1"
        with pytest.raises(BrokerError, match="no broker at"):
            await Connection(address, "test").run()

    run(test)


def test_a_site_waits_for_a_broker_that_does_not_keep_up(monkeypatch: pytest.MonkeyPatch, street_plan: Scenario) -> None:
    monkeypatch.setattr(connections, "QUEUED_MAX", 50)
    stuck = street_plan.changed(faults=rules.parse_options(["flood:per_s=100,devices=till-*"]))  # purchases at QoS 1, again and again

    async def test() -> None:
        async with listening() as (broker, address):
            live = Live(stuck, address, seed=1, walkers=40, faster=50.0)
            task = asyncio.create_task(live.run(20, lambda _seconds, _street: None))
            await until(lambda: broker.connects == 3)
            broker.acks = False
            await until(lambda: any(connection.is_full for connection in live._connections))
            now_ms = live._street.loop.now_ms
            assert now_ms < 20_000
            with pytest.raises(TimeoutError):  # ten seconds of published time, if the site did not wait
                await asyncio.wait_for(asyncio.shield(task), 0.2)
            assert live._street.loop.now_ms == now_ms
            broker.acks = True
            broker.hang_up()  # what was not acknowledged is sent again over new connections
            summary = await asyncio.wait_for(task, WAIT_S)
            assert (summary["seconds"], summary["unacknowledged"]) == (20.0, 0)

    run(test)
