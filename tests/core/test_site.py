"""Distances, local time, and invalid campaigns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.offers import Campaign
from gateway.core.site import distance_m, local
from tests.kit.testbed import BERLIN, SQUARE_LATITUDE_DEG, SQUARE_LONGITUDE_DEG, ZONES, ManualClock, berlin_ms, campaign, offer

CAFE, BAR, STATION, SQUARE = ZONES


def test_distance_on_the_ground() -> None:
    """Against the haversine formula on the same sphere: (52.52, 13.405) to (52.521, 13.406) is 130.23 m."""
    assert distance_m(SQUARE, SQUARE_LATITUDE_DEG, SQUARE_LONGITUDE_DEG) == 0.0
    assert distance_m(SQUARE, 52.521, 13.406) == pytest.approx(130.23, rel=1e-3)
    assert distance_m(CAFE, 52.521, 13.406) is None


def test_the_wall_clock_knows_the_season() -> None:
    assert local(berlin_ms(2026, 7, 1, 23, 59, 59, 999), BERLIN).isoformat(timespec="milliseconds") == "2026-07-01T23:59:59.999+02:00"
    assert local(berlin_ms(2026, 1, 1), BERLIN).isoformat() == "2026-01-01T00:00:00+01:00"
    twice = [local(berlin_ms(2026, 10, 25, 2, 30, fold=fold), BERLIN) for fold in (0, 1)]
    assert [moment.isoformat() for moment in twice] == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


@pytest.mark.parametrize(
    ("offers", "cause"),
    [
        ([offer("twice"), offer("twice")], "occurs twice"),
        ([offer(starts_ms=5, ends_ms=5)], "ends before it starts"),
        ([offer(zones=())], "no zone"),
    ],
)
def test_a_campaign_that_contradicts_itself_is_refused(offers: list[Any], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        campaign(*offers)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Not An Id"},
        {"id": "newline\n"},
        {"kind": "casino"},
        {"value_minor": -1},
        {"expiry_hours": 0},
        {"title": ""},
        {"title": "x" * 81},
        {"occasions": ["asleep"]},
        {"discount": 5},
    ],
)
def test_an_offer_out_of_bounds_is_refused(change: dict[str, Any]) -> None:
    text: dict[str, Any] = msgspec.to_builtins(campaign())
    assert msgspec.convert(text, Campaign) == campaign()
    text["offers"][0].update(change)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Campaign)


def test_tests_own_time() -> None:
    clock = ManualClock(1000)
    assert clock.advance(5) == clock.now_ms() == 1005
    clock.step(-500)
    assert (clock.now_ms(), clock.take_step(), clock.take_step()) == (505, -500, 0)
    with pytest.raises(ValueError, match="use step"):
        clock.advance(-1)
