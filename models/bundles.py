"""`wayside-models keygen` and `bundle verify | show`; `models.making` adds `bundle make`.

`verify` opens the file with the gateway's own code and gives its model to the gateway's own check: a bundle that
passes here is refused there only because of the gateway's clock, keys or installed version.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from rich.console import Console
from rich.table import Table

from gateway.adapters.bundle import open_bundle, public_key_line, read_public_keys
from gateway.adapters.onnx_scorer import load_scorer
from gateway.core.bundle import Bundle, Manifest
from gateway.runtime.model_check import check_model
from models.errors import ModelsError

app = typer.Typer(no_args_is_help=True, help="Make, verify and show signed bundles.")

BundleFile = Annotated[Path, typer.Argument(help="The bundle.", exists=True, dir_okay=False)]
KeysFile = Annotated[
    Path, typer.Option("--pub", help="Trusted public keys, one per line: OUT.pub of `keygen`.", exists=True, dir_okay=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


class MakeError(ModelsError):
    """A key, model or campaign cannot be used for a bundle; the message names the remedy."""


class Verified(msgspec.Struct, frozen=True):
    """Result of `verify` and `show`.

    `patterns` is the number of patterns and `priors` the offers with priors, None if the bundle has none; `groups` are their names.
    """

    manifest: Manifest
    attributes: int
    offers: tuple[str, ...]
    parity_rows: int
    parity_worst: float
    patterns: int | None
    groups: tuple[str, ...]
    priors: tuple[str, ...] | None


def keygen(
    out: Annotated[
        Path,
        typer.Option(help="Path without suffix. Writes OUT.key (private key, keep it secret) and OUT.pub (public key, for the gateways)."),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Write a new Ed25519 key pair. Exit code 1 (MakeError) if one of the two files exists."""
    secret, public = out.with_name(out.name + ".key"), out.with_name(out.name + ".pub")
    for path in (secret, public):
        if path.exists():
            raise MakeError(f"{path} exists already; choose another name, a lost key cannot be recovered")
    key = Ed25519PrivateKey.generate()
    handle = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    line = public_key_line(key.public_key())
    public.write_text(line + "\n", encoding="utf-8")
    if as_json:
        sys.stdout.write(msgspec.json.encode({"key": str(secret), "pub": str(public), "line": line}).decode() + "\n")
    else:
        Console().print(
            f"{secret} signs: keep it off every gateway\n{public} verifies: {line}", markup=False, highlight=False, soft_wrap=True
        )


@app.command(epilog="Example: [b]wayside-models bundle verify street.bundle --pub street.pub[/b]")
def verify(bundle: BundleFile, pub: KeysFile, *, as_json: AsJson = False) -> None:
    """Check a bundle as a gateway does: signature, hashes, expiry, schema, campaign, and the scores, speed and memory of its model."""
    opened = open_bundle(bundle, _public_keys(pub), time.time_ns() // 1_000_000)
    check_model(opened.model)
    show_verified(summary(opened), as_json=as_json)


@app.command(epilog="Example: [b]wayside-models bundle show street.bundle --pub street.pub[/b]")
def show(bundle: BundleFile, pub: KeysFile, *, as_json: AsJson = False) -> None:
    """Print the content of a bundle. Signature, hashes and scores are checked as by `verify`; it may have expired."""
    show_verified(summary(open_bundle(bundle, _public_keys(pub), None)), as_json=as_json)


def summary(bundle: Bundle) -> Verified:
    """The content of a bundle. Raises ScorerError if its model does not give the scores of its parity rows."""
    return Verified(
        manifest=bundle.manifest,
        attributes=len(bundle.schema.attributes),
        offers=tuple(offer.id for offer in bundle.campaign.offers),
        parity_rows=len(bundle.model.rows),
        parity_worst=load_scorer(bundle.model).check_parity(bundle.model.rows, bundle.model.expected),
        patterns=None if bundle.patterns is None else len(bundle.patterns),
        groups=() if bundle.groups is None else bundle.groups.parts(),
        priors=None if bundle.priors is None else tuple(of.offer for of in bundle.priors),
    )


def show_verified(of: Verified, *, as_json: bool) -> None:
    """Print the content of a bundle as a table or as JSON."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(of).decode() + "\n")
        return
    manifest = of.manifest
    table = Table("", "", title=f"{manifest.name} version {manifest.version}: signed, whole and answering as expected", show_header=False)
    table.add_row("created, expires", f"{_day(manifest.created_at_ms)}, {_day(manifest.expires_at_ms)}")
    table.add_row("needs Wayside", manifest.app_min)
    table.add_row("attributes", f"{of.attributes}, {len(manifest.model.columns)} columns of the model")
    table.add_row("offers", ", ".join(of.offers))
    table.add_row("operators", ", ".join(manifest.model.ops))
    table.add_row("calibration", manifest.model.calibration or "not stated")
    table.add_row("parity", f"{of.parity_rows} rows, at most {of.parity_worst:.1g} apart")
    table.add_row("patterns", "none" if of.patterns is None else f"{of.patterns}, each with a value")
    table.add_row("groups", ", ".join(of.groups) or "none")
    table.add_row("priors", "none" if of.priors is None else f"for {', '.join(of.priors) or 'no offer'}")
    for name, value in manifest.metrics.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)


def private_key(path: Path) -> Ed25519PrivateKey:
    """The signing key in a PEM file. Raises MakeError, and OSError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MakeError(f"{path} is no private key in PEM without password; make one with `wayside-models keygen`") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise MakeError(f"{path} is not an Ed25519 key; make one with `wayside-models keygen`")
    return key


def _public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    try:
        return read_public_keys(path)
    except ValueError as error:
        raise MakeError(str(error)) from error


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).date().isoformat()
