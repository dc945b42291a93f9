"""The condition for the desk: silent days change at midnight only, so that no report shows when a message arrived."""

from __future__ import annotations

from datetime import date

from gateway.core.condition import DailyReserves, SilentDays, SourceCondition

MONDAY, TUESDAY, THURSDAY = date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 5)


def test_whole_days_without_a_message_are_counted() -> None:
    found = SilentDays()(THURSDAY, [("ble", THURSDAY), ("zigbee", MONDAY), ("tills", None), ("lora", TUESDAY)])
    assert found == (SourceCondition("ble", 0), SourceCondition("zigbee", 2), SourceCondition("tills", None), SourceCondition("lora", 1))


def test_a_message_of_today_shows_tomorrow() -> None:
    silent = SilentDays()
    assert silent(TUESDAY, [("ble", None)]) == (SourceCondition("ble", None),)
    assert silent(TUESDAY, [("ble", TUESDAY)]) == (SourceCondition("ble", None),)
    assert silent(THURSDAY, [("ble", TUESDAY)]) == (SourceCondition("ble", 1),)


def test_a_clock_that_steps_back_gives_no_negative_days() -> None:
    assert SilentDays()(MONDAY, [("ble", THURSDAY)]) == (SourceCondition("ble", 0),)


def test_reserves_are_coarse_and_fixed_for_a_day() -> None:
    daily = DailyReserves()
    assert daily(MONDAY, None, None) == (None, None)  # the first hour after a start
    assert daily(MONDAY, 71.9, None) == (2, None)
    assert daily(MONDAY, 500.0, 0.99) == (2, 75)
    assert daily(MONDAY, 1.0, 3.0) == (2, 75)
    assert daily(TUESDAY, 1e9, 1e9) == (60, 400)
    assert daily(THURSDAY, 23.0, 0.1) == (0, 0)
