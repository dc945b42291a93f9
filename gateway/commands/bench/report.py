"""The report of the benchmark: every figure with its spread, the method, and the limits of the method."""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gateway.commands.bench import end_to_end, flash, parts, road, starts, street
from gateway.commands.bench.peers import LOOP, found_peers
from gateway.config import load_config

FACTS = 20_000
ROUNDS = 3
LOADS = (100, 1_000, 5_000)
PEER_LOAD = 1_000
PEOPLE = (200, 40_000)
SAVED = Path("bench.json")

METHOD = (
    "Parts: 5 runs of 0.25 s each after a warm-up, in one process, by its processor time (commits by the clock).\n"
    f"Whole processes: {ROUNDS} rounds, in each one the gateway and the others in turn, so that a change of the machine's speed\n"
    "meets all of them; broker and sender on the other cores, the measured process pinned to one. All receive the same\n"
    f"{end_to_end.MESSAGES:,} messages and lose none: at most {end_to_end.WAITING:,} are sent ahead of the last report of the process.\n"
    "CPU is processor time of the process for each message.\n"
    f"The street mix: {street.MIX}.\n"
    "The Node peers know who consented, keep presence by level, score with the same model when a person enters, and publish the\n"
    "best offer; their decisions and offers are counted. They have no store, no commit before a trigger, no privacy, no learning.\n"
    "Latency: from the publication of a request to the reply, at a load of the street mix. Flash: bytes at the system calls of\n"
    "the store, with checkpoints. Figures: min / median / max; ratios are of one round each."
)
NOT_COVERED = (
    "Not covered: a Raspberry Pi's cores and SD card, TLS, brokers over a network, more than one gateway a broker, other formats than\n"
    "ESPresense and Wayside v1 in the mix, a model larger than the demonstration's, and people at the rate of life: here each is heard\n"
    "many times a second."
)


def run_bench(config_path: Path, *, as_json: bool, peers: bool, saved: Path) -> None:
    """Measure everything, print it and write it to `saved`, with the ratio to the run that it holds. Raises DemoError without a broker."""
    config = load_config(config_path, street.SETTINGS)
    started: dict[str, end_to_end.Start] = {"gateway": end_to_end.gateway(config_path), **end_to_end.READERS}
    if peers:
        started |= found_peers(config)
    rounds: dict[str, list[end_to_end.Rate]] = {name: [] for name in started}
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("measuring", total=12 + ROUNDS * (len(started) + len(LOADS) + peers))

        def step(result: Any) -> Any:
            progress.advance(bar)
            return result

        figures: dict[str, dict[str, list[float]]] = {
            "decoders, us": step(parts.decoders()),
            "MQTT codec, us a PUBLISH": step(parts.codec(config)),
            "fold, us": step(parts.folding(config)),
            "decide, us": {"8 offers": step(parts.deciding(config))},
            "facts committed a second": step(parts.committing(config)),
            "flash, bytes": step(flash.written(config)),
            "road in one process, CPU us a sighting": step(road.costs(config_path)),
            "commands, CPU s": step(starts.starts(config_path)),
        }
        gateway = started["gateway"]
        figures["commands, CPU s"]["start to first decision"] = [step(end_to_end.first_decision(gateway, config))]
        figures["memory, MiB"] = {
            f"{people:,} people, peak": [step(end_to_end.people_memory(gateway, config, people))] for people in PEOPLE
        }
        latencies: list[end_to_end.Latency] = []
        of_loop: list[end_to_end.Latency] = []
        for _ in range(ROUNDS):
            for name, start in started.items():
                rounds[name].append(step(end_to_end.rate(start, config)))
            latencies += [step(end_to_end.latency(gateway, config, load)) for load in LOADS]
            if LOOP in started:
                of_loop.append(step(end_to_end.latency(started[LOOP], config, PEER_LOAD)))
        facts = step(end_to_end.facts_per_second(gateway, config, FACTS))
    figures["street mix, CPU us a message"] = {name: [one.cpu_us for one in rates] for name, rates in rounds.items()}
    figures["street mix, messages a second"] = {name: [one.per_second for one in rates] for name, rates in rounds.items()}
    figures["street mix, decisions of 1,000 messages"] = {name: [one.decisions for one in rates] for name, rates in rounds.items()}
    figures["street mix, offers of 1,000 messages"] = {name: [one.offers for one in rates] for name, rates in rounds.items()}
    figures["CPU of the gateway, ratio to"] = {
        name: [own.cpu_us / other.cpu_us for own, other in zip(rounds["gateway"], rates, strict=True) if other.cpu_us]
        for name, rates in rounds.items()
        if name != "gateway"
    }
    for share, name in (("p50_ms", "request to reply, p50 ms"), ("p99_ms", "request to reply, p99 ms")):
        figures[name] = {f"{load:,} a second": [getattr(one, share) for one in latencies if one.load == load] for load in LOADS}
        if of_loop:
            figures[name][f"{LOOP}, {PEER_LOAD:,} a second"] = [getattr(one, share) for one in of_loop]
    figures["facts, end to end"] = {"a second": [facts.per_second], "CPU us": [facts.cpu_us]}
    _print(figures, as_json=as_json, before=_read(saved))
    saved.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


def _read(saved: Path) -> dict[str, dict[str, list[float]]]:
    """The figures of the last run; empty if there was none."""
    try:
        return msgspec.json.decode(saved.read_bytes(), type=dict[str, dict[str, list[float]]])
    except (OSError, msgspec.DecodeError):
        return {}


def _print(figures: dict[str, dict[str, list[float]]], *, as_json: bool, before: dict[str, dict[str, list[float]]]) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    spread: dict[str, dict[str, dict[str, float]]] = {}
    for group, rows in figures.items():
        spread[group] = {}
        for name, values in rows.items():
            row = {"min": min(values), "median": statistics.median(values), "max": max(values)}
            last = before.get(group, {}).get(name)
            spread[group][name] = row | ({"to_last_run": row["median"] / statistics.median(last)} if last else {})
    if as_json:
        typer.echo(msgspec.json.encode({"machine": machine, "method": METHOD, "not_covered": NOT_COVERED, **spread}).decode())
        return
    table = Table("figure", "", "min", "median", "max", "to last run", title=f"wayside bench on {machine}")
    for group, lines in spread.items():
        for name, row in lines.items():
            shown = [f"{row[key]:,.1f}" if row[key] >= 1 else f"{row[key]:.3f}" for key in ("min", "median", "max")]
            table.add_row(group, name, *shown, f"{row['to_last_run']:.2f}" if "to_last_run" in row else "")
    console = Console()
    console.print(table)
    console.print(METHOD, NOT_COVERED, sep="\n")
