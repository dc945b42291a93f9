"""`wayside-sim`: a street on the command line. Exit codes: 0 fine, 1 found faults, 2 wrong use."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from firmware_sim import describe as description
from firmware_sim import flood as load
from firmware_sim.fleet import Street
from firmware_sim.live import Live
from firmware_sim.record import record as record_file
from firmware_sim.scenario import ScenarioError
from firmware_sim.scenario import load as load_scenario
from firmware_sim.wire import BrokerError, UsageError, parse_broker

PROGRESS_EVERY_S = 0.5

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A simulated street that speaks the formats of real devices.")

ScenarioArg = Annotated[str, typer.Argument(metavar="SCENARIO", help="A built-in name (street) or a TOML file.")]
BrokerOpt = Annotated[str, typer.Option(metavar="URL", help="mqtt://[user:password@]host[:port]")]
SeedOpt = Annotated[int, typer.Option(help="Same seed, same street.")]
SpeedOpt = Annotated[float | None, typer.Option(min=0.01, max=10_000, help="Street seconds per published second; default: the scenario's.")]
WalkersOpt = Annotated[int | None, typer.Option(min=1, max=100_000, help="How many people; default: the scenario's.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]


class FloodKind(StrEnum):
    """What to flood with."""

    sighting = "sighting"
    fact = "fact"


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Every expected error is one line on standard error and an exit code, never a traceback."""
    try:
        yield
    except (ScenarioError, UsageError) as error:
        _fail(str(error), 2)
    except (BrokerError, OSError) as error:
        _fail(str(error), 1)


def _fail(text: str, code: int) -> None:
    sys.stderr.write(f"wayside-sim: {' '.join(text.split())}\n")
    raise typer.Exit(code)


def _show(summary: dict[str, Any], title: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in summary.items():
        text = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)


@app.command(epilog="Example: wayside-sim describe street")
def describe(scenario: ScenarioArg, *, as_json: JsonOpt = False) -> None:
    """Show what stands on the street and how people are heard there."""
    with _one_line_errors():
        plan = load_scenario(scenario)
        if as_json:
            sys.stdout.write(json.dumps(description.facts(plan)) + "\n")
            return
        for table in description.tables(plan):
            Console().print(table)


@app.command(epilog="Example: wayside-sim record street street.jsonl --seed 1 --seconds 60")
def record(
    scenario: ScenarioArg,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the JSON lines go.")],
    *,
    seed: SeedOpt = 1,
    seconds: Annotated[float, typer.Option(min=0.0, max=10_000_000, help="How much published time.")] = 60.0,
    speed: SpeedOpt = None,
    walkers: WalkersOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Write down what the street says when nobody answers it, as fast as it can be computed."""
    with _one_line_errors():
        summary = record_file(load_scenario(scenario), file, seed=seed, seconds=seconds, speed=speed, walkers=walkers)
        _show({"file": str(file), **summary}, f"recorded {seconds:g} s", as_json=as_json)


@app.command(epilog="Example: wayside-sim run street --broker mqtt://127.0.0.1:1883 --seed 1 --seconds 60")
def run(
    scenario: ScenarioArg,
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    seed: SeedOpt = 1,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="How long; default: until interrupted.")] = None,
    speed: SpeedOpt = None,
    walkers: WalkersOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Live on a broker: publish in real time, answer the offers that come down, sum up at the end."""
    with _one_line_errors():
        plan, address = load_scenario(scenario), parse_broker(broker)
        live = Live(plan, address, seed=seed, speed=speed, walkers=walkers)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: live.stop())
        summary = _run(live, seconds, quiet=as_json)
        _show({"scenario": scenario, "seed": seed, **summary}, f"{scenario} on {address.url}", as_json=as_json)


def _run(live: Live, seconds: float | None, *, quiet: bool) -> dict[str, object]:
    """Run with a line of progress on standard error, which is for people only."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    last = 0.0
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("on the street", total=seconds)

        def tell(elapsed: float, street: Street) -> None:
            nonlocal last
            if time.monotonic() - last >= PROGRESS_EVERY_S:
                last = time.monotonic()
                tally = street.tally
                text = f"{tally.formats.total()} messages, {tally.offers['received']} offers, {tally.answers.total()} answers"
                bar.update(task, completed=elapsed, description=text)

        return live.run(seconds, tell)


@app.command(epilog="Example: wayside-sim flood --broker mqtt://127.0.0.1:1883 --kind sighting --rate 5000 --seconds 10")
def flood(
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    kind: Annotated[
        FloodKind, typer.Option(help="sighting: QoS 0 at a rate; fact: exactly --count purchases at QoS 1.")
    ] = FloodKind.sighting,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to send sightings, or to wait for all acknowledgements.")] = 10.0,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Messages a second.")] = None,
    maximum: Annotated[bool, typer.Option("--max", help="As fast as the broker takes them.")] = False,
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many facts.")] = 1000,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write device, boot and seq of every acknowledged fact.")] = None,
    phones: Annotated[int, typer.Option(min=1, max=100_000, help="How many consenting phones are sighted.")] = 60,
    boot: Annotated[str | None, typer.Option(help="The devices' boot; default: a new one.")] = None,
    scenario: Annotated[str, typer.Option(help="Whose devices send.")] = "street",
    as_json: JsonOpt = False,
) -> None:
    """Load a gateway: many sightings, or an exact number of facts whose keys are known."""
    with _one_line_errors():
        if (rate is None) != maximum and kind is FloodKind.sighting:
            raise UsageError("sightings need either --rate R or --max")
        plan, address, life = load_scenario(scenario), parse_broker(broker), boot or load.new_boot()
        if kind is FloodKind.sighting:
            result = load.sightings(plan, address, seconds=seconds, rate=rate, phones=phones, boot=life)
        else:
            result = load.facts(plan, address, count=count, rate=rate, seconds=seconds, boot=life)
        _report(result, kind, out, as_json=as_json)
        if kind is FloodKind.fact and result.acked < count:
            _fail(f"only {result.acked} of {count} facts were acknowledged within {seconds:g} s; is the broker up?", 1)


def _report(result: load.Result, kind: FloodKind, out: Path | None, *, as_json: bool) -> None:
    """Keys to the file, figures to the screen."""
    if out is not None:
        out.write_text("".join(json.dumps(key._asdict()) + "\n" for key in result.keys), "utf-8")
    figures = {
        "kind": kind.value,
        "published": result.published,
        "acked": result.acked,
        "seconds": round(result.seconds, 3),
        "per_second": round(result.published / result.seconds, 1) if result.seconds else 0.0,
    }
    _show(figures, "flood", as_json=as_json)


def main() -> None:
    """Entry point of `wayside-sim`."""
    app()
