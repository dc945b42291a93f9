"""`wayside results`: the worth of the offers, from the gateway's own log. The gateway may be running.

Only decisions for people with consent to measurement are counted, and no figure, page or JSON names a person.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

from gateway.adapters.clock import SystemClock
from gateway.build import EXPIRY_UNCHECKED, build_site, open_config_bundle
from gateway.build_store import SetupError, open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, command_app, load
from gateway.commands.results.figures import OnScreen
from gateway.commands.results.figures import results as work_out
from gateway.commands.results.page import page
from gateway.commands.results.rows import read_rows
from gateway.commands.results.text import parts
from gateway.core.nearest import nearest
from gateway.core.refusal import WrongUse

if TYPE_CHECKING:
    from gateway.commands.results.figures import Results
    from gateway.config import Config
    from gateway.core.attributes.read import ReadPlan
    from gateway.core.attributes.schema import Attribute

command = command_app()


@command.command()
def results(
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    since: Annotated[str | None, typer.Option("--from", help="first day, such as 2026-09-01; default: the first in the log")] = None,
    until: Annotated[str | None, typer.Option("--until", help="last day, included; default: today")] = None,
    by: Annotated[str | None, typer.Option("--by", help="category of a person for fairness; default: the model's first segment")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="also write the report with pictures to this file")] = None,
    *,
    gate: Annotated[
        bool, typer.Option("--gate", help="exit with 1 if the sample ratio or the fairness of a segment raises an alarm")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the offers of a gateway: funnel, lift against the holdout, money, fairness, and why nothing was offered.

    Example: `wayside results --config wayside.toml --from 2026-09-01 --html results.html`
    """
    settings = load(config, override)
    first, last = _day("--from", since), _day("--until", until)
    if first and last and last < first:
        raise WrongUse(f"it is before --from {first}", "exchange the two", place=f"--until {last}")
    with nullcontext() if as_json else Console(stderr=True).status("reading the log"):
        found = measure(settings, first, last, by)
    if html is not None:
        html.write_text(page(f"What the offers of {settings.gateway} were worth", found), "utf-8")
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        _show(found)
    if gate and found.alarms:
        raise typer.Exit(1)


def measure(settings: Config, first: date | None, last: date | None, by: str | None) -> Results:
    """The figures of the log between two local days, both included. Raises SetupError without a decision, and `gateway.build.FAULTS`."""
    timezone = ZoneInfo(settings.timezone)
    from_ms = _midnight_ms(timezone, first) if first else 0
    until_ms = _midnight_ms(timezone, last + timedelta(days=1)) if last else 2**62
    return measure_between(settings, from_ms, until_ms, by)


def measure_between(settings: Config, from_ms: int, until_ms: int, by: str | None = None) -> Results:
    """The figures of the log from one instant until before another. Raises as `measure`: SetupError and `gateway.build.FAULTS`."""
    bundle = open_config_bundle(settings, EXPIRY_UNCHECKED)
    site = build_site(settings, bundle)
    segment = _segment(site.plan, by)
    with closing(open_reader(settings)) as reader, reader.snapshot():
        decisions = reader.decisions_between(from_ms, until_ms)
        if not decisions:
            raise SetupError(f"{settings.store.path}: no decision in the log between these days; people with consent must come by first")
        screens = reader.screens(from_ms, until_ms)
        log = reader.log(from_ms, until_ms, SystemClock().now_ms())
        try:
            rows = read_rows(log, site.plan, site.timezone, segment)
        except ValueError:
            cause = f"none of the {decisions:,} decisions is for a person who consents to measurement, so nothing can be measured"
            raise SetupError(f"{settings.store.path}: {cause}") from None
    left_out = decisions - rows.decisions
    found = work_out(rows, site.campaign, site.schema.currency, segment.name if segment else None, left_out)
    return msgspec.structs.replace(found, screens=tuple(OnScreen(*one) for one in screens))


def _segment(plan: ReadPlan, name: str | None) -> Attribute | None:
    """The category of a person whose values are the segments: `name`, else the first segment among the model's columns, else any category.

    Raises SetupError for a name that is none.
    """
    known = [one for one in plan.used if one.about == "person" and one.dtype == "category" and set(one.columns) <= set(plan.columns)]
    if name is None:
        return next(iter(sorted(known, key=lambda one: one.segment is None)), None)
    found = next((one for one in known if one.name == name), None)
    if found is None:
        names = [one.name for one in known]
        raise SetupError(f"--by {name}: no category of a person that the model reads{nearest(name, names)}")
    return found


def _day(option: str, text: str | None) -> date | None:
    """The day of an option; another text ends the program with exit code 2."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUse("not a day", "write it as 2026-09-01", place=f"{option} {text}") from None


def _midnight_ms(timezone: ZoneInfo, day: date) -> int:
    return int(datetime.combine(day, time(), timezone).timestamp() * 1000)


def _show(found: Results) -> None:
    console = Console()
    for part in parts(found):
        console.print(f"[bold]{part.title}[/bold]", highlight=False)
        if part.line:
            console.print(part.line, highlight=False, markup=False)
        if part.rows:
            widths = [max(map(len, cells)) for cells in zip(*part.rows, strict=True)]
            heads = [name if len(name) <= width else name.replace(" ", "\n") for name, width in zip(part.columns, widths, strict=True)]
            columns = [Column(head, justify="right" if at else "left", overflow="fold") for at, head in enumerate(heads)]
            table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))  # fits into 80 columns
            for row in part.rows:
                table.add_row(*row)
            console.print(table)
        console.print()
