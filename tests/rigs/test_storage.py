"""Damage to the files of a stopped gateway: a flipped bit, a deleted log, a deleted index of the log."""

from __future__ import annotations

import random
import shutil
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from gateway.core.ports import StoreError, StoreFullError
from gateway.core.types import Message
from gateway.runtime.app import SAVE_MS
from tests.kit.testbed import KEY, Gateway, purchase
from tests.rigs.day import InspectedStore, Script, digest
from tests.rigs.disk import Kind, Recorder
from tests.rigs.statements import ENDINGS
from tests.runtime.test_storage_faults import Scene

QUARTER_S = 900
WRITTEN_BYTES_MAX = 250_000  # of a quarter of an hour: 24 MB a day


class Left(NamedTuple):
    """A killed gateway: its folder, the digest after each batch, and the devices that have withdrawn since."""

    folder: Path
    digests: list[bytes]
    withdrawn: set[str]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    live, folder = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("left")
    script = Script(4)
    with closing(Gateway(live, clock=script.clock, synced=False)) as gateway:
        batches = script.batches()
        gateway.apply(*next(batches))
        phone = script._phones[0]
        gateway.apply(phone.withdrawal())  # empties the log
        digests = [digest(gateway.store._db)]
        for batch in [batch for _, batch in zip(range(12), batches, strict=False)]:
            gateway.apply(*(one for one in batch if getattr(getattr(one, "envelope", None), "device", "till").startswith("till")))
            digests.append(digest(gateway.store._db))
        withdrawn = script._phones[1]
        gateway.store.marks.append([withdrawn.device], gateway.store.marks.generation + 1)
        for ending in ENDINGS:
            if (live / f"gateway.db{ending}").exists():
                shutil.copyfile(live / f"gateway.db{ending}", folder / f"gateway.db{ending}")
    return Left(folder, digests, {phone.device, withdrawn.device})


def opened(folder: Path) -> tuple[bytes, set[str]] | None:
    """The digest of a database and its people, or None if it is refused."""
    try:
        store = InspectedStore(folder / "gateway.db", KEY)
    except StoreError:
        return None
    with closing(store):
        return store.found, {device for device, _ in store.people.owners()}


def damaged(left: Left, folder: Path, ending: str, draws: random.Random) -> Path:
    """A copy with one flipped bit."""
    shutil.copytree(left.folder, folder)
    file = folder / f"gateway.db{ending}"
    content = bytearray(file.read_bytes())
    content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
    file.write_bytes(content)
    return folder


def test_a_flipped_bit_of_the_database_is_noticed_or_harmless(left: Left, tmp_path: Path) -> None:
    draws = random.Random(1)  # noqa: S311 - places to be the same each time
    found = [opened(damaged(left, tmp_path / str(number), "", draws)) for number in range(20)]
    assert [one for one in found if one is not None and one[0] != left.digests[-1]] == []
    assert sum(one is None for one in found) >= 10, "each page has a checksum under the key"


def test_a_flipped_bit_of_the_log_leaves_an_earlier_commit_and_no_withdrawn_person(left: Left, tmp_path: Path) -> None:
    draws = random.Random(2)  # noqa: S311 - as above
    found = [opened(damaged(left, tmp_path / str(number), "-wal", draws)) for number in range(20)]
    assert all(one is None or one[0] in left.digests for one in found)
    assert any(one is not None and one[0] != left.digests[-1] for one in found), "the flips change nothing"
    assert not [one for one in found if one is not None and one[1] & left.withdrawn]


def test_a_deleted_log_revives_nobody(left: Left, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(left.folder, tmp_path / "copy"))
    (folder / "gateway.db-wal").unlink()
    found = opened(folder)
    assert found is not None
    assert found[0] == left.digests[0], "what the log held is gone"
    assert not found[1] & left.withdrawn


def test_a_deleted_index_of_the_log_loses_nothing(left: Left) -> None:
    assert not (left.folder / "gateway.db-shm").exists()
    found = opened(left.folder)
    assert found is not None
    assert found[0] == left.digests[-1]


class FailingDisk(Recorder):
    """Fails with EIO at operations of one kind while it is named."""

    fails_at: Kind | None = None

    def note(self, kind: Kind, file: str | None, offset: int = 0, data: bytes = b"") -> None:
        if kind == self.fails_at:
            raise apsw.IOError("EIO")
        super().note(kind, file, offset, data)


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_a_disk_that_fails_with_eio_stores_nothing_of_a_batch_and_heals(tmp_path: Path, kind: Kind) -> None:
    disk = FailingDisk(tmp_path / "gateway.db")
    with disk.recording(), closing(Gateway(tmp_path)) as gateway:
        gateway.apply(purchase("till-cafe", 1))
        disk.fails_at = kind
        for _ in range(3):
            with pytest.raises(StoreFullError, match="the disk is full or failing"):
                gateway.apply(purchase("till-cafe", 2))
        disk.fails_at = None
        gateway.apply(purchase("till-cafe", 2))
        assert len(gateway.rows("facts")) == 2


@pytest.mark.parametrize(("save_ms", "is_little"), [(SAVE_MS, True), (1_000, False)], ids=["as it is", "stored each second"])
def test_a_broken_sensor_wears_the_card_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_ms: int, *, is_little: bool) -> None:
    """Four refused messages a second from one sensor: a row with a count, stored with the times of visits."""
    monkeypatch.setattr("gateway.runtime.app.SAVE_MS", save_ms)
    disk = Recorder(tmp_path / "gw-t.db")
    with disk.recording():
        scene = Scene(tmp_path)
        disk.operations.clear()
        for _ in range(QUARTER_S):
            scene.clock.advance(1_000)
            scene.mailbox.deliver([Message("espresense/rooms/hall/status", b"{broken", scene.clock.now_ms()) for _ in range(4)])
            scene.app.turn(0.0)
        written = sum(len(one.data) for one in disk.operations)
        letters = list(scene.store.dead_letters.rows("SELECT count FROM dead_letters"))
        scene.store.close()
    assert sum(scene.app.router.refused.values()) == 4 * QUARTER_S
    assert len(letters) == 1
    assert (written < WRITTEN_BYTES_MAX) == is_little
