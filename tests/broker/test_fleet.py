"""A fleet on a real Mosquitto: everything sent is received, under names that the access list knows, and figures are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from firmware_sim.cli import app
from firmware_sim.wire import broker as brokers
from firmware_sim.wire import publisher, sender
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

pytestmark = pytest.mark.broker

WAIT_S = 300.0
SIM = [sys.executable, "-c", "from firmware_sim.cli import main; main()"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of the simulator that a busy machine could reach."""
    for module, name in ((brokers, "HANDSHAKE_S_MAX"), (publisher, "HANDSHAKE_S_MAX"), (sender, "DRAIN_S_MAX")):
        monkeypatch.setattr(module, name, WAIT_S)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MosquittoBroker]:
    """Keeps everything for a subscriber that is slower than a fleet, as it is on a busy machine."""
    with mosquitto(tmp_path, lines=("max_queued_messages 0",)) as running:
        yield running


@pytest.fixture
def subscriber(broker: MosquittoBroker) -> Iterator[Subscriber]:
    with Subscriber(broker.host, broker.port, "#") as listening:
        yield listening


def done(*arguments: str, code: int = 0) -> Result:
    """Run a command here to its end: a process of its own would cost more than the command does."""
    found = CliRunner().invoke(app, list(arguments))
    assert found.exit_code == code, found.output
    return found


def figures(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(done(*arguments, "--json").stdout))


def test_everything_that_a_fleet_sends_is_received(broker: MosquittoBroker, subscriber: Subscriber) -> None:
    sent = figures(
        "fleet",
        "--broker",
        broker.url,
        "--devices",
        "600",
        "--rate",
        "600",
        "--seconds",
        "3",
        "--ramp",
        "1",
        "--broker-pid",
        str(os.getpid()),
    )
    until(lambda: len(subscriber.received) >= sent["sent"], WAIT_S, describe=lambda: f"{len(subscriber.received)} of {sent['sent']}")
    assert (len(subscriber.received), sent["unacknowledged"], sent["connections"]) == (sent["sent"], 0, 4)
    assert sent["sent"] > 1_000
    assert sent["devices"] == 600
    assert {"p50", "p95", "p99", "max"} == sent["lag_ms"].keys()
    assert sent["broker_rss_mb"] > 5
    roots = Counter(heard.topic.lstrip("/").split("/")[0] for heard in subscriber.received)
    assert roots["wayside"] == sent["messages_by_format"]["wayside_v1"]
    assert {heard.qos for heard in subscriber.received if heard.topic.endswith("/consent")} == {1}


