"""Signed releases: what is unsigned, changed, withheld, older, or for another machine is refused with its cause."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.update.archive import Release, ReleaseError, here, read, unpack
from gateway.update.client import Source
from gateway.update.device import FIRST, place_of
from tests.update.releases import NOW, Shop, release


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, "0.2.0", "0.10.0", "0.9.0")


@pytest.fixture
def root(shop: Shop, tmp_path: Path) -> Path:
    return shop.trusted_by(tmp_path / "program")


def source(shop: Shop, root: Path) -> Source:
    return Source(str(shop.place), root)


def test_the_newest_release_for_this_machine(shop: Shop, root: Path) -> None:
    shop.add("0.11.0", machine="mips")
    found = source(shop, root)
    newest = found.newest()
    assert newest == Release("0.10.0", *here())
    assert read(found.fetch(newest.file)) == newest


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_from_a_web_server(shop: Shop, root: Path) -> None:
    with served(shop.place) as address:
        found = Source(address, root)
        newest = found.newest()
        assert newest is not None
        assert found.fetch(newest.file).stat().st_size
    with pytest.raises(ReleaseError, match=r"it cannot be read, or lacks a file \(.*does not answer"):
        Source(address, root)


def test_a_bundle_is_signed_by_its_own_role(shop: Shop, root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bundle").write_bytes(b"a campaign")
    shop.signed.add_bundle(tmp_path / "a.bundle", "street", NOW)
    found = source(shop, root)
    file = found.bundle("street")
    assert file is not None
    assert file.read_bytes() == b"a campaign"
    with pytest.raises(ReleaseError, match=r"lists no bundles/mall.bundle"):
        found.bundle("mall")
    (shop.place / "targets" / "bundles" / "street.bundle").write_bytes(b"A campaign")
    shutil.rmtree(root / "download")
    with pytest.raises(ReleaseError, match="a file was changed"):
        source(shop, root).bundle("street")


def test_bundles_are_published_without_the_key_of_releases(shop: Shop, root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bundle").write_bytes(b"a campaign")
    for name in ("release.pem", "root.pem"):
        (tmp_path / "keys" / name).unlink()
    shop.signed.add_bundle(tmp_path / "a.bundle", "street", NOW)
    shop.signed.renew(NOW)
    assert source(shop, root).bundle("street") is not None
    with pytest.raises(ReleaseError, match=r"release.pem is needed to sign targets"):
        shop.add("0.13.0")


def test_a_share_of_the_devices_comes_first(shop: Shop, root: Path, tmp_path: Path) -> None:
    places = [place_of(f"device-{number}") for number in range(1000)]
    assert 70 < sum(place < 10 for place in places) < 130
    shop.signed.add(release(tmp_path, "0.14.0"), NOW, 10)
    found = source(shop, root)
    newest = [found.newest(place) for place in (FIRST, 9, 10, 99)]
    assert [None if one is None else one.version for one in newest] == ["0.14.0", "0.14.0", "0.10.0", "0.10.0"]
    shop.signed.widen("0.14.0", NOW, 100)
    assert source(shop, root).newest(99) == Release("0.14.0", *here())
    shop.signed.widen("0.14.0", NOW, 0)
    assert source(shop, root).newest() == Release("0.10.0", *here())
    with pytest.raises(ReleaseError, match=r"has no release 0\.15\.0"):
        shop.signed.widen("0.15.0", NOW, 50)


def test_a_bundle_for_a_share_of_the_devices(shop: Shop, root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bundle").write_bytes(b"a campaign")
    shop.signed.add_bundle(tmp_path / "a.bundle", "street", NOW, 10)
    found = source(shop, root)
    assert found.bundle("street", 9) is not None
    assert found.bundle("street", 10) is None


# --- attacks -----------------------------------------------------------------------------------------------------


def test_an_older_copy_is_refused(shop: Shop, root: Path, tmp_path: Path) -> None:
    shutil.copytree(shop.place, tmp_path / "older")
    shop.add("0.12.0")
    assert source(shop, root).newest() == Release("0.12.0", *here())
    with pytest.raises(ReleaseError, match="it is older than what this device has seen"):
        Source(str(tmp_path / "older"), root)


def test_withheld_updates_are_noticed(shop: Shop, root: Path, tmp_path: Path) -> None:
    old = Shop(tmp_path / "old", now=NOW - timedelta(days=40))
    with pytest.raises(ReleaseError, match="its metadata has expired, and newer releases may be withheld"):
        Source(str(old.place), old.trusted_by(tmp_path / "other"))
    old.signed.renew(NOW)
    assert Source(str(old.place), old.trusted_by(tmp_path / "other")).newest() is None


@pytest.mark.parametrize("name", ["wayside.json", "wayside-0.10.0-py{}-{}.tar.xz"])
def test_a_changed_file_is_refused(shop: Shop, root: Path, name: str) -> None:
    path = shop.place / "targets" / name.format(*here())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match="a file was changed, or was not copied whole"):
        source(shop, root).fetch(path.name)


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets"])
def test_changed_metadata_is_refused(shop: Shop, root: Path, name: str) -> None:
    path = shop.place / "metadata" / f"{name}.json"
    content = path.read_bytes()
    assert b'"version":' in content
    path.write_bytes(content.replace(b'"version":', b'"version":1'))
    with pytest.raises(ReleaseError, match="not signed by the keys"):
        source(shop, root)


def test_another_hand_is_refused(shop: Shop, root: Path, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other", "0.20.0")
    with pytest.raises(ReleaseError, match="not signed by the keys that this device trusts"):
        source(other, root)
    for name in ("timestamp", "snapshot", "targets"):  # a stolen web server without the keys
        shutil.copy(other.place / "metadata" / f"{name}.json", shop.place / "metadata")
    with pytest.raises(ReleaseError, match="not signed by the keys"):
        source(shop, root)


def test_mixed_metadata_is_refused(shop: Shop, root: Path, tmp_path: Path) -> None:
    shutil.copytree(shop.place, tmp_path / "older")
    shop.add("0.12.0")
    shutil.copy(tmp_path / "older" / "metadata" / "targets.json", shop.place / "metadata")
    with pytest.raises(ReleaseError, match="older than what this device has seen"):
        source(shop, root)


def test_releases_for_other_machines_only(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.add("0.2.0", machine="mips")
    with pytest.raises(ReleaseError, match=r"has releases for Python 3.\d+ on mips, and none for this machine"):
        source(shop, shop.trusted_by(tmp_path / "program")).newest()


def test_a_file_under_a_wrong_name_does_not_run_here(tmp_path: Path) -> None:
    file = release(tmp_path, "0.2.0", machine="mips")
    with pytest.raises(ReleaseError, match="the release was made wrongly"):
        unpack(file, tmp_path / "x", Release("0.2.0", *here()))
    with pytest.raises(ReleaseError, match="is for another machine"):
        unpack(file, tmp_path / "x", Release("0.2.0", here()[0], "mips"))
    (tmp_path / "no").write_bytes(b"no archive")
    with pytest.raises(ReleaseError, match="is no release"):
        read(tmp_path / "no")
    assert not (tmp_path / "x").exists()


def test_without_trust_nothing_is_read(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"trusted.json does not exist: put the file metadata/1.root.json"):
        Source(str(shop.place), tmp_path / "new")


def test_the_same_content_makes_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert release(tmp_path / "one", "0.2.0").read_bytes() == release(tmp_path / "two", "0.2.0").read_bytes()


def test_a_release_never_changes(shop: Shop) -> None:
    with pytest.raises(ReleaseError, match="is there already, and a release never changes"):
        shop.add("0.2.0", "pass\n")
