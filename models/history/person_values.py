"""Values of a person's history attributes at the end of a history, worked out by the gateway's own aggregators.

Groups are mined from these values, so that a definition means the same on the gateway. The export of a gateway is replayed from its history
log, stated values included. For any other history facts are made from the interactions: visits from
the time at which the gateway counts a visit, answers, offers sent, purchases; without purchases there, from the baskets, one fact for each
category of a basket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gateway.core.attributes.aggregators import HistoryFact, State, aggregator
from gateway.core.attributes.log import FoldedFact, LogRow
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.replay import Replay
from gateway.core.attributes.schema import Attribute, Schema
from models.history.derived import DWELL_S
from models.history.fact_log import FactLog
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


class _Person(NamedTuple):
    """The facts of a person, oldest first (None for a consent), with the times; `values` are those of the attributes before a time."""

    times: list[int]
    facts: list[HistoryFact | None]
    values: Callable[[int], list[float]]


class PastAndLater(NamedTuple):
    """Values of each subject (index) at a time of its own, and whether it bought of each category afterwards, bool (n, categories)."""

    values: pd.DataFrame
    bought: NDArray[np.bool_]


def person_values(
    history: History, schema: Schema, names: Sequence[str], until_ms: int | None = None, log: FactLog | None = None
) -> pd.DataFrame:
    """Values of the history attributes `names` (columns) of each subject (index) after the last fact before `until_ms`; NaN if unknown.

    Raises HistoryError if there is no fact, or if a name is no number from the history of a person.
    """
    people = _people(history, schema, names, log)
    end_ms = max(person.times[-1] for person in people.values()) + 1 if until_ms is None else until_ms
    known = {subject: person.values(end_ms) for subject, person in people.items() if person.times[0] < end_ms}
    return pd.DataFrame(list(known.values()), index=pd.Index(known, name="subject"), columns=list(names), dtype=np.float64)


def past_and_later(history: History, schema: Schema, names: Sequence[str], past: float, log: FactLog | None = None) -> PastAndLater:
    """Values after the first `past` of the time between the first and the last fact of each subject, and what it bought afterwards.

    Raises HistoryError as `person_values`.
    """
    people = _people(history, schema, names, log)
    rows, bought = [], []
    for person in people.values():
        cut_ms = person.times[0] + int(past * (person.times[-1] - person.times[0]))
        rows.append(person.values(cut_ms))
        later = {
            of.category
            for at, of in zip(person.times, person.facts, strict=True)
            if at >= cut_ms and of is not None and of.of == "purchases"
        }
        bought.append([category in later for category in schema.categories])
    values = pd.DataFrame(rows, index=pd.Index(people, name="subject"), columns=list(names), dtype=np.float64)
    return PastAndLater(values, np.array(bought, dtype=np.bool_))


def _people(history: History, schema: Schema, names: Sequence[str], log: FactLog | None) -> dict[str, _Person]:
    attributes = [_numeric(schema, name) for name in names]
    if log is None:
        found = {subject: list(facts) for subject, facts in _facts(history, schema)}
        people = {
            of: _Person([one.at_ms for one in facts], list(facts), partial(_values, attributes, facts)) for of, facts in found.items()
        }
    else:
        plan = ReadPlan(schema, names, (), {})
        people = {
            subject: _logged(plan, [plan.slots[name] for name in names], rows) for subject, rows in log.items() if rows[0].number == 1
        }
    if not people:
        raise HistoryError("the history holds no visit, purchase, offer or answer of a person, or no complete history log")
    return people


def _logged(plan: ReadPlan, places: list[int], rows: Sequence[LogRow]) -> _Person:
    """A person of a history log, replayed."""

    def values(until_ms: int) -> list[float]:
        replay = Replay(plan)
        for row in rows:
            if row.at_ms < until_ms:
                replay.fold(row)
        numbers: list[float] = replay.numbers(until_ms)[places].tolist()
        return numbers

    return _Person([row.at_ms for row in rows], [row.body.fact if isinstance(row.body, FoldedFact) else None for row in rows], values)


def category_purchases(history: History, schema: Schema) -> pd.DataFrame:
    """Purchases by offer category: columns subject, category, at_ms; those of no category of the schema are left out."""
    rows = [
        (subject, fact.category, fact.at_ms)
        for subject, facts in _facts(history, schema)
        for fact in facts
        if fact.of == "purchases" and fact.category in schema.categories
    ]
    return pd.DataFrame(rows, columns=["subject", "category", "at_ms"])


def _facts(history: History, schema: Schema) -> Iterator[tuple[str, Iterator[HistoryFact]]]:
    """The facts of each subject, oldest first."""
    rows = history.sql_named(_FACTS, dwell_s=DWELL_S, categories=list(schema.categories)).fetchall()
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


def _values(attributes: Sequence[Attribute], facts: Sequence[HistoryFact], until_ms: int) -> list[float]:
    return [_value(attribute, [fact for fact in facts if fact.at_ms < until_ms], until_ms) for attribute in attributes]


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
