"""Opening hours in OpenStreetMap's form: known answers, days that overlap midnight, holidays, nights in which the clocks change."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core.attributes.schema import Clock, ClockField
from gateway.core.attributes.sources import reader
from gateway.core.opening_hours import OpeningHoursError, minutes_to_close, parse
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.site import Zone
from tests.core.test_choose import PERSON
from tests.kit.testbed import berlin_ms, make_site

BERLIN = ZoneInfo("Europe/Berlin")
HOLIDAYS = frozenset([date(2026, 12, 25)])
SHOP = "Mo-Fr 08:00-18:00; Sa 10:00-14:00, 15:00-20:00; PH off"


def left(text: str, *moment: int) -> float | None:
    """Minutes until closing at a local time."""
    year, month, day, hour, minute, *second = moment
    return minutes_to_close(parse(text), datetime(year, month, day, hour, minute, sum(second), tzinfo=BERLIN), HOLIDAYS)


@pytest.mark.parametrize(
    ("text", "moment", "minutes"),
    [
        (SHOP, (2026, 6, 10, 7, 59), 0.0),  # a Wednesday
        (SHOP, (2026, 6, 10, 8, 0), 600.0),
        (SHOP, (2026, 6, 10, 17, 59, 30), 0.5),
        (SHOP, (2026, 6, 10, 18, 0), 0.0),
        (SHOP, (2026, 6, 13, 13, 0), 60.0),
        (SHOP, (2026, 6, 13, 14, 30), 0.0),
        (SHOP, (2026, 6, 13, 15, 0), 300.0),
        (SHOP, (2026, 6, 14, 12, 0), 0.0),
        (SHOP, (2026, 12, 25, 12, 0), 0.0),
        ("Mo-Fr 08:00-18:00", (2026, 12, 25, 12, 0), 360.0),  # a Friday; without PH a holiday is like its weekday
        ("09:00-17:00; We off", (2026, 6, 10, 12, 0), 0.0),
        ("09:00-17:00; We off", (2026, 6, 14, 12, 0), 300.0),
        ("Sa-Mo 09:00-10:00", (2026, 6, 14, 9, 30), 30.0),
        ("Sa-Mo 09:00-10:00", (2026, 6, 10, 9, 30), 0.0),
        ("We,Th 20:00-02:00", (2026, 6, 11, 1, 0), 60.0),
        ("We,Th 20:00-02:00", (2026, 6, 10, 1, 0), 0.0),
        ("Sa 22:00-24:00; Su 00:00-03:00", (2026, 6, 13, 23, 0), 240.0),
        ("Mo-Su 00:00-24:00; Su off", (2026, 6, 11, 12, 0), 60.0 * (12 + 48)),
        ("24/7", (2026, 6, 10, 12, 0), None),
        ("24/7; PH off", (2026, 12, 24, 23, 0), 60.0),
        ("Sa 22:00-06:00", (2026, 10, 24, 23, 0), 60.0 * 8),  # the night with 25 hours
        ("Sa 22:00-06:00", (2026, 3, 28, 23, 0), 60.0 * 6),  # the night with 23 hours
    ],
)
def test_known_answers(text: str, moment: tuple[int, ...], minutes: float | None) -> None:
    assert left(text, *moment) == minutes


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Mon-Fri 08:00-18:00", "'Mon' is no day; did you mean 'Mo'?"),
        ("Mo-PH 08:00-18:00", "'PH' is no day"),
        ("Mo-Fr 8-18", "write times as 08:00-18:00"),
        ("Mo-Fr 08:00-25:00", "write times as 08:00-18:00"),
        ("Mo-Fr 24:00-01:00", "write times as 08:00-18:00"),
        ("Mo-Fr 08:00-18:00;", "write times as 08:00-18:00"),
        ("", "write times as 08:00-18:00"),
        ("Mo-Fr sunrise-sunset", "write times as 08:00-18:00"),
        ("Jan-Mar Mo 08:00-18:00", "is no day"),
    ],
)
def test_a_fault_is_named(text: str, cause: str) -> None:
    with pytest.raises(OpeningHoursError, match=cause.replace("?", r"\?")):
        parse(text)


def read(field: ClockField, now_ms: int, zone: Zone, **changes: Any) -> float | None:
    """The value of a clock field in a zone."""
    site = make_site(zones={"cafe": zone}, anchors={}, **changes)
    request = Prepared(DecisionRequest(PERSON, "cafe", "entered", now_ms, site)).reading
    value = reader(Clock(field), ())(request)
    assert not isinstance(value, str)
    return value


def test_the_clock_reads_the_zone_and_the_sites_holidays() -> None:
    cafe = Zone("cafe", opening_hours=parse("Mo-Fr 08:00-18:00; PH 10:00-13:00"))
    noon_ms = berlin_ms(2026, 12, 25, 12)
    assert read("minutes_to_close", noon_ms, cafe) == 360.0
    assert read("minutes_to_close", noon_ms, cafe, holidays=HOLIDAYS) == 60.0
    assert read("minutes_to_close", noon_ms, Zone("cafe")) is None, "the zone states no opening hours"
    assert read("holiday", noon_ms, cafe, holidays=HOLIDAYS) == 1.0
    assert read("holiday", berlin_ms(2026, 12, 24, 12), cafe, holidays=HOLIDAYS) == 0.0
    assert read("holiday", noon_ms, cafe) is None, "no holidays are listed"
    assert read("holiday", berlin_ms(2027, 12, 25, 12), cafe, holidays=HOLIDAYS) is None, "the list has ended"
