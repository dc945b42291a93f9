"""Devices of no consenting person: hashes in memory, a key for each day and start, numbers by zone alone, and a bound for restarts."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from gateway.build import build
from gateway.core import limits
from gateway.core.addresses import is_fixed
from gateway.core.discards import Discard
from gateway.core.privacy.tables import Terms
from gateway.core.records import EPOCHS_MAX, VISITOR_ZONES_MAX, VisitorCounts
from gateway.core.types import Message, Sighting
from gateway.core.visitors import Visitors
from tests.adapters.test_release import CATALOGUE, Counting
from tests.adapters.test_release_weeks import MONDAY_MS, ledger
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, write_config
from tests.kit.testbed import DAY_MS, HOUR_MS, Gateway, make_site
from tests.kit.waiting import until

COUNTING = Terms(visitors=True)
FIXED, PHONE = "c8252d00cafe", "4a252d00cafe"


def keys() -> Callable[[], bytes]:
    """Keys that differ, and are repeatable."""
    numbers = count(1)
    return lambda: next(numbers).to_bytes(32, "big")


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise, so that counts can be compared."""
    monkeypatch.setattr("gateway.core.privacy.laplace.discrete_laplace", lambda *_: 0)


class Hearing(Counting):
    """A part of a gateway that hears devices."""

    def hear(self, now_ms: int, **zones: int) -> None:
        """Close the window of `now_ms`, in which so many devices were heard by zone."""
        changes = self.at(now_ms)
        if changes.counts.closing is not None:
            changes.counts.closing.visitors.update(zones)
        self.store.save(changes)

    def visitors(self) -> list[VisitorCounts]:
        return [record for record in self.outbox() if isinstance(record, VisitorCounts)]


# --- in memory ---------------------------------------------------------------------------------------------------


def test_a_device_counts_once_a_day_in_each_of_a_few_zones() -> None:
    heard = Visitors(keys())
    for zone in ("cafe", "cafe", "bar", "plaza", "station", "square"):
        heard.hear(FIXED, zone)
    assert heard.fresh == dict.fromkeys(("cafe", "bar", "plaza", "station"), 1)
    assert len(heard.fresh) == VISITOR_ZONES_MAX
    heard.take()
    heard.hear(FIXED, "cafe")
    assert heard.fresh == {}, "a new window, the same day"
    heard.begin()
    heard.hear(FIXED, "cafe")
    assert heard.fresh == {"cafe": 1}, "a new day"


def test_two_days_have_two_keys_and_no_join() -> None:
    heard, hashes = Visitors(keys()), []
    for _ in range(2):
        heard.hear(FIXED, "cafe")
        hashes += list(heard._zones)
        heard.begin()
        assert heard._zones == {}
    assert len(set(hashes)) == 2
    assert FIXED.encode() not in b"".join(hashes)
    other = Visitors(lambda: os.urandom(32))
    other.hear(FIXED, "cafe")
    assert not set(other._zones) & set(hashes), "nor do two gateways"


def test_addresses_that_change_are_not_counted_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VISITOR_DEVICES_MAX", 3)
    heard = Visitors(keys())
    for device in (PHONE, "0a252d00cafe", "7f252d00cafe"):
        assert not is_fixed(device)
        heard.hear(device, "cafe")
    assert heard.fresh == {}
    for number in range(9):
        heard.hear(f"c8252d00caf{number}", "cafe")
    heard.hear("c8252d00caf0", "bar")
    assert heard.fresh == {"cafe": 3, "bar": 1}


# --- in the engine ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_on", [False, True])
def test_a_stranger_s_device_is_counted_only_if_it_is_turned_on_and_is_stored_nowhere(tmp_path: Path, *, is_on: bool) -> None:
    gateway = Gateway(tmp_path, site=make_site(privacy=Terms(visitors=is_on)))
    (anchor, zone), *_ = gateway.site.anchors.items()
    other_anchor = next(one for one, of in gateway.site.anchors.items() if of != zone)
    for heard in (FIXED, FIXED, PHONE, other_anchor):
        changes = gateway.apply(Sighting(anchor, heard, -60.0))
        assert changes.discarded[Discard.NOT_CONSENTED] == 1
    assert gateway.state.counts.visitors.fresh == ({zone: 1} if is_on else {})
    hashes = list(gateway.state.counts.visitors._zones)
    gateway.pass_time(2 * HOUR_MS)
    gateway.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(needle in content for needle in (FIXED.encode(), bytes.fromhex(FIXED), *hashes))


