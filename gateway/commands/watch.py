"""`wayside watch`: the running gateway's numbers, renewed until Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.adapters.clock import SystemClock
from gateway.commands.doctor.screen import report_lines
from gateway.commands.options import CONFIG_FILE, JsonOption, SetOption, command_app, load
from gateway.commands.running import AbsentError, fetch
from gateway.config import Config

command = command_app()


@command.command()
def watch(
    config: Annotated[Path, typer.Option("--config", help="the gateway's TOML file")] = CONFIG_FILE,
    override: SetOption = None,
    interval: Annotated[float, typer.Option(min=0.1, help="seconds between two readings")] = 2.0,
    times: Annotated[int, typer.Option(min=0, help="number of readings; 0: until Ctrl-C")] = 0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the numbers of the running gateway again and again; with --json one report a line.

    It goes on while the gateway restarts.

    Example: `wayside watch --config wayside.toml`
    """
    settings, left, pause = load(config, override), times, threading.Event()
    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            text = _reading(settings, as_json=as_json)
            if as_json:
                typer.echo(text)
            else:
                live.update(Text(text), refresh=True)
            left -= 1
            if left == 0:
                return
            pause.wait(interval)


def _reading(settings: Config, *, as_json: bool) -> str:
    try:
        report = fetch(settings)
    except AbsentError as error:
        return msgspec.json.encode({"absent": str(error)}).decode() if as_json else f"wayside: {error}"
    return msgspec.json.encode(report).decode() if as_json else "\n".join(report_lines(report, SystemClock().now_ms()))
