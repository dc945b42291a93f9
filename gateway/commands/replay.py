"""`wayside replay`: publishes captured messages to a broker at their recorded pace, until the broker has acknowledged all of them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from gateway.commands.broker import connect
from gateway.commands.decode import wire_payload
from gateway.commands.options import JsonOption, command_app
from gateway.core import limits
from gateway.core.refusal import Refusal

UNACKNOWLEDGED_MAX = 500


command = command_app()


@command.command()
def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines with topic, payload or payload_hex, and at_ms (time of the message, ms)")],
    broker: Annotated[str, typer.Option(help="the broker, as mqtt://host:port")],
    speed: Annotated[float, typer.Option(min=0.0, help="publish this many times as fast as recorded; 0 is as fast as possible")] = 1.0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Publish captured messages to a broker, each with QoS 1, and wait until the broker has acknowledged all of them.

    Example: `wayside replay street.jsonl --broker mqtt://127.0.0.1:1883 --speed 10`
    """
    summary = asyncio.run(replay_file(file, broker, speed, show=not as_json))
    typer.echo(json.dumps(summary) if as_json else f"published {summary['published']}, skipped {summary['skipped']}")


class ReplayError(Refusal):
    """The file cannot be used; the text names the line and the cause."""


async def replay_file(file: Path, broker: str, speed: float, *, show: bool) -> dict[str, int]:
    """Publish every message of a file; returns the number of lines published, and skipped for want of a topic.

    Raises ReplayError, BrokerError.
    """
    messages = _read(file)
    published = 0
    async with connect(broker) as connection:
        started_s, first_ms = time.monotonic(), next((at for _, _, at in messages if at is not None), 0)
        with Progress(console=Console(stderr=True), disable=not show) as progress:
            bar = progress.add_task("publishing", total=len(messages))
            for topic, payload, at_ms in messages:
                if speed and at_ms is not None:
                    await connection.wait(max(0.0, started_s + (at_ms - first_ms) / 1000 / speed - time.monotonic()))
                if topic is not None:
                    published += 1
                    if connection.publish(topic, payload) >= UNACKNOWLEDGED_MAX:
                        await connection.acknowledged()
                progress.advance(bar)
        await connection.acknowledged()
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
