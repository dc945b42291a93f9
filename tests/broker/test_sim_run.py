"""The simulator on a real Mosquitto: it runs, answers, floods, ends on a signal, and reconnects to a broker that restarts.

No test depends on the speed of the machine: each counts, and waits for a condition within a limit that only a failing test reaches.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from firmware_sim.cli import app
from firmware_sim.scenario import load
from firmware_sim.street import live as running
from firmware_sim.street.live import Live
from firmware_sim.wire import broker as brokers
from firmware_sim.wire import connection, publisher
from firmware_sim.wire.broker import parse_broker
from tests.kit.broker import MosquittoBroker, broker, free_port, mosquitto
from tests.kit.subscriber import Received, Subscriber
from tests.kit.waiting import until

__all__ = ["broker"]
pytestmark = pytest.mark.broker

WAIT_S = 300.0
SIM = [sys.executable, "-c", "from firmware_sim.cli import main; main()"]

# The demo's fallback broker, which refuses MQTT 5.
AMQTT = """
import asyncio, sys
from amqtt.broker import Broker

async def main():
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}}
    broker = Broker({"listeners": listeners, "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}})
    await broker.start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of the simulator that a busy machine could reach."""
    for module, name in (
        (brokers, "HANDSHAKE_S_MAX"),
        (publisher, "HANDSHAKE_S_MAX"),
        (connection, "ACK_S_MAX"),
        (running, "DRAIN_S_MAX"),
    ):
        monkeypatch.setattr(module, name, WAIT_S)


@pytest.fixture
def subscriber(broker: MosquittoBroker) -> Iterator[Subscriber]:
    with Subscriber(broker.host, broker.port) as listening:
        yield listening


def done(*arguments: str, code: int = 0) -> Result:
    """Run a command in this process to its end."""
    found = CliRunner().invoke(app, list(arguments))
    assert found.exit_code == code, found.output
    return found


def figures(*arguments: str) -> dict[str, Any]:
    found = done(*arguments, "--json")
    assert not found.stderr
    return dict(json.loads(found.stdout))


@contextmanager
def site(where: MosquittoBroker, *, seed: int = 1, walkers: int = 10) -> Iterator[dict[str, Any]]:
    """A live run on a thread, until the block ends; the summary is in the dict after that."""
    live = Live(load("street"), parse_broker(where.url), seed=seed, walkers=walkers)
    summary: dict[str, Any] = {}
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as elsewhere:
        run = elsewhere.submit(loop.run_until_complete, live.run(None, lambda _seconds, _street: None))
        try:
            yield summary
        finally:
            loop.call_soon_threadsafe(live.stop)
            summary |= run.result(WAIT_S)
            loop.close()


def received(subscriber: Subscriber, *starts: str) -> list[Received]:
    return [one for one in list(subscriber.received) if one.topic.startswith(starts)]


def test_a_run_publishes_what_it_counts(broker: MosquittoBroker, subscriber: Subscriber) -> None:
    summary = figures("run", "street", "--broker", broker.url, "--seconds", "3", "--walkers", "20")
    until(lambda: len(subscriber.received) >= summary["messages"], WAIT_S)
    assert len(subscriber.received) == summary["messages"] > 50
    assert (summary["mqtt"], summary["walkers"], summary["lost"], summary["unacknowledged"]) == ("5", 20, 0, 0)
    assert summary["seconds"] == 3.0
    consents = [one.qos for one in subscriber.received if one.topic.endswith("/consent")]
    assert consents == [1] * summary["facts_by_kind"]["consent"]
    assert {one.qos for one in received(subscriber, "espresense", "ruuvi", "owntracks")} == {0}


def test_a_run_publishes_as_many_messages_as_its_recording_holds(broker: MosquittoBroker, tmp_path: Path) -> None:
    street = ("--seconds", "5", "--walkers", "20", "--seed", "7")
    live = figures("run", "street", "--broker", broker.url, "--faster", "5", *street)
    recorded = figures("record", "street", str(tmp_path / "street.jsonl"), *street)
    assert live["messages_by_format"] == recorded["messages_by_format"]


def test_offers_are_answered(broker: MosquittoBroker, subscriber: Subscriber) -> None:
    with site(broker, seed=5, walkers=20) as summary:
        until(lambda: sum(one.topic.endswith("/consent") for one in list(subscriber.received)) >= 17, WAIT_S)
        for number in range(1, 7):
            offer = {
                "v": 1,
                "decision": f"code-{number}",
                "offer": "o",
                "zone": "plaza",
                "shop": "market",
                "title": "t",
                "expires_at_ms": 2**52,
            }
            subscriber.publish(f"wayside/v1/street/down/phone-{number:04d}/offer", json.dumps(offer))
        until(lambda: sum(b'"shown"' in one.payload for one in list(subscriber.received)) >= 6, WAIT_S)
        until(lambda: any(b'"accepted"' in one.payload or b'"dismissed"' in one.payload for one in list(subscriber.received)), WAIT_S)
    assert summary["offers"]["received"] == 6
    assert summary["answers_by_kind"]["shown"] == 6
    assert summary["unacknowledged"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(broker: MosquittoBroker, subscriber: Subscriber, number: signal.Signals) -> None:
    command = [*SIM, "run", "street", "--broker", broker.url, "--walkers", "10", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: len(subscriber.received) > 20, WAIT_S)
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["messages"] > 20


def test_it_survives_a_broker_that_goes_and_comes_back(broker: MosquittoBroker, subscriber: Subscriber) -> None:
    with site(broker) as summary:
        until(lambda: len(subscriber.received) > 20, WAIT_S)
        broker.kill()
        assert not broker.running
        port = broker.port
        broker.start()
        assert broker.port == port
        with Subscriber(broker.host, broker.port) as second:
            until(lambda: len(received(second, "/gw/")) > 1 and received(second, "owntracks", "wayside"), WAIT_S)
            offer = {"decision": "after", "shop": "market", "expires_at_ms": 2**52}
            second.publish("wayside/v1/street/down/phone-0001/offer", json.dumps(offer))
            until(lambda: any(b'"after"' in one.payload and b'"shown"' in one.payload for one in list(second.received)), WAIT_S)
    assert summary["offers"]["received"] == 1


def test_flood_of_facts_is_exact_and_its_keys_are_known(broker: MosquittoBroker, subscriber: Subscriber, tmp_path: Path) -> None:
    out = tmp_path / "keys.jsonl"
    flood = ("flood", "--broker", broker.url, "--kind", "fact", "--count", "700", "--out", str(out), "--seconds", str(WAIT_S))
    result = figures(*flood)
    assert (result["published"], result["acked"]) == (700, 700)
    until(lambda: len(subscriber.received) >= 700, WAIT_S)
    keys = {(k["device"], k["boot"], k["seq"]) for k in map(json.loads, out.read_text("utf-8").splitlines())}
    found = {(one.topic.split("/")[4], (fact := json.loads(one.payload))["boot"], fact["seq"]) for one in subscriber.received}
    assert len(keys) == len(subscriber.received) == 700
    assert keys == found


def test_flood_of_sightings_is_exact_at_a_rate_and_consents_first(broker: MosquittoBroker, subscriber: Subscriber) -> None:
    begun_s = time.monotonic()
    result = figures("flood", "--broker", broker.url, "--rate", "400", "--seconds", "2", "--phones", "8")
    assert time.monotonic() - begun_s >= 2
    assert (result["acked"], result["published"]) == (8, 800)
    until(lambda: len(subscriber.received) >= 808, WAIT_S)
    assert all(one.topic.endswith("/consent") for one in subscriber.received[:8])
    numbers = [json.loads(one.payload)["seq"] for one in subscriber.received if one.topic.endswith("/sighting")]
    assert numbers == list(range(400))


def test_a_flood_that_is_not_acknowledged_in_time_is_a_fault(broker: MosquittoBroker, tmp_path: Path) -> None:
    out = tmp_path / "keys.jsonl"
    flood = ("flood", "--broker", broker.url, "--kind", "fact", "--count", "10000000", "--seconds", "0.2", "--out", str(out), "--json")
    failed = done(*flood, code=1)
    assert re.fullmatch(r"wayside-sim: only \d+ of 10000000 facts were acknowledged within 0.2 s; is the broker up\?\n", failed.stderr)
    result = json.loads(failed.stdout)
    assert result["acked"] == len(out.read_text("utf-8").splitlines()) <= result["published"] < 10_000_000


def test_a_broker_that_refuses_us_is_one_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path, lines=("allow_anonymous false",)) as closed:
        for command in (("run", "street", "--seconds", "1"), ("flood", "--max"), ("count",)):
            failed = done(*command, "--broker", closed.url, "--json", code=1)
            assert failed.stderr == f"wayside-sim: the broker at {closed.url} refused the connection: Not authorized\n"


def test_the_kit_keeps_retained_messages_across_a_restart_when_asked(tmp_path: Path) -> None:
    with mosquitto(tmp_path, persistence=tmp_path / "kept") as keeping:
        with Subscriber(keeping.host, keeping.port, "none") as speaker:
            speaker.publish("kept/message", b"x", retain=True)
        keeping.restart()
        with Subscriber(keeping.host, keeping.port, "kept/#") as listener:
            until(lambda: len(listener.received) == 1, WAIT_S)
        with pytest.raises(RuntimeError, match="already running"):
            keeping.start()
    assert not keeping.running


def test_mqtt_311_is_spoken_to_a_broker_that_knows_no_other() -> None:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", AMQTT, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as old:
        try:
            assert old.stdout is not None
            assert old.stdout.readline() == b"ready\n"
            summary = figures("run", "street", "--broker", f"mqtt://127.0.0.1:{port}", "--seconds", "2", "--walkers", "10")
        finally:
            old.kill()
    assert summary["mqtt"] == "3.1.1"
    assert summary["unacknowledged"] == 0
    assert summary["facts_by_kind"]["consent"] == 9
