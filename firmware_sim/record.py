"""The open loop of a scenario as a file of JSON lines: what a street says when nobody answers it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware_sim.fleet import Street
from firmware_sim.message import Message
from firmware_sim.scenario import Scenario


def record(
    scenario: Scenario, file: Path, *, seed: int, seconds: float, speed: float | None = None, walkers: int | None = None
) -> dict[str, object]:
    """Write `seconds` of published time and return the summary.

    Each line is {"at_ms" since the start, "topic", "payload" or "payload_hex", "qos", "retain"}: text where
    the bytes are UTF-8, hex where they are not.
    """
    with file.open("wb") as lines:

        def write(message: Message) -> None:
            lines.write(msgspec.json.encode(_line(street.clockwork.now_ms, message)) + b"\n")

        street = Street(scenario, seed=seed, start_ms=scenario.start_ms, publish=write, speed=speed, walkers=walkers)
        street.run_until(round(seconds * 1000))
    return street.summary()


def _line(at_ms: int, message: Message) -> dict[str, object]:
    try:
        body = {"payload": message.payload.decode()}
    except UnicodeDecodeError:
        body = {"payload_hex": message.payload.hex()}
    return {"at_ms": at_ms, "topic": message.topic, **body, "qos": message.qos, "retain": message.retain}
