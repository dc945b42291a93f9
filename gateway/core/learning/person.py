"""The effect of one person on the propensity of a category: log-odds with a normal prior, updated answer by answer.

The answers of all people give the level of an offer; the answers of one person give the distance from it. The posterior is kept as
mean and precision (an extended Kalman filter of one number), so an effect is two numbers and an update needs no earlier answers.
"""

from __future__ import annotations

import math

import msgspec

from gateway.core.learning.calibration import logistic

VARIANCE = 1.0  # of the effect among people, in squared log-odds
HALF_LIFE_DAYS = 180.0
DAY_MS = 86_400_000


class Effect(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Mean and precision in log-odds, as of `at_ms`; without answers 0 and that of the prior."""

    mean: float = 0.0
    precision: float = 1.0 / VARIANCE
    at_ms: int = 0


def with_answer(effect: Effect, log_odds: float, *, taken: bool, at_ms: int) -> Effect:
    """The effect after one answer to an offer with `log_odds` for an average person; older knowledge fades toward the prior."""
    now_ms = max(at_ms, effect.at_ms)
    keep = 0.5 ** ((now_ms - effect.at_ms) / DAY_MS / HALF_LIFE_DAYS) if effect.at_ms else 1.0
    known = (effect.precision - 1.0 / VARIANCE) * keep
    before = known + 1.0 / VARIANCE
    mean = effect.mean * effect.precision * keep / before if known else 0.0
    share = logistic(log_odds + mean)
    precision = before + share * (1.0 - share)
    return Effect(mean + (taken - share) / precision, precision, now_ms)


def probability(log_odds: float, effect: Effect) -> float:
    """Mean probability over the posterior of the effect: the probit approximation shrinks it toward one half by its uncertainty."""
    return logistic((log_odds + effect.mean) / math.sqrt(1.0 + math.pi / 8.0 / effect.precision))
