"""A bundle is opened whole, signed, current and fitting, or not at all. Every lock here has a test that picks it."""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.adapters import bundle, stored_zip
from gateway.adapters.bundle import open_bundle, read_public_keys, write_bundle
from gateway.core.bundle import BundleError
from tests.adapters.signed import GROUPS, KEY, NOW_MS, OTHER, PATTERNS, PRIORS, draft, members, model, reason, resign, same, write_whole
from tests.kit.attributes import COLUMNS

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "worlds" / "street"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_whole(tmp_path)


def test_what_was_written_is_read(path: Path) -> None:
    made = draft(patterns=PATTERNS, groups=GROUPS, priors=PRIORS)
    opened = open_bundle(path, [OTHER.public_key(), KEY.public_key()], NOW_MS)
    assert (opened.model.onnx, opened.model.entry) == (made.model.onnx, made.model.entry)
    assert (opened.campaign, opened.manifest.metrics) == (made.campaign, made.metrics)
    assert opened.model.rows.tolist() == made.model.rows.tolist()
    assert opened.model.expected.tolist() == made.model.expected.tolist()
    assert (opened.schema, opened.manifest.model.columns) == (made.schema, (*COLUMNS, "gain", "habit"))
    assert (opened.patterns, opened.groups, opened.priors) == (PATTERNS, GROUPS, PRIORS)
    assert not path.with_name("street.bundle.part").exists()


