"""Releases through the store: one commit, one value for each period, epsilon in the budget; across kills, old copies and clock steps."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apsw
import msgspec
import pytest

from gateway.adapters.store import Store
from gateway.adapters.store.released import Released, ReleaseMarks
from gateway.core import limits
from gateway.core.ports import StoreError, StoreFullError
from gateway.core.privacy.release import catalogue
from gateway.core.privacy.tables import DAY_MS, Catalogue, Contact, Period, TableName, Terms, open_period
from gateway.core.records import HourCounts, OfferCounts, Record
from gateway.core.site import local, local_spans_ms
from gateway.core.state import Changes, Closing
from tests.kit.testbed import HOUR_MS, KEY, NOON_MS, make_site

UTC = ZoneInfo("UTC")

CATALOGUE = catalogue(make_site())
MORNING_MS = NOON_MS - NOON_MS % DAY_MS


class Counting:
    """The part of a gateway that counts: a store in `folder`, and changes as the engine makes them."""

    def __init__(self, folder: Path, terms: Terms | None = None, seed: int | None = None, zone: ZoneInfo = UTC) -> None:
        self.folder, self.terms, self.zone = folder, terms or Terms(), zone
        folder.mkdir(exist_ok=True)
        entropy = None if seed is None else random.Random(seed).getrandbits  # noqa: S311 - reproducible noise
        self.store = Store(folder / "gateway.db", KEY, entropy=entropy)
        self.store._db.pragma("synchronous", "off")  # a killed process loses nothing by that

    @property
    def period(self) -> Period | None:
        return self.store.counts.state().period

    def at(self, now_ms: int, name: str = "w") -> Changes:
        """The changes of a turn at which a window is over, or the first one opens."""
        changes, period = Changes(), self.period
        changes.counts.opened = opened = open_period(now_ms, self.terms, local_spans_ms(local(now_ms, self.zone)), period)
        if period is not None:
            changes.counts.closing = Closing(*period.closed(opened), CATALOGUE, f"{name}{now_ms}")
        return changes

    def turn(self, now_ms: int, name: str = "w") -> None:
        self.store.save(self.at(now_ms, name))

    def count(self, *contacts: Contact) -> None:
        changes = Changes()
        changes.counts.contacts = list(contacts)
        self.store.save(changes)

    def outbox(self) -> list[Record]:
        """All records that wait, decoded."""
        found: list[Record] = []
        while (batch := self.store.next_batch("gw-t")) is not None:
            found += batch.records
            self.store.records_taken(batch, [record.id for record in batch.records])
        return found

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.store._db.execute(sql))

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path / "a")
    yield made
    made.close()


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise, so that counts can be compared."""
    monkeypatch.setattr("gateway.core.privacy.laplace.discrete_laplace", lambda *_: 0)


def sent(device: str, zone: str = "cafe", subject: str = "s1") -> Contact:
    return Contact("hours", subject, device, zone)


def closed(device: str, outcome: str = "redeemed", subject: str = "s1") -> Contact:
    return Contact("offers", subject, device, "cafe", "flat-white", outcome)


def total(records: Sequence[Record], kind: type[HourCounts | OfferCounts]) -> int:
    return sum(sum(record.counts) for record in records if isinstance(record, kind))


def released(records: Sequence[Record]) -> Counter[tuple[str, int]]:
    """How often each table and period is in the records; the records of one day of offers count once."""
    keys = {
        (type(one).__name__, one.window_start_ms, one.id.rsplit(".", 1)[0]) for one in records if isinstance(one, HourCounts | OfferCounts)
    }
    return Counter((kind, start_ms) for kind, start_ms, _ in keys)


# --- the bound of a person's day -----------------------------------------------------------------------------


@pytest.mark.usefixtures("exact")
def test_a_person_has_four_contacts_a_day_in_each_table_and_the_rest_is_dropped(counting: Counting) -> None:
    counting.turn(NOON_MS)
    for _ in range(3):
        counting.count(sent("p1"), sent("p1"), closed("p1"), closed("p1"), sent("p2"))
    counting.turn(NOON_MS + HOUR_MS)
    counting.count(sent("p1"), sent("p2"), sent("p2"))
    counting.turn(NOON_MS + 2 * HOUR_MS)
    hours = [record for record in counting.outbox() if isinstance(record, HourCounts)]
    assert [sum(record.counts) for record in hours] == [7, 1], "p1 reached the bound in the first hour, p2 in the second"
    counting.turn(NOON_MS + DAY_MS)
    assert total(counting.outbox(), OfferCounts) == 4
    assert counting.store.counted().contacts_dropped == 2 + 2 + 2
    counting.count(sent("p1"))
    counting.turn(NOON_MS + DAY_MS + HOUR_MS)
    assert total(counting.outbox(), HourCounts) == 1, "a new day, a new bound"


@pytest.mark.usefixtures("exact")
def test_a_withdrawal_removes_what_has_not_left_and_the_used_contacts_stay_used(counting: Counting) -> None:
    counting.turn(NOON_MS)
    counting.count(*[sent("p1")] * 3, closed("p1"), sent("p2", subject="s2"))
    withdrawal = Changes()
    withdrawal.people.contexts["s1"] = None
    counting.store.save(withdrawal)
    assert "s1" not in str(counting.rows("SELECT * FROM contacts"))
    counting.count(sent("p1", subject="s3"), sent("p1", subject="s3"))  # a new consent on the same day
    counting.turn(NOON_MS + DAY_MS)
    made = counting.outbox()
    assert (total(made, HourCounts), total(made, OfferCounts)) == (2, 0)


def test_a_device_is_stored_under_a_hash_that_changes_with_the_day(counting: Counting) -> None:
    hashes = []
    for now_ms in (NOON_MS, NOON_MS + DAY_MS):
        counting.turn(now_ms)
        counting.count(sent("phone-0001"))
        hashes += [bytes(row[0]) for row in counting.rows("SELECT contributor FROM contacts")]
    assert len(set(hashes)) == 2
    assert "phone-0001" not in str(counting.rows("SELECT * FROM contacts"))


# --- one commit ----------------------------------------------------------------------------------------------


def test_the_shape_of_a_day_does_not_depend_on_people(tmp_path: Path) -> None:
    shapes = []
    for name, devices in (("empty", 0), ("full", 40)):
        counting = Counting(tmp_path / name)
        for hour in range(26):
            counting.turn(MORNING_MS + hour * HOUR_MS)
            counting.count(*(one for number in range(devices) for one in (sent(f"p{number}"), closed(f"p{number}"))))
        shapes.append([(type(record), record.window_start_ms, len(getattr(record, "counts", ()))) for record in counting.outbox()])
        counting.close()
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 25 * 2 + len(CATALOGUE.offers)


def test_a_day_spends_half_of_epsilon_on_each_table_however_many_windows_leave(counting: Counting) -> None:
    for hour in range(10):
        counting.turn(MORNING_MS + hour * HOUR_MS)
    assert counting.rows("SELECT * FROM ledger") == [(MORNING_MS, 1_000_000, 500_000, 0, 0, 0)]
    counting.turn(MORNING_MS + DAY_MS)
    assert counting.rows("SELECT * FROM ledger") == [(MORNING_MS, 1_000_000, 500_000, 500_000, 0, 1)]


def test_the_schema_refuses_to_overspend_and_to_release_twice(counting: Counting) -> None:
    counting.turn(MORNING_MS)
    counting.turn(MORNING_MS + DAY_MS)
    for sql in (
        "UPDATE ledger SET hours = hours + 1",
        "UPDATE ledger SET budget = 999999",
        "INSERT INTO releases (name, start_ms, end_ms, day_start_ms) SELECT name, start_ms, end_ms, day_start_ms FROM releases",
        "INSERT INTO contacts VALUES ('hours', x'00', 17, NULL, NULL, NULL, NULL)",
    ):
        with pytest.raises(apsw.ConstraintError):
            counting.store._db.execute(sql)


def test_a_full_disk_releases_nothing_and_the_next_try_everything(counting: Counting) -> None:
    counting.turn(NOON_MS)
    counting.count(sent("p1"))
    pages = int(counting.store._db.pragma("page_count"))
    counting.store._db.pragma("max_page_count", pages)
    many = counting.at(NOON_MS + DAY_MS)
    wide = {f"offer-{number}": CATALOGUE.zones for number in range(300)}
    assert many.counts.closing is not None
    many.counts.closing = msgspec.structs.replace(many.counts.closing, catalogue=Catalogue("gw-t", CATALOGUE.zones, wide))
    with pytest.raises(StoreFullError):
        counting.store.save(many)
    assert (counting.store.backlog(), counting.store.counted().records, counting.rows("SELECT * FROM ledger")) == (0, 0, [])
    counting.store._db.pragma("max_page_count", 1_000_000)
    counting.store.save(many)
    assert counting.store.counted().records == counting.store.backlog() == 2 + 300
    assert set(released(counting.outbox()).values()) == {1}


