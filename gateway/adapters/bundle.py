"""A bundle: model, features, offers and policy in one signed file, and the only way to open one.

A gateway that does what a file tells it must know who wrote the file. So one Ed25519 signature covers the
manifest, the manifest holds a SHA-256 of every other member, and nothing is parsed before both were checked.
The file around them is the one of `stored_zip`: nothing is compressed and one content has exactly one sequence of
bytes, so a flipped bit in a place that no signature reaches is refused like any other.

Model, parity rows and campaign are always there. What else history taught may come along: patterns with a value, and a start for the
model that learns from answers (`gateway.core.learned`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta
from numpy.typing import NDArray

from gateway.adapters import stored_zip
from gateway.core import features
from gateway.core.ids import Id
from gateway.core.learned import PATTERNS_FORMAT, OfferPriors, Pattern, PatternFile, parse_patterns, parse_priors
from gateway.core.offers import Campaign

APP_VERSION = "0.1.0"  # the `app_min` that this code fulfils; a test compares it with pyproject.toml
FORMAT = 1
MODEL_BYTES_MAX = 1_048_576  # trees of a few hundred splits need a third of it
PARITY_ROWS_MAX = 4_096
BUNDLE_BYTES_MAX = 8_388_608  # the members' bounds together, and the zip's own few hundred bytes
KEY_MARK = "wayside-ed25519"

MANIFEST, SIGNATURE, MODEL, PARITY, CAMPAIGN = "manifest.json", "manifest.sig", "model.onnx", "parity.npz", "campaign.json"
PATTERNS, PRIORS = "patterns.json", "priors.json"
_MEMBER_BYTES_MAX: Mapping[str, int] = {
    MANIFEST: 65_536,
    SIGNATURE: 64,
    MODEL: MODEL_BYTES_MAX,
    PARITY: 1_048_576,
    CAMPAIGN: 262_144,
    PATTERNS: 4_194_304,  # 400 bytes for each of as many patterns as there may be; ordinary ones take half
    PRIORS: 1_572_864,  # 24 KiB for each of as many offers as there may be
}
_OPTIONAL = (PATTERNS, PRIORS)
_PARITY_BYTES_MAX: Mapping[str, int] = {"rows.npy": 1_000_000, "expected.npy": 40_000}
assert sum(_MEMBER_BYTES_MAX.values()) < BUNDLE_BYTES_MAX

Reason = Literal[
    "not_a_bundle",
    "bad_signature",
    "wrong_hash",
    "expired",
    "older_version",
    "other_series",
    "too_new_for_app",
    "features_differ",
    "bad_campaign",
    "bad_patterns",
    "bad_priors",
    "model_broken",
]
"""Why a bundle was refused. Closed: these are the labels of a counter."""

_ADVICE: Mapping[Reason, str] = {
    "not_a_bundle": "fetch the file again, or make it anew with `wayside-models bundle make`",
    "bad_signature": "use a bundle of somebody you trust, or add their public key to the trusted keys",
    "wrong_hash": "the file was changed after it was signed: fetch it again",
    "expired": "ask for a newer bundle, or set the clock right",
    "older_version": "install a newer bundle; to go back on purpose use `wayside bundle rollback`",
    "other_series": "install a bundle of the same series, or allow the change with --series",
    "too_new_for_app": "update Wayside on this gateway first",
    "features_differ": "train the model anew with this version of Wayside",
    "bad_campaign": "mend the campaign file and make the bundle anew",
    "bad_patterns": "write the pattern file anew with `wayside-models rules` or `journeys`, which let nothing without a value pass",
    "bad_priors": "write the priors anew with `wayside-models priors`, from a history of this campaign",
    "model_broken": "export the model and make the bundle anew",
}


class BundleError(ValueError):
    """The bundle is refused: `reason` for counting, `detail` names what, the text says what to do about it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}; {_ADVICE[reason]}")
        self.reason: Reason = reason
        self.detail = detail


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member must be."""

    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    bytes: Annotated[int, Meta(ge=0)]


CalibrationName = Literal["none", "sigmoid", "isotonic"]


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the signer says of the ONNX model: the names at its ends, the operators between, and how its answers became probabilities.

    `calibration` is None where a manifest does not say.
    """

    input: Annotated[str, Meta(min_length=1, max_length=64)]
    output: Annotated[str, Meta(min_length=1, max_length=64)]
    opset: Annotated[int, Meta(ge=1)]
    ops: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    calibration: CalibrationName | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. `version` counts up by bundle name; `metrics` are measured figures, for people."""

    format: int
    name: Id
    version: Annotated[int, Meta(ge=1)]
    created_at_ms: int
    expires_at_ms: int
    app_min: Annotated[str, Meta(pattern=r"\A\d{1,6}\.\d{1,6}\.\d{1,6}\Z")]
    features_hash: Annotated[str, Meta(max_length=128)]
    files: Annotated[dict[str, FileEntry], Meta(max_length=8)]
    model: ModelEntry
    metrics: Annotated[dict[str, float], Meta(max_length=64)]


class _Format(msgspec.Struct, frozen=True):
    format: int


class Draft(msgspec.Struct, frozen=True, eq=False):
    """All that a signer decides; hashes, sizes and the feature table's hash follow from it."""

    name: str
    version: int
    created_at_ms: int
    expires_at_ms: int
    model: bytes
    model_entry: ModelEntry
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    campaign: Campaign
    metrics: Mapping[str, float]
    app_min: str = APP_VERSION
    patterns: tuple[Pattern, ...] | None = None
    priors: tuple[OfferPriors, ...] | None = None


