"""`wayside release`: the maintainer's side of updates, a repository of signed releases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.adapters.bundle import APP_VERSION
from gateway.adapters.clock import SystemClock
from gateway.commands.options import command_app
from gateway.update.archive import Release, here, pack
from gateway.update.repository import EVERY_DEVICE, Repository

if TYPE_CHECKING:
    from collections.abc import Callable

command = command_app("Make a repository of signed releases for `wayside update`: a folder for a web server or a USB stick.")

RepositoryArgument = Annotated[Path, typer.Argument(help="folder of the repository")]
KeysOption = Annotated[Path, typer.Option("--keys", help="folder of the private keys; not part of the repository")]
ShareOption = Annotated[int, typer.Option("--share", min=0, max=EVERY_DEVICE, help="percent of the devices that take it by themselves")]


@command.command()
def init(repository: RepositoryArgument, keys: KeysOption) -> None:
    """Make an empty repository and its keys. Move `root.pem` to a place that is offline; devices trust `metadata/1.root.json`.

    Example: `wayside release init releases --keys release-keys`
    """
    _done(lambda: Repository(repository, keys).begin(_now()), f"{repository}: made; devices need {repository}/metadata/1.root.json")


@command.command(name="pack")
def pack_(
    site: Annotated[Path, typer.Argument(help="site-packages of a device's environment, as scripts/install-device.sh makes it")],
    folder: Annotated[Path, typer.Argument(help="folder to write the file to")],
    version: Annotated[str, typer.Option("--version", help="version of the release")] = APP_VERSION,
    python: Annotated[str, typer.Option("--python", help="Python of the environment")] = here()[0],
    machine: Annotated[str, typer.Option("--machine", help="machine of the environment, such as aarch64")] = here()[1],
    time_s: Annotated[int, typer.Option("--time", envvar="SOURCE_DATE_EPOCH", help="time of all files, in seconds since 1970")] = 0,
) -> None:
    """Pack an environment into the file of a release; the same content makes the same bytes.

    Example: `wayside release pack /opt/wayside/lib/python3.11/site-packages dist`
    """
    _done(lambda: pack(site, Release(version, python, machine), folder, time_s), f"{folder}: packed {version}")


@command.command()
def add(
    repository: RepositoryArgument,
    file: Annotated[Path, typer.Argument(help="file of a release")],
    keys: KeysOption,
    share: ShareOption = EVERY_DEVICE,
) -> None:
    """Add the file of a release, and sign. With --share a part of the devices take it first, always the same ones.

    Example: `wayside release add releases dist/wayside-0.2.0-py3.11-aarch64.tar.xz --keys release-keys`
    """
    _done(lambda: Repository(repository, keys).add(file, _now(), share), f"{repository}: has {file.name}, for {share} % of the devices")


@command.command()
def widen(
    repository: RepositoryArgument,
    version: Annotated[str, typer.Argument(help="version of a release that is there")],
    keys: KeysOption,
    share: ShareOption = EVERY_DEVICE,
) -> None:
    """Mean a release for more of the devices, or for none any more with --share 0.

    Example: `wayside release widen releases 0.2.0 --keys release-keys --share 50`
    """
    _done(lambda: Repository(repository, keys).widen(version, _now(), share), f"{repository}: {version} is for {share} % of the devices")


@command.command()
def bundle(
    repository: RepositoryArgument,
    file: Annotated[Path, typer.Argument(help="a signed bundle")],
    keys: KeysOption,
    name: Annotated[str, typer.Option("--name", help="the name of its series, as in its manifest")],
    share: ShareOption = EVERY_DEVICE,
) -> None:
    """Add the bundle of a campaign, with the keys `bundles` and `timestamp`; devices install it by `wayside bundle update`.

    Example: `wayside release bundle releases street.bundle --name street --keys release-keys`
    """
    _done(
        lambda: Repository(repository, keys).add_bundle(file, name, _now(), share),
        f"{repository}: has {name}, for {share} % of the devices",
    )


@command.command()
def renew(repository: RepositoryArgument, keys: KeysOption) -> None:
    """State anew that nothing newer is withheld, which holds for a month; needs `timestamp.pem` only.

    Example: `wayside release renew releases --keys release-keys`
    """
    _done(lambda: Repository(repository, keys).renew(_now()), f"{repository}: valid for another month")


def _now() -> datetime:
    return datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)


def _done(action: Callable[[], object], text: str) -> None:
    action()
    typer.echo(text)
