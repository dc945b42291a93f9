"""The store: encryption, all of a batch or nothing, bounds, and errors for other and damaged files."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from gateway.adapters.store import Store
from gateway.adapters.store.database import WAYS_OUT
from gateway.adapters.store.keys import KEY_BYTES, read_key
from gateway.core import limits
from gateway.core.ports import DeadLetter, StoreError, StoreFullError
from gateway.core.state import Changes
from tests.kit.gateways import WAYSIDE, settings_of, write_config
from tests.kit.testbed import HOUR_MS, KEY, Gateway, Phone, purchase

TOPIC = "wayside/v1/street/up/phone-0001/answer"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.close()


def offered(gateway: Gateway, phone: Phone | None = None) -> Changes:
    """A person consents to all purposes, enters the cafe and gets an offer."""
    phone = phone or Phone()
    gateway.apply(phone.consent())
    changes = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))
    assert changes.decisions.triggers
    return changes


def with_records(gateway: Gateway, windows: int = 1) -> None:
    """Pending records: one window or more is over, with an offer in the first one."""
    offered(gateway)
    for _ in range(windows):
        gateway.pass_time(HOUR_MS)
    assert gateway.store.backlog() >= windows


def bytes_of(folder: Path) -> bytes:
    """Everything that a thief of the disk would find."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


# --- encryption and keys -----------------------------------------------------------------------------------


def test_nobody_reads_a_name_off_the_disk(gateway: Gateway, tmp_path: Path) -> None:
    phone = Phone("phone-4711-of-ada")
    changes = offered(gateway, phone)
    subject = changes.decisions.made[0].subject
    words = [phone.device, phone.tag, subject, "flat-white", "CREATE TABLE", "SQLite format 3"]
    text = gateway.dump()
    assert all(word in text for word in words[:4]), "the store itself does not know them"
    for when in ("in the log", "at rest"):
        found = [word for word in words if word.encode() in bytes_of(tmp_path)]
        assert not found, (when, found)
        gateway.store.close()
    gateway.store, gateway.state = gateway._open()


def test_without_encryption_they_could_be_read(tmp_path: Path) -> None:
    """Negative control: plain SQLite writes the text unencrypted, and the same search finds it."""
    database = apsw.Connection(str(tmp_path / "plain.db"))
    database.execute("CREATE TABLE identities (mover TEXT)")
    database.execute("INSERT INTO identities VALUES ('phone-4711-of-ada')")
    database.close()
    assert all(word in bytes_of(tmp_path) for word in (b"phone-4711-of-ada", b"CREATE TABLE", b"SQLite format 3"))


def test_another_key_does_not_open_it(gateway: Gateway, tmp_path: Path) -> None:
    offered(gateway)
    gateway.store.close()
    with pytest.raises(StoreError, match=r"does not open with this key.*store\.key_file"):
        Store(tmp_path / "gateway.db", bytes(KEY_BYTES))
    gateway.store, gateway.state = gateway._open()
    assert gateway.store.totals()["decisions"] == 1


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "store.key"
    with pytest.raises(ValueError, match="no database key"):
        read_key(file, may_create=False)
    key = read_key(file, may_create=True)
    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_key(file, may_create=True) == read_key(file, may_create=False) == key
    assert read_key(tmp_path / "other.key", may_create=True) != key


def test_the_environment_outranks_the_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_STORE_KEY", KEY.hex() + "\n")
    assert read_key(tmp_path / "none.key", may_create=True) == KEY
    assert not (tmp_path / "none.key").exists()
    monkeypatch.setenv("WAYSIDE_STORE_KEY", "secret")
    with pytest.raises(ValueError, match=r"WAYSIDE_STORE_KEY must be 64 hex digits.*openssl rand -hex 32"):
        read_key(tmp_path / "none.key", may_create=True)


@pytest.mark.parametrize("text", ["", "00", "zz" * KEY_BYTES, "00" * (KEY_BYTES + 1)])
def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "store.key"
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    with pytest.raises(ValueError, match=r"store\.key must be 64 hex digits"):
        read_key(file, may_create=True)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.key"
    file.write_text("00" * KEY_BYTES, "utf-8")
    file.chmod(0o640)
    with pytest.raises(ValueError, match=r"can be read by other users of this machine: chmod 600"):
        read_key(file, may_create=True)


