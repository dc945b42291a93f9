"""A bundle is opened whole, signed, current and fitting, or not at all. Every lock here has a test that picks it."""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from gateway.adapters import bundle
from gateway.adapters.bundle import BundleError, Draft, ModelEntry, open_bundle, read_public_keys, write_bundle
from gateway.core import features
from gateway.core.offers import Campaign, Offer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NOW_MS = 1_800_000_000_000
CAMPAIGN = Campaign(
    offers=(
        Offer(
            id="flat-white",
            kind="coffee_house",
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
DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"


def draft(**changes: Any) -> Draft:
    draws = np.random.default_rng(0)
    made = Draft(
        name="street",
        version=3,
        created_at_ms=NOW_MS - 1_000,
        expires_at_ms=NOW_MS + 1_000,
        model=bytes(draws.integers(0, 256, 4_000, dtype=np.uint8)),
        model_entry=ModelEntry(input="rows", output="propensity", opset=17, ops=("Sigmoid",)),
        rows=draws.random((8, len(features.FEATURES))).astype(np.float32),
        expected=draws.random(8).astype(np.float32),
        campaign=CAMPAIGN,
        metrics={"auc": 0.77},
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "street.bundle"
    write_bundle(made, KEY, draft())
    return made


def reason(path: Path, **options: Any) -> str:
    with pytest.raises(BundleError) as refused:
        open_bundle(path, options.pop("keys", [KEY.public_key()]), options.pop("now_ms", NOW_MS), **options)
    assert str(refused.value).startswith(f"{refused.value.reason}: ")
    assert bundle._ADVICE[refused.value.reason] in str(refused.value)
    return refused.value.reason


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def resign(path: Path, change: Callable[[dict[str, Any]], None], swapped: Mapping[str, bytes] = {}) -> None:
    """What a trusted signer with a fault in their tools could write: the signature is right, the content is not."""
    content = members(path) | dict(swapped)
    manifest = msgspec.json.decode(content[bundle.MANIFEST])
    for name, entry in manifest["files"].items():
        entry |= {"bytes": len(content[name]), "sha256": hashlib.sha256(content[name]).hexdigest()}
    change(manifest)
    content[bundle.MANIFEST] = msgspec.json.encode(manifest)
    content[bundle.SIGNATURE] = KEY.sign(content[bundle.MANIFEST])
    path.write_bytes(bundle._zip(content))


def same(_: dict[str, Any]) -> None:
    """Change nothing in the manifest."""


def test_what_was_written_is_read(path: Path) -> None:
    made, opened = draft(), open_bundle(path, [OTHER.public_key(), KEY.public_key()], NOW_MS)
    assert (opened.model, opened.campaign, opened.manifest.metrics) == (made.model, made.campaign, made.metrics)
    assert opened.rows.tolist() == made.rows.tolist()
    assert opened.expected.tolist() == made.expected.tolist()
    assert opened.manifest.features_hash == features.SCHEMA_HASH
    assert not path.with_name("street.bundle.part").exists()


def test_the_same_draft_gives_the_same_bytes_everywhere(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bundle"
    write_bundle(again, KEY, draft())
    assert again.read_bytes() == path.read_bytes()
    # A gateway writes the file anew to compare it, so the zip's form may not move with the Python that runs here.
    empty = bundle._zip(dict.fromkeys(bundle._MEMBER_BYTES_MAX, b""))
    assert hashlib.sha256(empty).hexdigest() == "bb04ec60d1f52987734be7c499a664ffd7304c3f0f921e913bbbfc66462f0d4b"


def test_random_damage_is_never_accepted(path: Path, tmp_path: Path) -> None:
    """Flips, cuts, doublings, splices: 600 seeded mutations of the file's bytes. The zip's own checksums already find all of these."""
    draws = np.random.default_rng(11)
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.bundle"
    for number in range(600):
        content = bytearray(whole)
        at, to = sorted(int(place) for place in draws.integers(0, len(whole), 2))
        match number % 6:
            case 0 | 1:
                content[at] ^= 1 << int(draws.integers(8))
            case 2:
                del content[at:]
            case 3:
                del content[at : to + 1]
            case 4:
                content[at:at] = whole[at : to + 1]
            case _:
                content[at : at + 8] = bytes(draws.integers(0, 256, 8, dtype=np.uint8))
        assert bytes(content) != whole
        damaged.write_bytes(content)
        assert reason(damaged) == "not_a_bundle"


def test_careful_damage_is_never_accepted(path: Path, tmp_path: Path) -> None:
    """One bit of one member is flipped and the zip made right again: only signature and hashes stand in the way of these 600."""
    draws = np.random.default_rng(12)
    whole = members(path)
    damaged = tmp_path / "damaged.bundle"
    why = {bundle.MANIFEST: "bad_signature", bundle.SIGNATURE: "bad_signature"}
    for number in range(600):
        name = list(whole)[number % len(whole)]
        content = bytearray(whole[name])
        content[int(draws.integers(len(content)))] ^= 1 << int(draws.integers(8))
        damaged.write_bytes(bundle._zip(whole | {name: bytes(content)}))
        assert reason(damaged) == why.get(name, "wrong_hash")


def test_every_bit_of_the_frame_counts(path: Path, tmp_path: Path) -> None:
    """No signature covers the zip's own fields (dates, attributes, comments); every single bit of them is refused all the same."""
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.bundle"
    inside = [(whole.index(content), len(content)) for content in members(path).values()]
    frame = [at for at in range(len(whole)) if not any(start <= at < start + size for start, size in inside)]
    assert len(frame) > 400
    for at in frame:
        content = bytearray(whole)
        content[at] ^= 1 << (at % 8)
        damaged.write_bytes(content)
        assert reason(damaged) == "not_a_bundle"


def test_a_swapped_member_is_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bundle"
    write_bundle(other, KEY, draft(version=2, model=b"older"))
    for name in (bundle.MODEL, bundle.PARITY, bundle.CAMPAIGN):
        content = members(path) | {name: members(other)[name] + b" "}
        (tmp_path / "mixed.bundle").write_bytes(bundle._zip(content))
        assert reason(tmp_path / "mixed.bundle") == "wrong_hash"
    content = members(path) | {bundle.MANIFEST: members(other)[bundle.MANIFEST]}
    (tmp_path / "mixed.bundle").write_bytes(bundle._zip(content))
    assert reason(tmp_path / "mixed.bundle") == "bad_signature"


def test_only_trusted_keys_count(path: Path) -> None:
    assert reason(path, keys=[OTHER.public_key()]) == "bad_signature"
    assert reason(path, keys=[]) == "bad_signature"


def test_time_ends_a_bundle_if_somebody_knows_the_time(path: Path) -> None:
    assert reason(path, now_ms=NOW_MS + 1_000) == "expired"
    assert open_bundle(path, [KEY.public_key()], NOW_MS + 999).manifest.version == 3
    assert open_bundle(path, [KEY.public_key()], None).manifest.version == 3


def test_an_older_version_is_refused(path: Path) -> None:
    assert reason(path, version_min=4) == "older_version"
    assert open_bundle(path, [KEY.public_key()], NOW_MS, version_min=3).manifest.version == 3


def test_what_this_gateway_is_too_old_for(path: Path) -> None:
    resign(path, lambda manifest: manifest.update(app_min="0.10.0"))
    assert reason(path, app_version="0.9.9") == "too_new_for_app"
    assert open_bundle(path, [KEY.public_key()], NOW_MS, app_version="0.10.0").manifest.app_min == "0.10.0"
    resign(path, lambda manifest: manifest.update(format=2, surprise=[]))
    assert reason(path) == "too_new_for_app"


def test_another_feature_table_is_refused(path: Path) -> None:
    resign(path, lambda manifest: manifest.update(features_hash="0" * 32))
    assert reason(path) == "features_differ"


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(version="3"),
        lambda manifest: manifest.update(surprise=1),
        lambda manifest: manifest.pop("expires_at_ms"),
        lambda manifest: manifest.update(app_min="latest"),
        lambda manifest: manifest["model"].update(ops=[]),
    ],
)
def test_a_signed_manifest_of_the_wrong_shape_is_refused(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    resign(path, change)
    assert reason(path) == "not_a_bundle"


def test_the_manifest_must_vouch_for_every_member(path: Path) -> None:
    resign(path, lambda manifest: manifest["files"].pop(bundle.CAMPAIGN))
    assert reason(path) == "wrong_hash"


def test_a_campaign_with_a_fault_is_refused(path: Path) -> None:
    resign(path, same, {bundle.CAMPAIGN: b'{"offers": []}'})
    assert reason(path) == "bad_campaign"
    resign(path, same, {bundle.CAMPAIGN: b"\xff"})
    assert reason(path) == "bad_campaign"


@pytest.mark.parametrize(
    ("rows", "expected", "why"),
    [
        (np.zeros((2, 3), np.float32), np.zeros(2, np.float32), "features_differ"),
        (np.zeros((2, len(features.FEATURES)), np.float32), np.zeros(3, np.float32), "model_broken"),
        (np.zeros((0, len(features.FEATURES)), np.float32), np.zeros(0, np.float32), "model_broken"),
        (np.zeros((1, len(features.FEATURES)), np.float32), np.full(1, np.nan, np.float32), "model_broken"),
        (np.zeros((1, len(features.FEATURES)), np.float32), np.full(1, 1.5, np.float32), "model_broken"),
    ],
)
def test_parity_rows_must_fit(path: Path, rows: NDArray[np.float32], expected: NDArray[np.float32], why: str) -> None:
    resign(path, same, {bundle.PARITY: bundle.parity_bytes(rows, expected)})
    assert reason(path) == why


def test_parity_rows_are_never_unpickled(path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([print], dtype=object), allow_pickle=True)
    resign(path, same, {bundle.PARITY: bundle._zip({"rows.npy": buffer.getvalue(), "expected.npy": buffer.getvalue()})})
    assert reason(path) == "model_broken"
    resign(path, same, {bundle.PARITY: b"no zip"})
    assert reason(path) == "not_a_bundle"


def test_unknown_values_travel(tmp_path: Path) -> None:
    rows = np.full((2, len(features.FEATURES)), np.nan, np.float32)
    made = tmp_path / "nan.bundle"
    write_bundle(made, KEY, draft(rows=rows, expected=np.array([0.25, 0.5], np.float32)))
    assert np.isnan(open_bundle(made, [KEY.public_key()], NOW_MS).rows).all()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_refused_before_it_unfolds(path: Path, method: int) -> None:
    content = members(path) | {bundle.MODEL: bytes(50_000_000)}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, member in content.items():
            archive.writestr(name, member)
    assert path.stat().st_size < bundle.BUNDLE_BYTES_MAX
    assert reason(path) == "not_a_bundle"


def test_a_size_that_lies_is_refused(path: Path) -> None:
    """The stated size of a member is raised beyond its bound, and to just within it."""
    whole = path.read_bytes()
    entry = whole.rindex(b"PK\x01\x02", 0, whole.rindex(bundle.MODEL.encode()))
    for size in (bundle.MODEL_BYTES_MAX + 1, bundle.MODEL_BYTES_MAX, 3_999, 0xFFFFFFFF):
        path.write_bytes(whole[: entry + 24] + size.to_bytes(4, "little") + whole[entry + 28 :])
        assert reason(path) == "not_a_bundle"


def test_extra_missing_doubled_and_foreign_members_are_refused(path: Path) -> None:
    content = members(path)
    for changed in (
        content | {"readme.txt": b"hello"},
        content | {"../model.onnx": b"x"},
        {name: member for name, member in content.items() if name != bundle.PARITY},
        {},
    ):
        path.write_bytes(bundle._zip(changed))
        assert reason(path) == "not_a_bundle"
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in content.items():
            archive.writestr(name, member)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(bundle.MODEL, b"second")
    assert reason(path) == "not_a_bundle"


def test_what_is_no_bundle_at_all(tmp_path: Path) -> None:
    file = tmp_path / "x"
    for content in (b"", b"PK\x05\x06" + bytes(18), b"\x7fELF" * 100, bytes(bundle.BUNDLE_BYTES_MAX + 1)):
        file.write_bytes(content)
        assert reason(file) == "not_a_bundle"
    assert reason(tmp_path / "absent") == "not_a_bundle"
    assert reason(tmp_path) == "not_a_bundle"


def test_a_signer_cannot_write_what_no_gateway_reads(tmp_path: Path) -> None:
    for wrong in ({"version": 0}, {"name": "No Spaces"}, {"app_min": "x"}, {"model": bytes(bundle.MODEL_BYTES_MAX + 1)}):
        with pytest.raises(BundleError):
            write_bundle(tmp_path / "wrong.bundle", KEY, draft(**wrong))
    assert list(tmp_path.iterdir()) == []


def test_key_files_are_read_with_their_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys.pub"
    lines = [bundle.public_key_line(key.public_key()) for key in (KEY, OTHER)]
    file.write_text(f"# ours\n\n{lines[0]}  # since spring\n{lines[1]}\n", encoding="utf-8")
    assert [bundle.public_key_line(key) for key in read_public_keys(file)] == lines


@pytest.mark.parametrize(
    "line", ["", "# nothing", "ssh-ed25519 AAAA", "wayside-ed25519", "wayside-ed25519 AAAA", "wayside-ed25519 not*base64"]
)
def test_key_files_with_faults_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys.pub"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"keys\.pub"):
        read_public_keys(file)


def test_the_version_is_the_one_that_is_shipped() -> None:
    project = tomllib.loads((DEMO.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == bundle.APP_VERSION
