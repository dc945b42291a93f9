"""The effects of one person on the propensity: log-odds by category and by offer, with normal priors, updated answer by answer.

The answers of all people give the level of an offer; the answers of one person give the distance from it. The effects of a category and of
an offer add up. Each posterior is kept as mean and variance, so an effect is two numbers and an update needs no earlier answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

VARIANCES = (0.2, 0.6, 0.2)  # among people, in squared log-odds: of the effects on all offers, on a category and on an offer
HALF_LIFE_DAYS = 180.0
DAY_MS = 86_400_000


EFFECTS_MAX = 256  # of one person


class Effect(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Mean and variance in log-odds, as of `at_ms`."""

    mean: float
    variance: float
    at_ms: int = 0


class Together(NamedTuple):
    """Mean and variance of the sum of a person's effects on one offer."""

    mean: float
    variance: float


def together(effects: Mapping[str, Effect], keys: Sequence[str]) -> Together:
    """The sum of the effects with `keys`, in the order of VARIANCES."""
    mean = variance = 0.0
    for key, prior in zip(keys, VARIANCES, strict=True):
        effect = effects.get(key)
        mean, variance = (mean, variance + prior) if effect is None else (mean + effect.mean, variance + effect.variance)
    return Together(mean, variance)


def merged(effects: Mapping[str, Effect], changed: Mapping[str, Effect]) -> dict[str, Effect]:
    """`effects` with those of `changed`; of more than EFFECTS_MAX the newest."""
    found = {**effects, **changed}
    if len(found) <= EFFECTS_MAX:
        return found
    newest = sorted(found, key=lambda key: (found[key].at_ms, key), reverse=True)[:EFFECTS_MAX]
    return {key: effect for key, effect in found.items() if key in set(newest)}


def faded(effects: Mapping[str, Effect], keys: Sequence[str], at_ms: int) -> dict[str, Effect]:
    """The effects with `keys` at a later time: older knowledge fades toward the prior."""
    found = {}
    for key, prior in zip(keys, VARIANCES, strict=True):
        one = effects.get(key, Effect(0.0, prior, at_ms))
        keep = 0.5 ** (max(at_ms - one.at_ms, 0) / DAY_MS / HALF_LIFE_DAYS)
        found[key] = Effect(one.mean * keep, prior + (one.variance - prior) * keep, max(at_ms, one.at_ms))
    return found


def with_step(effects: Mapping[str, Effect], surprise: float, curve: float) -> dict[str, Effect]:
    """The effects after an answer, by `regression.step`."""
    return {
        key: Effect(one.mean + one.variance * surprise, one.variance * (1.0 - one.variance * curve), one.at_ms)
        for key, one in effects.items()
    }
