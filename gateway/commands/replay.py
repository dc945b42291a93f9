"""`wayside replay`: publishes captured messages to a broker at their recorded pace, until the broker has acknowledged all of them."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from rich.console import Console
from rich.progress import Progress

from gateway.commands.broker import BrokerError, connect
from gateway.commands.decode import wire_payload
from gateway.commands.options import JsonOption, command_app, fail
from gateway.core import limits

PUBACK_S_MAX = 30.0
POLL_S = 0.2
IN_FLIGHT_MAX = 500


command = command_app()


@command.command()
def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines with topic, payload or payload_hex, and at_ms for the pace")],
    broker: Annotated[str, typer.Option(help="mqtt://host:port")],
    speed: Annotated[float, typer.Option(min=0.0, help="factor of the recorded pace; 0 is as fast as possible")] = 1.0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Publish captured messages to a broker, each with QoS 1, and wait until the broker has acknowledged all of them.

    Example: `wayside replay street.jsonl --broker mqtt://127.0.0.1:1883 --speed 10`
    """
    try:
        summary = replay_file(file, broker, speed, show=not as_json)
    except (ReplayError, BrokerError) as error:
        fail(str(error))
    typer.echo(json.dumps(summary) if as_json else f"published {summary['published']}, skipped {summary['skipped']}")


class ReplayError(RuntimeError):
    """The file or the broker cannot be used; the text names the cause and the way out."""


def replay_file(file: Path, broker: str, speed: float, *, show: bool) -> dict[str, int]:
    """Publish every message of a file; returns the number of lines published, and skipped for want of a topic.

    Raises ReplayError, BrokerError.
    """
    messages = _read(file)
    client = connect(broker)
    waiting: list[paho.MQTTMessageInfo] = []
    published = 0
    started_s, first_ms = time.monotonic(), next((at for _, _, at in messages if at is not None), 0)
    try:
        with Progress(console=Console(stderr=True), disable=not show) as progress:
            bar = progress.add_task("publishing", total=len(messages))
            for topic, payload, at_ms in messages:
                if speed and at_ms is not None:
                    pause_s = started_s + (at_ms - first_ms) / 1000 / speed - time.monotonic()
                    threading.Event().wait(max(0.0, pause_s))
                if topic is not None:
                    waiting.append(client.publish(topic, payload, qos=1))
                    published += 1
                if len(waiting) >= IN_FLIGHT_MAX:
                    _wait(client, waiting, broker)
                progress.advance(bar)
        _wait(client, waiting, broker)
    finally:
        client.disconnect()
        client.loop_stop()
    return {"published": published, "skipped": len(messages) - published}


def _read(file: Path) -> list[tuple[str | None, bytes, int | None]]:
    """(topic, payload, at_ms) of each line. Raises ReplayError that names the line."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ReplayError(f"{file} cannot be read ({error.strerror}): name a file of JSON lines") from None
    messages = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            messages.append(_message(msgspec.json.decode(line, type=dict[str, Any])))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ReplayError(f"{file}:{number}: {error}") from None
    return messages


def _message(captured: dict[str, Any]) -> tuple[str | None, bytes, int | None]:
    """(topic, payload, at_ms) of a line. Raises ValueError for values that no broker accepts."""
    topic, at_ms = captured.get("topic"), captured.get("at_ms")
    if topic is not None and (not isinstance(topic, str) or not topic or set("+#\0") & set(topic)):
        raise ValueError("topic must be a string without + and #")
    if topic is not None and len(topic.encode()) > limits.TOPIC_BYTES_MAX:
        raise ValueError(f"topic is longer than {limits.TOPIC_BYTES_MAX} bytes")
    if at_ms is not None and (not isinstance(at_ms, int) or not 0 <= at_ms <= limits.INTEGER_MAX):
        raise ValueError("at_ms must be an integer (milliseconds)")
    return topic, wire_payload(captured), at_ms


def _wait(client: paho.Client, waiting: list[paho.MQTTMessageInfo], broker: str) -> None:
    """Wait until the broker has acknowledged all. Raises ReplayError if it disconnects, or after PUBACK_S_MAX without acknowledgement."""
    for info in waiting:
        polls = int(PUBACK_S_MAX / POLL_S)
        while client.is_connected() and not info.is_published() and polls:
            info.wait_for_publish(POLL_S)
            polls -= 1
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS or not info.is_published():
            raise ReplayError(f"broker {broker} stopped acknowledging messages: check its log and its limits")
    waiting.clear()
