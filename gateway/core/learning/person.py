"""The effects of one person on the propensity: log-odds by category and by offer, with normal priors, updated answer by answer.

The answers of all people give the level of an offer; the answers of one person give the distance from it. The effects of a category and of
an offer add up. Each posterior is kept as mean and variance (an extended Kalman filter without covariances), so an effect is two numbers
and an update needs no earlier answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.core.learning.calibration import logistic

VARIANCES = (0.8, 0.4)  # of the effects of a category and of an offer among people, in squared log-odds
HALF_LIFE_DAYS = 180.0
DAY_MS = 86_400_000
STRETCH = math.sqrt(1.0 + math.pi / 8.0 * sum(VARIANCES))


class Effect(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Mean and variance in log-odds, as of `at_ms`."""

    mean: float
    variance: float
    at_ms: int = 0


class Together(NamedTuple):
    """Mean and variance of the sum of a person's effects on one offer."""

    mean: float = 0.0
    variance: float = sum(VARIANCES)


def together(effects: Mapping[str, Effect], keys: Sequence[str]) -> Together:
    """The sum of the effects with `keys`: that of the category, then that of the offer."""
    mean = variance = 0.0
    for key, prior in zip(keys, VARIANCES, strict=True):
        effect = effects.get(key)
        mean, variance = (mean, variance + prior) if effect is None else (mean + effect.mean, variance + effect.variance)
    return Together(mean, variance)


def with_answer(effects: Mapping[str, Effect], keys: Sequence[str], log_odds: float, *, taken: bool, at_ms: int) -> dict[str, Effect]:
    """The effects with `keys` after one answer to an offer with `log_odds` among all people; older knowledge fades toward the prior."""
    before = [_faded(effects.get(key), prior, at_ms) for key, prior in zip(keys, VARIANCES, strict=True)]
    variance = sum(effect.variance for effect in before)
    share = logistic(log_odds * STRETCH + sum(effect.mean for effect in before))
    curve = share * (1.0 - share)
    step = 1.0 / (1.0 + curve * variance)
    return {
        key: Effect(one.mean + one.variance * step * (taken - share), one.variance * (1.0 - one.variance * step * curve), one.at_ms)
        for key, one in zip(keys, before, strict=True)
    }


def probability(log_odds: float, effects: Together) -> float:
    """Mean probability over the posterior of the effects, with `log_odds` among all people (probit approximation).

    Among all people the effects have been averaged out, which draws log-odds toward 0; for one person they are stretched again. So a
    person without answers has the propensity of all people.
    """
    return logistic((log_odds * STRETCH + effects.mean) / math.sqrt(1.0 + math.pi / 8.0 * effects.variance))


def _faded(effect: Effect | None, prior: float, at_ms: int) -> Effect:
    if effect is None:
        return Effect(0.0, prior, at_ms)
    now_ms = max(at_ms, effect.at_ms)
    keep = 0.5 ** ((now_ms - effect.at_ms) / DAY_MS / HALF_LIFE_DAYS)
    return Effect(effect.mean * keep, prior + (effect.variance - prior) * keep, now_ms)
