"""`wayside-sim`, the command line of the simulator. Exit codes: 0 success, 1 failure (broker, files, counts), 2 wrong arguments."""

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

from firmware_sim.adversaries.names import NAMES
from firmware_sim.console import BrokerOpt, FasterOpt, FaultsOpt, JsonOpt, SeedOpt, fail, one_line_errors, show
from firmware_sim.faults.rules import parse_options
from firmware_sim.fleet.commands import count, fleet, replay
from firmware_sim.past.command import past
from firmware_sim.policies.command import policies
from firmware_sim.policies.trial_command import trial
from firmware_sim.radio.fit.command import fit
from firmware_sim.scenario import load as load_scenario
from firmware_sim.scenario import schema as scenario_schema
from firmware_sim.scenario import with_adversaries
from firmware_sim.score.command import score
from firmware_sim.street import describe as description
from firmware_sim.street.live import Live
from firmware_sim.street.picture import svg
from firmware_sim.street.record import record as record_file
from firmware_sim.street.street import Street
from firmware_sim.wire import flood as load
from firmware_sim.wire.broker import UsageError, parse_broker

PROGRESS_EVERY_S = 0.5

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Simulate people, radios and devices of a street, mall or station, in the MQTT formats of real products.",
)

ScenarioArg = Annotated[str, typer.Argument(metavar="SCENARIO", help="Built-in scenario (street, mall, station) or a TOML file.")]
SpeedOpt = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=10_000,
        help="Speed of people and weather, in simulated seconds per second of message time; default: as in the scenario.",
    ),
]
AdversariesOpt = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help=f"Send out an adversary ({', '.join(NAMES)}); may be repeated.")
]
WalkersOpt = Annotated[int | None, typer.Option(min=1, max=100_000, help="Number of people; default: as in the scenario.")]
TruthOpt = Annotated[Path | None, typer.Option(metavar="DIR", help="Also write the ground truth to this folder, as Parquet tables.")]


class FloodKind(StrEnum):
    """Kinds of messages of a flood."""

    sighting = "sighting"
    fact = "fact"


@app.command(epilog="Example: wayside-sim describe mall --picture mall.svg")
def describe(
    scenario: ScenarioArg,
    *,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw a map, as SVG.")] = None,
    as_json: JsonOpt = False,
) -> None:
    """Show the zones and devices of a scenario, and which scanners, beacons or positions detect people in each zone."""
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
    """Print the JSON Schema of scenario files, for completion and checks in an editor."""
    sys.stdout.write(scenario_schema())


