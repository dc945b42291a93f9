"""VIKOR (Opricovic and Tzeng 2004): compromise ranking, a set of alternatives acceptable to a group; entropy weights (Shannon 1948).

The result is a *set*: naming one winner where two are nearly equal is the commonest misuse. It depends on `v`, the weight of the majority
against the largest individual regret, so the sweep over v is part of the result.

Entropy weights measure how far a criterion *spreads* the alternatives, not how much it matters: a column of almost equal cells gets
almost no weight, however important it is. They are offered because published work uses them, with a warning; stated weights take
precedence.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.compromise import Distances, compromise, distances
from models.planning.sheets import PlanningError, Sheet

Floats = NDArray[np.float64]

SWEEP = tuple(round(1.0 - step / 10, 1) for step in range(11))
ENTROPY_WARNING = (
    "entropy weights measure how far a criterion spreads the alternatives, not how much it matters: state weights if you know them"
)


class Entropy(msgspec.Struct, frozen=True):
    """Entropy E, divergence 1 - E and weight of each criterion."""

    entropy: tuple[float, ...]
    divergence: tuple[float, ...]
    weights: tuple[float, ...]


class Compromise(msgspec.Struct, frozen=True):
    """Result for one v: Q of each alternative in the order of the sheet (0 is best), and the proposed set, best first.

    `has_advantage`: the best is ahead by at least 1/(m-1). `is_stable`: it is also the best by S or by R.
    """

    v: float
    q: tuple[float, ...]
    proposed: tuple[str, ...]
    has_advantage: bool
    is_stable: bool


class Ranking(msgspec.Struct, frozen=True):
    """Group utility S and individual regret R of each alternative (0 is best), and the compromises of the sweep over v."""

    alternatives: tuple[str, ...]
    criteria: tuple[str, ...]
    weights: tuple[float, ...]
    s: tuple[float, ...]
    r: tuple[float, ...]
    sweep: tuple[Compromise, ...]


def entropy_weights(cells: Floats, criteria: Sequence[str]) -> Entropy:
    """Entropy weights of positive cells (alternatives, criteria).

    Raises PlanningError if a cell is not positive, there is one alternative only, or all alternatives are equal.
    """
    if (cells <= 0).any():
        raise PlanningError(f"entropy needs positive figures, {_name_of(cells <= 0, criteria)!r} has others; state weights instead")
    if len(cells) < 2:
        raise PlanningError("one alternative only: there is nothing to rank")
    shares = cells / cells.sum(axis=0)
    entropy = -(shares * np.log(shares)).sum(axis=0) / np.log(len(cells))
    divergence = 1.0 - entropy
    if divergence.sum() < 1e-12:
        raise PlanningError("all alternatives are equal in every criterion: there are no entropy weights")
    return Entropy(tuple(entropy.tolist()), tuple(divergence.tolist()), tuple((divergence / divergence.sum()).tolist()))


def rank(sheet: Sheet, weights: Sequence[float], *, costs: Sequence[str] = (), sweep: Sequence[float] = SWEEP) -> Ranking:
    """VIKOR of alternatives (rows) by criteria (columns); `costs` names the criteria of which less is better.

    Raises PlanningError if there is one alternative only, all are equal, a cost is not a criterion, or the weights do not fit (one per
    criterion, none negative, not all zero).
    """
    if len(sheet.rows) < 2:
        raise PlanningError("one alternative only: there is nothing to rank")
    if len(weights) != len(sheet.columns) or min(weights) < 0 or sum(weights) <= 0:
        raise PlanningError(f"{len(sheet.columns)} criteria need as many weights, none negative, not all zero; {len(weights)} were given")
    if unknown := sorted(set(costs) - set(sheet.columns)):
        raise PlanningError(f"no criterion is called {unknown[0]!r}; there are {', '.join(sheet.columns)}")
    better = np.where(np.isin(sheet.columns, costs), -1.0, 1.0) * sheet.cells
    if not np.ptp(better, axis=0).any():
        raise PlanningError("all alternatives are equal in every criterion: there is nothing to rank by")
    share = np.asarray(weights, dtype=np.float64) / sum(weights)
    found = distances(better, share)
    return Ranking(
        alternatives=sheet.rows,
        criteria=sheet.columns,
        weights=tuple(share.tolist()),
        s=tuple(found.s.tolist()),
        r=tuple(found.r.tolist()),
        sweep=tuple(_compromise(sheet.rows, found, v) for v in sweep),
    )


def _compromise(names: Sequence[str], of: Distances, v: float) -> Compromise:
    q = compromise(of, v)
    order = np.argsort(q, kind="stable")
    first, second = order[0], order[1]
    advantage = 1 / (len(names) - 1)
    ahead = bool(q[second] - q[first] >= advantage)
    stable = bool(of.s[first] == of.s.min() or of.r[first] == of.r.min())
    near = order[q[order] - q[first] < advantage]
    chosen = order[: 1 if stable else 2] if ahead else near
    return Compromise(v, tuple(q.tolist()), tuple(names[place] for place in chosen), ahead, stable)


def _name_of(wrong: NDArray[np.bool_], criteria: Sequence[str]) -> str:
    return criteria[int(np.flatnonzero(wrong.any(axis=0))[0])]
