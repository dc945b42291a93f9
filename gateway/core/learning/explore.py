"""Choice with exploration: Thompson sampling with a floor, its probabilities, the ramp of a new offer, the holdout.

The posterior of a propensity is a logistic distribution of its log-odds: its quantiles and its cumulative probability have a closed form,
so a draw is one number and the probability of a choice one quadrature. Every draw is an argument, a number in [0, 1) from the caller's
log, so a choice can be repeated and its probability computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FLOOR_SHARE_MAX = 0.2  # of all choices that the floor may take, however many candidates there are
HOLDOUT_SHARE = 0.05
RAMP_START, RAMP_POSITIVES = 0.02, 200.0
POINTS = 24  # of the quadrature
SURE = 1e-7  # a draw is not taken as surer than this, so rivals whose values lie apart by all draws are left out
SCALE = 3.0**0.5 / np.pi  # of a logistic distribution with the standard deviation 1

Floats = NDArray[np.float64]
_AT, _WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
_AT, _WEIGHTS = (_AT + 1.0) / 2.0, _WEIGHTS / 2.0


class Arms(NamedTuple):
    """Candidates as columns (n,): mean and standard deviation of the log-odds of acceptance, and the value in minor units.

    The value is `worth` times the acceptance less `cost`.
    """

    mean: Floats
    deviation: Floats
    worth: Floats
    cost: Floats

    def take(self, at: Sequence[int] | NDArray[np.intp]) -> Arms:
        """The arms at these places."""
        return Arms(*(column[at] for column in self))

    def values(self, odds: Floats) -> Floats:
        """Values at draws with these log-odds, of the same shape as the arms."""
        found: Floats = self.worth / (1.0 + np.exp(-self.mean - SCALE * self.deviation * odds)) - self.cost
        return found

    def below(self, values: Floats) -> Floats:
        """Probability, (arms, values), that the value of each arm is below each of these; 1 for an arm without worth."""
        share = (values + self.cost[:, np.newaxis]) / np.maximum(self.worth, 1e-9)[:, np.newaxis]
        share = np.minimum(np.maximum(share, 1e-12), 1.0 - 1e-12)
        odds = np.log(share / (1.0 - share)) - self.mean[:, np.newaxis]
        found: Floats = 1.0 / (1.0 + np.exp(odds / (-SCALE * self.deviation)[:, np.newaxis]))
        return found


def select(arms: Arms, draws: Sequence[float], chance: float, floor: float) -> int | None:
    """Draw a value for each arm from its posterior and take the highest, or silence (None, value 0) if none is above 0.

    `draws` has one number for each arm. If a message is sent, `chance` decides for the floor: below the floor of all arms together it
    picks one of them evenly. So every arm has at least the probability `floor` in each message, and silence stays silence.
    """
    count = len(arms.mean)
    if not count:
        return None
    values = arms.values(_odds(_unsure(np.array(draws))))
    best = int(values.argmax())
    if values[best] <= 0.0:
        return None
    each = _each(floor, count)
    return min(int(chance / each), count - 1) if chance < each * count else best


def probabilities(arms: Arms, floor: float) -> tuple[float, ...]:
    """The probability that `select` chooses each arm (`p_select`); the rest is silence."""
    return tuple(probability(arms, at, floor) for at in range(len(arms.mean)))


def probability(arms: Arms, at: int | None, floor: float) -> float:
    """The probability that `select` chooses the arm at `at`, or silence if that is None, by quadrature over its draws."""
    count = len(arms.mean)
    if not count:
        return float(at is None)
    low, high = arms.values(_LOWEST), arms.values(_HIGHEST)
    able = np.flatnonzero((high >= low.max()) & (high > 0.0))
    silence = float(arms.take(able).below(_NOTHING).prod()) if len(able) else 1.0
    if at is None:
        return silence
    each = _each(floor, count)
    return _share(arms, at, high, able) * (1.0 - each * count) + each * (1.0 - silence)


def ramp(positives: float) -> float:
    """Share of the decisions in which a learned model may decide; the rest follows the rules that it was started with."""
    return RAMP_START + (1.0 - RAMP_START) * min(max(positives, 0.0) / RAMP_POSITIVES, 1.0)


def in_holdout(salt: str, subject: str, share: float = HOLDOUT_SHARE) -> bool:
    """Whether a subject belongs to the persistent group without offers: a salted hash, so no list of people is kept."""
    digest = hashlib.blake2b(f"{salt}\x1f{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _share(arms: Arms, at: int, high: Floats, able: NDArray[np.intp]) -> float:
    """Probability that an arm has the highest value and one above 0, against the `able` ones; `high` are the highest values of all arms."""
    if at not in able:
        return 0.0
    own = arms.take([at])
    first = float(own.below(_NOTHING)[0, 0])  # share of its draws that are worth less than silence
    values = own.values(_odds(_unsure(first + (1.0 - first) * _AT)))
    rivals = arms.take(able[(able != at) & (high[able] >= values[0])])
    return float((1.0 - first) * (_WEIGHTS @ rivals.below(values).prod(axis=0)))


def _unsure(draws: Floats) -> Floats:
    found: Floats = np.minimum(np.maximum(draws, SURE), 1.0 - SURE)
    return found


def _odds(shares: Floats) -> Floats:
    found: Floats = np.log(shares / (1.0 - shares))
    return found


def _each(floor: float, arms: int) -> float:
    return min(floor, FLOOR_SHARE_MAX / arms)


_LOWEST, _HIGHEST, _NOTHING = _odds(np.array([SURE])), _odds(np.array([1.0 - SURE])), np.zeros(1)