@app.command(epilog="Example: wayside-sim record street street.jsonl --seed 1 --seconds 60")
def record(
    scenario: ScenarioArg,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output file: JSON lines, one message per line.")],
    *,
    seed: SeedOpt = 1,
    seconds: Annotated[float, typer.Option(min=0.0, max=10_000_000, help="Duration of the recording in seconds of message time.")] = 60.0,
    speed: SpeedOpt = None,
    walkers: WalkersOpt = None,
    truth: TruthOpt = None,
    fault: FaultsOpt = None,
    adversary: AdversariesOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Record the messages of a scenario without a broker, faster than real time. The same seed gives the same bytes."""
    with one_line_errors():
        plan, rules = with_adversaries(load_scenario(scenario), adversary), parse_options(fault or ())
        summary = record_file(plan, file, seed=seed, seconds=seconds, speed=speed, walkers=walkers, truth=truth, faults=rules)
        show({"file": str(file), **summary}, f"recorded {seconds:g} s", as_json=as_json)


@app.command(epilog="Example: wayside-sim run street --broker mqtt://127.0.0.1:1883 --seed 1 --seconds 60")
def run(
    scenario: ScenarioArg,
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    seed: SeedOpt = 1,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="Length of the run; default: until Ctrl-C.")] = None,
    speed: SpeedOpt = None,
    walkers: WalkersOpt = None,
    truth: TruthOpt = None,
    fault: FaultsOpt = None,
    adversary: AdversariesOpt = None,
    faster: FasterOpt = 1.0,
    stay: Annotated[
        float | None,
        typer.Option(min=1.0, help="Seconds after which a person is replaced by another one; default: never."),
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """Publish the messages of a scenario to a broker in real time, and answer the offers that its phones receive."""
    with one_line_errors():
        plan, address = with_adversaries(load_scenario(scenario), adversary), parse_broker(broker)
        rules = parse_options(fault or ())
        live = Live(plan, address, seed=seed, speed=speed, walkers=walkers, truth=truth, faults=rules, faster=faster, stay_s=stay)
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

        def update(elapsed: float, street: Street) -> None:
            nonlocal last
            if time.monotonic() - last >= PROGRESS_EVERY_S:
                last = time.monotonic()
                counters = street.counters
                text = f"{counters.formats.total()} messages, {counters.offers['received']} offers, {counters.answers.total()} answers"
                bar.update(task, completed=elapsed, description=text)

        return await live.run(seconds, update)


@app.command(epilog="Example: wayside-sim flood --broker mqtt://127.0.0.1:1883 --kind sighting --rate 5000 --seconds 10")
def flood(
    *,
    broker: BrokerOpt = "mqtt://127.0.0.1:1883",
    kind: Annotated[
        FloodKind, typer.Option(help="sighting: for --seconds, at --rate or --max; fact: exactly --count purchases.")
    ] = FloodKind.sighting,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Duration of the sightings, or time limit for the acknowledgements of the facts.")
    ] = 10.0,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Messages per second.")] = None,
    maximum: Annotated[bool, typer.Option("--max", help="As many sightings as the broker accepts.")] = False,
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="Number of facts.")] = 1000,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write device, boot and seq of each acknowledged fact, as JSON lines.")
    ] = None,
    phones: Annotated[
        int, typer.Option(min=1, max=100_000, help="Number of phones that are sighted; each first publishes its consent.")
    ] = 60,
    boot: Annotated[str | None, typer.Option(help="Boot id (one start of a device) in the messages; default: random.")] = None,
    scenario: Annotated[str, typer.Option(help="Scenario that defines the publishing devices.")] = "street",
    as_json: JsonOpt = False,
) -> None:
    """Generate load for a gateway: sightings (QoS 0) at a rate, or an exact number of facts (purchases, QoS 1) with known keys."""
    with one_line_errors():
        _check_pace(kind, rate, maximum=maximum)
        plan, address, boot = load_scenario(scenario), parse_broker(broker), boot or load.new_boot()
        if kind is FloodKind.sighting:
            result = load.sightings(plan, address, seconds=seconds, rate=rate, phones=phones, boot=boot)
        else:
            result = load.facts(plan, address, count=count, rate=rate, seconds=seconds, boot=boot)
        _report(result, kind, out, as_json=as_json)
        if kind is FloodKind.fact and result.acked < count:
            fail(f"only {result.acked} of {count} facts were acknowledged within {seconds:g} s; is the broker up?", 1)


def _check_pace(kind: FloodKind, rate: float | None, *, maximum: bool) -> None:
    if (rate is None) != maximum and kind is FloodKind.sighting:
        raise UsageError("sightings need either --rate R or --max")


def _report(result: load.Result, kind: FloodKind, out: Path | None, *, as_json: bool) -> None:
    """Write the keys to `out` and print the figures."""
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


app.command(epilog="Example: wayside-sim fleet --devices 10000 --rate 5000 --seconds 60")(fleet)
app.command(epilog="Example: wayside-sim replay street.jsonl --broker mqtt://127.0.0.1:1883 --faster 10")(replay)
app.command(epilog="Example: wayside-sim count --broker mqtt://127.0.0.1:1883 --expect 5000")(count)
app.command(epilog="Example: wayside-sim past mall --seed 7 --out build/past")(past)
app.command(epilog="Example: wayside-sim fit --data tables")(fit)
app.command(epilog="Example: wayside-sim score --truth truth --history export-a --history export-b")(score)
app.command(epilog="Example: wayside-sim policies --world mall --days 30 --people 200 --seeds 20 --out report")(policies)
app.command(
    epilog="Example: wayside-sim trial --bundle deploy/worlds/street/street.bundle --key deploy/worlds/street/bundle.pub --days 2 --seeds 1"
)(trial)


def main() -> None:
    """Entry point of `wayside-sim`."""
    app()
