"""Planted logs: two kinds of support, sound and thin, with a known mean outcome of the other policy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.arrays import Floats, Ints

ACTIONS = 8


class Log(NamedTuple):
    """By row, (n,): weight, logged probability, outcome (0/1); share of the other policy's choices with few rows; true mean outcome."""

    weights: Floats
    p_select: Floats
    outcome: Floats
    choices: Ints
    unseen: float
    truth: float


def sound(seed: int) -> Log:
    """The log prefers some actions by a softmax in the context and explores with a floor; the other policy is greedy in another score."""
    draws = np.random.default_rng(seed)
    rows, floor = int(draws.integers(2_000, 10_000)), float(draws.uniform(0.02, 0.08))
    logged = _softmax(draws.normal(size=(rows, ACTIONS)) * draws.uniform(0.3, 1.5))
    logged = floor + (1.0 - ACTIONS * floor) * logged
    other = _other(draws, rows, soft=bool(draws.integers(2)))
    return _log(draws, logged, other)


def thin(seed: int) -> Log:
    """From a tenth to a half of the other policy's choices are such as the log makes never, or once in 5,000 rows or less."""
    draws = np.random.default_rng(seed)
    rows, mass = int(draws.integers(2_000, 10_000)), float(draws.uniform(0.1, 0.5))
    rare = float(draws.choice([0.0, 1e-6, 1e-5, 1e-4, 2e-4]))
    logged = 0.05 + (1.0 - ACTIONS * 0.05) * _softmax(draws.normal(size=(rows, ACTIONS)))
    other = _other(draws, rows, soft=bool(draws.integers(2)))
    if draws.integers(2):  # one action is rare everywhere
        missing = np.zeros(rows, np.int64)
        other = (1.0 - mass) * other
        other[:, 0] += mass
    else:  # any action is rare in some situations
        missing = other.argmax(axis=1)
        missing[draws.random(rows) > mass] = -1
    at = np.flatnonzero(missing >= 0)
    if len(np.unique(missing[at])) > 1:
        other[at] = np.eye(ACTIONS)[missing[at]]
    logged[at, missing[at]] = rare
    return _log(draws, logged / logged.sum(axis=1, keepdims=True), other / other.sum(axis=1, keepdims=True))


def _log(draws: np.random.Generator, logged: Floats, other: Floats) -> Log:
    rows = np.arange(len(logged))
    choices = (logged.cumsum(axis=1) < draws.random((len(rows), 1))).sum(axis=1).clip(0, ACTIONS - 1)
    rates = draws.uniform(0.02, 0.4, ACTIONS)
    outcome = (draws.random(len(rows)) < rates[choices]).astype(np.float64)
    counts = np.bincount(choices, minlength=ACTIONS)
    return Log(
        weights=other[rows, choices] / logged[rows, choices],
        p_select=logged[rows, choices],
        outcome=outcome,
        choices=choices,
        unseen=float(other[:, counts < 3].sum() / len(rows)),
        truth=float((other @ rates).mean()),
    )


def _other(draws: np.random.Generator, rows: int, *, soft: bool) -> Floats:
    scores = draws.normal(size=(rows, ACTIONS))
    return _softmax(2.0 * scores) if soft else np.eye(ACTIONS)[scores.argmax(axis=1)]


def _softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares
