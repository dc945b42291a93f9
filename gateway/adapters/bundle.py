"""Writes, signs and opens bundles: schema, model, offers, policy, learned artefacts in a signed file (values: `gateway.core.bundle`).

One Ed25519 signature covers the manifest, and the manifest holds a SHA-256 of every other member. No member is parsed before signature
and hashes were checked: a gateway acts on the content, so the signer must be known first. The file is a zip of `stored_zip`: nothing is
compressed, and one content has exactly one sequence of bytes, so a flipped bit outside the signed parts is refused as well.

Schema, model, parity rows and campaign are required. Patterns and priors (`gateway.core.learned`) and groups
(`gateway.core.attributes.groups`) are optional; those that no decision would use are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from gateway.adapters import stored_zip
from gateway.adapters.rules import compiled_rules, rule_faults
from gateway.core.attributes.group_checks import check_groups, check_patterns, groups_bytes, parse_groups
from gateway.core.attributes.groups import NO_GROUPS, Groups
from gateway.core.attributes.read import ColumnsError, used_attributes
from gateway.core.attributes.schema import Schema, SchemaError, parse, schema_bytes
from gateway.core.bundle import Bundle, BundleError, FileEntry, LoadableModel, Manifest
from gateway.core.learned import PATTERNS_FORMAT, OfferPriors, Pattern, PatternFile, parse_patterns, parse_priors
from gateway.core.nearest import nearest
from gateway.core.offers import Campaign

APP_VERSION = "0.1.0"  # compared with a bundle's `app_min`; a test keeps it equal to pyproject.toml
FORMAT = 1
MODEL_BYTES_MAX = 1_048_576  # trees of a few hundred splits need a third of it
PARITY_ROWS_MAX = 4_096
BUNDLE_BYTES_MAX = 25_165_824  # the limits of all members, and a few hundred bytes of zip headers
KEY_PREFIX = "wayside-ed25519"
FAULTS_SHOWN_MAX = 20

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MODEL, PARITY, CAMPAIGN, SCHEMA = "model.onnx", "parity.npz", "campaign.json", "schema.json"
PATTERNS, GROUPS, PRIORS = "patterns.json", "groups.json", "priors.json"
_MEMBER_BYTES_MAX: Mapping[str, int] = {
    MANIFEST: 524_288,  # mostly the names of the columns
    SIGNATURE: 64,
    MODEL: MODEL_BYTES_MAX,
    PARITY: 4_194_304,
    CAMPAIGN: 8_388_608,  # 800 bytes for each of OFFERS_MAX offers
    SCHEMA: 2_097_152,  # 2 KiB for each of ATTRIBUTES_MAX attributes
    PATTERNS: 4_194_304,  # 400 bytes for each of PATTERNS_MAX patterns; ordinary ones take half
    GROUPS: 2_097_152,  # half of it for a value table of GROUP_CELLS_MAX cells
    PRIORS: 1_572_864,  # 24 KiB for each of PRIORS_MAX offers
}
_OPTIONAL = (PATTERNS, GROUPS, PRIORS)
_PARITY_BYTES_MAX: Mapping[str, int] = {"rows.npy": 4_100_000, "expected.npy": 40_000, "untreated.npy": 40_000}
assert sum(_MEMBER_BYTES_MAX.values()) < BUNDLE_BYTES_MAX


class _Format(msgspec.Struct, frozen=True):
    format: int


class Draft(msgspec.Struct, frozen=True, eq=False):
    """The content of a bundle before it is signed; hashes and sizes are computed from it."""

    name: str
    version: int
    created_at_ms: int
    expires_at_ms: int
    model: LoadableModel
    schema: Schema
    campaign: Campaign
    metrics: Mapping[str, float]
    app_min: str = APP_VERSION
    patterns: tuple[Pattern, ...] | None = None
    priors: tuple[OfferPriors, ...] | None = None
    groups: Groups | None = None


def redrafted(bundle: Bundle, campaign: Campaign, version: int) -> Draft:
    """The content of a bundle with another campaign; priors of offers that it lacks are left out."""
    known = {offer.id for offer in campaign.offers}
    priors = (
        None
        if bundle.priors is None
        else tuple(one for one in bundle.priors if one.offer in known or ":" in one.offer or one.offer == "all")
    )
    manifest = bundle.manifest
    return Draft(
        name=manifest.name,
        version=version,
        created_at_ms=manifest.created_at_ms,
        expires_at_ms=manifest.expires_at_ms,
        model=bundle.model,
        schema=bundle.schema,
        campaign=campaign,
        metrics=manifest.metrics,
        app_min=manifest.app_min,
        patterns=bundle.patterns,
        priors=priors,
        groups=bundle.groups,
    )


class Parity(NamedTuple):
    """Parity rows, float32 (n, columns), and the answers that the model must give, float32 (n,); `untreated` only with that output."""

    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    untreated: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, model: LoadableModel) -> Parity:
        """Those of a model."""
        return cls(model.rows, model.expected, model.untreated)


def open_bundle(
    source: Path | bytes,
    trusted_keys: Sequence[Ed25519PublicKey],
    now_ms: int | None,
    *,
    version_min: int = 1,
    app_version: str = APP_VERSION,
) -> Bundle:
    """Check and open a bundle, given as a file or as the bytes of one. Raises BundleError.

    `now_ms` is None while the clock is not set; expiry is then not checked. A bundle older than `version_min` is refused.
    """
    content = source if isinstance(source, bytes) else read_content(source)
    members = _members(content, _MEMBER_BYTES_MAX, _OPTIONAL)
    _check_signature(members, trusted_keys)
    manifest = _manifest(members[MANIFEST])
    _check_hashes(members, manifest)
    _check_current(manifest, now_ms, version_min, app_version)
    schema = read_schema(members[SCHEMA], manifest.model.columns)
    parity = read_parity(members[PARITY], len(manifest.model.columns))
    campaign = parse_campaign(members[CAMPAIGN], schema)
    rules = compiled_rules(campaign, schema)
    patterns, groups = read_mined(members, schema, manifest.model.columns, rules.attributes)
    return Bundle(
        manifest=manifest,
        model=LoadableModel(members[MODEL], manifest.model, *parity),
        schema=schema,
        campaign=campaign,
        rules=rules,
        patterns=patterns,
        groups=groups,
        priors=read_priors(members[PRIORS], campaign, manifest.model.columns) if PRIORS in members else None,
    )


def write_bundle(path: Path, private_key: Ed25519PrivateKey, draft: Draft) -> Manifest:
    """Sign `draft` and write it to `path` by a rename, so `path` never holds half a bundle. The same draft gives the same bytes.

    Raises BundleError for a draft that no gateway would open, and OSError.
    """
    model = draft.model
    members = {MODEL: model.onnx, PARITY: parity_bytes(Parity.of(model)), CAMPAIGN: campaign_bytes(draft.campaign)}
    members[SCHEMA] = schema_bytes(draft.schema)
    parse_campaign(members[CAMPAIGN], read_schema(members[SCHEMA], model.entry.columns))
    members |= _learned_members(draft)
    manifest = Manifest(
        format=FORMAT,
        name=draft.name,
        version=draft.version,
        created_at_ms=draft.created_at_ms,
        expires_at_ms=draft.expires_at_ms,
        app_min=draft.app_min,
        files={name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)) for name, content in members.items()},
        model=model.entry,
        metrics=dict(draft.metrics),
    )
    signed = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    _manifest(signed)  # a manifest that no gateway can read must not be written
    content = stored_zip.write({MANIFEST: signed, SIGNATURE: private_key.sign(signed), **members})
    _members(content, _MEMBER_BYTES_MAX, _OPTIONAL)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return manifest


def read_schema(content: bytes, columns: Sequence[str] = ()) -> Schema:
    """The schema in `content` (JSON) with a column for each of `columns`. Raises BundleError with every fault."""
    try:
        schema = parse(msgspec.json.decode(content, type=dict))
        used_attributes(schema, columns)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, SchemaError, ColumnsError) as error:
        raise BundleError("bad_schema", str(error)[:2_000]) from error
    return schema


def parse_campaign(content: bytes, schema: Schema | None = None) -> Campaign:
    """The campaign in `content` (JSON). Raises BundleError for a wrong field, and for categories that `schema` does not declare."""
    try:
        campaign = msgspec.json.decode(content, type=Campaign)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("bad_campaign", str(error)[:300]) from error
    if schema is not None:
        faults = [
            f"offers[{at}].category: {offer.category!r} is no category of the schema{nearest(offer.category, schema.categories)}"
            for at, offer in enumerate(campaign.offers)
            if offer.category not in schema.categories
        ]
        faults += [str(fault) for fault in rule_faults(campaign, schema)]
        if faults:
            raise BundleError("bad_campaign", "\n".join(faults[:FAULTS_SHOWN_MAX]))
    return campaign


def campaign_bytes(campaign: Campaign) -> bytes:
    """The campaign as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(campaign), indent=2)


