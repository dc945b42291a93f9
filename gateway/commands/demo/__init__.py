"""`wayside demo`: broker, simulated world, two gateways and dashboard as real processes; their files are removed at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.demo.show import run_demo
from gateway.commands.demo.worlds import DEFAULT
from gateway.commands.options import JsonOption, command_app

command = command_app()


@command.command()
def demo(
    world: Annotated[str, typer.Option(help="the world to simulate: street, mall or station")] = DEFAULT,
    seconds: Annotated[float | None, typer.Option(min=1, help="end after this many seconds; default: run until Ctrl-C")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="the dashboard's port; 0 picks a free one")] = 8080,
    campaign: Annotated[
        Path | None, typer.Option(help="campaign file, made from the world's if it does not exist; an edited one is installed at once")
    ] = None,
    seed: Annotated[int, typer.Option(help="random seed of the simulated people")] = 1,
    *,
    headless: Annotated[bool, typer.Option(help="no live summary")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a complete demonstration: broker, simulated world, two gateways and dashboard.

    Example: `wayside demo --world mall --seconds 60`
    """
    faults = run_demo(world=world, seconds=seconds, port=port, seed=seed, headless=headless, as_json=as_json, campaign=campaign)
    raise typer.Exit(1 if faults else 0)
