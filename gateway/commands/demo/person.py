"""The person's page of a demonstration: its address, the screen of its first zone, and a QR code where the terminal has room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.build_services import screen_address
from gateway.commands.page import terminal_qr

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.config import Config

LINES_SPARE = 26  # of the live summary below the code


def invitation(settings: Config, out: Console) -> str:
    """The lines to print for a gateway that runs and has a page."""
    assert settings.page is not None
    address = settings.page.public_address
    lines = f"your page: {address}   (choose, look, and stop with two taps)\nscreen: {screen_address(settings, settings.zones[0].id)}"
    code = terminal_qr(address)
    fits = out.is_terminal and out.height >= code.count("\n") + LINES_SPARE
    return f"{lines}\n{code}" if fits else lines
