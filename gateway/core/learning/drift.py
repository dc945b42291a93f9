"""Drift of a model's errors (Page-Hinkley), and the comparison of champion and challenger on the same answers.

Page-Hinkley (Page 1954, Biometrika 41) adds up how far each error lies above the mean so far by more than ALLOWED; the alarm is raised
when the sum has risen by LIMIT above its minimum. Errors are absolute differences between propensity and answer, in 0..1.
"""

from __future__ import annotations

import math

import msgspec

ALLOWED = 0.05
LIMIT = 30.0  # a rise of the mean error by .3 is found after some 130 answers; errors of 0 and 1 at a rate of .4 exceed 8 by chance
ANSWERS_MIN = 200  # of both models, before one is demoted
MARGIN = 0.01  # in log-loss
SURE = 1e-6  # a propensity is not taken as surer than this


class Drift(msgspec.Struct, frozen=True, gc=False):
    """State of the test: errors so far with their mean, the sum and its minimum, and whether the alarm has been raised."""

    count: int = 0
    mean: float = 0.0
    total: float = 0.0
    lowest: float = 0.0
    alarm: bool = False


def with_error(state: Drift, error: float) -> Drift:
    """The state after one more error. An alarm stays until the model is replaced and a new state is begun."""
    count = state.count + 1
    mean = state.mean + (error - state.mean) / count
    total = state.total + error - mean - ALLOWED
    lowest = min(state.lowest, total)
    return Drift(count, mean, total, lowest, state.alarm or total - lowest > LIMIT)


class Losses(msgspec.Struct, frozen=True, gc=False):
    """Mean log-loss of a model over answers that came after its propensities."""

    mean: float = 0.0
    answers: int = 0

    def plus(self, propensity: float, *, taken: bool) -> Losses:
        """With one more answer."""
        share = min(max(propensity, SURE), 1.0 - SURE)
        loss = -math.log(share if taken else 1.0 - share)
        return Losses(self.mean + (loss - self.mean) / (self.answers + 1), self.answers + 1)


def demotes(champion: Losses, challenger: Losses) -> bool:
    """Whether the challenger replaces the champion: both have ANSWERS_MIN answers and its loss is lower by more than MARGIN."""
    return min(champion.answers, challenger.answers) >= ANSWERS_MIN and challenger.mean < champion.mean - MARGIN
