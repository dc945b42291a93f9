"""The device's clock while the wall clock is set: between two calls of `take_step` time never jumps."""

from __future__ import annotations

import time

import pytest

from gateway.adapters.clock import STEP_MS_MIN, SystemClock


class Wall(SystemClock):
    """A SystemClock on a wall and a steady clock that the test turns."""

    wall = 1_800_000_000_000
    steady = 5_000

    @classmethod
    def _wall_ms(cls) -> int:
        return cls.wall

    @classmethod
    def _steady_ms(cls) -> int:
        return cls.steady


@pytest.fixture
def clock() -> type[Wall]:
    return type("Fresh", (Wall,), {})


def test_it_starts_at_the_wall_clock_and_runs_with_the_steady_one(clock: type[Wall]) -> None:
    made = clock()
    assert made.now_ms() == clock.wall
    clock.steady += 1_234
    assert made.now_ms() == clock.wall + 1_234


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000, STEP_MS_MIN, -STEP_MS_MIN])
def test_a_set_clock_is_a_step_that_is_told_once(clock: type[Wall], jump_ms: int) -> None:
    made = clock()
    before = made.now_ms()
    clock.wall += jump_ms
    assert made.now_ms() == before, "time jumped between two looks"
    assert made.take_step() == jump_ms
    assert made.now_ms() == before + jump_ms
    assert made.take_step() == 0


@pytest.mark.parametrize("drift_ms", [STEP_MS_MIN - 1, 1 - STEP_MS_MIN, 0])
def test_drift_is_followed_and_no_step(clock: type[Wall], drift_ms: int) -> None:
    made = clock()
    clock.wall += drift_ms
    assert made.take_step() == 0
    assert made.now_ms() == clock.wall


def test_the_real_one_is_near_the_wall_clock() -> None:
    before_ms = time.time_ns() // 1_000_000
    made = SystemClock()
    assert before_ms - 1 <= made.now_ms() <= time.time_ns() // 1_000_000 + 1
    assert made.take_step() == 0