def by_topic(messages: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for topic, payload in messages:
        found.setdefault(topic, []).append(payload)
    return found


def test_a_fleet_as_fast_as_it_goes_says_the_same_as_its_recording(broker: MosquittoBroker, subscriber: Subscriber, tmp_path: Path) -> None:
    file = tmp_path / "fleet.jsonl"
    fleet = ("fleet", "--devices", "300", "--rate", "300", "--seconds", "20")
    recorded = figures(*fleet, "--record", str(file))
    sent = figures(*fleet, "--broker", broker.url, "--max")
    assert (sent["messages_by_format"], sent["lag_ms"]) == (recorded["messages_by_format"], {})
    until(lambda: len(subscriber.received) >= sent["sent"], WAIT_S)
    subscriber.received.clear()
    replayed = figures("replay", str(file), "--broker", broker.url, "--max")
    until(lambda: len(subscriber.received) >= replayed["sent"], WAIT_S)
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    wanted = [(row["topic"], row["payload"].encode() if "payload" in row else bytes.fromhex(row["payload_hex"])) for row in lines]
    # A broker may hold back QoS 1 behind QoS 0 of other topics, but not within one topic.
    assert by_topic([(heard.topic, heard.payload) for heard in subscriber.received]) == by_topic(wanted)


def said_some(voice: Subscriber) -> bool:
    """Say something that has to be counted; always true."""
    for _ in range(60):
        voice.publish("n/x", b"12345", qos=0)
    return True


def test_count_tells_what_came_and_whether_it_was_all(broker: MosquittoBroker) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        count = ("count", "--broker", broker.url, "--topics", "n/#", "--seconds", str(WAIT_S))
        counting = elsewhere.submit(figures, *count, "--expect", "300")
        until(lambda: "wayside-sim-count" in broker.log, WAIT_S)
        with Subscriber(broker.host, broker.port, "none") as voice:
            until(lambda: said_some(voice) and counting.done(), WAIT_S)
    found = counting.result()
    assert found["received"] == found["by_root"]["n"] >= 300
    assert found["retained_before"] == 0
    assert found["megabytes"] == 0.0
    few = done("count", "--broker", broker.url, "--topics", "m/#", "--expect", "9", "--seconds", "0.3", "--json", code=1)
    assert json.loads(few.stdout)["received"] == 0
    wrong = done("count", "--broker", broker.url, "--topics", "a/#/b", code=2)
    assert wrong.stderr == "wayside-sim: --topics 'a/#/b' is no topic filter\n"


def test_devices_that_connect_as_themselves_pass_an_access_list(tmp_path: Path) -> None:
    rules = tmp_path / "access"
    rules.write_text("pattern write wayside/v1/street/up/%c/#\ntopic read #\n", "utf-8")
    rules.chmod(0o600)
    with mosquitto(tmp_path, lines=(f"acl_file {rules}",)) as strict, Subscriber(strict.host, strict.port, "#") as listening:
        fleet = (
            "fleet",
            "--broker",
            strict.url,
            "--devices",
            "8",
            "--mix",
            "wayside_v1",
            "--rate",
            "40",
            "--seconds",
            "3",
            "--ramp",
            "0.5",
        )
        sent = figures(*fleet, "--own", "phone-f0000[1-5]")
        own = {f"phone-f{number:05d}" for number in range(1, 6)}
        until(lambda: {heard.topic.split("/")[4] for heard in list(listening.received)} == own, WAIT_S)
        assert sent["connections"] == 4 + 5
        assert len(listening.received) < sent["sent"]
        assert {heard.topic.split("/")[4] for heard in listening.received} == own


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*SIM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_street_runs_faster_and_with_faults(broker: MosquittoBroker, subscriber: Subscriber) -> None:
    street = ("run", "street", "--broker", broker.url, "--walkers", "10", "--seconds", "10", "--faster", "10", "--json")
    out, _ = start(*street, "--fault", "loss:share=0.2,devices=AC233F00A001", "--fault", "replay:share=0.1,after_s=1").communicate(
        timeout=WAIT_S
    )
    summary = json.loads(out)
    assert summary["faults"].keys() == {"loss", "replay"}
    assert summary["seconds"] == 10.0
    until(lambda: len(subscriber.received) == summary["messages"], WAIT_S)
    assert summary["messages"] > 100


def test_a_signal_ends_a_fleet_with_its_figures_and_a_broker_that_hangs_up_with_one_line(
    broker: MosquittoBroker, subscriber: Subscriber
) -> None:
    fleet = ("fleet", "--broker", broker.url, "--devices", "50", "--rate", "100", "--seconds", "600", "--ramp", "0.5", "--json")
    told, cut = start(*fleet), start(*fleet)
    until(lambda: len(subscriber.received) > 100, WAIT_S)
    told.send_signal(signal.SIGTERM)
    out, _ = told.communicate(timeout=WAIT_S)
    assert (told.returncode, json.loads(out)["unacknowledged"]) == (0, 0)
    assert json.loads(out)["sent"] > 10
    subscriber.received.clear()
    until(lambda: len(subscriber.received) > 20, WAIT_S)
    broker.kill()
    _, said = cut.communicate(timeout=WAIT_S)
    assert (cut.returncode, said) == (1, f"wayside-sim: the broker at {broker.url} closed the connection during the run\n")


def test_a_broker_that_refuses_us_is_one_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path, lines=("allow_anonymous false",)) as closed:
        assert done("fleet", "--broker", closed.url, code=1).stderr.endswith("refused the connection: Not authorized\n")
