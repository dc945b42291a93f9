"""Weekly time spans, also across midnight and the end of the week."""

from __future__ import annotations

import math
import re

import pytest

from firmware_sim.world.hours import Weekly, moment_min

FRI, SUN = 4 * 1440, 6 * 1440


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("mon-fri 07:00-19:00", [420, FRI + 1139], [419, FRI + 1140, 5 * 1440 + 600]),
        ("sat 20:00-02:00", [5 * 1440 + 1200, SUN + 119], [5 * 1440 + 1199, SUN + 120]),
        ("sun 22:00-01:00", [SUN + 1320, 30], [SUN + 1319, 60]),
        ("fri-mon 10:00-11:00", [FRI + 600, 630], [1440 + 630, 3 * 1440 + 630]),
        ("wed 00:00-24:00", [2 * 1440, 3 * 1440 - 1], [2 * 1440 - 1, 3 * 1440]),
    ],
)
def test_hours_hold_from_the_first_minute_until_before_the_last(text: str, inside: list[int], outside: list[int]) -> None:
    hours = Weekly([text])
    assert all(hours.holds(minute) for minute in inside)
    assert not any(hours.holds(minute) for minute in outside)
    assert hours.holds(inside[0] + 3 * 7 * 1440)


def test_how_long_until_it_begins_and_ends() -> None:
    hours = Weekly(["mon-fri 07:00-19:00", "sun 22:00-24:00", "mon 00:00-01:00"])
    assert (hours.begins_in_min(400), hours.ends_in_min(400)) == (20, 0)
    assert (hours.begins_in_min(430), hours.ends_in_min(430)) == (0, 710)
    assert hours.begins_in_min(FRI + 1140) == 5 * 1440 + 1320 + 1440 - (FRI + 1140)
    assert hours.ends_in_min(SUN + 1330) == 170  # through midnight between two weeks
    assert Weekly([]).begins_in_min(5) == math.inf
    assert Weekly(["mon-sun 00:00-24:00"]).ends_in_min(5) == math.inf


@pytest.mark.parametrize("text", ["mon 7-19", "mon-fri", "mo-fr 07:00-19:00", "mon 07:00-25:00", "mon 07:70-08:00"])
def test_what_are_no_hours_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Weekly([text])


def test_moments() -> None:
    assert moment_min("sat 14:30") == 5 * 1440 + 870
    with pytest.raises(ValueError, match="no moment of the week"):
        moment_min("14:30")
