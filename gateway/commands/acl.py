"""`wayside acl`: the access list of the broker for the sources of gateways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.build import build_router
from gateway.build_broker import subscriptions
from gateway.commands.options import command_app, load
from gateway.runtime.access import Member, access_list
from gateway.runtime.feeds import PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

command = command_app()


@command.command()
def acl(config: Annotated[list[Path], typer.Argument(help="the TOML files of all gateways at this broker")]) -> None:
    """Print the access list of Mosquitto for these gateways: each device publishes and receives under its own name only.

    The user of a gateway is its name, that of a bridge the name of its format, that of any other device its id in topics.

    Example: `wayside acl gw-a.toml gw-b.toml > access.acl`
    """
    typer.echo(access_list_of(config), nl=False)


def access_list_of(configs: Sequence[Path]) -> str:
    """The access list for the gateways of these config files. Raises one of `gateway.build.FAULTS`."""
    return access_list([_member(file) for file in configs])


def _member(file: Path) -> Member:
    settings = load(file)
    sources = [one for one in build_router(settings).sources if not one.topic.startswith(PREFIX)]
    return Member(settings.site, settings.gateway, subscriptions(settings, sources).every, sources)
