"""Choice with exploration: Thompson sampling with a floor, its exact probabilities, the ramp of a new offer, the holdout.

Every draw is an argument, a number in [0, 1) from the caller's log, so a choice can be repeated and its probability computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID = 256  # points of a posterior between 0 and 1
FLOOR_SHARE_MAX = 0.2  # of all choices that the floor may take, however many candidates there are
HOLDOUT_SHARE = 0.05
RAMP_START, RAMP_POSITIVES = 0.02, 200.0
NO_MASS = 1e-9  # probability beyond which the cells of a posterior are left out
TINY = 1e-300  # a cell without any probability has no place within it

Floats = NDArray[np.float64]
_EDGES = np.linspace(0.0, 1.0, GRID + 1)
_POINTS = (_EDGES[:-1] + _EDGES[1:]) / 2
_LOG, _LOG_NOT = np.log(_POINTS), np.log1p(-_POINTS)


class Arm(NamedTuple):
    """A candidate: Beta posterior of its acceptance, and its value in minor units, `worth` times acceptance less `cost`."""

    taken: float
    refused: float
    worth: float = 1.0
    cost: float = 0.0


def select(arms: Sequence[Arm], draws: Sequence[float], chance: float, floor: float, cumulative: Floats | None = None) -> int | None:
    """Draw a value for each arm from its posterior and take the highest, or silence (None, value 0) if none is above 0.

    `draws` has one number for each arm. If a message is sent, `chance` decides for the floor: below the floor of all arms together it
    picks one of them evenly. So every arm has at least the probability `floor` in each message, and silence stays silence.
    `cumulative` is the `posterior` of the arms, if it is known already.
    """
    if not arms:
        return None
    cumulative, drawn, each_arm = posterior(arms) if cumulative is None else cumulative, np.array(draws), np.arange(len(arms))
    cells = np.minimum((cumulative[:, 1:] < drawn[:, np.newaxis]).sum(axis=1), GRID - 1)
    low, high = cumulative[each_arm, cells], cumulative[each_arm, cells + 1]
    within = np.clip((drawn - low) / np.maximum(high - low, TINY), 0.0, 1.0)
    values = (cells + within) / GRID * np.array([arm.worth for arm in arms]) - np.array([arm.cost for arm in arms])
    best = int(values.argmax())
    if values[best] <= 0.0:
        return None
    each = _each(floor, len(arms))
    return min(int(chance / each), len(arms) - 1) if chance < each * len(arms) else best


def probabilities(arms: Sequence[Arm], floor: float) -> tuple[float, ...]:
    """The probability that `select` chooses each arm (`p_select`), by quadrature over the posteriors; the rest is silence."""
    if not arms:
        return ()
    cumulative, each = posterior(arms), _each(floor, len(arms))
    shares = np.array([_share(arms, cumulative, at) for at in range(len(arms))])
    return tuple((shares * (1.0 - each * len(arms)) + each * shares.sum()).tolist())


def probability(arms: Sequence[Arm], at: int | None, floor: float, cumulative: Floats | None = None) -> float:
    """The probability that `select` chooses the arm at `at`, or silence if that is None; as `probabilities`, in a fraction of the time."""
    if not arms:
        return float(at is None)
    cumulative, able = posterior(arms) if cumulative is None else cumulative, [number for number, arm in enumerate(arms) if arm.worth > 0.0]
    silence = float(np.prod(_below(arms, cumulative, able, np.zeros(1)))) if able else 1.0
    if at is None:
        return silence
    each = _each(floor, len(arms))
    return _share(arms, cumulative, at) * (1.0 - each * len(arms)) + each * (1.0 - silence)


def ramp(positives: float) -> float:
    """Share of the decisions in which a learned model may decide; the rest follows the rules that it was started with."""
    return RAMP_START + (1.0 - RAMP_START) * min(max(positives, 0.0) / RAMP_POSITIVES, 1.0)


def in_holdout(salt: str, subject: str, share: float = HOLDOUT_SHARE) -> bool:
    """Whether a subject belongs to the persistent group without offers: a salted hash, so no list of people is kept."""
    digest = hashlib.blake2b(f"{salt}\x1f{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _each(floor: float, arms: int) -> float:
    return min(floor, FLOOR_SHARE_MAX / arms)


def posterior(arms: Sequence[Arm]) -> Floats:
    """Cumulative probability of each posterior at the edges of the grid, (arms, GRID + 1)."""
    counts = np.array([(arm.taken, arm.refused) for arm in arms]) - 1.0
    log_density = counts[:, :1] * _LOG + counts[:, 1:] * _LOG_NOT
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    found = np.zeros((len(arms), GRID + 1))
    np.cumsum(density, axis=1, out=found[:, 1:])
    found /= found[:, -1:]
    return found


def _share(arms: Sequence[Arm], cumulative: Floats, at: int) -> float:
    """Probability that an arm has the highest value and one above 0.

    The posterior of the arm is split into its grid cells; the others' cumulative probability is taken at the middle of the cell.
    """
    arm, of_arm = arms[at], cumulative[at]
    if arm.worth <= 0.0:
        return 0.0
    first, last = int(np.searchsorted(of_arm, NO_MASS)), int(np.searchsorted(of_arm, 1.0 - NO_MASS))
    cells = slice(max(first - 1, 0), last)
    mass = np.diff(of_arm[cells.start : cells.stop + 1]) * np.clip((_EDGES[1:][cells] - arm.cost / arm.worth) * GRID, 0.0, 1.0)
    rivals = [number for number, other in enumerate(arms) if number != at and other.worth > 0.0]
    if not rivals:
        return float(mass.sum())
    values = _POINTS[cells] * arm.worth - arm.cost
    return float((mass * np.prod(_below(arms, cumulative, rivals, values), axis=0)).sum())


def _below(arms: Sequence[Arm], cumulative: Floats, rivals: Sequence[int], values: Floats) -> Floats:
    """Probability, (rivals, values), that each arm of a worth above 0 has a value below each of these."""
    figures = np.array([(arms[at].worth, arms[at].cost) for at in rivals])
    places = np.clip((values + figures[:, 1:]) / figures[:, :1], 0.0, 1.0) * GRID
    cells = np.minimum(places.astype(np.intp), GRID - 1)
    rows = cumulative[rivals]
    low, high = np.take_along_axis(rows, cells, axis=1), np.take_along_axis(rows, cells + 1, axis=1)
    found: Floats = low + (places - cells) * (high - low)
    return found
