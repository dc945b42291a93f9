"""Values of a person's history attributes at the end of a history, worked out by the gateway's own aggregators.

Groups are mined from these values, so that a definition means the same on the gateway. Facts are made from the interactions: visits from
the time at which the gateway counts a visit, answers, offers sent, purchases; without purchases there, from the baskets, one fact for each
category of a basket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pandas as pd

from gateway.core.attributes.aggregators import HistoryFact, State, aggregator
from gateway.core.attributes.schema import Attribute, Schema
from models.history.derived import DWELL_S
from models.history.mapping import HistoryError, nearest
from models.history.reading import History

_FACTS = """
    SELECT subject, at_ms + CASE WHEN what = 'visit' THEN CAST($dwell_s * 1000 AS BIGINT) ELSE 0 END AS at_ms, what, zone, kind, offer,
        amount_minor
    FROM interactions WHERE what NOT IN ('visit', 'silent') OR (what = 'visit' AND COALESCE(dwell_s >= $dwell_s, true))
    UNION ALL
    SELECT subject, min(at_ms) AS at_ms, 'purchase' AS what, NULL AS zone,
        CASE WHEN list_contains($categories::VARCHAR[], item) THEN item END AS kind, NULL AS offer, sum(amount_minor) AS amount_minor
    FROM baskets WHERE NOT EXISTS (FROM interactions WHERE what = 'purchase') GROUP BY subject, basket, kind
    ORDER BY subject, at_ms, what, kind
"""
_KINDS = {"visit": "visits", "proposed": "contacts", "purchase": "purchases"}


def person_values(history: History, schema: Schema, names: Sequence[str], until_ms: int | None = None) -> pd.DataFrame:
    """Values of the history attributes `names` (columns) of each subject (index) after the last fact before `until_ms`; NaN if unknown.

    Raises HistoryError if there is no fact, or if a name is no number from the history of a person.
    """
    attributes = [_numeric(schema, name) for name in names]
    people = {subject: list(facts) for subject, facts in _facts(history, schema, until_ms)}
    if not people:
        raise HistoryError("the history holds no visit, purchase, offer or answer of a person")
    end_ms = max(facts[-1].at_ms for facts in people.values()) + 1 if until_ms is None else until_ms
    rows = [[_value(attribute, facts, end_ms) for attribute in attributes] for facts in people.values()]
    return pd.DataFrame(np.array(rows, dtype=np.float64), index=pd.Index(people, name="subject"), columns=list(names))


def category_purchases(history: History, schema: Schema) -> pd.DataFrame:
    """Purchases by offer category: columns subject, category, at_ms; those of no category of the schema are left out."""
    rows = [
        (subject, fact.category, fact.at_ms)
        for subject, facts in _facts(history, schema, None)
        for fact in facts
        if fact.of == "purchases" and fact.category in schema.categories
    ]
    return pd.DataFrame(rows, columns=["subject", "category", "at_ms"])


def _facts(history: History, schema: Schema, until_ms: int | None) -> Iterator[tuple[str, Iterator[HistoryFact]]]:
    """The facts of each subject, oldest first."""
    found = history.sql_named(_FACTS, dwell_s=DWELL_S, categories=list(schema.categories)).fetchall()
    rows = (row for row in found if until_ms is None or row[1] < until_ms)
    for subject, of in groupby(rows, key=itemgetter(0)):
        yield subject, (_fact(*row[1:]) for row in of)


def _fact(at_ms: int, what: str, zone: str | None, kind: str | None, offer: str | None, amount_minor: int | None) -> HistoryFact:
    if what == "visit":
        return HistoryFact("visits", at_ms, zone=zone, zone_kind=kind)
    if what == "purchase":
        return HistoryFact("purchases", at_ms, kind, zone, offer=offer, amount=None if amount_minor is None else int(amount_minor))
    if what == "proposed":
        return HistoryFact("contacts", at_ms, kind, zone, offer=offer)
    return HistoryFact("answers", at_ms, kind, zone, offer=offer, answer=what)  # type: ignore[arg-type]  # checked by the history


def _value(attribute: Attribute, facts: Sequence[HistoryFact], end_ms: int) -> float:
    assert attribute.history is not None
    of = aggregator(attribute.history)
    state: State | None = None
    for fact in facts:
        state = of.fold(state, fact, fact.at_ms)
    value = attribute.history.empty if state is None else of.read(state, end_ms)
    return attribute.clipped(value) if isinstance(value, float) else float("nan")


def _numeric(schema: Schema, name: str) -> Attribute:
    found = schema.attribute(name)
    if found is None or found.history is None or found.dtype != "number":
        numbers = [one.name for one in schema.attributes if one.history is not None and one.dtype == "number"]
        raise HistoryError(f"{name!r} is no number from the history of a person in the schema{nearest(name, numbers)}")
    return found
