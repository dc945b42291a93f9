"""Bundles for tests: complete ones, and signed ones with invalid content."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters import bundle, stored_zip
from gateway.adapters.bundle import Draft, open_bundle, write_bundle
from gateway.core.attributes.groups import Association, Groups
from gateway.core.bundle import ADVICE, BundleError, LoadableModel, ModelEntry
from gateway.core.learned import OfferPriors, Pattern, PatternFile, Predictor
from gateway.core.offers import Campaign, Offer
from tests.kit.attributes import COLUMNS, MINED_SCHEMA, SCHEMA

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NOW_MS = 1_800_000_000_000
CAMPAIGN = Campaign(
    offers=(
        Offer(
            id="flat-white",
            category="coffee_house",
            zones=("plaza",),
            shop="cafe",
            value_minor=90,
            starts_ms=0,
            ends_ms=1,
            expiry_hours=2.0,
            title="x",
        ),
    )
)
PATTERNS = (Pattern(("bar",), "coffee_house", 0.5, 2.5, 40, 192.0, 2_304.0),)
GROUPS = Groups(1, associations=(Association("habit", "intensity", ("visits_bar", "visits_coffee_house")),))
PATTERN_FILE = PatternFile(1, PATTERNS)
PRIORS = (OfferPriors("flat-white", (Predictor("hour", (9.5, 17.0), (3.0, 4.0, 5.0, 0.0), (9.0, 2.0, 1.0, 1.5)),), 12.0, 13.5),)


def model(**changes: Any) -> LoadableModel:
    """Random bytes as the ONNX model, with 8 random parity rows; `changes` replace fields."""
    columns = changes.pop("columns", COLUMNS)
    draws = np.random.default_rng(0)
    made = LoadableModel(
        onnx=bytes(draws.integers(0, 256, 4_000, dtype=np.uint8)),
        entry=ModelEntry(input="rows", output="propensity", opset=17, ops=("Sigmoid",), columns=columns, calibration="isotonic"),
        rows=draws.random((8, len(columns))).astype(np.float32),
        expected=draws.random(8).astype(np.float32),
    )
    return msgspec.structs.replace(made, **changes)


def draft(**changes: Any) -> Draft:
    """A draft without patterns, groups and priors; `changes` replace fields. The model reads what patterns and groups are for."""
    mined = [name for name, part in (("gain", "patterns"), ("habit", "groups")) if changes.get(part)]
    made = Draft(
        name="street",
        version=3,
        created_at_ms=NOW_MS - 1_000,
        expires_at_ms=NOW_MS + 1_000,
        model=model(columns=(*COLUMNS, *mined)),
        schema=MINED_SCHEMA if mined else SCHEMA,
        campaign=CAMPAIGN,
        metrics={"auc": 0.77},
    )
    return msgspec.structs.replace(made, **changes)


def write_whole(folder: Path) -> Path:
    """A bundle with all required and optional members."""
    made = folder / "street.bundle"
    write_bundle(made, KEY, draft(patterns=PATTERNS, groups=GROUPS, priors=PRIORS))
    return made


def reason(path: Path, **options: Any) -> str:
    """The reason for which the bundle is refused; its text must name the way out."""
    with pytest.raises(BundleError) as refused:
        open_bundle(path, options.pop("keys", [KEY.public_key()]), options.pop("now_ms", NOW_MS), **options)
    assert str(refused.value).startswith(f"{refused.value.reason}: ")
    assert ADVICE[refused.value.reason] in str(refused.value)
    return refused.value.reason


def members(path: Path) -> dict[str, bytes]:
    """Name -> content of the members of the zip."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def resign(path: Path, change: Callable[[dict[str, Any]], None], swapped: Mapping[str, bytes] = {}) -> None:
    """Change manifest and members and sign again: a valid signature over invalid content."""
    content = members(path) | dict(swapped)
    manifest = msgspec.json.decode(content[bundle.MANIFEST])
    for name, entry in manifest["files"].items():
        entry |= {"bytes": len(content[name]), "sha256": hashlib.sha256(content[name]).hexdigest()}
    change(manifest)
    content[bundle.MANIFEST] = msgspec.json.encode(manifest)
    content[bundle.SIGNATURE] = KEY.sign(content[bundle.MANIFEST])
    path.write_bytes(stored_zip.write(content))


def same(_: dict[str, Any]) -> None:
    """Change nothing in the manifest."""