def read_patterns(content: bytes) -> tuple[Pattern, ...]:
    """The patterns in `content` (JSON), each with a value above 0. Raises BundleError("bad_patterns")."""
    try:
        return parse_patterns(content)
    except ValueError as error:
        raise BundleError("bad_patterns", str(error)) from error


def read_groups(content: bytes) -> Groups:
    """The group definitions in `content` (JSON). Raises BundleError("bad_groups")."""
    try:
        return parse_groups(content)
    except ValueError as error:
        raise BundleError("bad_groups", str(error)[:2_000]) from error


def read_mined(
    members: Mapping[str, bytes], schema: Schema, columns: Sequence[str], in_rules: Collection[str]
) -> tuple[tuple[Pattern, ...] | None, Groups | None]:
    """Patterns and groups among the members, None if absent.

    Raises BundleError for those that no attribute of the model (`columns`) or of the rules (`in_rules`) can use.
    """
    patterns = read_patterns(members[PATTERNS]) if PATTERNS in members else None
    groups = read_groups(members[GROUPS]) if GROUPS in members else None
    used = used_attributes(schema, columns, in_rules, groups or NO_GROUPS)
    try:
        check_groups(groups or NO_GROUPS, schema, columns, used)
    except ValueError as error:
        raise BundleError("bad_groups", str(error)[:2_000]) from error
    try:
        check_patterns(patterns or (), schema, used)
    except ValueError as error:
        raise BundleError("bad_patterns", str(error)[:2_000]) from error
    return patterns, groups


