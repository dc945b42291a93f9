"""`wayside status`: the running gateway's numbers once, for people, programs and health checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.clock import SystemClock
from gateway.commands.doctor.screen import report_lines
from gateway.commands.options import CONFIG_FILE, JsonOption, SetOption, command_app, load
from gateway.commands.running import fetch

command = command_app()


@command.command()
def status(
    config: Annotated[Path, typer.Option("--config", help="the gateway's TOML file")] = CONFIG_FILE,
    override: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the numbers of the running gateway, from the broker to the offers, and each source's last message.

    Exit code 0: it is connected and stores; 1: it is not, or no gateway runs. `wayside doctor` names the cause.

    Example: `wayside status --config wayside.toml`
    """
    report = fetch(load(config, override))
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        for line in report_lines(report, SystemClock().now_ms()):
            typer.echo(line)
    raise typer.Exit(int(not report.connected or report.status.state != "online"))
