"""`wayside bundle …`: what is on the shelf, what may come on it, and the way back.

A bundle is installed only after everything that a start would ask of it: signature, hashes, expiry, version, feature table, campaign,
and a model that answers in a process of its own. So the active file is always one that starts.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from gateway.adapters.bundle import Bundle, BundleError, Manifest, open_bundle, read_content
from gateway.adapters.clock import SystemClock
from gateway.adapters.shelf import Shelf, digest
from gateway.build import trusted_keys
from gateway.core import limits
from gateway.trial import try_model

if TYPE_CHECKING:
    from gateway.config import Config


class Shown(msgspec.Struct, frozen=True):
    """What the commands print of a bundle: of the patterns how many, of the priors for which offers, None where none came along."""

    manifest: Manifest
    offers: tuple[str, ...]
    parity_rows: int
    patterns: int | None
    priors: tuple[str, ...] | None


def verified(source: Path | bytes, config: Config, *, judge_expiry: bool = True) -> Bundle:
    """A bundle that this gateway could run. Raises BundleError, ScorerError, SetupError."""
    now_ms = SystemClock().now_ms()
    known = judge_expiry and now_ms >= limits.CLOCK_FLOOR_MS
    bundle = open_bundle(source, trusted_keys(config), now_ms if known else None)
    try_model(bundle)
    return bundle


def install(path: Path, config: Config, *, series: str | None) -> Bundle:
    """Make the bundle at `path` the active one. Raises as `verified`, and ShelfError, OSError."""
    shelf = Shelf(config.bundle.path)
    content = read_content(path)  # once: what is installed is what was verified, whoever swaps the file meanwhile
    bundle = verified(content, config)
    # Put there by hand, or a power cut came before the note.
    lies_unnoted = shelf.notes() is None and hashlib.sha256(content).hexdigest() == digest(shelf.active)
    if not lies_unnoted:
        _check_follows(bundle.manifest, shelf, config, series)
    shelf.install(content, bundle.manifest.name, bundle.manifest.version)
    return bundle


def rollback(config: Config) -> Bundle:
    """Go back to the previous bundle, if that still runs. Raises as `install`."""
    shelf = Shelf(config.bundle.path)
    if shelf.previous.exists():
        verified(shelf.previous, config)
    shelf.go_back()
    return verified(shelf.active, config)


def _check_follows(manifest: Manifest, shelf: Shelf, config: Config, series: str | None) -> None:
    """A series counts up; another series begins only where it is asked for by name."""
    notes = shelf.notes()
    if notes is not None:
        name, version_max = notes.name, notes.version_max
    elif shelf.active.exists():
        active = open_bundle(shelf.active, trusted_keys(config), None).manifest
        name, version_max = active.name, active.version
    else:
        return
    if manifest.name != name:
        if series != manifest.name:
            raise BundleError("other_series", f"it is of the series {manifest.name!r}, this gateway runs {name!r}")
    elif manifest.version <= version_max:
        raise BundleError("older_version", f"version {manifest.version} is not newer than {version_max}, which was installed here")


def print_bundle(bundle: Bundle, title: str, *, as_json: bool) -> None:
    """One bundle for people, or as one JSON object."""
    shown = Shown(
        manifest=bundle.manifest,
        offers=tuple(offer.id for offer in bundle.campaign.offers),
        parity_rows=len(bundle.rows),
        patterns=None if bundle.patterns is None else len(bundle.patterns),
        priors=None if bundle.priors is None else tuple(of.offer for of in bundle.priors),
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
    table.add_row("answers compared", str(shown.parity_rows))
    table.add_row("patterns", "none" if shown.patterns is None else f"{shown.patterns}, each with a value")
    table.add_row("priors", "none" if shown.priors is None else f"for {', '.join(shown.priors) or 'no offer'}")
    for name, value in manifest.metrics.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)
