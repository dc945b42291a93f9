"""The condition for the desk: silent days change at midnight only, so that no report shows when a message arrived."""

from __future__ import annotations

from datetime import date

from gateway.core.condition import SilentDays, SourceCondition

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
