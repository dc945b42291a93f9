"""The steady time: time that has passed for certain, whatever the clock was set to."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from gateway.core import limits
from gateway.core.state.clock import ClockState

FLOOR = 1_700_000_000_000
NOW = FLOOR + 5_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
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


def test_on_the_first_start_of_a_database_a_clock_that_is_set_is_time() -> None:
    """Contacts of the next day are of the next day; with an older contact the same step counts as none."""
    first, later = ClockState(NOW), ClockState(NOW, 0, NOW - HOUR)
    for state in (first, later):
        state.rebase(DAY)
        state.note(NOW + DAY, FLOOR)
    assert (first.steady_ms(NOW + DAY), later.steady_ms(NOW + DAY)) == (NOW + DAY, NOW)


def test_a_start_with_a_right_clock_counts_the_time_without_power() -> None:
    assert trusted(NOW + 8 * HOUR, 0, NOW).steady_ms(NOW + 9 * HOUR) == NOW + 9 * HOUR


def test_until_it_has_settled_the_time_without_power_is_in_doubt() -> None:
    state = ClockState(NOW + DAY, 0, NOW - HOUR)
    assert state.doubt_ms(NOW + DAY + MINUTE) == DAY + HOUR
    state.rebase(-DAY)
    assert state.doubt_ms(NOW + 2 * MINUTE) == HOUR
    state.note(NOW + limits.CLOCK_SETTLE_MS, FLOOR)
    assert (state.is_trusted, state.doubt_ms(NOW + HOUR)) == (True, 0)
    assert ClockState(NOW).doubt_ms(NOW) == 0, "on the first start there is no older contact"


def test_a_step_back_after_a_start_corrects_it_but_never_behind_the_newest_decision() -> None:
    state = ClockState(NOW + DAY, 0, NOW - HOUR)
    state.rebase(-DAY)
    state.note(NOW, FLOOR)
    assert state.steady_ms(NOW) == NOW
    state.rebase(-DAY)
    state.note(NOW - DAY, FLOOR)
    assert state.steady_ms(NOW - DAY) == NOW - HOUR


class Machine:
    """A gateway's clock: `true_ms` passes, the wall clock is `wrong_ms` off, and the sum of the steps outlives a restart."""

    def __init__(self) -> None:
        self.true_ms, self.wrong_ms, self.newest_ms = NOW, 0, 0
        self.state = ClockState(NOW)
        self.wait(HOUR)

    @property
    def now_ms(self) -> int:
        return self.true_ms + self.wrong_ms

    def steady_ms(self) -> int:
        return self.state.steady_ms(self.now_ms)

    def wait(self, ms: int) -> None:
        for _ in range(0, ms, MINUTE):
            self.true_ms += MINUTE
            self.state.note(self.now_ms, FLOOR)
        self.newest_ms = self.steady_ms()

    def step(self, ms: int) -> None:
        self.wrong_ms += ms
        self.state.rebase(ms)
        self.state.note(self.now_ms, FLOOR)

    def restart(self, off_ms: int = MINUTE, wrong_ms: int | None = None) -> None:
        """Off for a time; `wrong_ms` is the error of the clock that it wakes up with, the same as before if None."""
        self.true_ms += off_ms
        self.wrong_ms = self.wrong_ms if wrong_ms is None else wrong_ms
        self.state = ClockState(self.now_ms, self.state.set_ms, self.newest_ms)
        self.state.note(self.now_ms, FLOOR)


@pytest.mark.parametrize("back", [HOUR, DAY, NOW - IN_1970], ids=["an hour", "a day", "1970"])
@pytest.mark.parametrize(
    "corrected",
    [
        lambda machine: machine.step(-machine.wrong_ms),
        lambda machine: (machine.restart(), machine.wait(2 * MINUTE), machine.step(-machine.wrong_ms)),
        lambda machine: machine.restart(wrong_ms=0),
        lambda machine: (machine.restart(), machine.restart(), machine.step(-machine.wrong_ms)),
    ],
    ids=["while it runs", "after a restart", "while it is off", "after two restarts"],
)
def test_a_step_back_that_is_corrected_leaves_no_trace(back: int, corrected: Callable[[Machine], object]) -> None:
    machine = Machine()
    for _ in range(3):
        machine.step(-back)
        machine.wait(20 * MINUTE)
        corrected(machine)
        machine.wait(HOUR)
        assert -HOUR <= machine.steady_ms() - machine.true_ms <= 0


@pytest.mark.parametrize("seed", range(50))
def test_steady_time_runs_neither_back_nor_ahead(seed: int) -> None:
    """A step is hours or days, back or forward; it may be corrected, and the gateway may start anew in between."""
    draws, machine = random.Random(seed), Machine()  # noqa: S311 - a seeded test
    for _ in range(60):
        before_ms, off_ms = machine.newest_ms, draws.randrange(DAY)
        match draws.randrange(5):
            case 0:
                machine.restart(off_ms)
                assert machine.steady_ms() >= before_ms
            case 1:
                machine.restart(off_ms, wrong_ms=0)
                assert machine.steady_ms() >= before_ms
            case 2:
                machine.step(draws.choice((HOUR, -HOUR, DAY, -DAY)))
            case 3:
                machine.step(-machine.wrong_ms)
            case _:
                machine.wait(draws.randrange(HOUR))
        assert machine.steady_ms() <= machine.true_ms + max(0, machine.wrong_ms)