def read_priors(content: bytes, campaign: Campaign, columns: Sequence[str]) -> tuple[OfferPriors, ...]:
    """Priors of the online model in `content` (JSON), at most one an offer of `campaign`, on `columns`. Raises BundleError."""
    try:
        return parse_priors(content, {offer.id for offer in campaign.offers}, columns)
    except ValueError as error:
        raise BundleError("bad_priors", str(error)) from error


def parity_bytes(parity: Parity) -> bytes:
    """`parity.npz`, also readable by `numpy.load`. The same arrays give the same bytes, which `numpy.savez` does not promise."""
    members: dict[str, bytes] = {}
    for name, array in parity._asdict().items():
        if array is None:
            continue
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array, dtype="<f4"), version=(1, 0), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return stored_zip.write(members)


def read_parity(content: bytes, width: int) -> Parity:
    """The parity rows in `content`, `width` columns wide, read without pickle. Raises BundleError."""
    arrays = {name: _array(member) for name, member in _members(content, _PARITY_BYTES_MAX, ("untreated.npy",)).items()}
    rows, answers = arrays.pop("rows.npy"), list(arrays.values())
    if rows.ndim != 2 or any(one.shape != (len(rows),) for one in answers) or not 1 <= len(rows) <= PARITY_ROWS_MAX:
        raise BundleError("model_broken", f"parity rows have shape {rows.shape}, their answers {answers[0].shape}")
    if rows.shape[1] != width:
        raise BundleError("model_broken", f"parity rows have {rows.shape[1]} columns, the model has {width}")
    if not all(bool(np.all((one >= 0) & (one <= 1))) for one in answers):
        raise BundleError("model_broken", "an expected answer is not a probability")
    return Parity(rows, arrays["expected.npy"], arrays.get("untreated.npy"))


