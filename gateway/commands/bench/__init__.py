"""`wayside bench`: throughput and latency on this machine, in parts and end to end, with method and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.bench.report import SAVED, Measure, run_bench
from gateway.commands.options import ConfigOption, JsonOption, command_app, load

command = command_app()


@command.command()
def bench(
    config: ConfigOption = Path("deploy/worlds/street/gw-a.toml"),
    *,
    peers: Annotated[bool, typer.Option("--peers", help="Measure a Node loop and Node-RED as well; npm installs them once.")] = False,
    only: Annotated[list[Measure] | None, typer.Option(help="A measure; several may be given. Without it all are taken.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file to write; the figures that it held are compared with.")] = SAVED,
    as_json: JsonOption = False,
) -> None:
    """Measure throughput and latency on this machine, of each part and end to end.

    Example: `wayside bench --config deploy/worlds/street/gw-a.toml`
    """
    load(config)
    run_bench(config, as_json=as_json, peers=peers, saved=out, only=only or ())
