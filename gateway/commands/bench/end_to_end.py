"""Times the gateway end to end at saturation: a real broker, and a real gateway process on one core.

A bare receiver, which only counts the messages from paho, is measured in the same run on the same core. The ratio of both is the cost of
the gateway beyond receiving; it depends less on the machine than either figure.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.commands.demo.processes import Part, program, start_broker

if TYPE_CHECKING:
    from collections.abc import Callable

FLOOD_S = 6
SETTLE_S = 1.0
START_S_MAX = 20.0
FACTS_S_MAX = 60.0
PHONES = 200

_RECEIVER = """
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
    threading.Event().wait(0.25)
"""


class Rate(NamedTuple):
    """Messages per second during the flood, and peak memory of the process in MiB (0: not measured)."""

    per_second: float
    memory_mib: float


def gateway_rate(config: Path, kind: str, count: int = 0) -> Rate:
    """The gateway at saturation with QoS 0 sightings, or with `count` QoS 1 facts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def start(port: int) -> Part:
            overrides = {
                "mqtt.port": port,
                "store.path": folder / "bench.db",
                "store.key_file": folder / "bench.key",
                "status_interval_s": 0.25,
            }
            arguments = [argument for key, value in overrides.items() for argument in ("--set", f"{key}={value}")]
            return Part("gateway", [program("wayside"), "run", "--config", str(config.resolve()), "--json", *arguments], folder)

        return _measured(folder, start, kind, count)


def receiver_rate() -> Rate:
    """A process that receives the same flood and only counts the messages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return _measured(folder, lambda port: Part("receiver", [sys.executable, "-c", _RECEIVER, str(port)], folder), "sighting", 0)


def _measured(folder: Path, start: Callable[[int], Part], kind: str, count: int) -> Rate:
    broker, port, _ = start_broker(folder)
    own, rest = _cores()
    try:
        os.sched_setaffinity(0, own)  # inherited by the measured process
        part = start(port)
        os.sched_setaffinity(0, rest)
        try:
            return _flooded(part, folder, port, kind, count)
        finally:
            part.end()
    finally:
        os.sched_setaffinity(0, own | rest)
        broker.end()


def _flooded(part: Part, folder: Path, port: int, kind: str, count: int) -> Rate:
    """Flood the part with messages; the rate between its reports, without the first and last two, at which the load is not full."""
    part.reported.wait(START_S_MAX)
    threading.Event().wait(SETTLE_S)
    amount = ["--count", str(count), "--seconds", "120"] if count else ["--max", "--seconds", str(FLOOD_S), "--phones", str(PHONES)]
    began = time.monotonic()
    flood = Part(
        "flood", [program("wayside-sim"), "flood", "--broker", f"mqtt://127.0.0.1:{port}", "--kind", kind, *amount, "--json"], folder
    )
    seen: list[tuple[float, dict[str, Any]]] = []
    while flood.is_running or (part.latest.get("messages", 0) < count and time.monotonic() - began < FACTS_S_MAX):
        threading.Event().wait(0.1)
        if not seen or part.latest.get("messages") != seen[-1][1].get("messages"):
            seen.append((time.monotonic() - began, part.latest))
    flood.end()
    memory = float(part.latest.get("memory_mib") or 0.0)
    inner = [(at, report["messages"]) for at, report in seen if "messages" in report][2:-2]
    if len(inner) < 2:
        return Rate(0.0, memory)
    (first_s, first), (last_s, last) = inner[0], inner[-1]
    return Rate((last - first) / (last_s - first_s), memory)


def _cores() -> tuple[set[int], set[int]]:
    """One core for the measured process; the others for broker and flood (the same core if there is only one)."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, set(cores[1:]) or {cores[0]}
