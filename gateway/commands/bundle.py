"""`wayside bundle …`: verify, show, install and roll back signed bundles.

A bundle is installed only after all checks of a start: signature, hashes, expiry, version, feature table, campaign, and the model check
in another process. So a gateway can always start with the active bundle.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gateway.adapters.bundle import open_bundle, read_content
from gateway.adapters.bundle_store import BundleStore, digest
from gateway.adapters.clock import SystemClock
from gateway.build import trusted_keys
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, command_app, load
from gateway.core import limits
from gateway.core.bundle import Bundle, BundleError, Manifest
from gateway.runtime.model_check import check_model
from gateway.update.device import FOLDER, STAGED, here

if TYPE_CHECKING:
    from gateway.config import Config


command = command_app("Verify, show, install or roll back a signed bundle (model, offers and contact policy in one file).")
BundleArgument = Annotated[Path, typer.Argument(help="the bundle file")]


@command.command()
def verify(bundle: BundleArgument, config: ConfigOption = CONFIG_FILE, *, as_json: JsonOption = False) -> None:
    """Check a bundle as the gateway does when it starts, without changing anything.

    Example: `wayside bundle verify new.bundle --config wayside.toml`
    """
    settings = load(config)
    print_bundle(open_verified(bundle, settings), "this gateway can run it", as_json=as_json)


@command.command()
def show(
    bundle: Annotated[Path | None, typer.Argument(help="the bundle file; default: the active bundle")] = None,
    config: ConfigOption = CONFIG_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print the content of a bundle, even if it has expired.

    Example: `wayside bundle show --config wayside.toml`
    """
    settings = load(config)
    path = bundle or settings.bundle.path
    print_bundle(open_verified(path, settings, check_expiry=False), "signed and complete", as_json=as_json)


