"""Times whole processes on the street mix: a real broker, and the measured process on a core of its own.

The processor time of a message is that of the measured process over the messages that it received, so it depends neither on the
messages that the broker drops nor on the other cores.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.build import claim_secret
from gateway.commands.bench import street
from gateway.commands.demo.processes import DemoError, Part, program, start_broker
from gateway.core.bus import Publication
from gateway.core.mqtt import encoder
from gateway.core.mqtt.decoder import Decoder
from gateway.core.mqtt.packets import Ack

if TYPE_CHECKING:
    from gateway.config import Config

MESSAGES = 120_000  # of the mix
WAITING = 3_000  # fewer than the mailbox of the gateway holds, so that none is shed
LOST_S_MAX = 30.0
MEMORY_MESSAGES = 20_000
PART = 200  # packets of one write
LATENCY_S_MAX = 6
ANSWER_S_MAX = 5.0
START_S_MAX = 120.0
TICK_S = 0.005
REPORT_S = 0.05
PROBE_S = 0.1

Start = Callable[[int, Path], Part]
"""Starts the measured process on a broker's port, in a folder; it prints JSON lines with `messages`, the number received."""

_READER = """
import json, sys, threading
from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import MqttOptions
count = 0
def counted(messages):
    global count
    count += len(messages)
    bus.acknowledge(messages)
    return True
bus = MqttBus(MqttOptions(host="127.0.0.1", port=int(sys.argv[1]), client_id="reader", subscriptions=("#",)), SystemClock().now_ms)
bus.start(counted)
while True:
    print(json.dumps({"messages": count}), flush=True)
    threading.Event().wait(0.03)
"""
_PAHO = """
import json, sys, threading
from paho.mqtt import client as paho
count = 0
def count_message(*_):
    global count
    count += 1
client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
client.on_message = count_message
client.on_connect = lambda *_: client.subscribe("#", 1)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
while True:
    print(json.dumps({"messages": count}), flush=True)
    threading.Event().wait(0.03)
"""


class Rate(NamedTuple):
    """Messages a second, processor time of a message, peak memory, and decisions (offers, if it decides) of 1,000 messages."""

    per_second: float
    cpu_us: float
    memory_mib: float
    decisions: float = 0.0
    offers: float = 0.0


class Latency(NamedTuple):
    """Milliseconds from the publication of a request to the reply of the gateway, at a load of so many messages a second."""

    load: int
    p50_ms: float
    p99_ms: float


def gateway(config: Path) -> Start:
    """The gateway, with a store of its own in the folder."""

    def start(port: int, folder: Path) -> Part:
        overrides = {
            "mqtt.port": port,
            "store.path": folder / "bench.db",
            "store.key_file": folder / "bench.key",
            "status_interval_s": REPORT_S,
        }
        settings = [*street.SETTINGS, *(f"{key}={value}" for key, value in overrides.items())]
        arguments = [argument for setting in settings for argument in ("--set", setting)]
        return Part("gateway", [program("wayside"), "run", "--config", str(config.resolve()), "--json", *arguments], folder)

    return start


def _script(text: str) -> Start:
    return lambda port, folder: Part("receiver", [sys.executable, "-c", text, str(port)], folder)


READERS: dict[str, Start] = {"bare reader": _script(_READER), "paho": _script(_PAHO)}
"""Processes that only count the messages: with the gateway's own client, and with paho."""


@cache
def flood(where: street.Places) -> list[bytes]:
    """The street mix as writes of PART packets each; sightings have QoS 0, so the packets fit every connection."""
    packets = [encoder.publish(4, Publication(one.topic, one.payload), 0) for one in islice(street.sightings(where, "bench"), MESSAGES)]
    return [b"".join(packets[at : at + PART]) for at in range(0, MESSAGES, PART)]


