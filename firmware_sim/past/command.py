"""Command `wayside-sim past`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from firmware_sim.console import JsonOpt, SeedOpt, fail, one_line_errors, show
from firmware_sim.past.write import write
from firmware_sim.scenario import load


def past(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Built-in scenario (street, mall, station) or a TOML file.")],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for gateway/ (the history) and shops/ (purchases with articles).")],
    seed: SeedOpt = 1,
    people: Annotated[int, typer.Option(min=1, max=100_000, help="Number of people; those without consent leave no history.")] = 1500,
    offers: Annotated[int, typer.Option(min=1, max=500, help="Offers per person.")] = 8,
    dwell_s: Annotated[float, typer.Option(min=0.1, help="The gateways' presence.dwell_s.")] = 4.0,
    as_json: JsonOpt = False,
) -> None:
    """Write a past in which offers were proposed at random, as training data: a gateway's history and the shops' purchases."""
    with one_line_errors():
        plan = load(scenario)
        if not plan.offers:
            fail(f"{scenario} has no [[offers]], so nothing can be proposed", 1)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
            task = bar.add_task("people", total=people)
            counts = write(plan, out, seed=seed, people=people, offers=offers, dwell_s=dwell_s, progress=lambda: bar.advance(task))
        show({"out": str(out), **counts._asdict()}, f"past of {scenario}", as_json=as_json)
