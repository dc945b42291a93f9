"""The report of the benchmark: every figure with its spread, the method, and the limits of the method."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gateway.commands.bench import end_to_end, flash, pages, parts, profile, road, starts, street
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


class _Bench:
    """The measures of one run, a method each with the name of its `Measure`. Raises DemoError without a broker, where one is needed."""

    def __init__(self, config_path: Path, *, peers: bool) -> None:
        self.path, self.config, self.peers = config_path, load_config(config_path, street.SETTINGS), peers
        self.gateway = end_to_end.gateway(config_path)

    def parts(self) -> Figures:
        """The steps one by one, in this process."""
        return {
            "decoders, us": parts.decoders(),
            "MQTT codec, us a PUBLISH": parts.codec(self.config),
            "fold, us": parts.folding(self.config),
            "decide, us": {"8 offers": parts.deciding(self.config)},
            "facts committed a second": parts.committing(self.config),
        }

    def flash(self) -> Figures:
        """Bytes and pages that the store writes."""
        return {"flash, bytes": flash.written(self.config), **pages.pages(self.config)}

    def road(self) -> Figures:
        """The road of a sighting in this process."""
        return {"road in one process, CPU us a sighting": road.costs(self.path)}

    def profile(self) -> Figures:
        """The largest costs of the street mix in this process."""
        return {"largest costs of the mix, CPU us a message, with the profiler's": profile.largest(self.path)}

    def starts(self) -> Figures:
        """Processor time of whole commands."""
        first = end_to_end.first_decision(self.gateway, self.config)
        return {"commands, CPU s": starts.starts(self.path) | {"start to first decision": [first]}}

    def memory(self) -> Figures:
        """Memory of the gateway under load."""
        found = {f"{people:,} people, peak": [end_to_end.people_memory(self.gateway, self.config, people)] for people in PEOPLE}
        return {"memory, MiB": found}

    def mix(self) -> Figures:
        """The street mix through whole processes, in turn, and the latency."""
        started: dict[str, end_to_end.Start] = {"gateway": self.gateway, **end_to_end.READERS}
        if self.peers:
            started |= found_peers(self.config)
        rounds: dict[str, list[end_to_end.Rate]] = {name: [] for name in started}
        latencies: list[end_to_end.Latency] = []
        of_loop: list[end_to_end.Latency] = []
        for _ in range(ROUNDS):
            for name, start in started.items():
                rounds[name].append(end_to_end.rate(start, self.config))
            latencies += [end_to_end.latency(self.gateway, self.config, load) for load in LOADS]
            if LOOP in started:
                of_loop.append(end_to_end.latency(started[LOOP], self.config, PEER_LOAD))
        return _of_rounds(rounds) | _of_latencies(latencies, of_loop)

    def facts(self) -> Figures:
        """Facts through the whole gateway."""
        facts = end_to_end.facts_per_second(self.gateway, self.config, FACTS)
        return {"facts, end to end": {"a second": [facts.per_second], "CPU us": [facts.cpu_us]}}


Figures = dict[str, dict[str, list[float]]]
"""Group -> figure -> one value for each round."""


class Measure(StrEnum):
    """A measure by name."""

    PARTS = "parts"
    FLASH = "flash"
    ROAD = "road"
    PROFILE = "profile"
    STARTS = "starts"
    MEMORY = "memory"
    MIX = "mix"
    FACTS = "facts"


def run_bench(config_path: Path, *, as_json: bool, peers: bool, saved: Path, only: Sequence[Measure] = ()) -> None:
    """Take the measures, all without `only`, print them and write them to `saved`, with the ratio to the run that it holds.

    Raises DemoError without a broker.
    """
    bench, figures = _Bench(config_path, peers=peers), Figures()
    names = [name for name in Measure if not only or name in only]
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("measuring", total=len(names))
        for name in names:
            progress.update(bar, description=f"measuring: {name}")
            figures |= getattr(bench, name)()
            progress.advance(bar)
    before = _read(saved)
    _print(figures, as_json=as_json, before=before)
    saved.write_bytes(msgspec.json.format(msgspec.json.encode(before | figures)))


def _of_rounds(rounds: dict[str, list[end_to_end.Rate]]) -> Figures:
    return {
        "street mix, CPU us a message": {name: [one.cpu_us for one in rates] for name, rates in rounds.items()},
        "street mix, messages a second": {name: [one.per_second for one in rates] for name, rates in rounds.items()},
        "street mix, decisions of 1,000 messages": {name: [one.decisions for one in rates] for name, rates in rounds.items()},
        "street mix, offers of 1,000 messages": {name: [one.offers for one in rates] for name, rates in rounds.items()},
        "CPU of the gateway, ratio to": {
            name: [own.cpu_us / other.cpu_us for own, other in zip(rounds["gateway"], rates, strict=True) if other.cpu_us]
            for name, rates in rounds.items()
            if name != "gateway"
        },
    }


def _of_latencies(latencies: Sequence[end_to_end.Latency], of_loop: Sequence[end_to_end.Latency]) -> Figures:
    figures: Figures = {}
    for share, name in (("p50_ms", "request to reply, p50 ms"), ("p99_ms", "request to reply, p99 ms")):
        figures[name] = {f"{load:,} a second": [getattr(one, share) for one in latencies if one.load == load] for load in LOADS}
        if of_loop:
            figures[name][f"{LOOP}, {PEER_LOAD:,} a second"] = [getattr(one, share) for one in of_loop]
    return figures


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
