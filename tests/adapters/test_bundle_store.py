"""The bundle store: versions count up, rollback works, and after a power cut between any two writes a gateway can start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.adapters import bundle_store as module
from gateway.adapters.bundle_store import BundleStore, BundleStoreError, InstallState, digest

OLD, NEW = b"version one", b"version two"


@pytest.fixture
def bundle_store(tmp_path: Path) -> BundleStore:
    made = BundleStore(tmp_path / "street.bundle")
    made.install(OLD, "street", 1)
    return made


def test_the_first_one(bundle_store: BundleStore) -> None:
    assert bundle_store.active.read_bytes() == OLD
    assert bundle_store.state() == InstallState("street", 1, digest(bundle_store.active))
    assert bundle_store.is_checked()
    assert not bundle_store.previous.exists()
    with pytest.raises(BundleStoreError, match="a rollback needs two bundles"):
        bundle_store.roll_back()


def test_a_file_that_nobody_installed(tmp_path: Path) -> None:
    bare = BundleStore(tmp_path / "street.bundle")
    bare.active.write_bytes(OLD)
    assert (bare.version_min(), bare.is_checked(), bare.state(), bare.changed_at_ns()) == (1, False, None, 0)


def test_the_next_one_and_the_way_back(bundle_store: BundleStore) -> None:
    before_ns = bundle_store.changed_at_ns()
    bundle_store.install(NEW, "street", 2)
    assert (bundle_store.active.read_bytes(), bundle_store.previous.read_bytes()) == (NEW, OLD)
    assert bundle_store.changed_at_ns() > before_ns
    bundle_store.roll_back()
    assert (bundle_store.active.read_bytes(), bundle_store.previous.read_bytes(), bundle_store.version_min()) == (OLD, NEW, 1)
    state = bundle_store.state()
    assert state is not None
    assert state.version_max == 2
    bundle_store.roll_back()
    assert (bundle_store.active.read_bytes(), bundle_store.previous.read_bytes(), bundle_store.is_checked()) == (NEW, OLD, True)


def test_only_two_are_kept(bundle_store: BundleStore) -> None:
    bundle_store.install(NEW, "street", 2)
    bundle_store.install(b"version three", "street", 3)
    assert bundle_store.previous.read_bytes() == NEW
    assert sorted(path.name for path in bundle_store.active.parent.iterdir()) == [
        "street.bundle",
        "street.bundle.notes",
        "street.bundle.previous",
    ]


def test_installing_the_active_one_again_keeps_the_way_back(bundle_store: BundleStore) -> None:
    bundle_store.install(NEW, "street", 2)
    bundle_store.install(NEW, "street", 2)
    assert bundle_store.previous.read_bytes() == OLD


def test_an_old_file_copied_over_the_active_one_must_be_as_new_as_the_newest(bundle_store: BundleStore) -> None:
    bundle_store.install(NEW, "street", 2)
    bundle_store.active.write_bytes(b"some other version one")
    assert bundle_store.version_min() == 2
    assert not bundle_store.is_checked()


def test_a_copied_bundle_is_checked_once(bundle_store: BundleStore) -> None:
    bundle_store.active.write_bytes(NEW)
    assert not bundle_store.has_passed()
    bundle_store.note_passed()
    assert bundle_store.has_passed()
    assert not bundle_store.is_checked(), "a running gateway loads only what was installed"
    bundle_store.active.write_bytes(b"another")
    assert not bundle_store.has_passed()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"name": "street", "version_max": "3", "sha256": ""}'])
def test_notes_that_cannot_be_read_stop_everything(bundle_store: BundleStore, content: bytes) -> None:
    """A guess could accept an old bundle."""
    bundle_store.active.with_name("street.bundle.notes").write_bytes(content)
    for ask in (bundle_store.state, bundle_store.version_min, bundle_store.is_checked, bundle_store.roll_back):
        with pytest.raises(BundleStoreError, match="cannot be read"):
            ask()


class PowerCutError(BaseException):
    """A power cut: nothing is written after it."""


class Cuts:
    """Lets so many changes of the disk happen, and then cuts the power."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
        self.left = allowed
        for owner, name in ((Path, "replace"), (os, "link"), (Path, "unlink"), (Path, "open")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name), name))

    def _counted(self, change: Callable[..., object], name: str) -> Callable[..., object]:
        def counted(*words: object, **options: object) -> object:
            if name != "open" or "wb" in words:
                if self.left == 0:
                    raise PowerCutError
                self.left -= 1
            return change(*words, **options)

        return counted


VERSIONS = {OLD: 1, NEW: 2}


def cut_points(bundle_store: BundleStore, act: Callable[[], None]) -> Iterator[int]:
    """Runs `act` on a fresh copy of the shelf with ever more changes allowed, until it is through."""
    files = {path: path.read_bytes() for path in bundle_store.active.parent.iterdir()}
    for allowed in range(40):
        for path in bundle_store.active.parent.iterdir():
            path.unlink()
        for path, content in files.items():
            path.write_bytes(content)
        with pytest.MonkeyPatch.context() as patched:
            Cuts(patched, allowed)
            try:
                act()
            except PowerCutError:
                pass
            else:
                return
        yield allowed


def starts(bundle_store: BundleStore) -> bool:
    """Whether a gateway can start with the files on the disk."""
    content = bundle_store.active.read_bytes()
    return content in VERSIONS and VERSIONS[content] >= bundle_store.version_min()


def test_a_power_cut_while_installing(bundle_store: BundleStore) -> None:
    seen = []
    for _ in cut_points(bundle_store, lambda: bundle_store.install(NEW, "street", 2)):
        assert starts(bundle_store)
        seen.append(bundle_store.active.read_bytes())
    assert bundle_store.active.read_bytes() == NEW
    assert (seen.count(OLD), seen.count(NEW)) == (5, 2)
    bundle_store.install(NEW, "street", 2)  # and again, after a cut between the two writes, the old one is still the way back
    assert bundle_store.previous.read_bytes() == OLD


def test_a_power_cut_while_going_back(bundle_store: BundleStore) -> None:
    bundle_store.install(NEW, "street", 2)
    seen = []
    for _ in cut_points(bundle_store, bundle_store.roll_back):
        assert starts(bundle_store)
        seen.append(bundle_store.active.read_bytes())
    assert set(seen) == {OLD, NEW}
    assert (bundle_store.active.read_bytes(), bundle_store.previous.read_bytes()) == (OLD, NEW)


def test_the_order_of_writes_matters(bundle_store: BundleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: with the install state written before the new bundle, a cut between both prevents a start."""
    monkeypatch.setattr(module, "write_whole", lambda path, content: path.write_bytes(content))
    bundle_store._write_state(InstallState("street", 2, "of the new one"))
    assert not starts(bundle_store)
