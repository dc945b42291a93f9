"""The connection that commands share: messages arrive, and every way in which a broker fails is one line with the way out."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from pathlib import Path

import pytest

from gateway.commands import broker as brokers
from gateway.commands.broker import BrokerError, connect
from gateway.core.types import Message
from tests.commands.terminal import wayside
from tests.kit.broker import MosquittoBroker, broker, mosquitto
from tests.kit.subscriber import Subscriber

__all__ = ["broker"]
pytestmark = pytest.mark.broker

READING = json.dumps({"temperature": 21.5, "linkquality": 90})
WAIT_S = 300.0  # only a failing test waits for so long


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that a busy machine could reach."""
    monkeypatch.setattr(brokers, "CONNECT_S_MAX", WAIT_S)


def test_discover_proposes_a_source_for_a_message(broker: MosquittoBroker) -> None:
    with Subscriber(broker.host, broker.port, "none") as sensor:
        sensor.publish("zigbee2mqtt/arcade", READING, retain=True)
    found = wayside("discover", "--broker", broker.url, "--seconds", "2")
    assert (found.code, found.err.count("wayside:")) == (0, 0)
    assert [source["decoder"] for source in tomllib.loads(found.out)["sources"]] == ["zigbee2mqtt"]


def test_a_broker_without_messages_is_one_line(broker: MosquittoBroker) -> None:
    found = wayside("discover", "--broker", broker.url, "--seconds", "0.25")
    assert found.code == 1
    assert f"no message arrived from {broker.url} in 0.25 s" in found.err


def test_a_broker_that_refuses_is_one_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path, lines=("allow_anonymous false",)) as closed:
        refusal = wayside("discover", "--broker", closed.url).refusal(1)
    assert re.fullmatch(rf"broker {closed.url} refuses the connection \(.*\): check its access control", refusal)


def test_a_wait_ends_when_the_broker_does(broker: MosquittoBroker) -> None:
    heard: list[Message] = []

    def receive(message: Message) -> None:
        heard.append(message)
        broker.kill()

    async def listening() -> None:
        async with connect(broker.url, receive) as connection:
            await connection.subscribe("#")
            connection.publish("a/b", b"payload")
            await connection.wait(WAIT_S)

    with pytest.raises(BrokerError, match=rf"broker {broker.url} stopped answering \(.*\): check its log and its limits"):
        asyncio.run(listening())
    assert heard == [Message("a/b", b"payload", 0)]


def test_an_acknowledgement_that_is_missing_is_an_error(broker: MosquittoBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "ACKNOWLEDGED_S_MAX", 0.0)

    async def publishing() -> None:
        async with connect(broker.url) as connection:
            assert connection.publish("a/b", b"payload") == 1
            await connection.acknowledged()

    with pytest.raises(BrokerError, match="stopped answering"):
        asyncio.run(publishing())
