"""`wayside tags`: the codes to issue with tags, from the secret of the config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.build import claim_secret
from gateway.commands.options import SetOption, command_app, load
from gateway.core.claims import claim_code, names_radio
from gateway.core.refusal import Refusal, WrongUse
from gateway.decoders.values.radio_ids import canonical_id

command = command_app()


@command.command()
def tags(
    tag: Annotated[list[str], typer.Argument(help="radio ids of tags, as scanners report them")],
    config: Annotated[Path, typer.Option("--config", help="the gateway's TOML file")],
    override: SetOption = None,
) -> None:
    """Print the code of each tag, to be issued with it: a consent that states the code links the tag to its person.

    Example: `wayside tags E3:75:CF:00:BE:EF --config wayside.toml`
    """
    settings = load(config, override)
    secret = claim_secret(settings)
    if secret is None:
        raise Refusal("claims.secret_file is not set or does not exist yet", "set it and start the gateway once", place=str(config))
    for stated in tag:
        known = canonical_id(stated)
        if not names_radio(known):
            raise WrongUse(f"{stated!r} is no radio id", "a MAC address, a DevEUI, or a kind and a value such as iBeacon:uuid-1-2")
        typer.echo(f"{known} {claim_code(secret, known)}")
