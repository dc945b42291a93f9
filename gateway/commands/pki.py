"""`wayside pki`: the site's own certificate authority, one certificate a device."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway.adapters.certificates import AUTHORITY_DAYS, DEVICE_DAYS, Authority, CertificateError, Issued, create
from gateway.adapters.clock import SystemClock
from gateway.commands.options import command_app, fail

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
FolderOption = Annotated[Path, typer.Option("--in", help="folder of the authority")]
FOLDER = Path("pki")

command = command_app("The site's own certificate authority: one certificate a device, by which the broker knows it.")


@command.command()
def init(
    folder: Annotated[Path, typer.Argument(help="new folder")] = FOLDER,
    site: Annotated[str, typer.Option("--site", help="the site's name, as in the config")] = "site",
) -> None:
    """Make an authority. Keep its folder off the gateways: who has `ca.key` can be every device.

    Example: `wayside pki init pki --site mall`
    """
    _tried(lambda: create(folder, site, _now()))
    typer.echo(f"{folder}: an authority for {site}; next: wayside pki issue broker --host BROKER --in {folder}")


@command.command()
def issue(
    name: Annotated[str, typer.Argument(help="the device's id in topics, a gateway's name, or broker")],
    host: Annotated[list[str] | None, typer.Option("--host", help="for a server: a name or address by which clients reach it")] = None,
    folder: FolderOption = FOLDER,
    days: Annotated[int, typer.Option("--days", min=1, max=AUTHORITY_DAYS)] = DEVICE_DAYS,
) -> None:
    """Issue a certificate, also to renew one: `NAME.crt` and `NAME.key` in the authority's folder, to be moved to the device.

    Example: `wayside pki issue gw-a --in pki`
    """
    found = _tried(lambda: Authority(folder).issue(name, _now(), host or (), days))
    typer.echo(f"{folder / name}.crt and .key, until {found.ends[:10]}; the device also needs {folder / 'ca.crt'}")


@command.command()
def revoke(name: Annotated[str, typer.Argument(help="the device")], folder: FolderOption = FOLDER) -> None:
    """Revoke all certificates of a device. The broker refuses it after it has read `crl.pem` anew (reload).

    Example: `wayside pki revoke till-cafe --in pki`
    """
    revoked = _tried(lambda: Authority(folder).revoke(name, _now()))
    typer.echo(f"{name}: {len(revoked)} revoked; copy {folder / 'crl.pem'} to the broker and reload it")


@command.command("list")
def list_issued(folder: FolderOption = FOLDER) -> None:
    """List the certificates: device, end, and since when it is revoked.

    Example: `wayside pki list --in pki`
    """
    for one in _tried(lambda: Authority(folder).issued):
        typer.echo(f"{one.name}  until {one.ends[:10]}  {_state(one)}")


def _now() -> datetime:
    """The present moment, UTC, in whole seconds."""
    return datetime.fromtimestamp(SystemClock().now_ms() // 1_000, UTC)


def _state(one: Issued) -> str:
    if one.revoked is not None:
        return f"revoked {one.revoked[:10]}"
    return "ended" if one.ends < _now().isoformat() else "valid"


def _tried(action: Callable[[], T]) -> T:
    try:
        return action()
    except CertificateError as error:
        fail(str(error))