class Bundle(msgspec.Struct, frozen=True, eq=False):
    """An opened bundle: signed by somebody trusted, whole, current and made for this feature table.

    `rows` float32 (n, len(FEATURES)) and `expected` float32 (n,): what the model must answer here as it did where it was made.
    `patterns` and `priors` are None where none came along.
    """

    manifest: Manifest
    model: bytes
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    campaign: Campaign
    patterns: tuple[Pattern, ...] | None
    priors: tuple[OfferPriors, ...] | None


class Parity(NamedTuple):
    """Rows to ask the model and what it must answer."""

    rows: NDArray[np.float32]
    expected: NDArray[np.float32]


def open_bundle(
    source: Path | bytes,
    trusted_keys: Sequence[Ed25519PublicKey],
    now_ms: int | None,
    *,
    version_min: int = 1,
    app_version: str = APP_VERSION,
) -> Bundle:
    """The bundle in a file, or in the bytes that were read from one, or `BundleError`.

    `now_ms` is None while nobody vouches for the clock; expiry is then not judged. `version_min` refuses what is
    older than a bundle that was already installed.
    """
    content = source if isinstance(source, bytes) else read_content(source)
    members = _members(content, _MEMBER_BYTES_MAX, _OPTIONAL)
    _check_signature(members, trusted_keys)
    manifest = _manifest(members[MANIFEST])
    _check_hashes(members, manifest)
    _check_current(manifest, now_ms, version_min, app_version)
    parity = read_parity(members[PARITY])
    campaign = parse_campaign(members[CAMPAIGN])
    return Bundle(
        manifest=manifest,
        model=members[MODEL],
        rows=parity.rows,
        expected=parity.expected,
        campaign=campaign,
        patterns=read_patterns(members[PATTERNS]) if PATTERNS in members else None,
        priors=read_priors(members[PRIORS], campaign) if PRIORS in members else None,
    )


