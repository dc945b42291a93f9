"""`python -m tests.worlds mall --seed 101`: runs a world in simulated time and prints its score against the ground truth."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firmware_sim.scenario import built_in
from firmware_sim.score import report
from tests.worlds.run import running


def main(
    world: Annotated[str, typer.Argument(help=f"the world: {', '.join(built_in())}")],
    *,
    seed: Annotated[int, typer.Option(min=0, help="random seed of the people")] = 101,
    seconds: Annotated[float, typer.Option(min=1, help="message time")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Run a world in simulated time, and compare its gateways with the ground truth."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "run", world, seed) as run:
        run.run(seconds)
        truth, exports = run.write()
        result = report.score(truth, exports)
    if as_json:
        sys.stdout.write(json.dumps(report.facts(result)) + "\n")
        return
    for table in report.tables(result):
        Console(width=130).print(table)


if __name__ == "__main__":
    typer.run(main)
