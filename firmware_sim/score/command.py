"""Command `wayside-sim score`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firmware_sim.console import one_line_errors
from firmware_sim.score import report

PEOPLE_COLUMNS = 130  # width of the widest table, also for output to a file


def score(
    *,
    truth: Annotated[Path, typer.Option(metavar="DIR", help="Ground truth, written by `run` or `record` with --truth.")],
    history: Annotated[
        list[Path], typer.Option(metavar="DIR", help="A gateway's export with interactions.csv; repeat it for each gateway.")
    ],
    records: Annotated[Path | None, typer.Option(metavar="FILE", help="Records that left the gateways, as JSON lines.")] = None,
    zones: Annotated[str, typer.Option(help="Zones to compare, comma-separated; default: those in the history.")] = "",
    grace_s: Annotated[float, typer.Option(min=0.0, help="Tolerance of visit times in seconds.")] = 5.0,
    stay_s_min: Annotated[float, typer.Option(min=0.0, help="Minimum stay for recall, in seconds of message time.")] = 0.0,
    draws: Annotated[
        int,
        typer.Option(min=0, max=100_000, help="Number of random offers to random people, as baseline of the value; 0 skips the value."),
    ] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compare exported gateway histories with the ground truth of a simulation: precision and recall of visits, and value of offers."""
    named = tuple(zone for zone in zones.replace(",", " ").split() if zone)
    with one_line_errors():
        result = report.score(truth, history, records_file=records, zones=named, grace_s=grace_s, stay_s_min=stay_s_min, draws=draws)
    if as_json:
        sys.stdout.write(json.dumps(report.facts(result)) + "\n")
        return
    console = Console()
    wide = console if console.width >= PEOPLE_COLUMNS or console.is_terminal else Console(width=PEOPLE_COLUMNS)
    for table in report.tables(result):
        wide.print(table)
