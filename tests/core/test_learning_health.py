"""Known answers of the comparison of the two policies: demotion and promotion, an alarm of drift, and the calibration error."""

from __future__ import annotations

import math
import random

import pytest

from gateway.core.learning.drift import ANSWERS_MIN
from gateway.core.learning.health import Health


def after(health: Health, answers: int, propensity: float, score: float, *, taken_every: int) -> Health:
    """With more answers, of which every so many-th was taken."""
    for number in range(answers):
        health = health.plus(propensity, score, taken=number % taken_every == 0)
    return health


def test_the_learned_policy_is_demoted_after_two_hundred_worse_answers_and_promoted_after_better_ones() -> None:
    """One of two is taken. Log-loss of .5: .693; of .8: -(ln .8 + ln .2) / 2 = .916."""
    almost = after(Health(), ANSWERS_MIN - 1, 0.8, 0.5, taken_every=2)
    assert not almost.demoted
    worse = after(Health(), ANSWERS_MIN, 0.8, 0.5, taken_every=2)
    assert worse.demoted
    assert worse.learned.mean == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)
    assert worse.plain.mean == pytest.approx(math.log(2))
    assert not after(worse, ANSWERS_MIN + 2, 0.5, 0.8, taken_every=2).demoted
    assert after(worse, ANSWERS_MIN - 2, 0.5, 0.8, taken_every=2).demoted
    assert not after(Health(), 400, 0.5, 0.505, taken_every=2).demoted
    assert not after(Health(), 400, 0.505, 0.5, taken_every=2).demoted, "a difference within the margin changes nothing"


def test_an_alarm_starts_the_comparison_afresh() -> None:
    """Errors of .1 that become .9: the sum rises by about .8 an answer and passes 30 after some 40."""
    steady = after(Health(), 300, 0.1, 0.5, taken_every=1_000_000)
    assert (steady.alarms, steady.learned.answers) == (0, 300)
    changed = after(steady, 60, 0.1, 0.5, taken_every=1)
    assert changed.alarms == 1
    assert changed.learned.answers == changed.plain.answers < 60
    assert changed.answers == 360
    assert not changed.demoted, "too few answers since the change"
    assert after(changed, ANSWERS_MIN, 0.1, 0.5, taken_every=1).demoted


def test_the_calibration_error_of_a_stated_tenth_that_is_a_half() -> None:
    assert Health().calibration_error is None
    wrong = after(Health(), 400, 0.1, 0.5, taken_every=2)
    assert wrong.calibration_error == pytest.approx(0.4, abs=0.01)
    draws = random.Random(4)  # noqa: S311 - a seeded test
    right = Health()
    for _ in range(2_000):
        share = draws.random()
        right = right.plus(share, 0.5, taken=draws.random() < share)
    assert right.calibration_error is not None
    assert right.calibration_error < 0.08