def test_the_same_draft_gives_the_same_bytes_everywhere(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bundle"
    write_bundle(again, KEY, draft(patterns=PATTERNS, groups=GROUPS, priors=PRIORS))
    assert again.read_bytes() == path.read_bytes()
    # A gateway writes the file anew to compare it, so the zip's form may not move with the Python that runs here.
    empty = stored_zip.write(dict.fromkeys(("manifest.json", "manifest.sig", "model.onnx", "parity.npz", "campaign.json"), b""))
    assert hashlib.sha256(empty).hexdigest() == "bb04ec60d1f52987734be7c499a664ffd7304c3f0f921e913bbbfc66462f0d4b"


@pytest.mark.parametrize("parts", [{}, {"patterns": PATTERNS}, {"groups": GROUPS}, {"priors": PRIORS}, {"patterns": (), "priors": ()}])
def test_what_history_taught_need_not_come_along(tmp_path: Path, parts: dict[str, Any]) -> None:
    made = tmp_path / "street.bundle"
    manifest = write_bundle(made, KEY, draft(**parts))
    assert set(manifest.files) == {bundle.MODEL, bundle.PARITY, bundle.CAMPAIGN, bundle.SCHEMA} | {f"{name}.json" for name in parts}
    opened = open_bundle(made, [KEY.public_key()], NOW_MS)
    assert (opened.patterns, opened.groups, opened.priors) == tuple(parts.get(name) for name in ("patterns", "groups", "priors"))


def damage(whole: bytes, number: int, draws: np.random.Generator) -> bytes:
    """The content with one of six kinds of damage, by `number`, at a random offset: flips, cuts, repetitions, splices."""
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
    return bytes(content)


def damage_carefully(whole: Mapping[str, bytes], number: int, draws: np.random.Generator) -> tuple[str, bytes]:
    """One bit of one member, members by turns, in a zip that is right again; and which member."""
    name = list(whole)[number % len(whole)]
    content = bytearray(whole[name])
    content[int(draws.integers(len(content)))] ^= 1 << int(draws.integers(8))
    return name, stored_zip.write({**whole, name: bytes(content)})


def test_random_damage_is_never_accepted(path: Path, tmp_path: Path) -> None:
    """600 seeded mutations of the file's bytes. The zip's own checksums already find all of these."""
    draws = np.random.default_rng(11)
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.bundle"
    for number in range(600):
        damaged.write_bytes(damage(whole, number, draws))
        assert reason(damaged) == "not_a_bundle"


def test_careful_damage_is_never_accepted(path: Path, tmp_path: Path) -> None:
    """The zip is made right again: only signature and hashes stand in the way of these 600, and in every member."""
    draws = np.random.default_rng(12)
    whole = members(path)
    assert set(whole) == set(bundle._MEMBER_BYTES_MAX)
    damaged = tmp_path / "damaged.bundle"
    for number in range(600):
        name, content = damage_carefully(whole, number, draws)
        damaged.write_bytes(content)
        assert reason(damaged) == ("bad_signature" if name in {bundle.MANIFEST, bundle.SIGNATURE} else "wrong_hash")


@pytest.mark.soak
def test_ten_thousand_mutated_bundles_none_accepted(path: Path, tmp_path: Path) -> None:
    """Half of the cases are random bytes, half have valid zip headers again; other seeds than above."""
    draws = np.random.default_rng(13)
    whole, parts = path.read_bytes(), members(path)
    damaged = tmp_path / "damaged.bundle"
    why: Counter[str] = Counter()
    for number in range(5_000):
        for content in (damage(whole, number, draws), damage_carefully(parts, number, draws)[1]):
            damaged.write_bytes(content)
            why[reason(damaged)] += 1
    assert why.total() == 10_000
    assert why["not_a_bundle"] == 5_000
    assert set(why) == {"not_a_bundle", "bad_signature", "wrong_hash"}


def test_every_bit_of_the_frame_counts(path: Path, tmp_path: Path) -> None:
    """No signature covers the fields of the zip (dates, attributes, comments); a flip of any bit of them is refused."""
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
    write_bundle(other, KEY, draft(version=2, model=model(onnx=b"older"), patterns=(), priors=()))
    for name in (bundle.MODEL, bundle.PARITY, bundle.CAMPAIGN, bundle.PATTERNS, bundle.PRIORS):
        content = members(path) | {name: members(other)[name] + b" "}
        (tmp_path / "mixed.bundle").write_bytes(stored_zip.write(content))
        assert reason(tmp_path / "mixed.bundle") == "wrong_hash"
    content = members(path) | {bundle.MANIFEST: members(other)[bundle.MANIFEST]}
    (tmp_path / "mixed.bundle").write_bytes(stored_zip.write(content))
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
    resign(path, lambda manifest: manifest["model"]["columns"].__setitem__(0, "minute"))
    assert reason(path) == "bad_schema"


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


@pytest.mark.parametrize("name", [bundle.CAMPAIGN, bundle.PATTERNS, bundle.PRIORS])
def test_the_manifest_must_vouch_for_every_member(path: Path, name: str) -> None:
    resign(path, lambda manifest: manifest["files"].pop(name))
    assert reason(path) == "wrong_hash"


@pytest.mark.parametrize("name", [bundle.PATTERNS, bundle.PRIORS])
def test_what_the_manifest_vouches_for_must_be_there(path: Path, name: str) -> None:
    content = {of: member for of, member in members(path).items() if of != name}
    path.write_bytes(stored_zip.write(content))
    assert reason(path) == "wrong_hash"


def test_members_stand_in_one_order(path: Path) -> None:
    path.write_bytes(stored_zip.write(dict(reversed(members(path).items()))))
    assert reason(path) == "not_a_bundle"


def test_a_manifest_that_does_not_tell_the_calibration_is_read(path: Path) -> None:
    assert open_bundle(path, [KEY.public_key()], NOW_MS).manifest.model.calibration == "isotonic"
    resign(path, lambda manifest: manifest["model"].pop("calibration"))
    assert open_bundle(path, [KEY.public_key()], NOW_MS).manifest.model.calibration is None
    resign(path, lambda manifest: manifest["model"].update(calibration="by eye"))
    assert reason(path) == "not_a_bundle"


def test_a_campaign_with_a_fault_is_refused(path: Path) -> None:
    resign(path, same, {bundle.CAMPAIGN: b'{"offers": []}'})
    assert reason(path) == "bad_campaign"
    resign(path, same, {bundle.CAMPAIGN: b"\xff"})
    assert reason(path) == "bad_campaign"


@pytest.mark.parametrize(
    ("rows", "expected", "why"),
    [
        (np.zeros((2, 3), np.float32), np.zeros(2, np.float32), "model_broken"),
        (np.zeros((2, len(COLUMNS)), np.float32), np.zeros(3, np.float32), "model_broken"),
        (np.zeros((0, len(COLUMNS)), np.float32), np.zeros(0, np.float32), "model_broken"),
        (np.zeros((1, len(COLUMNS)), np.float32), np.full(1, np.nan, np.float32), "model_broken"),
        (np.zeros((1, len(COLUMNS)), np.float32), np.full(1, 1.5, np.float32), "model_broken"),
    ],
)
def test_parity_rows_must_fit(path: Path, rows: NDArray[np.float32], expected: NDArray[np.float32], why: str) -> None:
    resign(path, same, {bundle.PARITY: bundle.parity_bytes(bundle.Parity(rows, expected))})
    assert reason(path) == why


def test_parity_rows_are_never_unpickled(path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([print], dtype=object), allow_pickle=True)
    resign(path, same, {bundle.PARITY: stored_zip.write({"rows.npy": buffer.getvalue(), "expected.npy": buffer.getvalue()})})
    assert reason(path) == "model_broken"
    resign(path, same, {bundle.PARITY: b"no zip"})
    assert reason(path) == "not_a_bundle"


def test_unknown_values_travel(tmp_path: Path) -> None:
    rows = np.full((2, len(COLUMNS)), np.nan, np.float32)
    made = tmp_path / "nan.bundle"
    write_bundle(made, KEY, draft(model=model(rows=rows, expected=np.array([0.25, 0.5], np.float32))))
    assert np.isnan(open_bundle(made, [KEY.public_key()], NOW_MS).model.rows).all()


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
        path.write_bytes(stored_zip.write(changed))
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
    for wrong in ({"version": 0}, {"name": "No Spaces"}, {"app_min": "x"}, {"model": model(onnx=bytes(bundle.MODEL_BYTES_MAX + 1))}):
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
    project = tomllib.loads((DEMO.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == bundle.APP_VERSION
