"""Backup and restoration: nothing of a commit is lost, nobody is revived, and an interruption leaves one state or the other."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.store import Store, database, keys, snapshot
from gateway.backup import container, make
from gateway.backup.container import BackupError
from gateway.backup.members import members
from gateway.backup.restore import described
from gateway.build_store import finish_restoration, open_store
from gateway.config import Config
from gateway.config_network import CloudPart, HttpPart, WebhookPart
from gateway.core.ports import StoreDamagedError
from tests.backup.device import NOW_MS, PASSPHRASE, Device, inhabited, no
from tests.kit.cuts import is_cut
from tests.kit.gateways import settings_of, walk_in


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SCRYPT_COST", 2)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = inhabited(tmp_path / "gw")
    yield made
    if made.app is not None:
        made.stop()


# --- the same device ------------------------------------------------------------------------------------------


def test_a_backup_of_a_running_gateway_restores_its_database(device: Device) -> None:
    before = device.rows()
    assert before["contexts"] == 2
    assert before["decisions"]
    file = device.backup()
    device.take(*walk_in("phone-0003", 20))  # goes on meanwhile
    assert device.rows()["contexts"] == 3
    device.crash()
    device.lose_database()
    assert device.restore(file) == (2, 0)
    assert device.rows() == before


def test_a_withdrawal_after_the_backup_is_carried_out(device: Device) -> None:
    file = device.backup()
    device.take(no())
    device.crash()  # before the key was replaced
    device.lose_database()
    assert device.restore(file) == (1, 1)
    device.start()
    assert device.rows()["identities"] == 1 + len([one for one in walk_in() if "claim" in one.topic])


def test_after_an_erasure_the_backup_is_unreadable_and_named_as_such(device: Device) -> None:
    file = device.backup()
    device.take(no())
    device.stop()  # replaces the key
    device.lose_database()
    with pytest.raises(BackupError, match="from before an erasure, and its key was destroyed"):
        device.restore(file)


def test_without_the_marks_of_withdrawals_it_is_refused(device: Device) -> None:
    file = device.backup()
    device.take(no())
    device.crash()
    device.lose_database()
    (device.folder / "gw-t.db.withdrawn").unlink()
    with pytest.raises(BackupError, match=r"gw-t.db.withdrawn is missing or older than the backup: without it withdrawn consents could"):
        device.restore(file)


def test_a_database_that_can_be_read_is_not_lost(device: Device) -> None:
    file = device.backup()
    device.stop()
    with pytest.raises(BackupError, match=r"its facts since the backup would be lost: .* --replace"):
        device.restore(file)
    assert device.restore(file, replaces=True) == (2, 0)
    assert (device.folder / "gw-t.db.damaged-1").exists()


def test_the_gateway_must_not_be_running(device: Device) -> None:
    file = device.backup()
    with pytest.raises(BackupError, match="is in use by another gateway: stop it"):
        device.restore(file, replaces=True)


def test_an_erasure_while_the_database_is_copied_begins_the_copy_again(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, calls = snapshot.copy, []

    def slow(*arguments: Any) -> str:
        salt = copy(*arguments)
        calls.append(1)
        if len(calls) == 1:
            device.take(no())
            assert device.app is not None
            assert device.app.store.replace_key()
        return salt

    monkeypatch.setattr(snapshot, "copy", slow)
    file = device.backup()
    device.crash()
    device.lose_database()
    assert device.restore(file) == (1, 0)
    assert len(calls) == 2


# --- a replacement ----------------------------------------------------------------------------------------------


def test_a_replacement_has_everything_but_the_people(device: Device) -> None:
    before = device.rows()
    file = device.backup(with_keys=True)
    device.stop()
    words = [(device.folder / name).read_text().strip() for name in ("gw-t.key", "tags.secret")]
    device.lose()
    assert device.restore(file) == (0, 0)
    assert device.rows() == {**dict.fromkeys(before, 0), "facts": before["facts"]}
    assert (device.folder / "tags.secret").read_text() == words[1]
    assert (device.folder / "gw-t.key").read_text().strip() != words[0], "a thief of the backup could read the former device"
    device.start()
    device.take(*walk_in("phone-0001", 30))
    assert device.rows()["decisions"] == 1
    device.take(*walk_in("phone-0002", 10))  # the facts of the former device are known
    assert device.rows()["contexts"] == 1


def test_a_replacement_releases_nothing_of_its_first_day(device: Device) -> None:
    file = device.backup(with_keys=True)
    device.stop()
    device.lose()
    device.restore(file)
    store = open_store(settings_of(device.config))
    day_ms, lost = 86_400_000, list(store.people.rows("SELECT name, start_ms, lost FROM releases WHERE lost ORDER BY name"))
    store.close()
    assert [(name, flag) for name, _, flag in lost] == [("hours", 1), ("offers", 1)]
    assert all(NOW_MS - day_ms < start_ms <= NOW_MS for _, start_ms, _ in lost)


def test_a_plain_backup_makes_no_replacement(device: Device) -> None:
    file = device.backup()
    device.stop()
    device.lose()
    with pytest.raises(BackupError, match="has no keys: it is for the device that made it"):
        device.restore(file)


def test_a_plain_backup_holds_no_key_and_one_with_keys_no_person(device: Device) -> None:
    device.backup("plain.backup")
    names = {one.name for one in device.made.members}
    assert not names & {"store.key_file", "store.key_file+.hashes", "claims.secret_file"}
    file = device.backup("keys.backup", with_keys=True)
    names = {one.name for one in device.made.members}
    assert {"store.key_file", "store.key_file+.hashes", "claims.secret_file", "bundle.path"} <= names
    device.stop()
    device.lose()
    device.restore(file)
    key = keys.read_key(device.folder / "gw-t.key", may_create=False)
    found, _ = database.open_any(device.folder / "gw-t.db", key, RuntimeError)
    tables = [name for (name,) in found.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    text = repr([row for name in tables for row in found.execute(f"SELECT * FROM {name}")])  # noqa: S608 - names from the schema
    assert "phone-000" not in text
    assert "till-cafe" in text or "cafe" in text
    found.close()


def test_every_path_of_the_settings_is_known_as_a_secret_or_not(device: Device) -> None:
    """A new setting of a file has to be put on one side."""
    paths: dict[str, Any] = {"token_file": Path("a"), "ca_file": Path("b")}
    config = settings_of(device.config).model_copy(
        update={
            "cloud": CloudPart(url="https://desk.example", **paths),
            "http": HttpPart(tokens_file=Path("t"), certificate_file=Path("c"), key_file=Path("k")),
            "webhook": WebhookPart(url="https://sms.example", secret_file=Path("s")),
        }
    )
    sides = {one.name: one.is_secret for one in members(config)}
    secret = {"cloud.token_file", "http.tokens_file", "http.key_file", "webhook.secret_file", "store.key_file", "claims.secret_file"}
    assert {name for name, is_secret in sides.items() if is_secret} == {*secret, "store.key_file+.hashes"}
    stated = {name for part in (Config, CloudPart, HttpPart) for name in part.model_fields}
    assert "token_file" in stated


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_restores_for_the_user_of_the_gateway(device: Device) -> None:
    file = device.backup(with_keys=True)
    device.stop()
    device.lose()
    device.folder.mkdir()
    os.chown(device.folder, 12_345, 23_456)
    device.restore(file)
    files = [one for one in device.folder.rglob("*") if one.is_file()]
    assert {"gw-t.db", "gw-t.db.lock", "gw-t.db.withdrawn", "gw-t.key", "gw-t.key.hashes", "wayside.toml"} <= {one.name for one in files}
    assert [one.name for one in files if (one.stat().st_uid, one.stat().st_gid) != (12_345, 23_456)] == []


# --- wrong input --------------------------------------------------------------------------------------------


def test_wrong_input_is_named(device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackupError, match="at least 12 characters"):
        make.make(settings_of(device.config), device.config, tmp_path / "x", "short", NOW_MS, lambda _: None, with_keys=False)
    file = device.backup()
    with pytest.raises(BackupError, match="exists: name a new file"):
        device.backup()
    monkeypatch.setattr(database, "newest", lambda: 99)
    monkeypatch.setattr(database, "open_reader", lambda path, key, failure: database.open_any(path, key, failure)[0])
    newer = device.backup("newer.backup")
    monkeypatch.undo()
    monkeypatch.setattr(container, "SCRYPT_COST", 2)
    device.crash()
    device.lose_database()
    with pytest.raises(BackupError, match=r"one.backup does not open: the passphrase is wrong"):
        device.restore(file, "another passphrase")
    with pytest.raises(BackupError, match=r"has schema 99, made by Wayside .*: install that version first"):
        device.restore(newer)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackupError, match=r"one.backup ends early, or its last bytes are damaged: copy the whole file again"):
        device.restore(file)
    file.write_bytes(whole)
    other = Device(tmp_path / "other")
    other.config.write_text(other.config.read_text().replace('gateway = "gw-t"', 'gateway = "gw-u"'))
    other.start()
    other.stop()
    with pytest.raises(BackupError, match=r"is of the gateway 'gw-t' of 'street', and this is 'gw-u'"):
        other.restore(file)
    assert described(file, PASSPHRASE).gateway == "gw-t"
    assert device.restore(file) == (2, 0), "after all that it is still restored"


@contextmanager
def file_size_at_most(size: int) -> Iterator[None]:
    """A disk on which no file can grow beyond `size`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_and_changes_nothing(device: Device, tmp_path: Path) -> None:
    with file_size_at_most(60_000), pytest.raises(BackupError, match="cannot be written"):
        device.backup()
    assert not list(tmp_path.glob("*.backup*"))
    file = device.backup()
    device.crash()
    device.lose_database()
    with file_size_at_most(20_000), pytest.raises(BackupError, match="repeat the command"):
        device.restore(file)
    assert not (device.folder / "gw-t.db").exists()
    assert device.restore(file) == (2, 0)


