"""The consent register: a no is always taken, an old yes never, each has its receipt, and an old copy of the database revives nobody."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.store.marks import Marks
from gateway.core import limits
from gateway.core.ports import StoreError
from gateway.core.state import Changes
from gateway.core.types import Consent, Envelope
from tests.kit.testbed import EVERYTHING, HOUR_MS, KEY, NOON_MS, Gateway, Phone, open_store

TOP = limits.INTEGER_MAX


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, synced=False)
    yield made
    made.close()


def receipt(changes: Changes) -> dict[str, Any]:
    """The newest receipt."""
    return dict([one.body for one in changes.replies.messages if one.kind == "receipt"][-1])


def is_known(gateway: Gateway, phone: Phone) -> bool:
    return phone.device in gateway.state.people.identities


# --- order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [0, 1, 5, TOP])
@pytest.mark.parametrize("boot", ["b1", "b2"])
def test_a_no_is_taken_whatever_its_sequence(gateway: Gateway, seq: int, boot: str) -> None:
    """A forged or wrapped yes with the largest number does not stand against a no."""
    phone = Phone()
    gateway.apply(msgspec.structs.replace(phone.consent(), envelope=Envelope(phone.device, "b1", TOP - 1), change=TOP))
    assert is_known(gateway, phone)
    changes = gateway.apply(msgspec.structs.replace(phone.withdrawal(), envelope=Envelope(phone.device, boot, seq), change=1))
    assert (changes.discarded, receipt(changes)["outcome"]) == ({}, "withdrawn")
    assert not is_known(gateway, phone)


def test_an_old_yes_that_has_expired_is_no_no(gateway: Gateway) -> None:
    phone = Phone()
    old = phone.consent(expires_at_ms=NOON_MS - 1)
    gateway.apply(phone.consent())
    assert gateway.apply(old).discarded == {"overtaken": 1}
    assert is_known(gateway, phone)


def test_after_a_no_the_person_may_say_yes_again(gateway: Gateway) -> None:
    phone = Phone()
    forged = msgspec.structs.replace(phone.consent(), envelope=Envelope(phone.device, "b1", TOP))
    gateway.apply(phone.consent(), forged)
    gateway.apply(phone.withdrawal())
    assert gateway.apply(forged).discarded == {"repeated": 1}
    assert not is_known(gateway, phone)
    gateway.apply(phone.consent())
    assert is_known(gateway, phone)


def test_changes_are_counted_across_boots_and_installations(gateway: Gateway) -> None:
    phone = Phone()
    late = phone.consent(change=2)
    gateway.apply(phone.consent(change=1))
    gateway.apply(msgspec.structs.replace(phone.withdrawal(), change=3))
    gateway.restart()
    late = msgspec.structs.replace(late, envelope=Envelope(phone.device, "another boot", 1))
    changes = gateway.apply(late)
    assert (changes.discarded, receipt(changes)["outcome"], receipt(changes)["change"]) == ({"overtaken": 1}, "overtaken", 3)
    assert not is_known(gateway, phone)
    reinstalled = Phone(boot="new")
    first = gateway.apply(reinstalled.consent(change=1))
    assert receipt(first)["change"] == 3, "the app learns the number from the receipt"
    gateway.apply(reinstalled.consent(change=4))
    assert is_known(gateway, phone)


def test_a_replayed_yes_has_no_effect(gateway: Gateway) -> None:
    """10,020 repeated and reordered words of three people over their boots: the last change decides, always."""
    draw = random.Random(5)  # noqa: S311 - to be repeated
    for person in range(3):
        phone = Phone(f"phone-{person}")
        words: list[Consent] = []
        for change in range(1, 21):
            phone.boot = f"boot {change // 4}"
            word = phone.consent(change=change) if draw.random() < 0.6 else msgspec.structs.replace(phone.withdrawal(), change=change)
            words.append(word)
            gateway.apply(word)
            standing = is_known(gateway, phone)
            yeses = [one for one in words if one.purposes]
            for _ in range(167):
                old = draw.choice(yeses) if yeses else word
                moved = msgspec.structs.replace(old, envelope=Envelope(phone.device, draw.choice(("x", phone.boot)), draw.randrange(10**6)))
                gateway.apply(draw.choice((old, moved)) if old.purposes else old)
            assert is_known(gateway, phone) == standing == bool(word.purposes)


# --- receipts ----------------------------------------------------------------------------------------------------


def test_each_consent_has_a_receipt_also_when_it_is_repeated(gateway: Gateway) -> None:
    phone = Phone()
    yes, no = phone.consent(change=7), phone.withdrawal()
    first, again = gateway.apply(yes), gateway.apply(yes)
    for changes in (first, again):
        found = receipt(changes)
        assert (found["boot"], found["seq"], found["outcome"], found["change"]) == (yes.envelope.boot, yes.envelope.seq, "taken", 7)
        assert found["claims"] == ["linked"]
    assert receipt(gateway.apply(no))["outcome"] == "withdrawn"
    assert gateway.apply(no).discarded == {"repeated": 1}
    stranger = gateway.apply(Phone("phone-0002").withdrawal())
    assert receipt(stranger)["outcome"] == "withdrawn", "it has nothing to fear any more"
    assert stranger.discarded == {"not_consented": 1}


def test_the_repetition_of_a_no_is_answered_as_a_no(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    no = phone.withdrawal()
    gateway.apply(no)
    assert receipt(gateway.apply(no))["outcome"] == "withdrawn"


def test_a_register_that_is_full_says_so(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDENTITIES_MAX", 0)
    assert receipt(gateway.apply(Phone().consent()))["outcome"] == "full"


def test_each_purpose_has_its_row(gateway: Gateway) -> None:
    phone = Phone()
    expires_ms = NOON_MS + HOUR_MS
    gateway.apply(phone.consent(change=3, version=2, wording="street-2026-06", expires_at_ms=expires_ms))
    subject = gateway.state.people.identities[phone.device]
    row = (3, 2, "street-2026-06", "device", NOON_MS, expires_ms)
    assert set(gateway.rows("register")) == {(subject, purpose, *row) for purpose in EVERYTHING}
    gateway.apply(phone.consent(("offers",), change=4, version=3))
    assert gateway.rows("register") == [(subject, "offers", 4, 3, None, "device", NOON_MS, None)]
    gateway.apply(phone.withdrawal())
    assert gateway.rows("register") == []


def test_a_purpose_without_a_row_is_not_granted(gateway: Gateway) -> None:
    """Each read of a person joins on the register."""
    phone = Phone()
    gateway.apply(phone.consent())
    enter = [phone.near("scan-cafe"), phone.near("scan-cafe")]
    gateway.store._db.execute("DELETE FROM register WHERE purpose = 'offers'")
    gateway.restart()
    changes = gateway.apply(*enter)
    assert ([one.reason for one in changes.decisions.unlogged], changes.decisions.triggers) == (["no_consent"], [])
    gateway.store._db.execute("DELETE FROM register")
    gateway.restart()
    gateway.apply(*enter)
    gateway.pass_time(HOUR_MS)
    assert gateway.rows("presences") == gateway.rows("visits") == [], "without presence the visit ends and is not kept"


# --- copies of the database --------------------------------------------------------------------------------------


def copy(folder: Path, name: str) -> Path:
    """A copy of the closed database and of the key of its hashes, without its marks."""
    target = folder / name
    target.mkdir()
    for file in ("gateway.db", "gateway.db.hashes"):
        shutil.copy(folder / file, target / file)
    return target


def restore(folder: Path, name: str, *, marks: bool = True) -> Gateway:
    """A gateway on an old copy, with the present marks beside it."""
    target = folder / name
    if marks:
        shutil.copy(folder / "gateway.db.withdrawn", target / "gateway.db.withdrawn")
    return Gateway(target, synced=False)


def test_an_old_copy_revives_nobody(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gone, back, stays = Phone("phone-0001"), Phone("phone-0002"), Phone("phone-0003")
    gateway.apply(*(phone.consent() for phone in (gone, back, stays)))
    gateway.store.close()
    copy(tmp_path, "old")
    copy(tmp_path, "bare")
    gateway.store, gateway.state = gateway._open()
    gateway.apply(gone.withdrawal(), back.withdrawal())
    gateway.apply(back.consent())
    gateway.close()
    copy(tmp_path, "new")
    old = restore(tmp_path, "old")
    assert [is_known(old, phone) for phone in (gone, back, stays)] == [False, False, True]
    assert gone.device not in old.dump()
    assert gone.tag not in old.dump()
    old.apply(gone.consent())
    old.restart()
    assert is_known(old, gone), "a later yes stands"
    old.close()
    new = restore(tmp_path, "new")
    assert [is_known(new, phone) for phone in (gone, back, stays)] == [False, True, True]
    new.close()
    bare = restore(tmp_path, "bare", marks=False)
    assert [is_known(bare, phone) for phone in (gone, back, stays)] == [True, True, True], "negative control: without the marks"
    bare.close()


def test_marks_older_than_the_database_are_refused(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    phone = Phone()
    gateway.apply(phone.consent(), phone.withdrawal())
    gateway.close()
    (tmp_path / "gateway.db.withdrawn").unlink()
    with pytest.raises(StoreError, match="restore the file that belongs to it"):
        open_store(tmp_path / "gateway.db", KEY)


def test_a_mark_without_its_commit_is_carried_out_at_the_next_start(tmp_path: Path) -> None:
    """A power cut between the mark and the commit."""
    gateway = Gateway(tmp_path)
    phone = Phone()
    gateway.apply(phone.consent())
    changes = gateway.advance(phone.withdrawal())
    gateway.store.marks.append([phone.device], changes.people.generation or 0)
    gateway.restart()
    assert not is_known(gateway, phone)
    gateway.apply(phone.withdrawal())
    gateway.close()


def test_marks_hold_no_device_and_survive_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    marks = Marks(path, KEY)
    marks.append(["phone-0001", "phone-0002"], 2)
    assert b"phone" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(path.read_bytes()[:-7])
    again = Marks(path, KEY)
    assert (again.newest("phone-0001"), again.newest("phone-0002"), again.generation) == (1, 0, 1)
    again.append(["phone-0002"], 2)
    assert Marks(path, KEY).newest("phone-0002") == 2
    assert Marks(path, bytes(32)).newest("phone-0001") == 0, "another key, another hash"


def test_marks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WITHDRAWN_MARKS_MAX", 20)
    path = tmp_path / "marks"
    marks = Marks(path, KEY)
    for number in range(1, 31):
        marks.append([f"phone-{number}"], number)
    again = Marks(path, KEY)
    assert (again.generation, again.newest("phone-30"), again.newest("phone-1")) == (30, 30, 0)
    assert again.floor == max(number for number in range(1, 31) if not again.newest(f"phone-{number}"))
    assert len(path.read_bytes().split(b"\n")) <= 21
