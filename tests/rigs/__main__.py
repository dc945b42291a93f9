"""`python -m tests.rigs NAME --count N --seed S`: run one rig in its long form, with progress, and print its figures.

Exit code 0: everything held; 1: something was broken (it says what); 2: wrong use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import typer

from models import screen
from tests.rigs import clock, flood, footprint, judge, kill, power, statements, update
from tests.rigs.report import Progress, Report

BROKEN_SHOWN = 10


class Rig(NamedTuple):
    """A rig: what a round of it is, how many there are without `--count`, and its run."""

    unit: str
    rounds: int
    run: Callable[[int, int, Progress], Report]


RIGS: dict[str, Rig] = {
    "power": Rig("power cuts", 10_000, power.run),
    "statements": Rig("deaths before a statement", 5_000, statements.run),
    "kill": Rig("kills, with 500 facts each", 200, kill.run),
    "judge": Rig("facts under faults", 12_000, judge.run),
    "clock": Rig("scripts of a clock", 40, clock.run),
    "update": Rig("interrupted updates", 200, update.run),
    "footprint": Rig("seconds at rest", 60, footprint.run),
    **{
        f"flood_{name}": Rig("withdrawals under a flood, one a second", 600, flood.runner(name))
        for name in (*flood.FLOODS, flood.ONE_SESSION)
    },
}


def main(
    name: Annotated[str, typer.Argument(help=f"the rig: {', '.join(RIGS)}")],
    *,
    count: Annotated[int | None, typer.Option(min=1, help="rounds; without it as many as the promise asks for")] = None,
    seed: Annotated[int, typer.Option(min=0, help="which run")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="one line of JSON")] = False,
) -> None:
    """Run a rig and print its figures.

    Example: python -m tests.rigs power --count 500 --seed 3
    """
    rig = RIGS.get(name)
    if rig is None:
        raise typer.BadParameter(f"no rig is called {name!r}; there are {', '.join(RIGS)}", param_hint="NAME")
    rounds = count or rig.rounds
    with screen.progressing(f"{name}: {rig.unit}", rounds) as progress:
        report = rig.run(rounds, seed, progress)
    if json_:
        screen.print_json({"rig": name, "seed": seed, **report.figures, "broken": report.broken})
    else:
        screen.show(f"{name}, seed {seed}", ("figure", "value"), report.figures.items())
        for line in report.broken[:BROKEN_SHOWN]:
            screen.say(f"broken: {line}")
    if report.broken:
        raise typer.Exit(1)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
