"""`wayside-models keygen` and `bundle make | verify | show`.

`verify` opens the file with the gateway's own code and checks the parity rows with the gateway's own scorer: a bundle that
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

from gateway.adapters.bundle import (
    MODEL,
    PARITY,
    SCHEMA,
    Draft,
    open_bundle,
    public_key_line,
    read_groups,
    read_parity,
    read_patterns,
    read_priors,
    read_public_keys,
    read_schema,
    write_bundle,
)
from gateway.adapters.onnx_scorer import load_scorer
from gateway.adapters.toml_files import TomlFileError, load_campaign
from gateway.core.attributes.schema import Schema
from gateway.core.bundle import Bundle, LoadableModel, Manifest
from gateway.core.offers import Campaign
from models.errors import ModelsError
from models.report import read_report
from models.rule_types import type_faults

app = typer.Typer(no_args_is_help=True, help="Make, verify and show signed bundles.")

DAY_MS = 86_400_000
VALID_DAYS = 365

BundleFile = Annotated[Path, typer.Argument(help="The bundle.", exists=True, dir_okay=False)]
KeysFile = Annotated[
    Path, typer.Option("--pub", help="Trusted public keys, one per line: OUT.pub of `keygen`.", exists=True, dir_okay=False)
]
PatternsFile = Annotated[Path | None, typer.Option(help="Patterns, written by `rules` or `journeys`.", exists=True, dir_okay=False)]
PriorsFile = Annotated[
    Path | None, typer.Option(help="Priors for naive Bayes on the gateway, written by `priors`.", exists=True, dir_okay=False)
]
GroupsFile = Annotated[
    Path | None,
    typer.Option(
        help="Group definitions, written by `value`, `segments`, `journeys`, `items` or `sure-thing`.", exists=True, dir_okay=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day in UTC, YYYY-MM-DD.")]


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


@app.command(
    epilog="Example: [b]wayside-models bundle make --model build/model --campaign campaign.toml --key street.key --out street.bundle[/b]"
)
def make(
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.", exists=True, file_okay=False)],
    campaign: Annotated[Path, typer.Option(help="Offers and policy, a TOML file.", exists=True, dir_okay=False)],
    key: Annotated[Path, typer.Option(help="Private key, PEM.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="The bundle to write.", dir_okay=False)],
    patterns: PatternsFile = None,
    priors: PriorsFile = None,
    groups: GroupsFile = None,
    *,
    name: Annotated[str, typer.Option(help="Name of the bundle; a gateway compares versions of the same name.")] = "street",
    version: Annotated[int, typer.Option(min=1, help="Version number; must increase, as a gateway refuses older versions.")] = 1,
    created: Day = None,
    expires: Day = None,
    as_json: AsJson = False,
) -> None:
    """Sign model, campaign, patterns, groups and priors into one bundle, and verify it as a gateway does.

    Exit code 1 (MakeError) if the key cannot be used, or if the campaign has a fault or no sign-off.
    """
    report = read_report(model)
    created_at_ms = _day_ms(created) if created else time.time_ns() // 1_000_000
    private = _private_key(key)
    entry = msgspec.structs.replace(report.model, calibration=report.calibration)
    schema = read_schema((model / SCHEMA).read_bytes(), entry.columns)
    parity = read_parity((model / PARITY).read_bytes(), len(entry.columns))
    offered = _signed_off(campaign, schema)
    draft = Draft(
        name=name,
        version=version,
        created_at_ms=created_at_ms,
        expires_at_ms=_day_ms(expires) if expires else created_at_ms + VALID_DAYS * DAY_MS,
        model=LoadableModel((model / MODEL).read_bytes(), entry, parity.rows, parity.expected),
        schema=schema,
        campaign=offered,
        metrics=report.metrics(),
        patterns=read_patterns(patterns.read_bytes()) if patterns else None,
        priors=read_priors(priors.read_bytes(), offered, entry.columns) if priors else None,
        groups=read_groups(groups.read_bytes()) if groups else None,
    )
    write_bundle(out, private, draft)
    _print(_verified(open_bundle(out, [private.public_key()], None)), as_json=as_json)


@app.command(epilog="Example: [b]wayside-models bundle verify street.bundle --pub street.pub[/b]")
def verify(bundle: BundleFile, pub: KeysFile, *, as_json: AsJson = False) -> None:
    """Check a bundle as a gateway does: signature, hashes, expiry, feature table, campaign, and model scores of the parity rows."""
    _print(_verified(open_bundle(bundle, _public_keys(pub), time.time_ns() // 1_000_000)), as_json=as_json)


@app.command(epilog="Example: [b]wayside-models bundle show street.bundle --pub street.pub[/b]")
def show(bundle: BundleFile, pub: KeysFile, *, as_json: AsJson = False) -> None:
    """Print the content of a bundle. It is checked as by `verify`, but may have expired."""
    _print(_verified(open_bundle(bundle, _public_keys(pub), None)), as_json=as_json)


def _verified(bundle: Bundle) -> Verified:
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


def _print(verified: Verified, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(verified).decode() + "\n")
        return
    manifest = verified.manifest
    table = Table("", "", title=f"{manifest.name} version {manifest.version}: signed, whole and answering as expected", show_header=False)
    table.add_row("created, expires", f"{_day(manifest.created_at_ms)}, {_day(manifest.expires_at_ms)}")
    table.add_row("needs Wayside", manifest.app_min)
    table.add_row("attributes", f"{verified.attributes}, {len(manifest.model.columns)} columns of the model")
    table.add_row("offers", ", ".join(verified.offers))
    table.add_row("operators", ", ".join(manifest.model.ops))
    table.add_row("calibration", manifest.model.calibration or "not stated")
    table.add_row("parity", f"{verified.parity_rows} rows, at most {verified.parity_worst:.1g} apart")
    table.add_row("patterns", "none" if verified.patterns is None else f"{verified.patterns}, each with a value")
    table.add_row("groups", ", ".join(verified.groups) or "none")
    table.add_row("priors", "none" if verified.priors is None else f"for {', '.join(verified.priors) or 'no offer'}")
    for name, value in manifest.metrics.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)


def _signed_off(path: Path, schema: Schema) -> Campaign:
    """The campaign in the file. Raises MakeError for a fault in it, and for a draft."""
    try:
        campaign = load_campaign(path, schema).campaign
    except TomlFileError as error:
        raise MakeError(str(error)) from None
    if campaign.sign_off is None:
        raise MakeError(f"{path} is a draft: answer the questions of [sign_off] in it and name an approver")
    faults = list(type_faults(campaign, schema))
    if faults:
        raise MakeError("\n".join(f"{path}: {fault}" for fault in faults))
    return campaign


def _private_key(path: Path) -> Ed25519PrivateKey:
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


def _day_ms(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp()) * 1_000


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).date().isoformat()
