"""`wayside discover`: listens to a broker for a while and proposes sources, zones and devices as config text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.commands.broker import NO_LOGIN, Login, connect, login
from gateway.commands.discover.findings import Findings
from gateway.commands.options import command_app
from gateway.core.refusal import Refusal

__all__ = ["Findings", "command", "listen"]

TICK_S = 0.25

command = command_app()


@command.command()
def discover(
    broker: Annotated[str, typer.Option(help="the broker, as mqtt://host:port, or mqtts:// with TLS")],
    seconds: Annotated[float, typer.Option(min=0.25, help="seconds to listen")] = 30.0,
    username: Annotated[str | None, typer.Option(help="user name at the broker; the password is asked for, or read from a file")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file that holds the password")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="certificate authority of a broker with TLS, if not a public one")] = None,
) -> None:
    """Subscribe to all topics of a broker for a time and print a config for the devices that publish.

    Example: `wayside discover --broker mqtt://127.0.0.1:1883 --seconds 60 > sources.toml`
    """
    found = asyncio.run(listen(broker, seconds, login(username, password_file, ca_file), show=True))
    if not found.messages and not found.unknown:
        raise Refusal(
            f"no message arrived from {broker} in {seconds:g} s", "check that devices publish to it and that it allows subscriptions"
        )
    typer.echo(found.config(), nl=False)


async def listen(broker: str, seconds: float, user: Login = NO_LOGIN, *, show: bool) -> Findings:
    """Subscribe to all topics of a broker for `seconds`. Raises BrokerError."""
    findings = Findings()
    async with connect(broker, findings.add, user) as connection:
        await connection.subscribe("#")
        with Progress(console=Console(stderr=True), disable=not show) as progress:
            for _ in progress.track(range(max(1, int(seconds / TICK_S))), description="listening"):
                await connection.wait(TICK_S)
    return findings
