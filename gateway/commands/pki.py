"""`wayside pki`: the site's own certificate authority, one certificate a device; and a device's own side of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters.clock import SystemClock
from gateway.commands.options import command_app
from gateway.core.refusal import Refusal
from gateway.pki.certificates import AUTHORITY_DAYS, DEVICE_DAYS, Authority, create, locked
from gateway.pki.device import enrol as enrol_device
from gateway.pki.device import enrolled
from gateway.pki.device import renew as renew_device
from gateway.pki.enrolment import PORT
from gateway.pki.server import registrar_server, server_hosts

FolderOption = Annotated[Path, typer.Option("--in", help="folder of the authority")]
HostOption = Annotated[list[str] | None, typer.Option("--host", help="a name or address by which devices reach this machine")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65_535, help="port for enrolments and renewals")]
TlsFolder = Annotated[Path, typer.Option("--to", help="the device's folder of certificate and key")]
INSTALLED = Path("/var/lib/wayside-authority")
FOLDER = INSTALLED if INSTALLED.is_dir() else Path("pki")
TLS = Path("tls")
DAYS_LEFT = 30

command = command_app("The site's own certificate authority: one certificate a device, by which the broker knows it.")


@command.command()
def init(
    folder: Annotated[Path, typer.Argument(help="new folder")] = FOLDER,
    site: Annotated[str, typer.Option("--site", help="the site's name, as in the config")] = "site",
) -> None:
    """Make an authority. `ca.key` in its folder can make every device's certificate, so only root may read it.

    Example: `wayside pki init pki --site mall`
    """
    create(folder, site, now())
    typer.echo(f"{folder}: an authority for {site}; next: wayside pki issue broker --host BROKER --in {folder}")


@command.command()
def issue(
    name: Annotated[str, typer.Argument(help="the device's id in topics, a gateway's name, or broker")],
    host: Annotated[list[str] | None, typer.Option("--host", help="for a server: a name or address by which clients reach it")] = None,
    folder: FolderOption = FOLDER,
    days: Annotated[int, typer.Option("--days", min=1, max=AUTHORITY_DAYS)] = DEVICE_DAYS,
) -> None:
    """Issue a certificate with its key, for the broker or a device that cannot enrol: `NAME.crt` and `NAME.key`, to be moved to it.

    Example: `wayside pki issue broker --host shop.local --in pki`
    """
    with locked(folder):
        ends = Authority(folder).issue(name, now(), host or (), days).ends
    typer.echo(f"{folder / name}.crt and .key, until {ends[:10]}; the device also needs {folder / 'ca.crt'}")


@command.command()
def serve(folder: FolderOption = FOLDER, host: HostOption = None, port: PortOption = PORT) -> None:
    """Answer enrolments with a token of `wayside devices add`, and renewals, until Ctrl-C.

    Example: `wayside pki serve --in pki --host shop.local`
    """
    hosts = host or server_hosts(folder)
    with registrar_server(folder, hosts, port, now) as server:
        if not server.is_own:
            raise Refusal(f"{folder} is served already, at port {server.port}", "use that server, or stop it first")
        typer.echo(f"https://{hosts[0]}:{server.port}: enrolments and renewals of {folder}")
        threading.Event().wait()


@command.command()
def enrol(link: Annotated[str, typer.Argument(help="the link of `wayside devices add`, in quotes")], to: TlsFolder = TLS) -> None:
    """Enrol this machine: make a key here, and fetch the certificate for it with a one-time link. An interrupted command is repeated.

    Example: `wayside pki enrol 'https://shop.local:8443#name=gw-2&token=…&ca=…' --to /var/lib/wayside/tls`
    """
    held = enrol_device(link, to, now())
    typer.echo(f"{held.path}: key and certificate of {held.name}, until {held.ends:%Y-%m-%d}; the authority is {to / 'ca.crt'}")


@command.command()
def renew(
    to: TlsFolder = TLS,
    days_left: Annotated[
        int, typer.Option("--days-left", min=0, help="renew if the certificate holds for at most so many days")
    ] = DAYS_LEFT,
) -> None:
    """Renew this machine's certificates before their end, with a new key; a gateway reads them at its next connection.

    Example: `wayside pki renew --to /var/lib/wayside/tls`
    """
    names = enrolled(to)
    if not names:
        raise Refusal(f"{to} holds no certificate", "enrol with the link of `wayside devices add`")
    for name in names:
        held = renew_device(to, name, now(), days_left)
        typer.echo(f"{name}: renewed, until {held.ends:%Y-%m-%d}" if held else f"{name}: holds for more than {days_left} days")


def now() -> datetime:
    """The present moment, UTC, in whole seconds."""
    return datetime.fromtimestamp(SystemClock().now_ms() // 1_000, UTC)