def test_the_log_is_emptied_with_a_withdrawal_even_if_a_reader_holds_it_for_a_while(tmp_path: Path) -> None:
    gateway, phone = Gateway(tmp_path), Phone()
    gateway.apply(Phone("phone-0002").consent())
    gateway.apply(phone.consent())
    (log,) = tmp_path.glob("*.db-wal")
    assert log.stat().st_size > 0
    with gateway.reader() as reader:
        reader._db.execute("BEGIN")
        reader._db.execute("SELECT count(*) FROM contexts").fetchall()
        gateway.apply(phone.withdrawal())
        assert log.stat().st_size > 0, "the reader still sees the person"
        reader._db.execute("COMMIT")
    gateway.store.finish_erasure()
    assert log.stat().st_size == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_that_was_deleted_takes_no_facts(tmp_path: Path, *, replaced: bool) -> None:
    gateway = Gateway(tmp_path)
    gateway.apply(purchase("till-cafe", 1))
    (file,) = tmp_path.glob("*.db")
    file.rename(tmp_path / "moved")
    if replaced:
        file.write_bytes((tmp_path / "moved").read_bytes())
    with pytest.raises(StoreFullError, match="was deleted or replaced"):
        gateway.apply(purchase("till-cafe", 2))


# --- files that are not to be trusted ------------------------------------------------------------------------


def test_a_newer_schema_is_refused_and_not_guessed_at(gateway: Gateway, tmp_path: Path) -> None:
    version = int(gateway.store._db.pragma("user_version"))
    gateway.store._db.pragma("user_version", 4_711)
    gateway.store.close()
    with pytest.raises(StoreError, match=r"has schema 4711.*install the newer version"):
        Store(tmp_path / "gateway.db", KEY)
    database = apsw.Connection(str(tmp_path / "gateway.db"))
    database.pragma("cipher", "chacha20")
    database.pragma("hexkey", KEY.hex())
    assert int(database.pragma("user_version")) == 4_711, "the refused file was changed"
    database.pragma("user_version", version)
    database.close()
    gateway.store, gateway.state = gateway._open()


@pytest.mark.parametrize("page", [0, 1, 3, 8])
def test_a_damaged_file_is_told(tmp_path: Path, page: int) -> None:
    gateway = Gateway(tmp_path)
    offered(gateway)
    gateway.apply(*(purchase("till-cafe", seq) for seq in range(100)))
    gateway.store.close()
    path = tmp_path / "gateway.db"
    content = bytearray(path.read_bytes())
    assert len(content) > 10 * 4096
    for at in range(page * 4096 + 100, page * 4096 + 200):
        content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as refused:
        Store(path, KEY)
    assert str(path) in str(refused.value)


def test_a_file_that_was_cut_off_is_told(gateway: Gateway, tmp_path: Path) -> None:
    gateway.apply(*(purchase("till-cafe", seq) for seq in range(100)))
    gateway.store.close()
    path = tmp_path / "gateway.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    with pytest.raises(StoreError, match="damaged"):
        Store(path, KEY)
    path.write_bytes(whole)
    gateway.store, gateway.state = gateway._open()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary, " * 1_000, "utf-8")
    with pytest.raises(StoreError, match="does not open with this key"):
        Store(text, KEY)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be opened or created"):
        Store(tmp_path / "folder", KEY)


@pytest.mark.soak  # it waits out BUSY_MS
def test_a_file_that_another_program_holds_is_told(gateway: Gateway, tmp_path: Path) -> None:
    gateway.store.close()
    holder = apsw.Connection(str(tmp_path / "gateway.db"))
    holder.pragma("cipher", "chacha20")
    holder.pragma("hexkey", KEY.hex())
    holder.pragma("locking_mode", "exclusive")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="held by another program"):
        Store(tmp_path / "gateway.db", KEY)
    holder.close()
    gateway.store, gateway.state = gateway._open()


