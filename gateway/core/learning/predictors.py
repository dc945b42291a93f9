"""The predictors of a site: a level, the score of the bundle's model, the person's contacts, and some columns of the model.

All follow from the schema and the model's columns. The model has seen its columns already; those between person, place and offer and those
of the time are read once more, because an offer may differ there from the others of its category: a shop closes earlier, a way is less
welcome.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.schema import Schema
from gateway.core.context import Contact
from gateway.core.learning.regression import Floats, Rows

SCORE_EDGES = np.array((-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5))
NUMBER_EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 9.0, 13.0, 20.0)
CLOCK_EDGES = {"hour": tuple(float(hour) for hour in range(1, 24)), "weekday": (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)}
RECENT_HALF_MS = 3_600_000  # of the weight of a contact in `recent`
RECENT_MAX = 4.0
Variances = tuple[float, float, float]
"""Prior variances of the weights of an offer, of a category, and for all offers, in squared log-odds."""
LEVEL, WEAK = (0.2, 0.2, 0.5), (0.02, 0.02, 0.1)
BUSY_EDGES = np.array((0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.5))
CLOCK, BETWEEN, BUSY = (0.1, 0.5, 0.5), (0.03, 0.03, 0.15), (0.02, 0.05, 0.5)  # hours of opening are those of a category


class Predictor(NamedTuple):
    """Edges of the bins (one more for unknown values), prior variances, and the column of the values; without edges it multiplies."""

    name: str
    edges: tuple[float, ...]
    variances: Variances
    place: int = -1


class Plan(msgspec.Struct, frozen=True, dict=True):
    """The predictors, in order: level, recent, new, score, busy, then those that are read from the model's rows."""

    predictors: tuple[Predictor, ...]

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Number of predictors and of bins."""
        return len(self.predictors), max(len(one.edges) for one in self.predictors) + 2

    @cached_property
    def variances(self) -> tuple[Floats, ...]:
        """Prior variances of the weights of an offer, of a category and for all offers, each (predictors, bins)."""
        by_level = np.array([one.variances for one in self.predictors]).T
        return tuple(np.repeat(column[:, np.newaxis], self.shape[1], axis=1) for column in by_level)

    @cached_property
    def read(self) -> tuple[tuple[Floats, NDArray[np.intp], list[int]], ...]:
        """The predictors that are read from the model's rows, those with the same edges together: edges, places, columns."""
        by_edges: dict[tuple[float, ...], list[int]] = {}
        for at, one in enumerate(self.predictors[5:], 5):
            by_edges.setdefault(one.edges, []).append(at)
        return tuple(
            (np.array([*edges, np.inf]), np.array(ats), [self.predictors[at].place for at in ats]) for edges, ats in by_edges.items()
        )

    def rows(self, score: Floats, rows: NDArray[np.float32], *, recent: float, new: NDArray[np.bool_], busy: Floats) -> Rows:
        """Bins and multipliers of n offers: log-odds of the score, rows of the model (n, columns), and visits of the shop (`busy`).

        An unknown value is sorted behind all others, into a bin of its own.
        """
        count = len(score)
        bins, times = np.zeros((count, len(self.predictors)), dtype=np.intp), np.ones((count, len(self.predictors)))
        times[:, 1], times[:, 2] = min(recent, RECENT_MAX), new
        bins[:, 3], bins[:, 4] = np.searchsorted(SCORE_EDGES, score), np.searchsorted(BUSY_EDGES, busy)
        for edges, places, columns in self.read:
            bins[:, places] = np.searchsorted(edges, rows[:, columns])
        return Rows(bins, times)


def plan(schema: Schema, columns: Sequence[str]) -> Plan:
    """The predictors for a model with these columns."""
    places = {column: at for at, column in enumerate(columns)}
    found = [Predictor("level", (), LEVEL), Predictor("recent", (), WEAK), Predictor("new", (), WEAK)]
    found += [Predictor("score", tuple(SCORE_EDGES.tolist()), WEAK), Predictor("busy", tuple(BUSY_EDGES.tolist()), BUSY)]
    for attribute in schema.attributes:
        if attribute.dtype != "number" or attribute.name not in places:
            continue
        if attribute.clock is not None and attribute.clock.field in CLOCK_EDGES:
            found.append(Predictor(attribute.name, CLOCK_EDGES[attribute.clock.field], CLOCK, places[attribute.name]))
        elif attribute.between is not None:
            found.append(Predictor(attribute.name, NUMBER_EDGES, BETWEEN, places[attribute.name]))
    return Plan(tuple(found))


def recency(contacts: Sequence[Contact], now_ms: int) -> float:
    """Number of contacts, of which each counts half after every RECENT_HALF_MS."""
    return sum(math.exp2(-max(now_ms - contact.at_ms, 0) / RECENT_HALF_MS) for contact in contacts)
