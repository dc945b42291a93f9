"""Command `wayside-sim trial`. The gateway is imported when the command runs: the rest of the simulator works without it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from firmware_sim.console import JsonOpt, fail, one_line_errors
from firmware_sim.scenario import load
from firmware_sim.wire.broker import UsageError

if TYPE_CHECKING:
    from firmware_sim.policies.site import Shop


def trial(
    *,
    bundle: Annotated[list[Path], typer.Option(help="Signed bundle with a campaign; repeat it to compare campaigns.")],
    key: Annotated[Path, typer.Option(help="Public key of the bundles.")],
    world: Annotated[str, typer.Option(help="Built-in scenario (street, mall, station) or a TOML file.")] = "street",
    days: Annotated[int, typer.Option(min=1, max=60, help="Simulated days.")] = 3,
    people: Annotated[int, typer.Option(min=1, max=2_000, help="People of a city, of whom a share consents.")] = 60,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of cities, of the seeds from 0 on.")] = 3,
    as_json: JsonOpt = False,
) -> None:
    """Run campaigns in simulated cities: messages, people, expected acceptances and reasons for silence of each offer.

    With --json a line {"done", "of"} comes after each city, and then one with the figures.
    """
    try:
        from firmware_sim.policies import site  # noqa: PLC0415 (only this command needs the gateway)
        from firmware_sim.policies import trial as of  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fail(f"`trial` runs the gateway's decision core, and {error.name} is missing; install wayside-sim[policies]", 1)
    with one_line_errors():
        plan, found = load(world), dict[str, Any]()
        shops = _opened(lambda: [site.open_shop(plan, one, key, days) for one in bundle])
        for found in of.trial(plan, shops, days=days, people=people, seeds=seeds):
            if as_json:
                sys.stdout.write(json.dumps(found) + "\n")
                sys.stdout.flush()
        if not as_json:
            _show(found)


def _opened(read: Callable[[], list[Shop]]) -> list[Shop]:
    """The campaigns that `read` opens. Raises UsageError for a bundle that cannot be used."""
    try:
        return read()
    except ValueError as error:
        raise UsageError(f"--bundle: {error}") from error


def _show(found: dict[str, Any]) -> None:
    for campaign in found["campaigns"]:
        title = f"{found['world']}: {found['days']} days, {found['people']} people with consent in {found['cities']} cities"
        table = Table("offer", "messages", "people", "acceptances", "held back most by", title=title, title_justify="left")
        for offer, one in campaign["offers"].items():
            held = next((f"{reason} ({count})" for reason, count in one["reasons"].items() if reason != "chosen"), "")
            table.add_row(offer, str(one["messages"]), str(one["people"]), f"{one['accepted']:.1f}", held)
        Console().print(table)
