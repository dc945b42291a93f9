"""The history of one person: attribute -> state, advanced fact by fact, and the values of a person's attributes.

A `HistoryPlan` keeps only attributes that the active model uses, within the granted purposes: for any other attribute there is no
state, and one that was kept before is dropped. A state is kept under the attribute's name and the digest of its definition, so a
bundle that changes a definition starts that attribute anew.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from gateway.core.attributes.aggregators import Aggregator, HistoryFact, State, Totals, Value, aggregator
from gateway.core.attributes.schema import Attribute, History
from gateway.core.types import Purpose

Stated = float | str | bool
"""A stated value as it arrives in a consent."""


class _Folded(NamedTuple):
    """A history attribute: its position among `HistoryPlan.attributes`, and the key of its state."""

    at: int
    attribute: Attribute
    source: History
    key: str
    aggregator: Aggregator


class _Told(NamedTuple):
    """A stated attribute and its position among `HistoryPlan.attributes`."""

    at: int
    attribute: Attribute


class _Covered(NamedTuple):
    """The attributes that some purposes cover."""

    folded: tuple[_Folded, ...]
    told: tuple[_Told, ...]


class HistoryPlan:
    """The attributes of a person in use. Every method is pure: it returns new values."""

    def __init__(self, used: Iterable[Attribute]) -> None:
        """`used` are the attributes that the active model reads, directly or through others."""
        self.attributes = tuple(one for one in used if one.history is not None or one.told is not None)
        self._folded = tuple(
            _Folded(at, one, one.history, f"{one.name}:{one.digest}", aggregator(one.history))
            for at, one in enumerate(self.attributes)
            if one.history is not None
        )
        self._told = tuple(_Told(at, one) for at, one in enumerate(self.attributes) if one.told is not None)
        self._coverage: dict[frozenset[Purpose], _Covered] = {}  # at most one entry for each set of the four purposes

    def fold(self, history: Mapping[str, State], purposes: Collection[Purpose], fact: HistoryFact, now_ms: int) -> dict[str, State]:
        """The states after one fact, without those that are no longer used or covered by the purposes."""
        after: dict[str, State] = {}
        for _, _, _, key, (kind, facts, fold, _) in self._covered(purposes).folded:
            state = history.get(key)
            if type(state) is not kind:
                state = None
            if fact.of in facts:
                state = fold(state, fact, now_ms)
            if state is not None:
                after[key] = state
        return after

    def stated(self, stated: Mapping[str, Stated], purposes: Collection[Purpose]) -> dict[str, Stated]:
        """The stated values that are kept: declared, in use, covered by the purposes and of the declared type; numbers are clipped."""
        found: dict[str, Stated] = {}
        for _, attribute in self._covered(purposes).told:
            clean = _typed(attribute, stated.get(attribute.name))
            if clean is not None:
                found[attribute.name] = clean
        return found

    def renewed(
        self, history: Mapping[str, State], purposes: Collection[Purpose], stated: Mapping[str, Stated], now_ms: int
    ) -> dict[str, State]:
        """The states after a consent: uncovered ones dropped, and those with a stated prior started from it."""
        after: dict[str, State] = {}
        for one in self._covered(purposes).folded:
            state = history.get(one.key)
            prior = stated.get(one.source.prior) if one.source.prior else None
            if prior is not None:
                state = Totals(float(prior), 0.0, now_ms)
            if type(state) is one.aggregator.kind:
                after[one.key] = state
        return after

    def read(self, told: Mapping[str, Stated], history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int) -> list[Value]:
        """The value of each of `attributes`, not clipped; a flag is 0.0 or 1.0. None where unknown or not covered by the purposes."""
        values: list[Value] = [None] * len(self.attributes)
        folded, stated = self._covered(purposes)
        for at, _, source, key, (kind, _, _, read) in folded:
            state = history.get(key)
            value = read(state, now_ms) if type(state) is kind else None
            values[at] = source.empty if value is None else value
        for at, attribute in stated:
            clean = _typed(attribute, told.get(attribute.name))
            values[at] = float(clean) if isinstance(clean, bool) else clean
        return values

    def _covered(self, purposes: Collection[Purpose]) -> _Covered:
        granted = frozenset(purposes)
        found = self._coverage.get(granted)
        if found is None:
            folded = tuple(one for one in self._folded if granted.issuperset(one.attribute.purposes))
            told = tuple(one for one in self._told if granted.issuperset(one.attribute.purposes))
            found = self._coverage[granted] = _Covered(folded, told)
        return found


def _typed(attribute: Attribute, value: Stated | None) -> Stated | None:
    """The value if it is of the attribute's type, else None."""
    if attribute.dtype == "flag":
        return value if isinstance(value, bool) else None
    if attribute.dtype == "category":
        return value if isinstance(value, str) and value in attribute.values else None
    if value is None or isinstance(value, bool | str) or not math.isfinite(value):
        return None
    return attribute.clipped(float(value))
