"""Canaries in every field, topic and format of the input; searched in everything that comes out.

Names, addresses, numbers, positions and texts of one person stand in over 10,000 fields. None may be in a record, a status, an offer, a
log line, a dead letter, a report, an explanation, an export or the file of the database, in any spelling.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import pytest

from gateway.adapters.personal_data import LogFilter, Scanner
from gateway.build import build
from gateway.core.types import Message
from gateway.runtime.app import App
from gateway.runtime.status import retained
from tests.commands.terminal import wayside
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, store_of, walk_in, write_config
from tests.kit.testbed import DAY_MS, ManualClock
from tests.kit.waiting import until
from tests.week.leaving import spellings

CANARIES = {
    "name": "Zacharias-Quendelberger",
    "e-mail": "zq.quendel@canary.example",
    "phone": "+4915199887766",
    "IBAN": "DE89370400440532013000",
    "card": "4539148803436467",
    "MAC": "DE:AD:00:BE:EF:42",
    "position": "52.5206437",
    "token": "sk_live_51CanaryTokenXyZ99",
    "text": "meine diagnose ist vertraulich",
}
SOURCES = "".join(
    f'\n[[sources]]\ntopic = "{topic}"\ndecoder = "{decoder}"\n'
    for topic, decoder in (
        ("owntracks/+/+", "owntracks"),
        ("tele/+/SENSOR", "tasmota"),
        ("rtl_433/+/events", "rtl_433"),
        ("zigbee2mqtt/+", "zigbee2mqtt"),
        ("ruuvi/+/+", "ruuvi_gateway"),
    )
)
KINDS = ("sighting", "position", "reading", "count", "purchase", "answer", "consent", "status", "wishes", "request")
LEVELS = ("espresense/devices/{}/plaza", "owntracks/{0}/{0}", "tele/{}/SENSOR", "rtl_433/{}/events", "zigbee2mqtt/{}", "ruuvi/{0}/{0}")


def poisoned(value: str) -> Iterator[bytes]:
    """Payloads with a canary in place of each field, as a key, nested, and in broken JSON."""
    whole = {"v": 1, "boot": "b", "seq": 1, "at_ms": None}
    yield json.dumps(whole | {value: value}).encode()
    for field in whole:
        yield json.dumps(whole | {field: value}).encode()
    fields = "what count kind decision answer purposes tags irks region state readings lat lon told heard wishes amount_minor items".split()
    yield json.dumps(whole | dict.fromkeys(fields, value)).encode()
    yield json.dumps(whole | {field: [value, {value: value}] for field in fields}).encode()
    yield json.dumps(whole | {"heard": [{"id": value, "rssi": -50}], "readings": {value: 1.0}, "told": {value: 1.0}}).encode()
    yield json.dumps({"_type": value, "lat": 52.5206437, "lon": 13.4, "tid": value, "desc": value, "wtst": value}).encode()
    yield json.dumps({"id": value, "name": value, "mac": value, "model": value, "rssi": value, "data": value, "event": value}).encode()
    yield value.encode()
    yield b'{"v":1,' + value.encode()


class Flow(NamedTuple):
    """A gateway with its broker, its log, and the number of canaries that went in."""

    app: App
    broker: FakeBroker
    config: Path
    log: list[str]
    planted: int


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.addFilter(LogFilter(Scanner()))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def messages() -> Iterator[Message]:
    for value in CANARIES.values():
        level = value.replace("+", "").replace("#", "").replace("/", "")
        topics = [f"wayside/v1/street/up/{device}/{kind}" for device in ("till-cafe", "phone-x", level) for kind in (*KINDS, level)]
        for topic in (*topics, *(pattern.format(level) for pattern in LEVELS)):
            for payload in poisoned(value):
                yield Message(topic, payload, 0, qos=1)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """All canaries, and a person called like one, who walks in and gets an offer; then the day ends."""
    folder = tmp_path_factory.mktemp("exits")
    config = write_config(folder, 1883, more=SOURCES)
    lines = _Lines()
    logger = logging.getLogger("wayside")
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    built = build(settings_of(config))
    clock = ManualClock()
    broker = FakeBroker(clock.now_ms)
    bus = FakeBus(broker, "gw-t", ("#",))
    app = App(
        built.site,
        clock=clock,
        bus=bus,
        store=built.store,
        scorer=built.scorer,
        router=built.router,
        mailbox=built.mailbox,
        clean=built.clean,
    )
    bus.start(app.mailbox.deliver)
    until(lambda: bus.link().connected)
    app.turn(0.0)
    planted, batch = 0, []

    def deliver(some: list[Message]) -> None:
        assert app.mailbox.deliver([Message(one.topic, one.payload, clock.now_ms(), one.qos) for one in some])
        app.turn(0.0)

    for one in messages():
        planted += sum(one.payload.count(value.encode()) for value in CANARIES.values()) + 1
        batch.append(one)
        if len(batch) == 200:
            deliver(batch)
            batch = []
            clock.advance(100)
    deliver(batch)
    for one in walk_in(CANARIES["name"]):
        clock.advance(500)
        deliver([one])
    clock.advance(2 * DAY_MS)
    app.turn(0.0)
    app.turn(0.0)
    yield Flow(app, broker, config, lines.lines, planted)
    logger.removeHandler(lines)
    logger.setLevel(logging.NOTSET)
    bus.close()
    app.store.close()


def coded(value: str) -> Iterator[bytes]:
    """The characters that base64 has of a text for certain, at each of its three offsets."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + value.encode())
        yield text[(0, 2, 3)[offset] : (offset + len(value.encode())) * 8 // 6]


def leaks(data: bytes) -> list[str]:
    """Names of the canaries in `data`: raw, in lower case, without punctuation, in hexadecimal, base64, URL or gzip."""
    layers = [data, gzip.decompress(data)] if data.startswith(b"\x1f\x8b") else [data]
    found = []
    for name, value in CANARIES.items():
        needles = {*spellings(value), quote(value).lower().encode(), value.encode(), value.encode().hex().encode(), *coded(value)}
        if any(needle in layer or needle in layer.lower() for layer in layers for needle in needles):
            found.append(name)
    return found


def test_the_flood_was_worth_the_search(flow: Flow) -> None:
    """Over 10,000 canaries went in, most of them into messages that were refused, and some into facts that were kept."""
    assert flow.planted > 10_000
    assert sum(flow.app.latest.refused.values()) > 2_000
    assert flow.app.latest.facts > 0
    assert flow.app.counters.counts["entered"] == 1
    assert any("/down/" in one.topic for one in flow.broker.published)


def exits(flow: Flow) -> Iterator[tuple[str, bytes]]:
    """The name of each exit, and its bytes.

    Offers and replies go to the device itself: its own name in the topic, and its own `boot` in a reply, do not count.
    """
    for one in flow.broker.published:
        if not any(one.topic.startswith(f"wayside/v1/street/{way}/") for way in ("down", "reply")):
            yield "topic", one.topic.encode()
        reply = msgspec.json.decode(one.payload) if "/reply/" in one.topic else None
        yield "publication", one.payload if reply is None else msgspec.json.encode(reply | {"boot": ""})
    yield "status", msgspec.json.encode(retained(flow.app.latest))
    yield "report", msgspec.json.encode(flow.app.latest)
    yield "log", "\n".join(flow.log).encode()
    store = store_of(flow.app)
    yield "dead letters", repr(list(store._db.execute("SELECT decoder, reason, detail FROM dead_letters"))).encode()
    batch = store.next_batch("gw-t")
    assert batch is not None
    yield "cloud", msgspec.json.encode(batch)
    yield "cloud, gzip", gzip.compress(msgspec.json.encode(batch))
    yield "why", wayside("why", "--config", flow.config, "--json").out.encode()
    out = flow.config.parent / "out"
    assert wayside("history", "export", "--config", flow.config, "--out", out, "--format", "csv").code == 0
    for file in (*out.iterdir(), *flow.config.parent.glob("gw-t.db*")):
        yield f"file {file.name}", file.read_bytes()


def test_no_canary_comes_out(flow: Flow) -> None:
    names = []
    for name, data in exits(flow):
        names.append(name)
        assert leaks(data) == [], name
    assert {"publication", "log", "cloud", "why", "dead letters", "file gw-t.db"} <= set(names)


@pytest.mark.parametrize("value", CANARIES.values())
def test_a_canary_is_found_in_each_spelling(value: str) -> None:
    for data in (
        value.encode(),
        value.upper().encode(),
        value.encode().hex().encode(),
        quote(value).encode(),
        json.dumps({"a": value}).encode(),
        *(base64.b64encode(b"{" * offset + value.encode() + b"}") for offset in range(3)),
        gzip.compress(value.encode()),
    ):
        assert leaks(data)
    assert leaks(b"nothing") == []


def test_without_the_second_net_a_log_line_would_leak() -> None:
    """The negative control of the log: the same line without the filter."""
    record: Any = logging.LogRecord("wayside", logging.INFO, "", 0, "cannot read %s", (CANARIES["e-mail"],), None)
    assert leaks(record.getMessage().encode()) == ["e-mail"]
    LogFilter(Scanner()).filter(record)
    assert leaks(record.getMessage().encode()) == []
