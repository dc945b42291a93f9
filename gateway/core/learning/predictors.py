"""The predictors of a site: the score of the bundle's model, the person's contacts, and some columns of the model.

They follow from the schema and the model's columns. The model has seen its columns already; those that depend on offer and place or on
the time are read once more, because an offer may differ there from the others of its category: a shop closes earlier, a way is less
welcome.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.context import Contact
from gateway.core.learned import OfferPriors
from gateway.core.learning import bayes
from gateway.core.learning.calibration import logistic
from gateway.core.learning.outlook import log_odds

SCORE_EDGES = (-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
RECENT_EDGES = (0.05, 0.25, 0.5, 1.0, 1.5, 2.5)
NUMBER_EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 9.0, 13.0, 20.0)
CLOCK_EDGES = {"hour": tuple(float(hour) for hour in range(2, 24, 2)), "weekday": (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)}
RECENT_HALF_MS = 3_600_000  # of the weight of a contact in `recent`
START_ROWS = 60.0  # of the model's own score, before any answer
_CENTRES = (-2.75, *(edge + 0.25 for edge in SCORE_EDGES))


class Plan(NamedTuple):
    """`predictors` are names, edges and groups; `places` are the columns of those that are read from the model's rows."""

    predictors: tuple[tuple[str, tuple[float, ...], int], ...]
    places: tuple[int, ...]

    def values(self, score: float, row: NDArray[np.float32], *, recent: float, new: bool) -> tuple[float, ...]:
        """The values of the predictors for one offer."""
        return (log_odds(score), recent, float(new), *row[list(self.places)].tolist())


def plan(schema: Schema, columns: Sequence[str]) -> Plan:
    """The predictors for a model with these columns. Values of the person by category share the group of the score, which knows them."""
    places = {column: at for at, column in enumerate(columns)}
    own = [("score", SCORE_EDGES, 0), ("recent", RECENT_EDGES, 1), ("new", (0.5,), 2)]
    read = list[tuple[str, tuple[float, ...], int]]()
    for attribute in schema.attributes:
        found = _edges(attribute)
        if found is not None and attribute.name in places:
            edges, known_to_score = found
            read.append((attribute.name, edges, 0 if known_to_score else len(own) + len(read)))
    return Plan((*own, *read), tuple(places[name] for name, _, _ in read))


def start(key: str, predictors: Plan, half_life_days: float) -> OfferPriors:
    """A model without answers: it gives the score of the bundle's model, as if START_ROWS answers had confirmed it."""
    model = bayes.empty(key, predictors.predictors, half_life_days)
    each = START_ROWS / len(_CENTRES)
    taken = tuple(each * logistic(centre) for centre in _CENTRES)
    refused = tuple(each - rows for rows in taken)
    score = model.predictors[0].__class__("score", SCORE_EDGES, (*taken, 0.0), (*refused, 0.0), 0)
    return OfferPriors(key, (score, *model.predictors[1:]), sum(taken), sum(refused), half_life_days=half_life_days)


def recency(contacts: Sequence[Contact], now_ms: int) -> float:
    """Number of contacts, of which each counts half after every RECENT_HALF_MS."""
    return sum(math.exp2(-max(now_ms - contact.at_ms, 0) / RECENT_HALF_MS) for contact in contacts)


def _edges(attribute: Attribute) -> tuple[tuple[float, ...], bool] | None:
    """Edges of an attribute that is a predictor, and whether the score knows it better than the own answers of an offer could."""
    if attribute.dtype != "number":
        return None
    if attribute.clock is not None and attribute.clock.field in CLOCK_EDGES:
        return CLOCK_EDGES[attribute.clock.field], False
    if attribute.between is not None:
        return NUMBER_EDGES, attribute.between.field in {"by_category", "group"}
    return None