def write_bundle(path: Path, private_key: Ed25519PrivateKey, draft: Draft) -> Manifest:
    """Sign `draft` and write it to `path` in one step: nobody ever finds half a bundle there. The same draft gives the same bytes."""
    members = {MODEL: draft.model, PARITY: parity_bytes(draft.rows, draft.expected), CAMPAIGN: campaign_bytes(draft.campaign)}
    members |= _learnt(draft)
    manifest = Manifest(
        format=FORMAT,
        name=draft.name,
        version=draft.version,
        created_at_ms=draft.created_at_ms,
        expires_at_ms=draft.expires_at_ms,
        app_min=draft.app_min,
        features_hash=features.SCHEMA_HASH,
        files={name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)) for name, content in members.items()},
        model=draft.model_entry,
        metrics=dict(draft.metrics),
    )
    signed = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    _manifest(signed)  # a signer must not be able to write what no gateway can read
    content = stored_zip.write({MANIFEST: signed, SIGNATURE: private_key.sign(signed), **members})
    _members(content, _MEMBER_BYTES_MAX, _OPTIONAL)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return manifest


def parse_campaign(content: bytes) -> Campaign:
    """The campaign in `content` (JSON), or `BundleError` naming the field that is wrong."""
    try:
        return msgspec.json.decode(content, type=Campaign)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("bad_campaign", str(error)[:300]) from error


def campaign_bytes(campaign: Campaign) -> bytes:
    """The campaign as JSON for people and machines."""
    return msgspec.json.format(msgspec.json.encode(campaign), indent=2)


def read_patterns(content: bytes) -> tuple[Pattern, ...]:
    """The patterns in `content` (JSON), or `BundleError`: each has a value."""
    try:
        return parse_patterns(content)
    except ValueError as error:
        raise BundleError("bad_patterns", str(error)) from error


def read_priors(content: bytes, campaign: Campaign) -> tuple[OfferPriors, ...]:
    """The starts of the real-time model in `content` (JSON), each for an offer of `campaign`; or `BundleError`."""
    try:
        return parse_priors(content, {offer.id for offer in campaign.offers})
    except ValueError as error:
        raise BundleError("bad_priors", str(error)) from error


def parity_bytes(rows: NDArray[np.float32], expected: NDArray[np.float32]) -> bytes:
    """`parity.npz`, readable by `numpy.load` too, and the same bytes for the same arrays (numpy's own writer stamps no promise on that)."""
    members: dict[str, bytes] = {}
    for name, array in (("rows.npy", rows), ("expected.npy", expected)):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array, dtype="<f4"), version=(1, 0), allow_pickle=False)
        members[name] = buffer.getvalue()
    return stored_zip.write(members)


def read_parity(content: bytes) -> Parity:
    """The parity rows in `content`, or `BundleError`. Never unpickles."""
    members = _members(content, _PARITY_BYTES_MAX)
    rows, expected = (_array(members[name]) for name in ("rows.npy", "expected.npy"))
    if rows.ndim != 2 or expected.shape != (len(rows),) or not 1 <= len(rows) <= PARITY_ROWS_MAX:
        raise BundleError("model_broken", f"parity rows have the shape {rows.shape}, their answers {expected.shape}")
    if rows.shape[1] != len(features.FEATURES):
        raise BundleError("features_differ", f"parity rows have {rows.shape[1]} columns, FEATURES has {len(features.FEATURES)}")
    if not bool(np.all((expected >= 0) & (expected <= 1))):
        raise BundleError("model_broken", "an expected answer is not a probability")
    return Parity(rows, expected)


def read_public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """The keys of a text file with lines `wayside-ed25519 <base64 of 32 bytes>`; `#` starts a comment. ValueError names file and line."""
    keys: list[Ed25519PublicKey] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] != KEY_MARK:
            raise ValueError(f"{path}:{number}: a public key reads `{KEY_MARK} <base64>`")
        try:
            keys.append(Ed25519PublicKey.from_public_bytes(base64.b64decode(words[1], validate=True)))
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"{path}:{number}: not the base64 of an Ed25519 public key of 32 bytes") from error
    if not keys:
        raise ValueError(f"{path}: holds no public key; a line reads `{KEY_MARK} <base64>`")
    return tuple(keys)