def test_a_retry_sends_the_same_bytes_after_a_restart_too(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a")
    counting.turn(NOON_MS)
    counting.turn(NOON_MS + HOUR_MS)
    first = counting.store.next_batch("gw-t")
    assert first is not None
    counting.close()
    again = Counting(tmp_path / "a")
    assert again.store.next_batch("gw-t") == first == again.store.next_batch("gw-t")
    again.close()


def test_a_batch_is_bounded_in_bytes(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    counting.turn(NOON_MS)
    counting.turn(NOON_MS + DAY_MS)
    waiting = counting.store.backlog()
    monkeypatch.setattr(limits, "BATCH_BODY_BYTES_MAX", 300)
    batch = counting.store.next_batch("gw-t")
    assert batch is not None
    assert 1 <= len(batch.records) < waiting
    monkeypatch.setattr(limits, "BATCH_BODY_BYTES_MAX", 1)
    assert len(counting.outbox()) == waiting, "a record alone is a batch, whatever its size"


# --- kills, old copies, clocks -------------------------------------------------------------------------------


def run_on(counting: Counting, now_ms: int) -> list[Record]:
    """What leaves in the rest of the day and in the next one."""
    counting.store._db.pragma("synchronous", "off")
    for hour in (1, 2, 24, 25, 26):
        counting.turn(now_ms + hour * HOUR_MS, "again")
        counting.count(closed("p9"), sent("p9"))
    return counting.outbox()


@pytest.mark.parametrize("ends_day", [False, True])
def test_a_kill_at_any_statement_releases_nothing_twice(tmp_path: Path, *, ends_day: bool) -> None:
    """The files are copied before each statement of the release, as a kill would leave them, and opened again."""
    original = Counting(tmp_path / "a")
    original.turn(NOON_MS)
    original.count(sent("p1"), closed("p1"))
    now_ms = NOON_MS + (DAY_MS if ends_day else HOUR_MS)
    copies: list[Path] = []

    def copy(*_: object) -> bool:
        copies.append(shutil.copytree(tmp_path / "a", tmp_path / f"copy-{len(copies)}"))
        return True

    original.store._db.exec_trace = copy
    original.turn(now_ms)
    original.store._db.exec_trace = None
    copies.append(shutil.copytree(tmp_path / "a", tmp_path / "after"))
    original.close()
    assert len(copies) > 10
    outcomes = Counter[str]()
    for copied in copies:
        counting = Counting(copied)
        was_committed = counting.store.backlog() > 0
        made = run_on(counting, now_ms)
        assert set(released(made).values()) == {1}
        days = {row[0] for row in counting.rows("SELECT day_start_ms FROM ledger WHERE hours > 0 OR offers > 0")}
        assert {one.window_start_ms // DAY_MS * DAY_MS for one in made if isinstance(one, HourCounts | OfferCounts)} <= days
        assert all(hours + offers <= budget for budget, hours, offers in counting.rows("SELECT budget, hours, offers FROM ledger"))
        outcomes["committed" if was_committed else "muted" if ("HourCounts", NOON_MS) not in released(made) else "released later"] += 1
        counting.close()
    assert outcomes["committed"] == 1
    assert outcomes["muted"] > 5, "the mark came first, so the period does not leave"


def test_an_older_copy_of_the_database_releases_no_period_again(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a")
    counting.turn(NOON_MS)
    counting.count(sent("p1"), closed("p1"))
    counting.store._db.wal_checkpoint()
    shutil.copy(tmp_path / "a" / "gateway.db", tmp_path / "copy.db")
    counting.turn(NOON_MS + HOUR_MS)
    before = counting.outbox()
    counting.close()
    for file in (tmp_path / "a").glob("gateway.db*"):
        if not file.name.endswith((".released", ".withdrawn", ".hashes")):
            file.unlink()
    shutil.copy(tmp_path / "copy.db", tmp_path / "a" / "gateway.db")
    restored = Counting(tmp_path / "a")
    assert restored.rows("SELECT name, lost FROM releases") == [("hours", 1)]
    assert restored.rows("SELECT name FROM contacts") == [("offers",)], "who has contributed to the hours of this day is unknown"
    after = run_on(restored, NOON_MS + HOUR_MS)
    assert not released(before).keys() & released(after).keys()
    hours = [record.window_start_ms for record in after if isinstance(record, HourCounts)]
    assert hours == [NOON_MS + HOUR_MS + hour * HOUR_MS for hour in (24, 25)], "hours are counted again from the next service day on"
    assert ("OfferCounts", MORNING_MS) in released(after)
    restored.close()


def test_marks_that_are_older_than_the_database_are_refused(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a")
    counting.turn(NOON_MS)
    counting.turn(NOON_MS + HOUR_MS)
    counting.close()
    (tmp_path / "a" / "gateway.db.released").unlink()
    with pytest.raises(StoreError, match="restore the file that belongs to it"):
        Counting(tmp_path / "a")


def clock_scripts() -> list[list[int]]:
    """40 scripts of times in milliseconds, with jumps of hours, days and years in both directions."""
    draws = random.Random(5)  # noqa: S311
    jumps = (HOUR_MS, HOUR_MS, HOUR_MS, 5 * HOUR_MS, -HOUR_MS, -2 * HOUR_MS, DAY_MS, -DAY_MS, -3 * DAY_MS, 365 * DAY_MS, -365 * DAY_MS)
    scripts = []
    for _ in range(40):
        times = [NOON_MS + 400 * DAY_MS]
        for _ in range(30):
            times.append(times[-1] + draws.choice(jumps) + draws.randrange(HOUR_MS))
        scripts.append(times)
    return scripts


def test_a_clock_that_jumps_releases_no_period_twice_and_overspends_no_day(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a")
    counting.store._db.pragma("synchronous", "off")
    for number, script in enumerate(clock_scripts()):
        for step, now_ms in enumerate(script):
            period = counting.period
            is_over = period is None or now_ms >= period.window_end_ms or now_ms < period.window_start_ms - limits.CLOCK_BACK_MS_MAX
            if is_over:
                counting.turn(now_ms, f"s{number}.{step}.")
            counting.count(sent("p1"), closed("p1"), sent("p2"))
    found = released(counting.outbox())
    assert len(found) > 200
    assert set(found.values()) == {1}
    assert not counting.rows("SELECT * FROM ledger WHERE hours + offers > budget")
    counting.close()


# --- the file of marks ---------------------------------------------------------------------------------------


def mark(number: int, table: TableName = "hours") -> Released:
    return Released(table, number * HOUR_MS, (number + 1) * HOUR_MS, 0, 1_000_000, 500_000)


def test_a_torn_line_is_no_mark(tmp_path: Path) -> None:
    marks = ReleaseMarks(tmp_path / "m")
    marks.append([mark(1), mark(2)])
    whole = (tmp_path / "m").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "m").write_bytes(whole[:length])
        assert list(ReleaseMarks(tmp_path / "m").marks) in ([], [mark(1)], [mark(1), mark(2)])
    (tmp_path / "m").write_bytes(whole[:-5])
    torn = ReleaseMarks(tmp_path / "m")
    torn.append([mark(3)])
    assert list(ReleaseMarks(tmp_path / "m").marks) == [mark(1), mark(3)]


def test_marks_are_written_once_and_the_file_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RELEASED_MARKS_MAX", 10)
    marks = ReleaseMarks(tmp_path / "m")
    for _ in range(3):
        marks.append([mark(number) for number in range(21)])
    assert (tmp_path / "m").read_bytes().count(b"hours") == 21
    assert list(ReleaseMarks(tmp_path / "m").marks) == [mark(number) for number in range(11, 21)]
    assert list(ReleaseMarks(tmp_path / "m").marks) == [mark(number) for number in range(11, 21)]


def test_marks_that_cannot_be_written_stop_the_release(counting: Counting) -> None:
    counting.turn(NOON_MS)
    counting.count(sent("p1"))
    (counting.folder / "gateway.db.released").mkdir()
    with pytest.raises(StoreFullError, match="counts wait"):
        counting.turn(NOON_MS + HOUR_MS)
    assert counting.store.backlog() == 0
    (counting.folder / "gateway.db.released").rmdir()
    counting.turn(NOON_MS + HOUR_MS)
    assert counting.store.backlog() == 2
