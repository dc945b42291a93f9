"""`wayside devices`: the devices of a site, from the counter: enrol a phone with a QR code, list all, revoke one."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gateway.commands.options import JsonOption, command_app, warn
from gateway.commands.page import terminal_qr
from gateway.commands.pki import FOLDER, FolderOption, HostOption, PortOption, now
from gateway.core.refusal import Refusal
from gateway.pki.certificates import Authority, CertificateError, Issued, locked
from gateway.pki.enrolment import PORT, Link, open_token, read_tokens
from gateway.pki.server import registrar_server, server_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

POLL_S = 0.2
MINUTES = 10
command = command_app("The devices of a site, from the counter: enrol a phone with a QR code, list all, revoke one.")


class Row(msgspec.Struct, frozen=True):
    """A device, the end of its certificate or token (ISO 8601, UTC), and its state: valid, ended, revoked or invited."""

    name: str
    ends: str
    state: str


@command.command()
def add(
    name: Annotated[str, typer.Argument(help="the device's id in topics; its certificate has this name")],
    folder: FolderOption = FOLDER,
    host: HostOption = None,
    port: PortOption = PORT,
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1_440, help="time in which the link can be used, once")] = MINUTES,
) -> None:
    """Enrol a device: print a one-time link as text and QR code, and wait until the device has used it.

    The app or `wayside pki enrol LINK` makes a key on the device, and fetches a certificate for it; the private key stays there.

    Example: `wayside devices add phone-1 --host shop.local --in pki`
    """
    hosts = host or server_hosts(folder)
    token, authority = open_token(folder, name, now(), minutes)
    with registrar_server(folder, hosts, port, now) as server:
        link = str(Link(f"https://{hosts[0]}:{server.port}", name, token, authority))
        typer.echo(link)
        typer.echo(terminal_qr(link))
        warn(f"waiting {minutes} min for {name}; on another machine: wayside pki enrol '{link}'")
        is_enrolled = _has_enrolled(folder, name)
    if not is_enrolled:
        raise Refusal(
            f"{name} did not enrol within {minutes} min", f"repeat the command, and check that it reaches {hosts[0]} at port {server.port}"
        )
    typer.echo(f"{name} is enrolled")


@command.command("list")
def list_devices(folder: FolderOption = FOLDER, *, as_json: JsonOption = False) -> None:
    """List the devices: end of the certificate, and whether it is valid, ended, revoked, or invited to enrol.

    Example: `wayside devices list --in pki`
    """
    rows = list(_rows(folder, now()))
    if as_json:
        typer.echo(msgspec.json.encode(rows))
        return
    for one in rows:
        typer.echo(f"{one.name:<24} {one.state:<8} until {one.ends[:16].replace('T', ' ')}")


@command.command()
def revoke(
    name: Annotated[str, typer.Argument(help="the device")],
    folder: FolderOption = FOLDER,
    broker: Annotated[Path | None, typer.Option("--broker", help="folder of the broker's files, to which the list is copied")] = None,
) -> None:
    """Revoke all certificates of a device. The broker refuses it after a restart, with the new `crl.pem`.

    Example: `wayside devices revoke till-cafe --in pki --broker /etc/mosquitto/wayside`
    """
    with locked(folder):
        count = len(Authority(folder).revoke(name, now()))
    if broker is not None:
        _copy(folder / "crl.pem", broker / "crl.pem")
    step = "restart the broker" if broker is not None else f"copy {folder / 'crl.pem'} to the broker, and restart it"
    typer.echo(f"{name}: {count} revoked; {step}")


def _copy(path: Path, to: Path) -> None:
    """Raises CertificateError."""
    try:
        shutil.copyfile(path, to)
    except OSError as error:
        raise CertificateError(
            f"{to} cannot be written ({error.strerror})", "name the folder of the broker's files with --broker"
        ) from None


def _has_enrolled(folder: Path, name: str) -> bool:
    """Whether the device has used its token, waiting for it until the token ends."""
    pause = threading.Event()
    while (token := next((one for one in read_tokens(folder, now()) if one.name == name), None)) is not None:
        if token.key:
            return True
        pause.wait(POLL_S)
    return False


def _rows(folder: Path, at: datetime) -> Iterator[Row]:
    """All certificates, the newest of each state and name, then the open tokens. Raises CertificateError."""
    found = {(one.name, _state(one, at)): one.ends for one in Authority(folder).issued}
    yield from (Row(name, ends, state) for (name, state), ends in sorted(found.items()))
    yield from (Row(one.name, one.ends, "invited") for one in read_tokens(folder, at) if not one.key)


def _state(one: Issued, at: datetime) -> str:
    if one.revoked is not None:
        return "revoked"
    return "ended" if one.ends < at.isoformat() else "valid"