def public_key_line(key: Ed25519PublicKey) -> str:
    """The line that `read_public_keys` reads."""
    return f"{KEY_MARK} {base64.b64encode(key.public_bytes_raw()).decode()}"


def read_content(path: Path) -> bytes:
    """A file that may be a bundle: no more of it than a bundle can be. Raises BundleError."""
    try:
        with path.open("rb") as file:
            content = file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise BundleError("not_a_bundle", f"{path} cannot be read ({error.strerror})") from error
    if len(content) > BUNDLE_BYTES_MAX:
        raise BundleError("not_a_bundle", f"the file is over {BUNDLE_BYTES_MAX} bytes")
    return content


def _members(content: bytes, bytes_max: Mapping[str, int], optional: Sequence[str] = ()) -> dict[str, bytes]:
    try:
        return stored_zip.read(content, bytes_max, optional)
    except stored_zip.StoredZipError as error:
        raise BundleError("not_a_bundle", str(error)) from error


def _learnt(draft: Draft) -> dict[str, bytes]:
    """The members that need not be there, read once as a gateway will: a signer must not be able to write what is refused."""
    members: dict[str, bytes] = {}
    if draft.patterns is not None:
        members[PATTERNS] = msgspec.json.encode(PatternFile(PATTERNS_FORMAT, draft.patterns))
        read_patterns(members[PATTERNS])
    if draft.priors is not None:
        members[PRIORS] = msgspec.json.encode(draft.priors)
        read_priors(members[PRIORS], draft.campaign)
    return members


def _check_signature(members: Mapping[str, bytes], trusted_keys: Sequence[Ed25519PublicKey]) -> None:
    for key in trusted_keys:
        try:
            key.verify(members[SIGNATURE], members[MANIFEST])
        except InvalidSignature:
            continue
        return
    raise BundleError("bad_signature", f"none of {len(trusted_keys)} trusted keys signed it")


def _manifest(content: bytes) -> Manifest:
    try:
        stated = msgspec.json.decode(content, type=_Format).format
        if stated != FORMAT:
            raise BundleError("too_new_for_app", f"its format is {stated}, this gateway reads {FORMAT}")
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("not_a_bundle", f"manifest.json: {str(error)[:200]}") from error


def _check_hashes(members: Mapping[str, bytes], manifest: Manifest) -> None:
    if set(manifest.files) != set(members) - {MANIFEST, SIGNATURE}:
        raise BundleError("wrong_hash", "the manifest does not vouch for every member")
    for name, entry in manifest.files.items():
        if len(members[name]) != entry.bytes or hashlib.sha256(members[name]).hexdigest() != entry.sha256:
            raise BundleError("wrong_hash", f"{name} is not the one that was signed")


def _check_current(manifest: Manifest, now_ms: int | None, version_min: int, app_version: str) -> None:
    if now_ms is not None and now_ms >= manifest.expires_at_ms:
        raise BundleError("expired", f"{manifest.name} version {manifest.version} was valid until {manifest.expires_at_ms} ms since 1970")
    if manifest.version < version_min:
        raise BundleError("older_version", f"version {manifest.version} is older than {version_min}")
    if _ordered(manifest.app_min) > _ordered(app_version):
        raise BundleError("too_new_for_app", f"it needs Wayside {manifest.app_min}, this is {app_version}")
    if manifest.features_hash != features.SCHEMA_HASH:
        raise BundleError("features_differ", f"made for table {manifest.features_hash[:12]}, this gateway has {features.SCHEMA_HASH[:12]}")


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _array(content: bytes) -> NDArray[np.float32]:
    try:
        array: NDArray[np.float32] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, MemoryError, OverflowError) as error:
        raise BundleError("model_broken", f"parity.npz holds no plain array ({str(error)[:120]})") from error
    if array.dtype != np.dtype("<f4"):
        raise BundleError("model_broken", f"parity.npz holds {array.dtype}, not float32")
    return array