def read_public_keys(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """The keys of a text file with lines `wayside-ed25519 <base64 of 32 bytes>`; `#` starts a comment.

    Raises ValueError that names file and line, and OSError.
    """
    keys: list[Ed25519PublicKey] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        if len(fields) != 2 or fields[0] != KEY_PREFIX:
            raise ValueError(f"{path}:{number}: not a public key; write `{KEY_PREFIX} <base64>`")
        try:
            keys.append(Ed25519PublicKey.from_public_bytes(base64.b64decode(fields[1], validate=True)))
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"{path}:{number}: not the base64 of an Ed25519 public key of 32 bytes") from error
    if not keys:
        raise ValueError(f"{path}: no public key in this file; write one as `{KEY_PREFIX} <base64>`")
    return tuple(keys)


def public_key_line(key: Ed25519PublicKey) -> str:
    """The line for a key as `read_public_keys` reads it."""
    return f"{KEY_PREFIX} {base64.b64encode(key.public_bytes_raw()).decode()}"


def read_content(path: Path) -> bytes:
    """The bytes of a file, at most BUNDLE_BYTES_MAX. Raises BundleError if it cannot be read or is longer."""
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


def _learned_members(draft: Draft) -> dict[str, bytes]:
    """The optional members. Each is parsed once, because a member that a gateway would refuse must not be signed."""
    members: dict[str, bytes] = {}
    if draft.patterns is not None:
        members[PATTERNS] = msgspec.json.encode(PatternFile(PATTERNS_FORMAT, draft.patterns))
    if draft.groups is not None:
        members[GROUPS] = groups_bytes(draft.groups)
    read_mined(members, draft.schema, draft.model.entry.columns, compiled_rules(draft.campaign, draft.schema).attributes)
    if draft.priors is not None:
        members[PRIORS] = msgspec.json.encode(draft.priors)
        read_priors(members[PRIORS], draft.campaign, draft.model.entry.columns)
    return members


def _check_signature(members: Mapping[str, bytes], trusted_keys: Sequence[Ed25519PublicKey]) -> None:
    for key in trusted_keys:
        try:
            key.verify(members[SIGNATURE], members[MANIFEST])
        except InvalidSignature:
            continue
        return
    raise BundleError("bad_signature", f"not signed by any of {len(trusted_keys)} trusted keys")


def _manifest(content: bytes) -> Manifest:
    try:
        stated = msgspec.json.decode(content, type=_Format).format
        if stated != FORMAT:
            raise BundleError("too_new_for_app", f"its format is {stated}, this gateway reads format {FORMAT}")
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("not_a_bundle", f"manifest.json: {str(error)[:200]}") from error


def _check_hashes(members: Mapping[str, bytes], manifest: Manifest) -> None:
    if set(manifest.files) != set(members) - {MANIFEST, SIGNATURE}:
        raise BundleError("wrong_hash", "the manifest does not list exactly the members of the file")
    for name, entry in manifest.files.items():
        if len(members[name]) != entry.bytes or hashlib.sha256(members[name]).hexdigest() != entry.sha256:
            raise BundleError("wrong_hash", f"{name} differs from the signed one")


def _check_current(manifest: Manifest, now_ms: int | None, version_min: int, app_version: str) -> None:
    if now_ms is not None and now_ms >= manifest.expires_at_ms:
        raise BundleError("expired", f"{manifest.name} version {manifest.version} expired at {manifest.expires_at_ms} ms since 1970 (UTC)")
    if manifest.version < version_min:
        raise BundleError("older_version", f"version {manifest.version} is older than {version_min}")
    if _ordered(manifest.app_min) > _ordered(app_version):
        raise BundleError("too_new_for_app", f"it needs Wayside {manifest.app_min}, this is {app_version}")


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
