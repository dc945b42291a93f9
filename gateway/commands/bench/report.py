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

from gateway.commands.bench import end_to_end, parts
from gateway.commands.demo.processes import require
from gateway.config import load_config

FACTS = 40_000
END_TO_END_RUNS = 3

METHOD = (
    "Parts: 5 runs of 0.25 s each after a warm-up, in one process. End to end: 3 runs; broker and load generator on the other\n"
    "cores, the gateway (and, in turn, a bare paho receiver that only counts) pinned to one; sightings of 200 consenting people\n"
    "at QoS 0 as fast as possible, half of them in zones of another gateway; facts at QoS 1, each committed before it is\n"
    "acknowledged. Figures: min / median / max."
)
NOT_COVERED = (
    "Not covered: a Raspberry Pi's cores and SD card, TLS, more than one gateway a broker, message-to-trigger time under this\n"
    "load (see `wayside demo`)."
)


def run_bench(config_path: Path, *, as_json: bool) -> None:
    """Measure everything and print it. Raises DemoError if the simulator, which makes the load, is not installed."""
    require("wayside-sim")
    config = load_config(config_path)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("measuring", total=5 + 2 * END_TO_END_RUNS)

        def step(result: Any) -> Any:
            progress.advance(bar)
            return result

        figures: dict[str, Any] = {
            "decoders_us": step(parts.decoders()),
            "fold_us": step(parts.folding(config)),
            "decide_us": {"8 offers": step(parts.deciding(config))},
            "facts_committed_per_s": step(parts.committing(config)),
        }
        rates = [(step(end_to_end.gateway_rate(config_path, "sighting")), step(end_to_end.receiver_rate())) for _ in range(END_TO_END_RUNS)]
        facts = step(end_to_end.gateway_rate(config_path, "fact", FACTS))
    figures["end_to_end_per_s"] = {
        "gateway, sightings": [gateway.per_second for gateway, _ in rates],
        "bare receiver, sightings": [receiver.per_second for _, receiver in rates],
        "gateway, facts committed": [facts.per_second],
    }
    figures["gateway_to_receiver_ratio"] = {"sightings": [gateway.per_second / receiver.per_second for gateway, receiver in rates]}
    figures["memory_mib"] = {"gateway, peak": [max(*(gateway.memory_mib for gateway, _ in rates), facts.memory_mib)]}
    _print(figures, as_json=as_json)


def _print(figures: dict[str, dict[str, list[float]]], *, as_json: bool) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    spread = {
        group: {name: {"min": min(values), "median": statistics.median(values), "max": max(values)} for name, values in rows.items()}
        for group, rows in figures.items()
    }
    if as_json:
        typer.echo(msgspec.json.encode({"machine": machine, "method": METHOD, "not_covered": NOT_COVERED, **spread}).decode())
        return
    table = Table("figure", "", "min", "median", "max", title=f"wayside bench on {machine}")
    for group, rows in spread.items():
        for name, row in rows.items():
            table.add_row(group, name, *(f"{row[key]:,.1f}" if row[key] >= 1 else f"{row[key]:.3f}" for key in ("min", "median", "max")))
    console = Console()
    console.print(table)
    console.print(METHOD, NOT_COVERED, sep="\n")
