"""The simulator on a real Mosquitto: it runs, answers, floods, ends when told, and finds a broker that comes back."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from tests.kit.broker import MosquittoBroker, broker, free_port, mosquitto

__all__ = ["broker"]
pytestmark = pytest.mark.broker

WAIT_S = 20.0
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


class Ear:
    """A subscriber that counts topics and lets a test wait for what it wants to have heard."""

    def __init__(self, where: MosquittoBroker, topics: str = "#") -> None:
        self.heard: list[tuple[str, bytes, int]] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self.link = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self.link.on_subscribe = lambda *_: self._ready.set()
        self.link.on_connect = lambda link, *_: link.subscribe(topics, qos=1)
        self.link.on_message = self._take
        self.link.reconnect_delay_set(1, 1)
        self.link.connect(where.host, where.port)
        self.link.loop_start()
        assert self._ready.wait(WAIT_S)

    def _take(self, _link: Client, _userdata: object, message: MQTTMessage) -> None:
        with self._news:
            self.heard.append((message.topic, bytes(message.payload), message.qos))
            self._news.notify_all()

    def wait(self, enough: Callable[[list[tuple[str, bytes, int]]], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: enough(self.heard), WAIT_S), f"only {len(self.heard)} messages came"

    def close(self) -> None:
        self.link.disconnect()
        self.link.loop_stop()


@pytest.fixture
def ear(broker: MosquittoBroker) -> Iterator[Ear]:
    listening = Ear(broker)
    yield listening
    listening.close()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*SIM, *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (0, ""), err
    (line,) = out.splitlines()
    return dict(json.loads(line))


def fail(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, which has to be a fault."""
    done = subprocess.run([*SIM, *arguments], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1, done.stderr
    return done


def test_a_run_publishes_what_it_counts(broker: MosquittoBroker, ear: Ear) -> None:
    summary = end(start("run", "street", "--broker", broker.url, "--seconds", "3", "--walkers", "20"))
    ear.wait(lambda heard: len(heard) >= summary["messages"])
    assert len(ear.heard) == summary["messages"] > 50
    assert (summary["mqtt"], summary["walkers"], summary["lost"], summary["unacknowledged"]) == ("5", 20, 0, 0)
    consents = [qos for topic, _, qos in ear.heard if topic.endswith("/consent")]
    assert consents == [1] * summary["facts_by_kind"]["consent"]
    assert {qos for topic, _, qos in ear.heard if topic.startswith(("espresense", "ruuvi", "owntracks"))} == {0}


def test_offers_are_answered(broker: MosquittoBroker, ear: Ear) -> None:
    process = start("run", "street", "--broker", broker.url, "--walkers", "20", "--seed", "5")
    ear.wait(lambda heard: sum(topic.endswith("/consent") for topic, *_ in heard) >= 17)
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
        ear.link.publish(f"wayside/v1/street/down/phone-{number:04d}/offer", json.dumps(offer), qos=1)
    ear.wait(lambda heard: sum(b'"shown"' in payload for _, payload, _ in heard) >= 6)
    ear.wait(lambda heard: any(b'"accepted"' in payload or b'"dismissed"' in payload for _, payload, _ in heard))
    process.send_signal(signal.SIGTERM)
    summary = end(process)
    assert summary["offers"]["received"] == 6
    assert summary["answers_by_kind"]["shown"] == 6
    assert summary["unacknowledged"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(broker: MosquittoBroker, ear: Ear, number: signal.Signals) -> None:
    process = start("run", "street", "--broker", broker.url, "--walkers", "10")
    ear.wait(lambda heard: len(heard) > 20)
    process.send_signal(number)
    assert end(process)["messages"] > 20


def test_it_survives_a_broker_that_goes_and_comes_back(broker: MosquittoBroker) -> None:
    first = Ear(broker)
    process = start("run", "street", "--broker", broker.url, "--walkers", "10")
    first.wait(lambda heard: len(heard) > 20)
    first.close()
    broker.kill()
    assert not broker.running
    port = broker.port
    broker.start()
    assert broker.port == port
    second = Ear(broker)
    second.wait(lambda heard: sum(topic.startswith("/gw/") for topic, *_ in heard) > 1)
    second.wait(lambda heard: any(topic.startswith(("owntracks", "wayside")) for topic, *_ in heard))
    offer = {"decision": "after", "shop": "market", "expires_at_ms": 2**52}
    second.link.publish("wayside/v1/street/down/phone-0001/offer", json.dumps(offer), qos=1)
    second.wait(lambda heard: any(b'"after"' in payload and b'"shown"' in payload for _, payload, _ in heard))
    second.close()
    process.send_signal(signal.SIGTERM)
    assert end(process)["lost"] > 0


def test_flood_of_facts_is_exact_and_its_keys_are_known(broker: MosquittoBroker, ear: Ear, tmp_path: Path) -> None:
    out = tmp_path / "keys.jsonl"
    result = end(start("flood", "--broker", broker.url, "--kind", "fact", "--count", "700", "--out", str(out), "--seconds", str(WAIT_S)))
    assert (result["published"], result["acked"]) == (700, 700)
    ear.wait(lambda heard: len(heard) >= 700)
    keys = {(k["device"], k["boot"], k["seq"]) for k in map(json.loads, out.read_text("utf-8").splitlines())}
    heard = {(topic.split("/")[4], (f := json.loads(payload))["boot"], f["seq"]) for topic, payload, _ in ear.heard}
    assert len(keys) == len(ear.heard) == 700
    assert keys == heard


def test_flood_of_sightings_keeps_its_rate_and_consents_first(broker: MosquittoBroker, ear: Ear) -> None:
    result = end(start("flood", "--broker", broker.url, "--rate", "400", "--seconds", "2", "--phones", "8"))
    ear.wait(lambda heard: len(heard) >= 8 + result["published"])
    assert result["acked"] == 8
    assert 400 <= result["published"] <= 800
    assert all(topic.endswith("/consent") for topic, *_ in ear.heard[:8])
    told = [json.loads(payload)["seq"] for topic, payload, _ in ear.heard if topic.endswith("/sighting")]
    assert told == list(range(len(told)))
    assert len(told) == pytest.approx(result["published"] / 2, abs=1)


def test_a_flood_that_is_not_acknowledged_in_time_is_a_fault(broker: MosquittoBroker, tmp_path: Path) -> None:
    out = tmp_path / "keys.jsonl"
    done = fail("flood", "--broker", broker.url, "--kind", "fact", "--count", "1000000", "--seconds", "0.2", "--out", str(out), "--json")
    assert re.fullmatch(r"wayside-sim: only \d+ of 1000000 facts were acknowledged within 0.2 s; is the broker up\?\n", done.stderr)
    result = json.loads(done.stdout)
    assert result["acked"] == len(out.read_text("utf-8").splitlines()) < result["published"] < 1_000_000


def test_a_broker_that_refuses_us_is_one_line(tmp_path: Path) -> None:
    with mosquitto(tmp_path, lines=("allow_anonymous false",)) as closed:
        done = fail("run", "street", "--broker", closed.url, "--seconds", "1")
    assert done.stderr == f"wayside-sim: the broker at {closed.url} refused the connection: Not authorized\n"


def test_the_kit_keeps_retained_messages_across_a_restart_when_asked(tmp_path: Path) -> None:
    with mosquitto(tmp_path, persistence=tmp_path / "kept") as keeping:
        speaker = Ear(keeping, "none")
        speaker.link.publish("kept/message", b"x", qos=1, retain=True).wait_for_publish(WAIT_S)
        speaker.close()
        keeping.restart()
        listener = Ear(keeping, "kept/#")
        listener.wait(lambda heard: len(heard) == 1)
        listener.close()
        with pytest.raises(RuntimeError, match="already running"):
            keeping.start()
    assert not keeping.running


def test_mqtt_311_is_spoken_to_a_broker_that_knows_no_other() -> None:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", AMQTT, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as old:
        try:
            assert old.stdout is not None
            assert old.stdout.readline() == b"ready\n"
            summary = end(start("run", "street", "--broker", f"mqtt://127.0.0.1:{port}", "--seconds", "2", "--walkers", "10"))
        finally:
            old.kill()
    assert summary["mqtt"] == "3.1.1"
    assert summary["unacknowledged"] == 0
    assert summary["facts_by_kind"]["consent"] == 9
