"""Command `wayside-sim policies`. The gateway is imported when the command runs: the rest of the simulator works without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from firmware_sim.console import JsonOpt, fail, one_line_errors
from firmware_sim.scenario import load

if TYPE_CHECKING:
    from firmware_sim.policies.figures import Row, Summary
    from firmware_sim.policies.study import Task

FOLDER = Path("deploy/worlds")
TABLE_COLUMNS = 140  # width of the table in a file
DEVELOPED_FROM = 1000  # constants are chosen on seeds from here on; a report uses the seeds from 0 on


def policies(
    *,
    world: Annotated[str, typer.Option(help="Built-in scenario (street, mall, station) or a TOML file.")] = "street",
    days: Annotated[int, typer.Option(min=1, max=365, help="Simulated days.")] = 30,
    people: Annotated[int, typer.Option(min=1, max=10_000, help="People, of whom a share consents.")] = 200,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Number of seeds, from 0 on.")] = 20,
    develop: Annotated[
        bool, typer.Option("--develop", help="Use the seeds from 1000 on, to choose constants without the reported ones.")
    ] = False,
    policy: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Policy to run; repeat it. Default: all.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Signed bundle with model, schema and campaign. Default: that of the world.")] = None,
    key: Annotated[Path | None, typer.Option(help="Public key of the bundle. Default: bundle.pub beside it.")] = None,
    contact_cost: Annotated[
        float | None,
        typer.Option(min=0, metavar="MINOR", help="Price of a message in minor units: a higher one sends fewer. Default: the campaign's."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the report (policies-WORLD.html) to this folder.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes; each runs one seed at a time.")] = 1,
    as_json: JsonOpt = False,
) -> None:
    """Compare policies in a simulated city of known truth: margin, messages, calibration and regret, with intervals over seeds.

    The gateway's decision core runs on visits instead of radio. Needs the gateway: install `wayside-sim[policies]`.
    """
    try:
        from firmware_sim.policies import figures, study  # noqa: PLC0415 (only this command needs the gateway)
    except ModuleNotFoundError as error:
        fail(f"`policies` runs the gateway's decision core, and {error.name} is missing; install wayside-sim[policies]", 1)
    with one_line_errors():
        plan = load(world)
        first = DEVELOPED_FROM if develop else 0
        signed = bundle or FOLDER / plan.site / f"{plan.site}.bundle"
        names = tuple(policy or study.NAMES)
        task = study.Task(plan, signed, key or signed.with_name("bundle.pub"), days, people, names, contact_cost)
        rows = figures.rows(_summaries(task, range(first, first + seeds), jobs, as_json=as_json))
        setting = f"{days} days, {people} people, seeds {first} to {first + seeds - 1}"
        if out is not None:
            _write_page(out, plan.site, setting, rows)
        if as_json:
            facts = [{name: _plain(value) for name, value in row._asdict().items()} for row in rows]
            found = {"world": world, "days": days, "people": people, "seeds": [first, first + seeds - 1], "policies": facts}
            sys.stdout.write(json.dumps(found) + "\n")
        else:
            screen = Console()
            (screen if screen.is_terminal else Console(width=TABLE_COLUMNS)).print(_table(f"{world}: {setting}; for each person", rows))


def _summaries(task: Task, seeds: range, jobs: int, *, as_json: bool) -> dict[str, list[Summary]]:
    """Summaries by policy, with a bar of the seeds on a terminal."""
    from firmware_sim.policies import study  # noqa: PLC0415 (as above)

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
        shown = bar.add_task(f"{task.scenario.site}: seeds", total=len(seeds))
        return study.run_all(task, seeds, jobs, lambda: bar.advance(shown))


def _write_page(out: Path, site: str, setting: str, rows: list[Row]) -> None:
    from firmware_sim.policies import page  # noqa: PLC0415 (as above)

    out.mkdir(parents=True, exist_ok=True)
    (out / f"policies-{site}.html").write_text(page.page(f"Policies in the {site}", f"{setting}.", rows), "utf-8")


def _table(title: str, rows: list[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("policy", "margin", "accepted", "messages", "margin ratio", "message ratio", "error", "calibr.", "Gini", "coverage"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for row in rows:
        cells = (
            (row.margin_minor, 0),
            (row.accepted, 1),
            (row.messages, 1),
            (row.margin_ratio, 2),
            (row.message_ratio, 2),
            (row.error, 3),
            (row.calibration, 3),
            (row.gini, 2),
            (row.coverage, 2),
        )
        texts = ["" if one is None else f"{one.mean:.{digits}f} ±{(one.high - one.low) / 2:.{digits}f}" for one, digits in cells]
        table.add_row(row.policy, *texts)
    return table


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        named = getattr(value, "_asdict", None)
        return named() if named is not None else [_plain(one) for one in value]
    return value
