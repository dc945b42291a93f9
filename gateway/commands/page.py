"""`wayside page`: the addresses of the person's page and of its screens, with a QR code for the terminal."""

from __future__ import annotations

import io

import msgspec
import segno
import typer

from gateway.build_services import screen_address
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, command_app, load
from gateway.core.refusal import WrongUse

command = command_app()


@command.command()
def page(config: ConfigOption = CONFIG_FILE, override: SetOption = None, *, as_json: JsonOption = False) -> None:
    """Print the address of the person's page with a QR code for the counter, and the address of each zone's screen.

    Example: `wayside page --config wayside.toml`

    The address of a screen is a key: it shows the codes of its zone.
    """
    settings = load(config, override)
    if settings.page is None:
        raise WrongUse(f"{config} has no [page]", "add it with `operator`, and start the gateway again")
    address = settings.page.public_address
    screens = {zone.id: screen_address(settings, zone.id) for zone in settings.zones}
    if as_json:
        typer.echo(msgspec.json.encode({"page": address, "screens": screens}).decode())
        return
    typer.echo(f"page: {address}")
    typer.echo(terminal_qr(address))
    for zone, screen in screens.items():
        typer.echo(f"screen of {zone}: {screen}")


def terminal_qr(address: str) -> str:
    """A QR code in block characters, two rows a line."""
    out = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(out, border=2, compact=True)
    return out.getvalue()