# --- interruptions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("with_keys", "stride"),
    [(False, 5), (True, 14), pytest.param(False, 1, marks=pytest.mark.soak), pytest.param(True, 1, marks=pytest.mark.soak)],
)
def test_an_interruption_at_any_step_resumes_or_changes_nothing(device: Device, tmp_path: Path, *, with_keys: bool, stride: int) -> None:
    """Each `stride`th change of a file is the last one; then the gateway starts, or the command is repeated."""
    expected = device.rows()
    file = device.backup(with_keys=with_keys)
    device.crash()
    if with_keys:
        device.lose()
        expected = {**dict.fromkeys(expected, 0), "facts": expected["facts"]}
    else:
        device.lose_database()
    dead, number, resumed = tmp_path / "dead", 1, 0
    if device.folder.exists():
        shutil.copytree(device.folder, dead)
    while is_cut(number, lambda: device.restore(file)):
        if device.config.exists():  # the next start of the gateway
            finish_restoration(settings_of(device.config).store.path)
        if (device.folder / "gw-t.db").exists():
            assert device.rows() == expected
            resumed += 1
        else:
            device.restore(file)
            assert device.rows() == expected
        shutil.rmtree(device.folder)
        if dead.exists():
            shutil.copytree(dead, device.folder)
        number += stride
    assert number > 20
    assert resumed > 1
    assert device.rows() == expected


