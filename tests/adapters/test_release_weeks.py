"""Tables of several days: a week of offers, all zones of an offer in one count, and a quarter of perceived control."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.core import limits
from gateway.core.privacy.tables import Contact, Terms
from gateway.core.records import OUTCOMES, ControlCounts, HourCounts, OfferCounts, Record
from gateway.core.state import Changes
from gateway.core.types import Control, Envelope, TimePassed
from tests.adapters.test_release import Counting, clock_scripts, closed, sent
from tests.kit.testbed import DAY_MS, EVERYTHING, HOUR_MS, Gateway, Phone, make_site

MONDAY_MS = 1_781_481_600_000  # 15 June 2026 in UTC
WEEKLY = Terms(weekly=True)
ASKING = Terms(control=True)
NOT_EXACT = "gateway.core.privacy.laplace.discrete_laplace"


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise, so that counts can be compared."""
    monkeypatch.setattr(NOT_EXACT, lambda *_: 0)


def answered(device: str, distance: int, subject: str = "s1") -> Contact:
    return Contact("control", subject, device, "", outcome=str(distance))


def offers(records: Sequence[Record]) -> list[OfferCounts]:
    return [record for record in records if isinstance(record, OfferCounts)]


def ledger(counting: Counting) -> list[tuple[int, ...]]:
    """Day after MONDAY_MS, and the shares spent on hours, offers and control."""
    rows = counting.rows("SELECT day_start_ms, hours, offers, control FROM ledger ORDER BY day_start_ms")
    return [((day_ms - MONDAY_MS) // DAY_MS, *spent) for day_ms, *spent in rows]


@pytest.mark.usefixtures("exact")
def test_a_week_leaves_once_with_the_bound_of_each_day(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a", WEEKLY)
    for day in range(7):
        counting.turn(MONDAY_MS + day * DAY_MS + HOUR_MS)
        counting.count(*[closed("p1")] * 6, sent("p1"))
    assert offers(counting.outbox()) == []
    assert ledger(counting) == [(day, 500_000, 0, 0) for day in range(6)]
    counting.turn(MONDAY_MS + 7 * DAY_MS)
    made = offers(counting.outbox())
    assert {(one.window_start_ms, one.window_ms) for one in made} == {(MONDAY_MS, 7 * DAY_MS)}
    assert sum(sum(one.counts) for one in made) == 7 * WEEKLY.contacts_max
    assert ledger(counting) == [(day, 500_000, 500_000, 0) for day in range(7)], "each day of the week spends the share"
    assert counting.rows("SELECT * FROM contacts") == []
    counting.close()


@pytest.mark.usefixtures("exact")
def test_all_zones_of_an_offer_are_one_count(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a", Terms(sums_zones=True))
    counting.turn(MONDAY_MS)
    counting.count(closed("p1"), *(Contact("offers", "s2", "p2", zone, "flat-white", "came") for zone in ("cafe", "square", "elsewhere")))
    counting.turn(MONDAY_MS + DAY_MS)
    (made,) = (one for one in offers(counting.outbox()) if one.offer == "flat-white")
    assert made.sums_zones
    assert made.zones == ("cafe", "square", "station")
    assert dict(zip(OUTCOMES, made.counts, strict=True)) == dict.fromkeys(OUTCOMES, 0) | {"redeemed": 1, "came": 2}
    counting.close()


@pytest.mark.usefixtures("exact")
def test_a_withdrawal_removes_the_earlier_days_of_the_week_too(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a", WEEKLY)
    for day in range(3):
        counting.turn(MONDAY_MS + day * DAY_MS)
        counting.count(closed("p1"), closed("p2", subject="s2"))
    withdrawal = Changes()
    withdrawal.people.contexts["s1"] = None
    counting.store.save(withdrawal)
    counting.turn(MONDAY_MS + 7 * DAY_MS)
    assert sum(sum(one.counts) for one in offers(counting.outbox())) == 3
    counting.close()


@pytest.mark.usefixtures("exact")
def test_changed_terms_end_the_week_with_the_day(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a", WEEKLY)
    for day in range(2):
        counting.turn(MONDAY_MS + day * DAY_MS)
        counting.count(closed("p1"))
    counting.terms = Terms(weekly=True, epsilon_millionths=2_000_000)
    counting.turn(MONDAY_MS + DAY_MS + HOUR_MS)
    assert offers(counting.outbox()) == [], "the open day keeps its terms"
    for day in range(2, 8):
        counting.turn(MONDAY_MS + day * DAY_MS)
        counting.count(closed("p1"))
    made = offers(counting.outbox())
    assert {(one.window_start_ms - MONDAY_MS, one.window_ms) for one in made} == {(0, 2 * DAY_MS), (2 * DAY_MS, 5 * DAY_MS)}
    assert {one.noise.epsilon_millionths for one in made} == {500_000, 1_000_000}
    assert [spent for _, *spent in ledger(counting)] == [[500_000, 500_000, 0]] * 2 + [[1_000_000, 1_000_000, 0]] * 5
    counting.close()


def test_an_older_copy_in_the_next_week_releases_no_week_again(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a", WEEKLY)
    counting.turn(MONDAY_MS)
    counting.count(closed("p1"))
    counting.store._db.wal_checkpoint()
    shutil.copy(tmp_path / "a" / "gateway.db", tmp_path / "copy.db")
    counting.turn(MONDAY_MS + 7 * DAY_MS)
    counting.close()
    for file in (tmp_path / "a").glob("gateway.db*"):
        if not file.name.endswith((".released", ".withdrawn", ".hashes")):
            file.unlink()
    shutil.copy(tmp_path / "copy.db", tmp_path / "a" / "gateway.db")
    restored = Counting(tmp_path / "a", WEEKLY)
    assert restored.rows("SELECT name FROM contacts") == []
    restored.count(closed("p1"))
    restored.turn(MONDAY_MS + 7 * DAY_MS, "again")
    assert offers(restored.outbox()) == []
    assert ledger(restored) == [(0, 500_000, 500_000, 0)]
    restored.close()


@pytest.mark.parametrize("terms", [Terms(weekly=True, control=True), Terms(sums_zones=True, weekly=True)])
def test_no_day_is_in_two_releases_of_a_table_whatever_the_clock_does(tmp_path: Path, terms: Terms) -> None:
    counting = Counting(tmp_path / "a", terms)
    counting.store._db.pragma("synchronous", "off")
    for number, script in enumerate(clock_scripts()[:20]):
        for step, now_ms in enumerate(script):
            period = counting.period
            if period is None or now_ms >= period.window_end_ms or now_ms < period.window_start_ms - limits.CLOCK_BACK_MS_MAX:
                counting.turn(now_ms, f"s{number}.{step}.")
            counting.count(sent("p1"), closed("p1"), answered("p1", 2))
    made = [one for one in counting.outbox() if isinstance(one, OfferCounts | ControlCounts)]
    assert len({one.window_start_ms for one in made}) > 10
    for table in (OfferCounts, ControlCounts):
        spans = sorted({(one.window_start_ms, one.window_ms) for one in made if isinstance(one, table)})
        assert all(start_ms + length_ms <= next_ms for (start_ms, length_ms), (next_ms, _) in pairwise(spans))
    assert not counting.rows("SELECT * FROM ledger WHERE hours + offers + control > budget")
    counting.close()


# --- perceived control -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exact")
def test_the_answers_of_a_quarter_leave_as_their_number_and_sum(tmp_path: Path) -> None:
    """15 June 2026 is in the second quarter: 91 days from 1 April to 30 June."""
    counting = Counting(tmp_path / "a", ASKING)
    counting.turn(MONDAY_MS)
    counting.count(answered("p1", 6), answered("p1", 6), answered("p2", -4, "s2"), answered("p3", 3, "s3"))
    withdrawal = Changes()
    withdrawal.people.contexts["s3"] = None
    counting.store.save(withdrawal)
    counting.turn(MONDAY_MS + 15 * DAY_MS)
    assert [record for record in counting.outbox() if isinstance(record, ControlCounts)] == []
    counting.turn(MONDAY_MS + 16 * DAY_MS)
    (made,) = (record for record in counting.outbox() if isinstance(record, ControlCounts))
    assert made.counts == (2, 2)
    assert (made.window_start_ms, made.window_ms) == (MONDAY_MS - 75 * DAY_MS, 91 * DAY_MS)
    assert (made.noise.epsilon_millionths, made.noise.contacts_max) == (111_111, 7)
    assert ledger(counting)[0] == (0, 444_444, 444_444, 111_111)
    counting.close()


def test_the_answers_of_a_person_count_once_and_only_with_consent_to_measurement(tmp_path: Path) -> None:
    for folder, purposes, terms, expected in (
        ("a", EVERYTHING, ASKING, [("control", "5")]),
        ("b", ("presence", "offers"), ASKING, []),
        ("c", EVERYTHING, Terms(), []),
    ):
        (tmp_path / folder).mkdir()
        gateway = Gateway(tmp_path / folder, site=make_site(privacy=terms), synced=False)
        phone = Phone()
        gateway.apply(TimePassed(), phone.consent(purposes))
        for number, items in enumerate(((7, 6), (1, 1))):
            gateway.apply(Control(Envelope(phone.device, f"c{number}", 1), items))
        rows = list(gateway.store._db.execute("SELECT name, outcome FROM contacts"))
        assert rows == expected
        gateway.close()


def test_windows_leave_as_before(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "a", Terms(weekly=True, sums_zones=True, control=True))
    for hour in range(3):
        counting.turn(MONDAY_MS + hour * HOUR_MS)
    assert [type(record) for record in counting.outbox()].count(HourCounts) == 2
    counting.close()
