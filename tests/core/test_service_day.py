"""The service day is the calendar day of the site: windows cover it without gap or overlap, on the nights of the clock change too."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dashboard.intake import _check_window
from gateway.adapters.store.entropy import SystemEntropy
from gateway.core.privacy.release import health_record, hour_record, offer_records
from gateway.core.privacy.tables import DAY_MS, Catalogue, Period, Terms, open_period
from gateway.core.records import OfferCounts
from gateway.core.site import local, local_spans_ms
from tests.adapters.test_release import Counting, closed
from tests.kit.testbed import HOUR_MS

CLOCK_CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29), datetime(2026, 10, 25)),  # noqa: DTZ001 - local times
    "America/New_York": (datetime(2026, 3, 8), datetime(2026, 11, 1)),  # noqa: DTZ001
    "Australia/Lord_Howe": (datetime(2026, 10, 4), datetime(2026, 4, 5)),  # noqa: DTZ001 - by half an hour
    "America/Havana": (datetime(2026, 3, 8), datetime(2026, 11, 1)),  # noqa: DTZ001 - at midnight
    "Asia/Kathmandu": (datetime(2026, 3, 29), datetime(2026, 10, 25)),  # noqa: DTZ001 - no change; 5:45 ahead
}
ENTROPY = SystemEntropy()
CATALOGUE = Catalogue("gw-t", ("cafe",), {"flat-white": ("cafe",)})


def opened(now_ms: int, zone: ZoneInfo, before: Period | None = None, terms: Terms | None = None) -> Period:
    return open_period(now_ms, terms or Terms(), local_spans_ms(local(now_ms, zone)), before)


@pytest.mark.parametrize("window_s", [600, 675, 3600, 21_600, 86_400])
@pytest.mark.parametrize("name", CLOCK_CHANGES)
def test_windows_cover_the_days_around_a_change_of_the_clocks(name: str, window_s: int) -> None:
    zone, terms = ZoneInfo(name), Terms(window_ms=window_s * 1_000)
    for change in CLOCK_CHANGES[name]:
        now_ms = round((change - timedelta(days=1)).replace(tzinfo=zone).timestamp() * 1_000)
        period, days = opened(now_ms, zone, terms=terms), {}
        assert period.window_start_ms == period.day_start_ms == now_ms
        for _ in range(3 * 25 * 3_600 // window_s):
            for record in (hour_record(CATALOGUE, period, {}, ENTROPY, "w"), health_record(CATALOGUE, period, 0, "w")):
                _check_window(0, record)
                assert record.window_ms == period.window_end_ms - period.window_start_ms <= terms.window_ms
            following = opened(period.window_end_ms, zone, period, terms)
            assert following.window_start_ms == period.window_end_ms
            if following.day_start_ms != period.day_start_ms:
                assert following.day_start_ms == period.day_end_ms == following.window_start_ms
            period = following
            days[local(period.day_start_ms, zone).date()] = (period.day_end_ms - period.day_start_ms) / HOUR_MS
        lengths = [days[(change + timedelta(days=day)).date()] for day in (0, 1)]
        shift = zone.utcoffset(change + timedelta(days=1)) - zone.utcoffset(change)  # type: ignore[operator]
        assert lengths == [24 - shift.total_seconds() / 3_600, 24]


def test_the_records_of_a_long_day_state_its_length() -> None:
    zone = ZoneInfo("Europe/Berlin")
    period = opened(round(datetime(2026, 10, 25, 12, tzinfo=zone).timestamp() * 1_000), zone)
    (record,) = offer_records(CATALOGUE, period, {}, ENTROPY, "w")
    assert isinstance(record, OfferCounts)
    assert record.window_ms == 25 * HOUR_MS
    _check_window(0, record)


def test_an_evening_across_midnight_utc_is_one_day_of_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In New York midnight UTC is at 20:00; with UTC days the bound would begin anew there."""
    monkeypatch.setattr("gateway.core.privacy.laplace.discrete_laplace", lambda *_: 0)
    zone = ZoneInfo("America/New_York")
    counting = Counting(tmp_path / "a", zone=zone)
    start_ms = round(datetime(2026, 6, 10, 18, tzinfo=zone).timestamp() * 1_000)
    for hour in range(5):
        counting.turn(start_ms + hour * HOUR_MS)
        counting.count(closed("p1"), closed("p1"))
    counting.turn(start_ms + 6 * HOUR_MS)
    days = [record for record in counting.outbox() if isinstance(record, OfferCounts)]
    assert sum(sum(record.counts) for record in days) == Terms().contacts_max
    assert {local(record.window_start_ms, zone).hour for record in days} == {0}
    counting.close()


def test_a_changed_time_zone_holds_from_the_end_of_the_open_day_on() -> None:
    berlin, tokyo = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
    noon_ms = round(datetime(2026, 6, 10, 12, tzinfo=berlin).timestamp() * 1_000)
    before = opened(noon_ms, berlin)
    assert opened(noon_ms + HOUR_MS, tokyo, before).day_end_ms == before.day_end_ms
    after = opened(before.day_end_ms, tokyo, before)
    assert (after.day_start_ms, after.day_end_ms) == (before.day_end_ms, before.day_end_ms + 17 * HOUR_MS)
    assert opened(after.day_end_ms, tokyo, after).day_end_ms == after.day_end_ms + DAY_MS
