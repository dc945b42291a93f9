"""`python -m tests.week --seed N`: a week in a minute, and what it came to.

Exit code 0: every promise was kept; 1: one was broken (it says which, with seed and commit); 2: wrong use.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from firmware_sim.adversaries.names import NAMES, drawn
from tests.week import scene
from tests.week.again import differences
from tests.week.faults import FAULTS
from tests.week.rig import BrokenError, Plan, Result, Rig, folder, play

ALL, DRAWN = "all", "drawn"
JsonOpt = Annotated[bool, typer.Option("--json", help="one line of JSON")]
AgainOpt = Annotated[bool, typer.Option("--again", help="play the log again through a fresh gateway and compare all that it decides")]


def main(
    *,
    seed: Annotated[int, typer.Option(min=0, help="which week")] = 1,
    days: Annotated[float, typer.Option(min=0.01, max=31, help="how long")] = 7.0,
    people: Annotated[int, typer.Option(min=1, max=2_000, help="how many walk there")] = 200,
    cadence: Annotated[int, typer.Option(min=20, max=900, help="seconds between two words of one phone's radio")] = scene.CADENCE_S,
    haste: Annotated[float, typer.Option(min=0.1, max=20, help="how many times as often as usual it goes wrong")] = 1.0,
    fault: Annotated[str, typer.Option(help=f"what goes wrong, comma between, or {ALL}: {', '.join(FAULTS)}")] = "",
    adversary: Annotated[str, typer.Option(help=f"who attacks, comma between, {ALL}, or {DRAWN} (by the seed): {', '.join(NAMES)}")] = "",
    again: AgainOpt = False,
    json_: JsonOpt = False,
) -> None:
    """A week of a whole gateway in simulated time, with its invariants asked after every step.

    Example: python -m tests.week --seed 3 --fault crash,disk
    """
    names = tuple(FAULTS) if fault == ALL else tuple(name for name in fault.split(",") if name)
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise typer.BadParameter(f"no fault is called {unknown[0]!r}; there are {', '.join(FAULTS)}", param_hint="--fault")
    chosen = drawn(seed) if adversary == DRAWN else NAMES if adversary == ALL else tuple(filter(None, adversary.split(",")))
    strangers = set(chosen) - set(NAMES)
    if strangers:
        raise typer.BadParameter(f"no adversary is called {min(strangers)!r}; there are {', '.join(NAMES)}", param_hint="--adversary")
    if again and "crash" in names:
        raise typer.BadParameter("after a crash a gateway draws other names: leave the fault crash out", param_hint="--again")
    try:
        result = play(
            Plan(seed, days, people, names, cadence, haste, tuple(name for name in NAMES if name in chosen)),
            look=_play_again if again else lambda _: None,
        )
    except BrokenError as broken:
        if json_:
            typer.echo(json.dumps({"seed": seed, "broken": broken.broken, "text": str(broken)}))
        else:
            typer.echo(str(broken), err=True)
        raise typer.Exit(1) from None
    if json_:
        typer.echo(json.dumps(result._asdict()))
    else:
        _show(result)


def _play_again(rig: Rig) -> None:
    with folder() as where:
        for what in differences(rig, where):
            raise BrokenError(rig.plan, {"again": what}, rig.true_ms)


def _show(result: Result) -> None:
    table = Table("figure", "value", title="every promise was kept")
    for name, value in result._asdict().items():
        text = ", ".join(f"{key} {count}" for key, count in value.items()) or "none" if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