@command.command()
def install(
    bundle: BundleArgument,
    config: ConfigOption = CONFIG_FILE,
    series: Annotated[
        str | None,
        typer.Option(
            help="name of the new bundle (--name of `wayside-models bundle make`), to confirm that it replaces one of another name"
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Verify a bundle and make it the active one; the previous bundle is kept. A running gateway loads it within a second.

    Example: `wayside bundle install new.bundle --config wayside.toml`
    """
    settings = load(config)
    print_bundle(install_bundle(bundle, settings, series=series), "installed", as_json=as_json)


@command.command()
def update(
    source: Annotated[str, typer.Option("--from", help="address or folder (a USB stick) of the repository of releases")],
    config: ConfigOption = CONFIG_FILE,
    root: Annotated[Path, typer.Option("--root", help="folder of the program's versions, with the trusted metadata")] = FOLDER,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="certificate authority of the repository's server")] = None,
    *,
    staged: Annotated[bool, typer.Option("--staged", help=STAGED)] = False,
    as_json: JsonOption = False,
) -> None:
    """Install the newest bundle of the installed series from signed releases; these are proven before the bundle's own signature.

    Example: `wayside bundle update --from /media/usb/releases --config wayside.toml`
    """
    from gateway.update.client import Source  # noqa: PLC0415 - its library opens a socket when it is imported

    settings = load(config)
    bundle_store = BundleStore(settings.bundle.path)
    state = bundle_store.state()
    series = state.name if state is not None else read_manifest(settings).name
    file = Source(source, root, ca_file).bundle(series, here(staged=staged))
    if file is None or digest(file) == digest(bundle_store.active):
        typer.echo(f"the installed bundle of {series} is the newest one" + (" for this device" if staged else ""))
        return
    print_bundle(install_bundle(file, settings, series=None), "installed", as_json=as_json)


@command.command()
def rollback(config: ConfigOption = CONFIG_FILE, *, as_json: JsonOption = False) -> None:
    """Make the previous bundle active again; a second rollback returns to the newer one. A running gateway loads it within a second.

    Example: `wayside bundle rollback --config wayside.toml`
    """
    settings = load(config)
    print_bundle(roll_back_bundle(settings), "active again", as_json=as_json)


class Shown(msgspec.Struct, frozen=True):
    """The printed summary of a bundle: ids of its offers, the number of patterns, offers with priors (None without patterns or priors)."""

    manifest: Manifest
    offers: tuple[str, ...]
    parity_rows: int
    patterns: int | None
    groups: tuple[str, ...]
    priors: tuple[str, ...] | None


def open_verified(source: Path | bytes, config: Config, *, check_expiry: bool = True) -> Bundle:
    """A bundle that this gateway can run. Raises BundleError, ScorerError, SetupError."""
    now_ms = SystemClock().now_ms()
    is_checked = check_expiry and now_ms >= limits.CLOCK_FLOOR_MS
    bundle = open_bundle(source, trusted_keys(config), now_ms if is_checked else None)
    check_model(bundle.model)
    return bundle


def read_manifest(config: Config) -> Manifest:
    """The manifest of the active bundle, even if it has expired. Raises BundleError, SetupError."""
    return open_bundle(config.bundle.path, trusted_keys(config), None).manifest


def install_bundle(path: Path, config: Config, *, series: str | None) -> Bundle:
    """Make the bundle at `path` the active one. Raises as `open_verified`, and BundleStoreError, OSError."""
    bundle_store = BundleStore(config.bundle.path)
    content = read_content(path)  # read once, so that the installed bytes are the verified ones
    bundle = open_verified(content, config)
    # Copied there by hand, or a power cut came before the install state was written.
    is_active_already = bundle_store.state() is None and hashlib.sha256(content).hexdigest() == digest(bundle_store.active)
    if not is_active_already:
        _check_series(bundle.manifest, bundle_store, config, series)
    bundle_store.install(content, bundle.manifest.name, bundle.manifest.version)
    return bundle


def roll_back_bundle(config: Config) -> Bundle:
    """Make the previous bundle active again if it passes all checks. Raises as `install_bundle`."""
    bundle_store = BundleStore(config.bundle.path)
    if bundle_store.previous.exists():
        open_verified(bundle_store.previous, config)
    bundle_store.roll_back()
    return open_verified(bundle_store.active, config)


def _check_series(manifest: Manifest, bundle_store: BundleStore, config: Config, series: str | None) -> None:
    """Raise BundleError for a version that does not count up, or for another series than the installed one and `series`."""
    state = bundle_store.state()
    if state is not None:
        name, version_max = state.name, state.version_max
    elif bundle_store.active.exists():
        active = read_manifest(config)
        name, version_max = active.name, active.version
    else:
        return
    if manifest.name != name:
        if series != manifest.name:
            raise BundleError("other_series", f"it is of series {manifest.name!r}, this gateway runs series {name!r}")
    elif manifest.version <= version_max:
        raise BundleError("older_version", f"version {manifest.version} is not newer than the installed version {version_max}")


def print_bundle(bundle: Bundle, title: str, *, as_json: bool) -> None:
    """Print a bundle as a table, or as one JSON object."""
    shown = Shown(
        manifest=bundle.manifest,
        offers=tuple(offer.id for offer in bundle.campaign.offers),
        parity_rows=len(bundle.model.rows),
        patterns=None if bundle.patterns is None else len(bundle.patterns),
        groups=() if bundle.groups is None else bundle.groups.parts(),
        priors=None if bundle.priors is None else tuple(prior.offer for prior in bundle.priors),
    )
    if as_json:
        Console().out(msgspec.json.encode(shown).decode(), highlight=False)
        return
    manifest = shown.manifest
    table = Table("", "", title=f"{manifest.name} version {manifest.version}: {title}", show_header=False)
    table.add_row("expires", datetime.fromtimestamp(manifest.expires_at_ms / 1000, tz=UTC).date().isoformat())
    table.add_row("offers", ", ".join(shown.offers))
    table.add_row("operators", ", ".join(manifest.model.ops))
    table.add_row("calibration", manifest.model.calibration or "not stated")
    table.add_row("parity rows", str(shown.parity_rows))
    table.add_row("patterns", "none" if shown.patterns is None else f"{shown.patterns}, each with a value")
    table.add_row("groups", ", ".join(shown.groups) or "none")
    table.add_row("priors", "none" if shown.priors is None else f"for {', '.join(shown.priors) or 'no offer'}")
    for name, value in manifest.metrics.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)