def test_an_interrupted_backup_leaves_a_whole_file_or_none(device: Device) -> None:
    out, number = device.folder.parent / "one.backup", 1
    while is_cut(number, device.backup):
        if out.exists():
            assert described(out, PASSPHRASE).gateway == "gw-t"
            out.unlink()
        number += 1
    assert number > 5
    assert described(out, PASSPHRASE).gateway == "gw-t"
    assert [file.name for file in out.parent.iterdir()] == ["gw", "one.backup"]


# --- cp ---------------------------------------------------------------------------------------------------------


def test_cp_of_a_running_gateways_database_is_recognised(device: Device, tmp_path: Path) -> None:
    device.take(*walk_in("phone-0003", 20))
    copy = shutil.copy(device.folder / "gw-t.db", tmp_path / "copy.db")
    device.stop()
    shutil.copy(copy, device.folder / "gw-t.db")
    key, path = keys.read_key(device.folder / "gw-t.key", may_create=False), device.folder / "gw-t.db"
    with pytest.raises(StoreDamagedError, match=r"made while its gateway ran, without the file gw-t.db-wal, and lacks commits"):
        Store(path, key, exclusive=True)


def test_a_copy_of_a_stopped_or_crashed_gateway_is_none(device: Device, tmp_path: Path) -> None:
    """Negative control: a cold copy opens, and the files of a crash with their log do."""
    before = device.rows()
    device.crash()
    assert device.rows() == before
    copy = shutil.copy(device.folder / "gw-t.db", tmp_path / "copy.db")
    shutil.copy(copy, device.folder / "gw-t.db")
    assert device.rows() == before


def test_a_full_disk_at_the_stop_leaves_the_log(device: Device) -> None:
    before = device.rows()
    with file_size_at_most(1_000):
        device.stop()
    assert device.rows() == before
