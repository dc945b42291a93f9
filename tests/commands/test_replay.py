"""`wayside replay`: captured messages reach the broker complete and in order, or an error names the cause."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.commands.broker import BrokerError
from gateway.commands.replay import replay_file
from tests.commands.terminal import wayside
from tests.kit.broker import MosquittoBroker, broker, free_port
from tests.kit.subscriber import Subscriber

__all__ = ["broker"]

LINES = [
    {"topic": "a/b", "payload": "text", "at_ms": 1_000},
    {"topic": "a/b", "payload": {"an": "object"}, "at_ms": 1_010},
    {"topic": "a/c", "payload_hex": "00ff10", "at_ms": 1_020},
    {"payload": "on no topic", "at_ms": 1_030},
    {"topic": "a/b", "payload": "at no time"},
]


def file_of(folder: Path, text: str) -> Path:
    path = folder / "captured.jsonl"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return file_of(tmp_path, "\n".join(map(json.dumps, LINES)) + "\n\n")


@pytest.fixture
def subscriber(broker: MosquittoBroker) -> Iterator[Subscriber]:
    with Subscriber(broker.host, broker.port) as listening:
        yield listening


@pytest.mark.broker
@pytest.mark.parametrize("speed", ["0", "1", "10"])
def test_every_message_reaches_the_broker_in_order(file: Path, broker: MosquittoBroker, subscriber: Subscriber, speed: str) -> None:
    result = wayside("replay", file, "--broker", broker.url, "--speed", speed, "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"published": 4, "skipped": 1}
    subscriber.wait_for("a/b", count=3)
    assert subscriber.payloads("a/b") == [b"text", b'{"an":"object"}', b"at no time"]
    assert subscriber.payloads("a/c") == [b"\x00\xff\x10"]
    assert {message.qos for message in subscriber.received} == {1}


@pytest.mark.broker
def test_people_are_told_in_words(file: Path, broker: MosquittoBroker) -> None:
    result = wayside("replay", file, "--broker", broker.url, "--speed", "0")
    assert (result.code, result.out) == (0, "published 4, skipped 1\n")


@pytest.mark.broker
def test_many_messages_are_all_taken_before_it_ends(tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber) -> None:
    lines = [json.dumps({"topic": "a/b", "payload": str(number)}) for number in range(1_200)]
    assert asyncio.run(replay_file(file_of(tmp_path, "\n".join(lines)), broker.url, 0.0, show=False)) == {"published": 1_200, "skipped": 0}
    subscriber.wait_for("a/b", count=1_200)
    assert subscriber.payloads("a/b") == [b"%d" % number for number in range(1_200)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nonsense", "JSON is malformed"),
        ("[1]", "Expected `object`"),
        ('{"topic": "a"}', "payload or payload_hex is missing"),
        ('{"topic": "a", "payload_hex": "0"}', "payload_hex must be hex digits"),
        ('{"topic": "a/#", "payload": ""}', "topic must be a string without + and #"),
        ('{"topic": "", "payload": ""}', "topic must be a string"),
        ('{"topic": 7, "payload": ""}', "topic must be a string"),
        ('{"topic": "a", "payload": "", "at_ms": "noon"}', "at_ms must be an integer"),
        ('{"topic": "a", "payload": "", "at_ms": 1e999}', ""),
        ('{"topic": "' + "a" * 2_000 + '", "payload": ""}', "topic is longer than 1024 bytes"),
        ('{"topic": "a", "payload": ' + "[" * 100_000, "recursion"),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_file_names_the_line_and_nothing_is_published(tmp_path: Path, line: str, expected: str) -> None:
    path = file_of(tmp_path, '{"topic": "a", "payload": "fine"}\n\n' + line)
    refusal = wayside("replay", path, "--broker", "mqtt://127.0.0.1:1").refusal(1)
    assert refusal.startswith(f"{path}:3: ")
    assert expected in refusal


@pytest.mark.parametrize("url", ["127.0.0.1:1883", "http://127.0.0.1", "mqtt://", "mqtt://host:port", "mqtt://host:99999", "mqtt://[::1"])
def test_what_is_no_address_is_told(file: Path, url: str) -> None:
    assert "write it as mqtt://host:port" in wayside("replay", file, "--broker", url).refusal(1)


def test_nobody_there_is_one_line(file: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    line = wayside("replay", file, "--broker", url).refusal(1)
    assert re.fullmatch(rf"broker {url} does not answer \(.*\): start it, or correct --broker", line)


@pytest.mark.broker
def test_a_broker_that_goes_in_the_middle_is_told(tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber) -> None:
    lines = [json.dumps({"topic": "a/b", "payload": str(number), "at_ms": number * 5}) for number in range(2_000)]
    path = file_of(tmp_path, "\n".join(lines))
    subscriber._link.on_message = lambda *_: broker.kill()  # at the first message that comes by
    with pytest.raises(BrokerError, match=f"broker {broker.url} stopped answering"):
        asyncio.run(replay_file(path, broker.url, 1.0, show=False))
