"""After an erasure nothing of the person can be read: not in the files, and not in copies of them that were made before."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.adapters.aes import Aes
from gateway.adapters.store import Store, database, keys, rekey
from gateway.core.ports import StoreDamagedError, StoreError, StoreFullError
from gateway.core.types import Envelope, Purchase
from tests.kit.testbed import HOUR_MS, Gateway, Phone, purchase

IRK, EID_KEY, TAG = "0a11ce00112233445566778899aabb01", "e1d0ce00112233445566778899aabb02", "e375cf00a11c"
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


def open_replacing(path: Path, _: bytes) -> Store:
    """A store whose key is in a file, and is replaced after an erasure."""
    key_file = path.with_suffix(".key")
    return Store(path, keys.read_key(key_file, may_create=True), key_file=key_file, cipher=Aes())


def open_fixed(path: Path, _: bytes) -> Store:
    """A store with the same key for ever."""
    return Store(path, keys.read_key(path.with_suffix(".key"), may_create=True), cipher=Aes())


class Scene:
    """A gateway with a bystander, and a person with a tag, keys, visits, answers and a redeemed offer; copies of all steps."""

    def __init__(self, folder: Path, make_store: Callable[[Path, bytes], Store] = open_replacing) -> None:
        self.folder, self.key_file = folder / "live", folder / "live" / "gateway.key"
        self.folder.mkdir()
        self.copies: list[Path] = []
        self.gateway = Gateway(self.folder, make_store=make_store)
        self.person = Phone("phone-of-alice", tag=TAG)
        self.gateway.apply(Phone("phone-0002").consent())
        self.first = self.person.consent(irks=(IRK,), eid_keys=(EID_KEY,))
        self.apply(self.first)
        for number in range(2):
            self.gateway.apply(self.person.near("scan-cafe"))
            self.gateway.clock.advance(1_000)
            for trigger in self.apply(self.person.near("scan-cafe")).decisions.triggers:
                self.apply(self.person.answer(trigger.id, "accepted"))
                self.gateway.clock.advance(2_000)  # the sale stays, without the person
                self.apply(Purchase(Envelope("till-cafe", "t", number), 450, decision=trigger.id))
            self.gateway.pass_time(HOUR_MS)
            self.copy()
        self.subject = self.gateway.state.people.identities[self.person.device]
        self.traces = self._traces()

    def apply(self, *observations: Any) -> Any:
        changes = self.gateway.apply(*observations)
        self.copy()
        return changes

    def copy(self) -> None:
        """A copy of all files as they are now, but not of keys."""
        copy = self.folder.parent / f"copy-{len(self.copies)}"
        copy.mkdir()
        for file in self.folder.iterdir():
            if file.suffix != ".key" and file.is_file():
                shutil.copy(file, copy / file.name)
        self.copies.append(copy)

    def _traces(self) -> set[str]:
        decisions = [row[0] for row in self.gateway.store._db.execute("SELECT id FROM decisions WHERE subject = ?", (self.subject,))]
        assert decisions
        return {self.person.device, TAG, IRK, EID_KEY, self.subject, *decisions}

    def places_and_times(self) -> set[tuple[str, int]]:
        """Zone and time of the person's visits, decisions and answers."""
        found = set()
        for zone, at_ms in (("zone", "entered_ms"), ("zone", "left_ms")):
            found |= set(self.gateway.store._db.execute(f"SELECT {zone}, {at_ms} FROM visits WHERE subject = ?", (self.subject,)))  # noqa: S608
        for table in ("decisions", "facts"):
            sql = f"SELECT zone, at_ms FROM {table} WHERE subject = ? AND zone IS NOT NULL"  # noqa: S608 - names from above
            found |= set(self.gateway.store._db.execute(sql, (self.subject,)))
        assert found
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.gateway.store.close()


def opened(path: Path, key: bytes) -> apsw.Connection:
    found = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    found.pragma("cipher", "chacha20")
    found.pragma("hexkey", key.hex())
    return found


