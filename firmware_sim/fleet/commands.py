"""Commands `wayside-sim fleet`, `replay` and `count`."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from firmware_sim.console import BrokerOpt, FasterOpt, FaultsOpt, JsonOpt, SeedOpt, one_line_errors, show
from firmware_sim.faults.rules import Rule, parse_options
from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.playback import Playback
from firmware_sim.fleet.run import Run, Simulation
from firmware_sim.message import Message, Send
from firmware_sim.products.catalogue import DEFAULT_MIX, parse_mix
from firmware_sim.wire import counting
from firmware_sim.wire.broker import Broker, UsageError, parse_broker
from firmware_sim.wire.recording import Writer
from firmware_sim.wire.sender import OWN_MAX, Sender

PROGRESS_EVERY_S = 0.5
RECORDING_START_MS = 1_793_617_200_000  # the start of the demo street: Monday 2026-11-02 12:00 in Berlin
FOR_EVER_S = 1e9

MaxOpt = Annotated[bool, typer.Option("--max", help="As fast as the broker accepts messages.")]
ConnectionsOpt = Annotated[int, typer.Option(min=1, max=100, help="Number of MQTT connections that the devices share.")]
PidOpt = Annotated[int | None, typer.Option(metavar="PID", help="Process id of the broker, to measure its CPU time and memory as well.")]


def fleet(
    *,
    devices: Annotated[int, typer.Option(min=1, max=200_000, help="Number of devices.")] = 1_000,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Total messages per second; default: the usual interval of each product.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Duration in seconds of message time.")] = 30.0,
    mix: Annotated[str | None, typer.Option(help="Shares of products, as in owntracks=3,ttn_v3=1; default: all products.")] = None,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    faster: FasterOpt = 1.0,
    maximum: MaxOpt = False,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a recording to this file instead of publishing.")] = None,
    seed: SeedOpt = 1,
    fault: FaultsOpt = None,
    connections: ConnectionsOpt = 4,
    own: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB",
            help="Devices that connect individually, as their own name (and user name, if the URL has a password).",
        ),
    ] = None,
    ramp: Annotated[float, typer.Option(min=0.0, help="Seconds over which the devices start, one after another.")] = 5.0,
    broker_pid: PidOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Publish the messages of thousands of devices to a broker, and measure rate, lag, CPU time and memory."""
    with one_line_errors():
        parts = DEFAULT_MIX if mix is None else parse_mix(mix)
        plan = FleetPlan(parts, devices, rate, seed, ramp, parse_options(fault or ()))
        if record is not None:
            summary = _recorded(plan, record, seconds)
        else:
            summary = _live(plan, parse_broker(broker), seconds, None if maximum else faster, connections, own, broker_pid, quiet=as_json)
        show(summary, f"{devices} devices", as_json=as_json)


class FleetPlan(NamedTuple):
    """Parameters of a fleet."""

    mix: Mapping[str, float]
    devices: int
    rate: float | None
    seed: int
    ramp_s: float
    rules: tuple[Rule, ...]

    def make(self, start_ms: int, send: Send) -> Fleet:
        """Create the fleet. Raises FaultError if a fault rule does not fit it."""
        return Fleet(
            self.mix, self.devices, seed=self.seed, start_ms=start_ms, send=send, rate=self.rate, ramp_s=self.ramp_s, faults=self.rules
        )


def _recorded(plan: FleetPlan, path: Path, seconds: float) -> dict[str, object]:
    """Record the fleet to a file."""
    with path.open("wb") as file:
        writer = Writer(file)
        made = plan.make(RECORDING_START_MS, lambda _, message: writer.write(made.loop.now_ms, message))
        made.run_until(round(seconds * 1000))
    return {"file": str(path), "digest": writer.digest, **made.summary()}


def _live(
    plan: FleetPlan,
    broker: Broker,
    seconds: float,
    faster: float | None,
    connections: int,
    own: str | None,
    broker_pid: int | None,
    *,
    quiet: bool,
) -> dict[str, object]:
    """Publish the fleet's messages to a broker."""

    def send(device: str, message: Message) -> None:
        run.send(device, message)

    made = plan.make(time.time_ns() // 1_000_000, send)
    themselves = [] if own is None else [device for device in made.devices if fnmatchcase(device, own)]
    if len(themselves) > OWN_MAX:
        raise UsageError(f"--own {own}: {len(themselves)} devices would need their own connection; at most {OWN_MAX} are allowed")
    run = Run(Sender(broker, "fleet", connections, themselves), faster, broker_pid)
    figures = _go(run, made, seconds, plan.ramp_s, quiet=quiet)
    return {"rate": plan.rate, **figures, **made.summary()}


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Recording of `record` or `fleet --record`.")],
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    faster: FasterOpt = 1.0,
    maximum: MaxOpt = False,
    connections: ConnectionsOpt = 1,
    broker_pid: PidOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Publish a recording: the same bytes in the same order, at the recorded rate or another."""
    with one_line_errors():
        run = Run(Sender(parse_broker(broker), "replay", connections), None if maximum else faster, broker_pid)
        figures = _go(run, Playback(file, run.send), FOR_EVER_S, 0.0, quiet=as_json)
        show({"file": str(file), **figures}, f"replayed {file.name}", as_json=as_json)


def count(
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    topics: Annotated[str, typer.Option(metavar="FILTER", help="Topic filter to subscribe to.")] = "#",
    seconds: Annotated[float, typer.Option(min=0.1, help="Maximum duration in seconds.")] = 60.0,
    expect: Annotated[int | None, typer.Option(min=1, help="End after this number of messages; exit code 1 if fewer arrive.")] = None,
    idle: Annotated[
        float | None, typer.Option(min=0.1, metavar="SECONDS", help="End after this time without a message, once the first has arrived.")
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """Count the messages that a broker delivers, to check `fleet`, `run` and `replay`."""
    with one_line_errors():
        found = counting.count(parse_broker(broker), topics, seconds=seconds, expect=expect, idle_s=idle)
        show(found, f"{topics} on {parse_broker(broker).url}", as_json=as_json)
        if expect is not None and found["received"] != expect:
            raise typer.Exit(1)


def _go(run: Run, simulation: Simulation, seconds: float, ramp_s: float, *, quiet: bool) -> dict[str, object]:
    """Run until the end or a signal."""
    before = {number: signal.signal(number, lambda _number, _frame: run.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _with_progress(run, simulation, seconds, ramp_s, quiet=quiet)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_progress(run: Run, simulation: Simulation, seconds: float, ramp_s: float, *, quiet: bool) -> dict[str, object]:
    """Run with a progress line on standard error, on terminals only."""
    last_s = 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("0 messages", total=None if seconds >= FOR_EVER_S else seconds)

        def show_progress(elapsed_s: float, sent: int) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= PROGRESS_EVERY_S:
                last_s = time.monotonic()
                bar.update(task, completed=elapsed_s, description=f"{sent} messages")

        return run.go(simulation, seconds, ramp_s, show_progress)