class Sender:
    """One connection to the broker, MQTT 3.1.1, that costs little: packets are made before they are sent."""

    def __init__(self, port: int, filters: tuple[str, ...] = ()) -> None:
        """Connect, and subscribe to the filters."""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder, self._packet_id = Decoder(4), 0
        self.received: list[Any] = []
        self._socket.sendall(encoder.connect(4, f"bench-{secrets.token_hex(4)}", 60, clean=True))
        self.wait(1)
        if filters:
            self._socket.sendall(encoder.subscribe(4, 1, [(one, 0) for one in filters]))
            self.wait(1)

    def send(self, data: bytes) -> None:
        """Send packets."""
        self._socket.sendall(data)

    def packet(self, sent: street.Sent) -> bytes:
        """One message as a packet."""
        self._packet_id = self._packet_id % 65_535 + 1
        return encoder.publish(4, Publication(sent.topic, sent.payload, sent.qos), self._packet_id)

    def wait(self, most: int, seconds: float = START_S_MAX) -> list[Any]:
        """The next packets of the broker, at least `most` unless the time is over."""
        found: list[Any] = []
        until = time.monotonic() + seconds
        while len(found) < most and (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                found += self._decoder.feed(self._socket.recv(65_536), 0)
            except TimeoutError:
                break
        self._socket.settimeout(None)
        return found

    def facts(self, sent: list[street.Sent]) -> None:
        """Publish facts, and wait until the broker has acknowledged them."""
        self.send(b"".join(self.packet(one) for one in sent))
        acknowledged = 0
        while acknowledged < len(sent):
            acknowledged += sum(isinstance(one, Ack) for one in self.wait(1))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@contextmanager
def measured(start: Start) -> Iterator[tuple[Part, int]]:
    """The measured process on a core of its own, and the port of its broker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, port, _ = start_broker(folder)
        own, rest = _cores()
        try:
            os.sched_setaffinity(0, own)  # inherited by the measured process
            part = start(port, folder)
            os.sched_setaffinity(0, rest)
            try:
                _subscribed(part, port)
                yield part, port
            finally:
                part.end()
        finally:
            os.sched_setaffinity(0, own | rest)
            broker.end()


def rate(start: Start, config: Config) -> Rate:
    """The whole street mix as fast as the process takes it: at most WAITING messages are sent that it has not reported yet.

    Raises DemoError if messages are lost, so that all processes are measured on the same ones.
    """
    with measured(start) as (part, port):
        sender, where = Sender(port), street.places(config)
        sender.facts(list(street.consents(where, claim_secret(config), "bench")))
        parts = flood(where)
        _settled(part)
        before, cpu_s, began = part.latest, part.cpu_s(), time.monotonic()
        first = before["messages"]
        for number, packets in enumerate(parts):
            _await(part, first + number * PART - WAITING)
            sender.send(packets)
        _await(part, first + len(parts) * PART)
        took, after = time.monotonic() - began, part.latest
        cpu_s = part.cpu_s() - cpu_s
        sender.close()
        count = after["messages"] - first
        decided = (_decided(after) - _decided(before)) / count * 1_000
        offered = (_offered(after) - _offered(before)) / count * 1_000
        return Rate(count / took, cpu_s / count * 1e6, part.peak_mib(), decided, offered)


def _await(part: Part, messages: int) -> None:
    """Wait until the process has received so many messages. Raises DemoError if it receives none for LOST_S_MAX."""
    last, since = -1, time.monotonic()
    while (now := part.latest["messages"]) < messages:
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > LOST_S_MAX or not part.is_running:
            raise DemoError(f"the measured process received {now} of {messages} messages: {part.last_error_line()}")
        threading.Event().wait(TICK_S)


def _decided(report: dict[str, Any]) -> int:
    """The decisions of a report: the gateway counts by outcome, a peer all together."""
    found = report.get("decisions", 0)
    return sum(found.values()) if isinstance(found, dict) else found


def _offered(report: dict[str, Any]) -> int:
    return int(report.get("triggers", report.get("offers", 0)))


def first_decision(start: Start, config: Config) -> float:
    """Seconds of processor time from the start of the process to its first decision. Raises DemoError without a decision."""
    with measured(start) as (part, port):
        sender, where = Sender(port), street.places(config)
        sender.facts(list(street.consents(where, claim_secret(config), "bench", people=1)))
        seen = sender.packet(street.by_scanner(where.scanners[0], street.tag(0), -60.0))
        for _ in range(int(LOST_S_MAX / PROBE_S)):
            sender.send(seen)
            threading.Event().wait(PROBE_S)
            if _decided(part.latest):
                sender.close()
                return part.cpu_s()
        raise DemoError(f"the gateway decided nothing: {part.last_error_line()}")


def people_memory(start: Start, config: Config, people: int) -> float:
    """Peak memory in MiB after so many consents and a part of the street mix."""
    with measured(start) as (part, port):
        sender, where = Sender(port), street.places(config)
        before = part.latest["messages"]
        consents = list(street.consents(where, claim_secret(config), "bench", people))
        for at in range(0, people, PART):
            sender.facts(consents[at : at + PART])
        _await(part, before + people)
        parts = flood(where)[: MEMORY_MESSAGES // PART]
        first = part.latest["messages"]
        for number, packets in enumerate(parts):
            _await(part, first + number * PART - WAITING)
            sender.send(packets)
        _await(part, first + len(parts) * PART)
        sender.close()
        return part.peak_mib()


def facts_per_second(start: Start, config: Config, count: int) -> Rate:
    """Facts at QoS 1, each committed before it is acknowledged, until the gateway has stored them all."""
    with measured(start) as (part, port):
        sender = Sender(port)
        till = next(device for device, one in config.devices.items() if one.kind == "till")
        topic = f"wayside/v1/{config.site}/up/{till}/purchase"
        before, cpu_s, began = part.latest["messages"], part.cpu_s(), time.monotonic()
        for first in range(0, count, PART):
            bodies = [b'{"v":1,"boot":"bench","seq":%d,"amount_minor":450}' % number for number in range(first, first + PART)]
            sender.facts([street.Sent(topic, body, 1) for body in bodies])
        while part.latest["messages"] - before < count and part.is_running:
            threading.Event().wait(TICK_S)
        took = time.monotonic() - began
        sender.close()
        return Rate(count / took, (part.cpu_s() - cpu_s) / count * 1e6, part.peak_mib())


def latency(start: Start, config: Config, load: int, requests: int = 40, every_s: float = 0.1) -> Latency:
    """Requests of a phone, each answered after its commit, while the street mix comes at a rate."""
    with measured(start) as (part, port):
        sender, where = Sender(port), street.places(config)
        sender.facts(list(street.consents(where, claim_secret(config), "bench")))
        packets = [sender.packet(one) for one in islice(street.sightings(where, "bench"), load * LATENCY_S_MAX)]
        _settled(part)
        asker = Sender(port, (f"wayside/v1/{config.site}/reply/phone-0000/offer",))
        sent, began, times_ms = 0, time.monotonic(), list[float]()
        for number in range(requests):
            while time.monotonic() - began < number * every_s:
                due = int((time.monotonic() - began) * load) - sent
                sender.send(b"".join(packets[(sent + at) % len(packets)] for at in range(due)))
                sent += due
                threading.Event().wait(TICK_S)
            body = b'{"v":1,"boot":"bench-ask","seq":%d,"zone":"%b"}' % (number, next(iter(config.zones)).id.encode())
            asked = time.monotonic()
            asker.send(asker.packet(street.Sent(f"wayside/v1/{config.site}/up/phone-0000/request", body, 0)))
            if asker.wait(1, ANSWER_S_MAX) and number:  # the first decision loads parts of the program
                times_ms.append((time.monotonic() - asked) * 1_000)
        sender.close()
        asker.close()
        ordered = sorted(times_ms) or [float("nan")]
        return Latency(load, ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)])


def _subscribed(part: Part, port: int) -> None:
    """Send sightings of a stranger until the process receives one. Raises DemoError if it never does."""
    sender = Sender(port)
    probe = encoder.publish(4, Publication("espresense/devices/probe/probe", b'{"rssi":-60}'), 0)
    for _ in range(int(START_S_MAX / PROBE_S)):
        sender.send(probe)
        threading.Event().wait(PROBE_S)
        if part.latest.get("messages") or not part.is_running:
            break
    sender.close()
    if not part.latest.get("messages"):
        raise DemoError(f"the measured process receives no messages: {part.last_error_line()}")
    _settled(part)


def _settled(part: Part) -> None:
    """Wait until the process has received no message for two reports."""
    last, same = -1, 0
    for _ in range(int(START_S_MAX / 0.3)):
        now = part.latest.get("messages", 0)
        same = same + 1 if now == last else 0
        if same > 1:
            return
        last = now
        threading.Event().wait(0.3)


def _cores() -> tuple[set[int], set[int]]:
    """One core for the measured process; the others for broker and flood (the same core if there is only one)."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, set(cores[1:]) or {cores[0]}
