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
    truth: Annotated[Path, typer.Option(metavar="DIR", help="What `run` or `record` wrote with --truth.")],
    history: Annotated[list[Path], typer.Option(metavar="DIR", help="A gateway's export with interactions.csv; once for each gateway.")],
    records: Annotated[Path | None, typer.Option(metavar="FILE", help="What left the gateways: records as JSON lines.")] = None,
    zones: Annotated[str, typer.Option(help="Zones that count, with commas; default: those that the history tells of.")] = "",
    grace_s: Annotated[float, typer.Option(min=0.0, help="A visit told so much too early or too late is still right.")] = 5.0,
    stay_s_min: Annotated[float, typer.Option(min=0.0, help="Shorter stays (published seconds) do not count against recall.")] = 0.0,
    draws: Annotated[
        int, typer.Option(min=0, max=100_000, help="Offers at random to compare the triggers with; 0: leave their value out.")
    ] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")] = False,
) -> None:
    """Compare a gateway's exported history with the ground truth."""
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