def test_a_device_whose_message_is_dropped_by_its_topic_counts_too(tmp_path: Path) -> None:
    app = build(settings_of(write_config(tmp_path), "privacy.visitors=true"))
    bus = app.bus = FakeBus(FakeBroker(app.clock.now_ms))
    bus.start(app.mailbox.deliver)
    until(lambda: bus.link().connected)
    app.turn(0.0)
    for device in (FIXED, FIXED, PHONE):
        app.mailbox.deliver([Message(f"espresense/devices/{device}/plaza", b'{"rssi": -60}', app.clock.now_ms(), 0)])
        app.turn(0.0)
    assert app.state.counts.visitors.fresh == {"plaza": 1}
    bus.close()
    app.store.close()


# --- through the door ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exact")
def test_the_numbers_of_a_day_leave_once_and_debit_its_share(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "a", COUNTING)
    hearing.turn(MONDAY_MS)
    for hour in (1, 2):
        hearing.hear(MONDAY_MS + hour * HOUR_MS, cafe=3, bar=1, elsewhere=9)
    hearing.hear(MONDAY_MS + DAY_MS, cafe=1)
    (made,) = hearing.visitors()
    assert dict(zip(made.zones, made.counts, strict=True)) == dict.fromkeys(CATALOGUE.zones, 0) | {"cafe": 7, "bar": 2}
    assert (made.epochs, made.noise.contacts_max) == (1, VISITOR_ZONES_MAX * EPOCHS_MAX)
    assert hearing.rows("SELECT hours, offers, visitors, epochs FROM ledger") == [(333_333, 333_333, 333_333, 1)]
    assert hearing.rows("SELECT * FROM visitors") == []
    hearing.close()


@pytest.mark.usefixtures("exact")
def test_each_start_is_a_key_epoch_and_the_third_of_a_day_counts_nothing(tmp_path: Path) -> None:
    """After a lost key the same devices count again: the noise is for EPOCHS_MAX keys, so further ones may not count."""
    for start in range(4):
        hearing = Hearing(tmp_path / "a", COUNTING)
        if start == 0:
            hearing.turn(MONDAY_MS)
        for half in (1, 2):
            hearing.hear(MONDAY_MS + (2 * start + half) * HOUR_MS, cafe=5)
        hearing.close()
    hearing = Hearing(tmp_path / "a", COUNTING)
    hearing.hear(MONDAY_MS + DAY_MS, cafe=5)
    (made,) = hearing.visitors()
    assert (made.epochs, sum(made.counts)) == (EPOCHS_MAX, 2 * 2 * 5)
    hearing.hear(MONDAY_MS + DAY_MS + HOUR_MS, cafe=5)
    hearing.hear(MONDAY_MS + 2 * DAY_MS, cafe=2)
    (made,) = hearing.visitors()
    assert (made.epochs, sum(made.counts)) == (1, 7), "the next day begins with one key"
    assert len(ledger(hearing)) == 2
    hearing.close()


@pytest.mark.usefixtures("exact")
def test_a_restored_gateway_counts_no_device_of_the_copy_in_a_later_day(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "a", COUNTING)
    hearing.turn(MONDAY_MS)
    hearing.hear(MONDAY_MS + HOUR_MS, cafe=5)
    with hearing.store._transaction():
        hearing.store.counts.forget_period()
    hearing.turn(MONDAY_MS + 3 * DAY_MS)
    hearing.hear(MONDAY_MS + 4 * DAY_MS, cafe=2)
    (made,) = hearing.visitors()
    assert sum(made.counts) == 2
    hearing.close()


def test_a_day_that_was_released_is_not_counted_again(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "a", COUNTING)
    hearing.turn(MONDAY_MS)
    for now_ms in (MONDAY_MS + DAY_MS, MONDAY_MS + HOUR_MS, MONDAY_MS + 2 * HOUR_MS, MONDAY_MS + DAY_MS + HOUR_MS):
        hearing.hear(now_ms, cafe=5)
    made = hearing.visitors()
    assert len({one.window_start_ms for one in made}) == len(made)
    assert not hearing.rows("SELECT * FROM ledger WHERE hours + offers + control + visitors > budget OR epochs > 2")
    hearing.close()
