"""Floods of 61 kB messages: a withdrawal is served in between, memory stays bounded, and afterwards all is as before.

A phone consents and withdraws over and over while others publish as fast as the broker takes it: two devices sightings of 512 unknown
radios each (`sightings`, QoS 0), the till of the config purchases (`purchases`, QoS 1, each of which is stored and acknowledged), or
another phone consents (`consents`, QoS 1). `one_session` is the control: `purchases` at a gateway whose only source of such messages is
`up/#`, so that consents have no session of their own. Measured are the time from each withdrawal to its receipt, the peak of the gateway's
memory, the messages that it dropped, and the time after the flood until withdrawals take as long as before it.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from firmware_sim.wire.broker import Broker as Address
from firmware_sim.wire.publisher import Publisher
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.gateways import GatewayProcess, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until
from tests.rigs.kill import STATUS
from tests.rigs.report import Progress, Report, quiet

UNACKED_MAX = 20  # of a flooder at QoS 1: Mosquitto's own max_inflight_messages
TAGS, MESSAGE_BYTES = 512, 61_000
COMPARED = 30  # withdrawals before the flood, and as many after it
EVERY_S = 1.0
REPEAT_S = 5.0
NO_S_MAX, BACK_S_MAX, MEMORY_MIB_MAX = 1.0, 30.0, 256.0
BACK_SHARE, BACK_SLACK_S = 2.0, 0.05
RECEIPT = "wayside/v1/street/reply/phone-0001/receipt"
SHIPPED = Path(__file__).parents[2] / "deploy" / "broker" / "mosquitto.conf"
BROKER = tuple(
    line for line in SHIPPED.read_text("utf-8").splitlines() if line.startswith(("max_queued", "max_inflight", "max_packet", "set_"))
)


class Phone:
    """A phone that consents and withdraws, and repeats each until it has the receipt."""

    def __init__(self, link: Subscriber) -> None:
        self._link, self._seq = link, 0

    def no_s(self) -> float:
        """Consent, then withdraw; seconds from the withdrawal to its receipt."""
        self._say(["presence", "offers"])
        return self._say([])

    def _say(self, purposes: list[str]) -> float:
        self._seq += 1
        consent = {"v": 1, "boot": "b", "seq": self._seq, "at_ms": None, "purposes": purposes, "version": 1, "change": self._seq}
        before, began, sent = len(self._link.received), time.monotonic(), 0

        def has_receipt() -> bool:
            nonlocal sent
            if time.monotonic() - began >= sent * REPEAT_S:
                self._link.publish_nowait("wayside/v1/street/up/phone-0001/consent", json.dumps(consent))
                sent += 1
            return any(json.loads(one.payload)["seq"] == self._seq for one in self._link.received[before:])

        until(has_receipt)
        return time.monotonic() - began


class Pouring(NamedTuple):
    """Devices of a flood, the kind of their messages and its QoS, and the payload of the message with a number."""

    devices: tuple[str, ...]
    kind: str
    qos: int
    payload: Callable[[int], bytes]


class Flood:
    """Publishes in threads of its own while the block runs; `sent` counts messages."""

    def __init__(self, broker: MosquittoBroker, pouring: Pouring) -> None:
        self._address, self._pouring = Address(broker.host, broker.port), pouring
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._pour, args=(device,)) for device in pouring.devices]
        self.sent = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _pour(self, device: str) -> None:
        publisher, qos = Publisher(self._address, device), self._pouring.qos
        topic = f"wayside/v1/street/up/{device}/{self._pouring.kind}"
        seq = 0
        while not self._stop.is_set():
            seq += 1
            publisher.publish(topic, self._pouring.payload(seq), qos, retain=False)
            while (publisher.waiting or len(publisher.pending) >= UNACKED_MAX) and not self._stop.is_set():
                publisher.exchange(0.1)
            self.sent += 1
        publisher.close()


def big_message() -> bytes:
    """A sighting of 512 radios without an owner, as long as the gateway allows with room for the topic."""
    heard = [{"id": f"e375cf{number:06x}", "rssi": -80.0, "more": ""} for number in range(TAGS)]
    message = {"v": 1, "boot": "b", "seq": 1, "at_ms": None, "heard": heard}
    room = (MESSAGE_BYTES - len(json.dumps(message))) // TAGS
    for one in heard:
        one["more"] = "x" * room
    return json.dumps(message).encode()


def _big(fields: dict[str, object]) -> Callable[[int], bytes]:
    """The payload with these fields and a rising `seq`, filled up to the size of the other floods."""
    whole = json.dumps({"v": 1, "boot": "b", "seq": 0, "at_ms": None, **fields, "more": "x" * (MESSAGE_BYTES - 200)}).encode()
    head, tail = whole.split(b'"seq": 0', 1)
    return lambda seq: head + b'"seq": %d' % seq + tail


SIGHTING = big_message()
FLOODS: dict[str, Pouring] = {
    "sightings": Pouring(("flooder-0", "flooder-1"), "sighting", 0, lambda _: SIGHTING),
    "purchases": Pouring(("till-cafe",), "purchase", 1, _big({"amount_minor": 450, "kind": "coffee_house"})),
    "consents": Pouring(("flooder-0",), "consent", 1, _big({"purposes": ["presence"], "version": 1})),
}
ONE_SESSION = "one_session"


def runner(name: str) -> Callable[[int, int, Progress], Report]:
    """The rig of one of FLOODS, or of the control ONE_SESSION."""
    pouring, topic = (FLOODS["purchases"], "up/#") if name == ONE_SESSION else (FLOODS[name], "up/+/+")

    def run(count: int, seed: int, progress: Progress = quiet) -> Report:
        """`count` withdrawals under the flood, one a second. Nothing here is drawn, so `seed` changes nothing."""
        pause = threading.Event()
        with tempfile.TemporaryDirectory(prefix="wayside-flood-") as folder:
            figures = flooded(Path(folder), count, progress, pouring, topic=topic, between=lambda: pause.wait(EVERY_S))
        bounds = {"no_s_max": NO_S_MAX, "memory_mib": MEMORY_MIB_MAX, "back_s": BACK_S_MAX}
        broken = [f"{name} is {figures[name]:.2f}, at most {most:g} is promised" for name, most in bounds.items() if figures[name] > most]
        return Report({"seed": seed, **figures}, tuple(broken))

    return run


def flooded(
    folder: Path,
    count: int,
    progress: Progress = quiet,
    pouring: Pouring = FLOODS["sightings"],
    *,
    topic: str = "up/+/+",
    between: Callable[[], object] = lambda: None,
    compared: int = COMPARED,
) -> dict[str, float]:
    """The figures of `count` withdrawals under a flood; `between` is called before each, `topic` ends the source's filter."""
    with (
        mosquitto(folder, lines=BROKER) as broker,
        GatewayProcess(_config(folder / "gateway", broker.port, topic)) as gateway,
        Subscriber(broker.host, broker.port, STATUS) as status,
    ):
        gateway.start()
        status.wait_for(STATUS)  # published after the subscriptions
        with Subscriber(broker.host, broker.port, RECEIPT) as link:
            phone = Phone(link)
            before = [phone.no_s() for _ in range(compared)]
            with Flood(broker, pouring) as flood:
                until(lambda: flood.sent > 10 and gateway.latest["messages"] > 2 * compared)
                during = []
                for _ in range(count):
                    between()
                    during.append(phone.no_s())
                    progress("withdrawals under a flood")
            back_s = _back_s(phone, before)
        until(lambda: gateway.latest["mailbox"] == 0)
        shed, memory_mib, messages = gateway.latest["messages_shed"], gateway.latest["memory_mib"], gateway.latest["messages"]
        assert gateway.stop() == 0, gateway.stderr.read_text("utf-8")
    return {
        "messages_sent": flood.sent,
        "message_bytes": len(pouring.payload(1)),
        "messages_taken": messages,
        "messages_shed": shed,
        "no_s_before_p99": _p99(before),
        "no_s_median": sorted(during)[len(during) // 2],
        "no_s_p99": _p99(during),
        "no_s_max": max(during),
        "back_s": back_s,
        "memory_mib": memory_mib,
    }


def _config(folder: Path, port: int, topic: str) -> Path:
    path = write_config(folder, port)
    path.write_text(path.read_text("utf-8").replace("wayside/v1/street/up/+/+", f"wayside/v1/street/{topic}"), "utf-8")
    return path


def _back_s(phone: Phone, before: list[float]) -> float:
    """Seconds after the flood until as many withdrawals as in `before` take at most twice as long (99th percentile)."""
    began, last = time.monotonic(), list[float]()
    while len(last) < len(before) or _p99(last[-len(before) :]) > BACK_SHARE * _p99(before) + BACK_SLACK_S:
        last.append(phone.no_s())
        assert time.monotonic() - began < 10 * BACK_S_MAX, f"still {_p99(last[-len(before) :]):.2f} s after {10 * BACK_S_MAX:g} s"
    return time.monotonic() - began


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, round(0.99 * len(seconds)))]