def test_every_way_out_says_something_else() -> None:
    assert len(set(WAYS_OUT.values())) == len(WAYS_OUT) >= 6


# --- all or nothing --------------------------------------------------------------------------------------------


def test_a_full_disk_stores_nothing_of_a_batch_and_leaves_all_as_it_was(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    gateway.store._db.pragma("max_page_count", int(gateway.store._db.pragma("page_count")))
    before, subject = gateway.dump(), gateway.store.state(0, gateway.site.presence).people.identities[phone.device]
    context = gateway.store.context(subject)
    much = [purchase("till-cafe", seq) for seq in range(2_000)]
    changes = gateway.advance(phone.near("scan-cafe"), phone.near("scan-cafe"), *much)
    assert changes.decisions.made
    for _ in range(2):  # trying again while it is full changes nothing either
        with pytest.raises(StoreFullError, match="free some space"):
            gateway.store.save(changes)
    assert gateway.dump() == before
    assert gateway.store.context(subject) == context
    assert gateway.store.backlog() == 0
    gateway.store._db.pragma("max_page_count", 1_000_000)
    gateway.commit(changes)
    assert gateway.store.totals()["facts"] == 2_001
    assert gateway.store.totals()["decisions"] == 1


def test_a_full_disk_does_not_hurt_the_outbox(gateway: Gateway) -> None:
    with_records(gateway)
    waiting = gateway.store.backlog()
    gateway.store._db.pragma("max_page_count", int(gateway.store._db.pragma("page_count")))
    gateway.clock.advance(HOUR_MS)
    changes = gateway.advance(*(purchase("till-cafe", seq) for seq in range(2_000)))
    with pytest.raises(StoreFullError):
        gateway.store.save(changes)
    assert gateway.store.backlog() == waiting
    gateway.store._db.pragma("max_page_count", 1_000_000)
    batch = gateway.store.next_batch("gw-t")
    assert batch is not None
    assert len(batch.records) == waiting


def test_a_fact_is_known_after_a_restart(gateway: Gateway) -> None:
    sold = purchase("till-cafe", 7)
    gateway.apply(sold)
    assert gateway.store.is_known(sold.envelope)
    gateway.restart()
    assert gateway.store.is_known(sold.envelope)
    assert not gateway.store.is_known(msgspec.structs.replace(sold.envelope, seq=8))
    assert not gateway.store.is_known(msgspec.structs.replace(sold.envelope, boot="t2"))


# --- triggers and the outbox -------------------------------------------------------------------------------------


def test_a_trigger_waits_until_it_is_said_to_be_sent(gateway: Gateway) -> None:
    (trigger,) = offered(gateway).decisions.triggers
    gateway.restart()
    assert gateway.store.waiting_triggers() == [trigger]
    gateway.store.triggers_sent([trigger.id, "unknown"])
    assert gateway.store.waiting_triggers() == []


def test_a_batch_is_cut_once_and_sent_again_unchanged(gateway: Gateway) -> None:
    with_records(gateway)
    first = gateway.store.next_batch("gw-t")
    assert first is not None
    gateway.pass_time(HOUR_MS)
    assert gateway.store.backlog() > len(first.records), "nothing new came that could have slipped in"
    assert gateway.store.next_batch("gw-t") == first
    gateway.restart()
    again = gateway.store.next_batch("gw-t")
    assert msgspec.json.encode(again) == msgspec.json.encode(first)


def test_only_what_was_taken_is_deleted_and_the_rest_is_cut_anew(gateway: Gateway) -> None:
    with_records(gateway, windows=3)
    first = gateway.store.next_batch("gw-t")
    assert first is not None
    ids = [record.id for record in first.records]
    assert len(ids) == len(set(ids)) >= 3
    assert gateway.store.records_taken(first, [ids[1], "somebody-else", ids[1]]) == 1
    assert gateway.store.backlog() == len(ids) - 1
    second = gateway.store.next_batch("gw-t")
    assert second is not None
    assert [record.id for record in second.records] == [ids[0], *ids[2:]]
    assert second.batch != first.batch
    assert gateway.store.records_taken(second, [record.id for record in second.records]) == len(ids) - 1
    assert gateway.store.next_batch("gw-t") is None
    assert gateway.store.backlog() == gateway.store.totals()["outbox"] == 0


def test_a_late_receipt_for_the_same_batch_deletes_nothing_twice(gateway: Gateway) -> None:
    with_records(gateway, windows=2)
    batch = gateway.store.next_batch("gw-t")
    assert batch is not None
    ids = [record.id for record in batch.records]
    assert gateway.store.records_taken(batch, ids) == len(ids)
    gateway.store.records_taken(batch, ids)
    assert gateway.store.backlog() == gateway.store.totals()["outbox"] == 0


def test_a_batch_quarantine_is_out_of_the_way_until_the_next_start(gateway: Gateway) -> None:
    with_records(gateway, windows=2)
    first = gateway.store.next_batch("gw-t")
    assert first is not None
    assert gateway.store.quarantine(first) == len(first.records)
    assert gateway.store.quarantine(first) == 0
    assert gateway.store.backlog() == 0
    assert gateway.store.next_batch("gw-t") is None
    gateway.pass_time(HOUR_MS)
    second = gateway.store.next_batch("gw-t")
    assert second is not None
    assert not {record.id for record in second.records} & {record.id for record in first.records}
    gateway.restart()
    assert gateway.store.backlog() == len(first.records) + len(second.records)
    sent = [gateway.store.next_batch("gw-t"), gateway.store.next_batch("gw-t")]
    assert sent[0] == sent[1]
    assert sent[0] in (first, second)


# --- bounds, and other processes -----------------------------------------------------------------------------------


def test_dead_letters_are_bounded_and_the_newest_stay(gateway: Gateway, tmp_path: Path) -> None:
    most = limits.DEAD_LETTERS_MAX + 500
    dead_letters = [DeadLetter(number, "wayside_v1", "not_json", "detail", f"{TOPIC}{number}", 3) for number in range(most)]
    for start in range(0, len(dead_letters), 250):
        gateway.store.store_dead_letters(dead_letters[start : start + 250])
    assert gateway.store.totals()["dead_letters"] == limits.DEAD_LETTERS_MAX
    assert sorted(row[3] for row in gateway.rows("dead_letters")) == list(range(500, most))
    assert TOPIC not in gateway.dump(), "a topic names a device: only its keyed hash is kept"


def test_refused_messages_of_one_topic_are_one_row_with_a_count(gateway: Gateway) -> None:
    """A broken sensor that sends a hundred messages a second writes one row."""
    for number, reason in ((1, "not_json"), (2, "not_json"), (3, "bad_field")):
        gateway.store.store_dead_letters([DeadLetter(number, "wayside_v1", reason, f"detail {number}", TOPIC, number, 100)])
    assert [row[1:] for row in sorted(gateway.rows("dead_letters"), key=lambda row: row[3])] == [
        ("wayside_v1", "not_json", 2, "detail 2", 2, 200),
        ("wayside_v1", "bad_field", 3, "detail 3", 3, 100),
    ]


def test_totals_count_the_rows(gateway: Gateway) -> None:
    assert set(gateway.store.totals().values()) == {0}
    offered(gateway)
    gateway.apply(purchase("till-cafe", 1), purchase("till-bar", 1))
    totals = gateway.store.totals()
    found = {table: count for table, count in totals.items() if count}
    assert found == {"contexts": 1, "presences": 1, "facts": 3, "decisions": 1, "windows": 1, "triggers": 1, "history": 2}


def test_another_process_reads_while_this_one_writes(tmp_path: Path) -> None:
    settings = settings_of(write_config(tmp_path))
    store = Store(settings.store.path, read_key(settings.store.key_file, may_create=True))
    gateway = Gateway(tmp_path, make_store=lambda _path, _key: store)
    decision = offered(gateway).decisions.made[0]
    with store._transaction():
        store._db.execute("DELETE FROM decisions")
        done = subprocess.run(
            [*WAYSIDE, "why", "--config", str(tmp_path / "wayside.toml"), "--json"], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert [row["decision"] for row in json.loads(done.stdout)] == [decision.id], "it saw what was not committed"
    store.close()
