"""Columns made fit for a linear model or a network: filled, flagged, scaled and bounded.

Unknown becomes the column's median, and a flag says so where training knew unknowns. Values are scaled to their spread and
held within eight of it, so that a sensor gone mad counts as "very much" and not as the only thing that counts. A column that
never varied in training is left out: whatever a gateway says there, nobody has seen what it does. All of this is computed
in float32, here as in the graph, so both do the same to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.propensity.graph import Graph, Ints, Rows
from models.propensity.training_set import alive

SPREADS_MAX = 8.0
_SPREAD_MIN = 1e-30  # its inverse still is a float32


class Prepared(NamedTuple):
    """What training found of the columns that are used, each array (used,); `flagged` counts within the used ones."""

    used: Ints
    fill: NDArray[np.float32]
    centre: NDArray[np.float32]
    per_spread: NDArray[np.float32]
    flagged: Ints

    def transform(self, rows: Rows) -> Rows:
        """Rows float32 (n, used + flagged) for rows (n, k)."""
        part = rows[:, self.used]
        unknown = np.isnan(part)
        with np.errstate(over="ignore"):  # what overflows is bounded in the next step
            scaled = (np.where(unknown, self.fill, part) - self.centre) * self.per_spread
        return np.hstack((np.clip(scaled, np.float32(-SPREADS_MAX), np.float32(SPREADS_MAX)), unknown[:, self.flagged].astype(np.float32)))

    @property
    def width(self) -> int:
        """How many columns come out."""
        return len(self.used) + len(self.flagged)

    def emit(self, graph: Graph, rows: str, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> str:
        """`transform(rows) @ weights + bias` as nodes, (n, weights.shape[1])."""
        part = rows
        if len(self.used) != graph.columns:
            part = graph.node("Gather", rows, graph.constant(self.used, np.int64), axis=1)
        unknown = graph.node("IsNaN", part)
        filled = graph.node("Where", unknown, graph.constant(self.fill), part)
        centred = graph.node("Sub", filled, graph.constant(self.centre))
        scaled = graph.node("Mul", centred, graph.constant(self.per_spread))
        bounded = graph.node("Clip", scaled, graph.constant(-SPREADS_MAX), graph.constant(SPREADS_MAX))
        known = graph.node("Gemm", bounded, graph.constant(weights[: len(self.used)]), graph.constant(bias))
        if not len(self.flagged):
            return known
        by_flag = np.zeros((len(self.used), weights.shape[1]))
        by_flag[self.flagged] = weights[len(self.used) :]
        return graph.node("Gemm", graph.node("Cast", unknown, to=1), graph.constant(by_flag), known)


def prepare(rows: Rows) -> Prepared:
    """What `transform` needs to know of (n, k) training rows. Infinite values are not looked at."""
    used = alive(rows)
    used = used if len(used) else np.zeros(1, np.int64)  # where nothing varies, one column stands in that will get no weight
    part = np.where(np.isfinite(rows[:, used]), rows[:, used], np.nan).astype(np.float64)
    part[:, np.isnan(part).all(axis=0)] = 0.0
    fill = np.nanmedian(part, axis=0).astype(np.float32)
    filled = np.where(np.isnan(part), fill, part)
    spread = filled.std(axis=0)
    return Prepared(
        used=used,
        fill=fill,
        centre=filled.mean(axis=0).astype(np.float32),
        per_spread=(1.0 / np.where(spread > _SPREAD_MIN, spread, 1.0)).astype(np.float32),
        flagged=np.flatnonzero(np.isnan(rows[:, used]).any(axis=0)),
    )
