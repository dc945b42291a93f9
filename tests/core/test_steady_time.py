"""The steady time: time that has passed for certain, whatever the clock was set to."""

from __future__ import annotations

import pytest

from gateway.core import limits
from gateway.core.state.clock import ClockState

FLOOR = 1_700_000_000_000
NOW = FLOOR + 5_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
IN_1970 = 12 * HOUR


def trusted(now_ms: int, set_ms: int = 0, newest_ms: int = 0) -> ClockState:
    state = ClockState(now_ms, set_ms, newest_ms)
    state.note(now_ms + limits.CLOCK_SETTLE_MS, FLOOR)
    assert state.is_trusted
    return state


@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY, -DAY, IN_1970 - NOW])
def test_a_step_of_a_trusted_clock_and_back_is_no_time(step: int) -> None:
    state = trusted(NOW)
    state.rebase(step)
    assert state.steady_ms(NOW + step) == NOW
    state.rebase(-step)
    assert state.steady_ms(NOW + HOUR) == NOW + HOUR


def test_a_clock_is_trusted_after_it_has_settled_and_is_set() -> None:
    state = ClockState(NOW)
    state.note(NOW + limits.CLOCK_SETTLE_MS - 1, FLOOR)
    assert not state.is_trusted
    unset = ClockState(IN_1970)
    unset.note(IN_1970 + limits.CLOCK_SETTLE_MS, FLOOR)
    assert not unset.is_trusted


def test_a_step_back_that_was_corrected_after_a_restart_makes_no_contact_older() -> None:
    """Steady time was NOW at the contact; the clock stood a day back, the process ended, and the clock was set right at its start."""
    state = ClockState(NOW - DAY + HOUR, -DAY, NOW)
    state.rebase(DAY)
    state.note(NOW + HOUR, FLOOR)
    assert state.steady_ms(NOW + HOUR) == NOW + HOUR


def test_a_start_in_1970_goes_on_from_the_newest_decision() -> None:
    state = ClockState(IN_1970, 0, NOW)
    assert state.steady_ms(IN_1970 + HOUR) == NOW + HOUR
    state.rebase(NOW + 8 * HOUR - IN_1970)
    state.note(NOW + 9 * HOUR, FLOOR)
    assert state.steady_ms(NOW + 9 * HOUR) == NOW + HOUR, "eight hours without power count as none"


def test_a_start_with_a_right_clock_counts_the_time_without_power() -> None:
    assert trusted(NOW + 8 * HOUR, 0, NOW).steady_ms(NOW + 9 * HOUR) == NOW + 9 * HOUR


def test_a_step_back_after_a_start_corrects_it_but_never_behind_the_newest_decision() -> None:
    state = ClockState(NOW + DAY, 0, NOW - HOUR)
    state.rebase(-DAY)
    state.note(NOW, FLOOR)
    assert state.steady_ms(NOW) == NOW
    state.rebase(-DAY)
    state.note(NOW - DAY, FLOOR)
    assert state.steady_ms(NOW - DAY) == NOW - HOUR
