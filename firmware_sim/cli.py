"""`wayside-sim`: a street on the command line. Exit codes: 0 fine, 1 found faults, 2 wrong use."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from firmware_sim.console import BrokerOpt, FasterOpt, FaultsOpt, JsonOpt, SeedOpt, fail, one_line_errors, show
from firmware_sim.faults.rules import parse_options
from firmware_sim.fleet.commands import count, fleet, replay
from firmware_sim.radio.fit.command import fit
from firmware_sim.scenario import load as load_scenario
from firmware_sim.scenario import schema as scenario_schema
from firmware_sim.score.command import score
from firmware_sim.street import describe as description
from firmware_sim.street.live import Live
from firmware_sim.street.picture import svg
from firmware_sim.street.record import record as record_file
from firmware_sim.street.street import Street
from firmware_sim.wire import flood as load
from firmware_sim.wire.broker import UsageError, parse_broker

PROGRESS_EVERY_S = 0.5

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A simulated street that speaks the formats of real devices.")

app.command(epilog="Example: wayside-sim fleet --devices 10000 --rate 5000 --seconds 60")(fleet)
app.command(epilog="Example: wayside-sim replay street.jsonl --broker mqtt://127.0.0.1:1883 --faster 10")(replay)
app.command(epilog="Example: wayside-sim count --broker mqtt://127.0.0.1:1883 --expect 5000")(count)
app.command(epilog="Example: wayside-sim fit --data tables")(fit)
app.command(epilog="Example: wayside-sim score --truth truth --history export-a --history export-b")(score)

ScenarioArg = Annotated[str, typer.Argument(metavar="SCENARIO", help="A built-in name (street, mall, station) or a TOML file.")]
SpeedOpt = Annotated[float | None, typer.Option(min=0.01, max=10_000, help="Street seconds per published second; default: the scenario's.")]
WalkersOpt = Annotated[int | None, typer.Option(min=1, max=100_000, help="How many people; default: the scenario's.")]
TruthOpt = Annotated[Path | None, typer.Option(metavar="DIR", help="Also write what really happened: Parquet tables in this folder.")]


class FloodKind(StrEnum):
    """What to flood with."""

    sighting = "sighting"
    fact = "fact"


@app.command(epilog="Example: wayside-sim describe mall --picture mall.svg")
def describe(
    scenario: ScenarioArg,
    *,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw a map of it, as SVG.")] = None,
    as_json: JsonOpt = False,
) -> None:
    """Show what stands on the street and how people are heard there."""
    with one_line_errors():
        plan = load_scenario(scenario)
        if picture is not None:
            picture.write_text(svg(plan), "utf-8")
        if as_json:
            sys.stdout.write(json.dumps(description.facts(plan)) + "\n")
            return
        for table in description.tables(plan):
            Console().print(table)


@app.command(epilog="Example: wayside-sim schema > schema.json, and as first line of a scenario: #:schema ./schema.json")
def schema() -> None:
    """Print the JSON Schema of scenario files, with which an editor completes and checks them."""
    sys.stdout.write(scenario_schema())


@app.command(epilog="Example: wayside-sim record street street.jsonl --seed 1 --seconds 60")
def record(
    scenario: ScenarioArg,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the JSON lines go.")],
    *,
    seed: SeedOpt = 1,
    seconds: Annotated[float, typer.Option(min=0.0, max=10_000_000, help="How much published time.")] = 60.0,
    speed: SpeedOpt = None,
    walkers: WalkersOpt = None,
    truth: TruthOpt = None,
    fault: FaultsOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Write down what the street says when nobody answers it, as fast as it can be computed."""
    with one_line_errors():
        plan, rules = load_scenario(scenario), parse_options(fault or ())
        summary = record_file(plan, file, seed=seed, seconds=seconds, speed=speed, walkers=walkers, truth=truth, faults=rules)
        show({"file": str(file), **summary}, f"recorded {seconds:g} s", as_json=as_json)


@app.command(epilog="Example: wayside-sim run street --broker mqtt://127.0.0.1:1883 --seed 1 --seconds 60")
def run(
    scenario: ScenarioArg,
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    seed: SeedOpt = 1,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="How long; default: until interrupted.")] = None,
    speed: SpeedOpt = None,
    walkers: WalkersOpt = None,
    truth: TruthOpt = None,
    fault: FaultsOpt = None,
    faster: FasterOpt = 1.0,
    as_json: JsonOpt = False,
) -> None:
    """Live on a broker: publish in real time, answer the offers that come down, sum up at the end."""
    with one_line_errors():
        plan, address = load_scenario(scenario), parse_broker(broker)
        rules = parse_options(fault or ())
        live = Live(plan, address, seed=seed, speed=speed, walkers=walkers, truth=truth, faults=rules, faster=faster)
        summary = asyncio.run(_run(live, seconds, quiet=as_json))
        show({"scenario": scenario, "seed": seed, **summary}, f"{scenario} on {address.url}", as_json=as_json)


async def _run(live: Live, seconds: float | None, *, quiet: bool) -> dict[str, object]:
    """Run until the end or a signal, with a line of progress on standard error unless `quiet`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, live.stop)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    last = 0.0
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("connecting", total=seconds)

        def tell(elapsed: float, street: Street) -> None:
            nonlocal last
            if time.monotonic() - last >= PROGRESS_EVERY_S:
                last = time.monotonic()
                counters = street.counters
                text = f"{counters.formats.total()} messages, {counters.offers['received']} offers, {counters.answers.total()} answers"
                bar.update(task, completed=elapsed, description=text)

        return await live.run(seconds, tell)


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
    with one_line_errors():
        if (rate is None) != maximum and kind is FloodKind.sighting:
            raise UsageError("sightings need either --rate R or --max")
        plan, address, life = load_scenario(scenario), parse_broker(broker), boot or load.new_boot()
        if kind is FloodKind.sighting:
            result = load.sightings(plan, address, seconds=seconds, rate=rate, phones=phones, boot=life)
        else:
            result = load.facts(plan, address, count=count, rate=rate, seconds=seconds, boot=life)
        _report(result, kind, out, as_json=as_json)
        if kind is FloodKind.fact and result.acked < count:
            fail(f"only {result.acked} of {count} facts were acknowledged within {seconds:g} s; is the broker up?", 1)


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
    show(figures, "flood", as_json=as_json)


def main() -> None:
    """Entry point of `wayside-sim`."""
    app()