def rows(found: apsw.Connection) -> list[tuple[Any, ...]]:
    tables = [name for (name,) in found.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [row for name in tables for row in found.execute(f"SELECT * FROM {name}")]  # noqa: S608 - names from the schema


def shown(content: bytes, traces: set[str]) -> set[str]:
    """The traces that some bytes show, as text or as the bytes of hex digits."""
    lower = content.lower()
    return {one for one in traces if one.lower().encode() in lower or (len(one) % 2 == 0 and _unhexed(one) in content)}


def _unhexed(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode()


def readable(copy: Path, key: bytes, prefixes: int = 4) -> Iterator[bytes]:
    """All that the key shows of a copy: of its database with the longest prefixes of its log, and without the log."""
    log = copy / "gateway.db-wal"
    whole = log.read_bytes() if log.exists() else b""
    frame = int.from_bytes(whole[8:12], "big") + FRAME_HEADER_BYTES
    count = max(0, len(whole) - WAL_HEADER_BYTES) // frame
    for frames in sorted({0, *range(max(0, count - prefixes), count + 1)}):
        cut = copy.parent / "cut"
        shutil.rmtree(cut, ignore_errors=True)
        cut.mkdir()
        shutil.copy(copy / "gateway.db", cut)
        if frames:
            (cut / "gateway.db-wal").write_bytes(whole[: WAL_HEADER_BYTES + frames * frame])
        try:
            found = opened(cut / "gateway.db", key)
            yield repr(rows(found)).encode()
            found.close()
        except apsw.NotADBError:
            yield b""


def erased(scene: Scene) -> None:
    scene.apply(scene.person.withdrawal())
    assert scene.gateway.store.replace_key()


def test_an_old_copy_with_its_old_key_is_not_opened(scene: Scene) -> None:
    """A whole folder that is restored from before a withdrawal: the mark of the withdrawal went with the key of that time."""
    scene.gateway.close()
    old = scene.folder.parent / "old"
    shutil.copytree(scene.folder, old)
    scene.gateway = Gateway(scene.folder, make_store=open_replacing, synced=False)
    scene.apply(scene.person.withdrawal())
    scene.gateway.close()
    marks = scene.folder / "gateway.db.withdrawn"
    shutil.copy(marks, old / marks.name)
    with pytest.raises(StoreDamagedError, match="before an erasure"):
        open_replacing(old / "gateway.db", b"")
    (old / "gateway.db").unlink()
    Gateway(old, make_store=open_replacing, synced=False).close()  # a new database goes on after the marks
    scene.gateway = Gateway(scene.folder, make_store=open_replacing, synced=False)
    assert scene.person.device not in scene.gateway.state.people.identities


def test_no_file_and_no_older_copy_shows_an_erased_person(scene: Scene) -> None:
    old_key, places = keys.read_key(scene.key_file, may_create=False), scene.places_and_times()
    erased(scene)
    scene.copy()
    new_key = keys.read_key(scene.key_file, may_create=False)
    assert new_key != old_key
    for copy in scene.copies[-4:-1]:
        assert not any(readable(copy, new_key)), "the new key opens no older copy"
    for now in readable(scene.copies[-1], new_key):
        assert b"phone-0002" in now
        assert not shown(now, scene.traces)
    found = {(row[at], other) for row in rows(scene.gateway.store._db) for at in range(len(row)) for other in row if isinstance(other, int)}
    assert not places & found
    for file in scene.folder.iterdir():
        assert not shown(file.read_bytes(), scene.traces | {old_key.hex()}), file.name


def test_with_the_same_key_for_ever_an_older_copy_shows_the_person(tmp_path: Path) -> None:
    """The negative control: the scan finds what an erasure without a new key leaves."""
    scene = Scene(tmp_path, open_fixed)
    erased(scene)
    key = keys.read_key(scene.key_file, may_create=False)
    assert any(shown(found, scene.traces) == scene.traces for copy in scene.copies[-3:] for found in readable(copy, key))
    scene.gateway.store.close()


def test_hashes_of_an_erased_person_do_not_lie_with_their_key(scene: Scene) -> None:
    erased(scene)
    key = (scene.folder / "gateway.key.hashes").read_text().strip()
    assert not shown(repr(rows(scene.gateway.store._db)).encode(), {key})
    marks = (scene.folder / "gateway.db.withdrawn").read_text().splitlines()
    assert [line.split()[1] for line in marks if line.split()[0].isdecimal()] == ["0" * 32], "no hash of a device is left"


def test_the_gateway_goes_on_under_the_new_key(scene: Scene) -> None:
    erased(scene)
    assert scene.gateway.store.replace_key()
    key = keys.read_key(scene.key_file, may_create=False)
    before = scene.gateway.dump()
    scene.gateway.restart()
    assert keys.read_key(scene.key_file, may_create=False) == key, "no erasure, no new key"
    assert scene.gateway.dump() == before
    assert not scene.gateway.apply(scene.first).people.contexts, "an older consent does not undo the withdrawal"
    assert scene.gateway.apply(purchase("till-cafe", 99)).totals["facts"] == 1


def test_a_restart_carries_on_with_an_erasure(scene: Scene) -> None:
    key = keys.read_key(scene.key_file, may_create=False)
    scene.apply(scene.person.withdrawal())
    assert scene.gateway.store.awaits_new_key
    scene.gateway.restart()
    assert keys.read_key(scene.key_file, may_create=False) != key
    assert not scene.gateway.store.awaits_new_key


def test_a_reader_delays_the_new_key(scene: Scene) -> None:
    key = keys.read_key(scene.key_file, may_create=False)
    reader = database.open_reader(scene.folder / "gateway.db", key, StoreError)
    reader.execute("SELECT count(*) FROM contexts").fetchall()
    scene.apply(scene.person.withdrawal())
    assert not scene.gateway.store.replace_key()
    scene.apply(purchase("till-cafe", 50))
    assert ("till-cafe",) not in reader.execute("SELECT mover FROM identities").fetchall()
    reader.close()
    assert scene.gateway.store.replace_key()
    assert keys.read_key(scene.key_file, may_create=False) != key


def test_without_space_the_erasure_waits_and_facts_are_stored(scene: Scene) -> None:
    scene.apply(scene.person.withdrawal())
    (scene.folder / "gateway.db.rekeyed").mkdir()
    with pytest.raises(StoreFullError, match="cannot be replaced after an erasure"):
        scene.gateway.store.replace_key()
    assert scene.apply(purchase("till-cafe", 51)).totals["facts"] == 1
    assert scene.gateway.store.awaits_new_key
    (scene.folder / "gateway.db.rekeyed").rmdir()
    assert scene.gateway.store.replace_key()


def test_a_copy_from_before_an_erasure_is_named_as_such(scene: Scene) -> None:
    copy = scene.copies[-1]
    erased(scene)
    scene.gateway.store.close()
    for file in scene.folder.glob("gateway.db-*"):
        file.unlink()
    current = (scene.folder / "gateway.db").read_bytes()
    shutil.copy(copy / "gateway.db", scene.folder / "gateway.db")
    with pytest.raises(StoreDamagedError, match="a copy from before an erasure, and its key was destroyed"):
        scene.gateway._open()
    (scene.folder / "gateway.db").write_bytes(os.urandom(8_192))
    with pytest.raises(StoreError, match="does not open with this key") as other:
        scene.gateway._open()
    assert not isinstance(other.value, StoreDamagedError)
    (scene.folder / "gateway.db").write_bytes(current)
    scene.gateway.store, scene.gateway.state = scene.gateway._open()


def test_lost_key_of_the_hashes_is_told(scene: Scene) -> None:
    scene.gateway.store.close()
    file = scene.folder / "gateway.key.hashes"
    text = file.read_text()
    file.unlink()
    with pytest.raises(StoreError, match=r"gateway.key.hashes is missing: restore it"):
        scene.gateway._open()
    keys.write_key(file, bytes.fromhex(text))
    scene.gateway.store, scene.gateway.state = scene.gateway._open()


# --- crashes --------------------------------------------------------------------------------------------------


class PowerCutError(Exception):
    """The process ends here."""


STEPS = ((keys, "write_key"), (rekey, "adopt"), (rekey, "settle"), (keys, "destroy"), (database, "open_database"))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("module", "name"), STEPS)
def test_a_crash_at_a_step_loses_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: bool) -> None:
    scene.apply(scene.person.withdrawal())
    before = {table: scene.gateway.rows(table) for table in scene.gateway.tables() if table != "meta"}
    step = getattr(module, name)

    def cut(*arguments: Any) -> None:
        if after:
            step(*arguments)
        raise PowerCutError

    with monkeypatch.context() as patched:
        patched.setattr(module, name, cut)
        with pytest.raises(PowerCutError):
            scene.gateway.store.replace_key()
    scene.gateway.store._db.close()
    scene.gateway.store, scene.gateway.state = scene.gateway._open()
    assert {table: scene.gateway.rows(table) for table in before} == before
    assert scene.gateway.store.replace_key()
    assert {file.name for file in scene.folder.iterdir() if "next" in file.name or "rekeyed" in file.name} == set()


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.soak)])
def test_a_kill_at_any_moment_loses_nothing(scene: Scene, kills: int) -> None:
    draws, known = random.Random(7), set(scene.gateway.state.people.identities)  # noqa: S311 - reproducible moments
    for number in range(kills):
        person = Phone(f"phone-1{number:03}")
        scene.gateway.apply(person.consent())
        scene.gateway.apply(person.withdrawal())
        scene.gateway.store._db.close()
        moment_s = 0.001 + draws.random() * 0.35
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, moment_s)  # its signal ends the process at once
            store = open_replacing(scene.folder / "gateway.db", b"")
            store.replace_key()
            os._exit(0)
        os.waitpid(child, 0)
        scene.gateway.store, scene.gateway.state = scene.gateway._open()
        assert set(scene.gateway.state.people.identities) == known
        assert scene.gateway.store._db.pragma("integrity_check") == "ok"
