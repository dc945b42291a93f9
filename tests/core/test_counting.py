"""Counters of people: totals with resets and wrap-around, doors between zones, and the balance of a zone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import context as contexts
from gateway.core.counting import CROWD_MS_MAX, HOUR_MS, MINUTE_MS, Counting, passages, present, rebased, with_count
from gateway.core.site import Door, last_ms
from gateway.core.types import Count, CountKind, Direction
from tests.kit.testbed import BERLIN, DAY_MS, NOON_MS, Gateway, berlin_ms, make_site


def fold(before: Counting, number: int, at_ms: int, kind: CountKind = "total", direction: Direction = "in") -> Counting:
    return with_count(before, Count("door", "people", number, None, kind, direction), at_ms, direction)


def counted(*totals: int, step_ms: int = MINUTE_MS) -> float:
    """People who came in, by the totals of one report each minute."""
    counting = Counting()
    for at, total in enumerate(totals):
        counting = fold(counting, total, NOON_MS + at * step_ms)
    known = present(counting, NOON_MS + len(totals) * step_ms)
    assert known is not None
    return known[0]


@pytest.mark.parametrize(
    ("totals", "people"),
    [
        pytest.param((5_000,), 0, id="the first total only begins"),
        pytest.param((5_000, 5_003, 5_003, 5_010), 10, id="differences"),
        pytest.param((5_000, 5_004, 2, 3), 7, id="a reset counts from zero"),
        pytest.param((65_530, 65_534, 3), 9, id="16 bits wrap around"),
        pytest.param((2**32 - 4, 1), 5, id="32 bits wrap around"),
        pytest.param((12, 53_000, 53_004), 4, id="another device has another total"),
        pytest.param((5_000, 4_990), 0, id="an older total that came late is no reset"),
    ],
)
def test_totals_are_differenced(totals: tuple[int, ...], people: int) -> None:
    assert counted(*totals) == people


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.integers(0, 70_000), st.sampled_from([1 << 16, 1 << 32]))
def test_differences_of_any_totals_are_the_people(came: list[int], first: int, wrap: int) -> None:
    totals = [first % wrap]
    for people in came:
        totals.append((totals[-1] + people) % wrap)
    assert counted(*totals) == sum(came)


def test_a_total_with_an_older_time_changes_nothing() -> None:
    newer = with_count(Counting(), Count("door", "people", 30, NOON_MS, "total", "in"), NOON_MS, "in")
    assert with_count(newer, Count("door", "people", 29, NOON_MS - 1, "total", "in"), NOON_MS + 1, "in") is newer


def test_passages_are_not_added_to_totals_and_a_repetition_is_not_added_twice() -> None:
    both = fold(fold(fold(Counting(), 100, NOON_MS), 103, NOON_MS + MINUTE_MS), 3, NOON_MS + MINUTE_MS, "passed")
    assert present(both, NOON_MS + MINUTE_MS) == (3.0, NOON_MS + MINUTE_MS)
    report = Count("door", "people_in", 4, NOON_MS, "passed", "in")
    once = with_count(Counting(), report, NOON_MS, "in")
    assert with_count(once, report, NOON_MS + 5, "in") is once


def test_the_hour_forgets_and_a_part_of_an_hour_is_scaled() -> None:
    counting = fold(fold(Counting(), 0, NOON_MS, "passed"), 10, NOON_MS + 30 * MINUTE_MS, "passed")
    assert passages(counting, "in", NOON_MS + 30 * MINUTE_MS) == (20.0, NOON_MS + 30 * MINUTE_MS)
    assert passages(counting, "out", NOON_MS + 30 * MINUTE_MS) == (0.0, NOON_MS + 30 * MINUTE_MS)
    later = fold(counting, 1, NOON_MS + 90 * MINUTE_MS, "passed")
    assert passages(later, "in", NOON_MS + 90 * MINUTE_MS) == (1.0, NOON_MS + 90 * MINUTE_MS)
    assert passages(later, "in", NOON_MS + 90 * MINUTE_MS + CROWD_MS_MAX + 1) is None


def test_a_balance_is_never_negative_and_a_clock_step_moves_it() -> None:
    counting = fold(fold(Counting(), 5, NOON_MS, "passed", "out"), 2, NOON_MS, "passed")
    assert present(counting, NOON_MS) == (2.0, NOON_MS)
    assert present(rebased(counting, -DAY_MS), NOON_MS - DAY_MS) == (2.0, NOON_MS - DAY_MS)


def test_people_in_view_are_those_of_the_whole_view() -> None:
    counting = Counting()
    for device, people in (("a", 5), ("a/region-1", 3), ("b/region-1", 2), ("b/region-2", 1)):
        counting = with_count(counting, Count(device, "people", people, None, "present"), NOON_MS)
    assert present(counting, NOON_MS) == (8.0, NOON_MS)


def test_a_door_between_two_zones_moves_people(tmp_path: Path) -> None:
    """Three come into the square, two go on into the cafe; the counter of the cafe's door hangs the other way round."""
    doors = {"cafe-door": Door("square", inverted=True)}
    site = make_site(devices={"gate": "square", "cafe-door": "cafe"}, doors=doors)
    gateway = Gateway(tmp_path, site=site, synced=False)
    gateway.apply(Count("gate", "people_in", 3, None, "passed", "in"))
    changes = gateway.apply(Count("cafe-door", "people_out", 2, None, "passed", "out"))
    assert changes.is_durable
    now_ms = gateway.clock.now_ms()
    gateway.crash()
    zones = gateway.state.sensors.zones
    assert [contexts.latest(zones[zone], "people_present", now_ms) for zone in ("square", "cafe")] == [1.0, 2.0]
    assert gateway.apply(Count("cafe-door/line-2", "people", 9, None, "present")).discarded == {}
    assert not gateway.apply(Count("gate", "people", 4)).is_durable, "a flow without a direction is learned again"
    gateway.close()


def test_a_zone_is_empty_at_its_hour() -> None:
    four_ms = last_ms(NOON_MS, BERLIN, 4 * 60)
    assert four_ms == berlin_ms(2026, 6, 10, 4)
    assert last_ms(four_ms - 1, BERLIN, 4 * 60) == berlin_ms(2026, 6, 9, 4)
    seven, one = (Count("gate", "people", people, None, "passed", "in") for people in (7, 1))
    before = with_count(Counting(), seven, four_ms - HOUR_MS, "in", four_ms - DAY_MS)
    after = with_count(before, one, four_ms + HOUR_MS, "in", four_ms)
    assert present(after, four_ms + HOUR_MS) == (1.0, four_ms + HOUR_MS)
    assert present(with_count(before, one, four_ms - 1, "in", four_ms - DAY_MS), four_ms) == (8.0, four_ms - 1)
