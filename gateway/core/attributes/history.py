"""The history of one person: attribute -> state, advanced fact by fact.

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


class _Kept(NamedTuple):
    attribute: Attribute
    source: History
    key: str
    aggregator: Aggregator


class HistoryPlan:
    """The folds of the attributes in use. Every method is pure: it returns new mappings."""

    def __init__(self, used: Iterable[Attribute]) -> None:
        """`used` are the attributes that the active model reads, directly or through others."""
        used = tuple(used)
        self._kept = tuple(
            _Kept(one, one.history, f"{one.name}:{one.digest}", aggregator(one.history)) for one in used if one.history is not None
        )
        self._told = {one.name: one for one in used if one.told is not None}

    def fold(self, history: Mapping[str, State], purposes: Collection[Purpose], fact: HistoryFact, now_ms: int) -> dict[str, State]:
        """The states after one fact, without those that are no longer used or covered by the purposes."""
        after: dict[str, State] = {}
        for kept in self._kept:
            if _covers(purposes, kept.attribute):
                state = kept.aggregator.fold(_state(history, kept), fact, now_ms)
                if state is not None:
                    after[kept.key] = state
        return after

    def stated(self, stated: Mapping[str, Stated], purposes: Collection[Purpose]) -> dict[str, Stated]:
        """The stated values that are kept: declared, in use, covered by the purposes and of the declared type; numbers are clipped."""
        found: dict[str, Stated] = {}
        for name, value in stated.items():
            attribute = self._told.get(name)
            clean = None if attribute is None or not _covers(purposes, attribute) else _typed(attribute, value)
            if clean is not None:
                found[name] = clean
        return found

    def renewed(
        self, history: Mapping[str, State], purposes: Collection[Purpose], stated: Mapping[str, Stated], now_ms: int
    ) -> dict[str, State]:
        """The states after a consent: uncovered ones dropped, and those with a stated prior started from it."""
        after: dict[str, State] = {}
        for kept in self._kept:
            if not _covers(purposes, kept.attribute):
                continue
            state = _state(history, kept)
            prior = stated.get(kept.source.prior) if kept.source.prior else None
            if prior is not None:
                state = Totals(float(prior), 0.0, now_ms)
            if state is not None:
                after[kept.key] = state
        return after

    def read(self, history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int) -> dict[str, Value]:
        """The value of every history attribute in use; None where unknown."""
        return {kept.attribute.name: self._value(kept, history, now_ms) for kept in self._kept if _covers(purposes, kept.attribute)}

    def read_stated(self, stated: Mapping[str, Stated], purposes: Collection[Purpose]) -> dict[str, Value]:
        """The stated values as values of attributes: a flag is 0.0 or 1.0."""
        return {name: value if isinstance(value, str) else float(value) for name, value in self.stated(stated, purposes).items()}

    @staticmethod
    def _value(kept: _Kept, history: Mapping[str, State], now_ms: int) -> Value:
        state = _state(history, kept)
        if state is None:
            return kept.source.empty
        value = kept.aggregator.read(state, now_ms)
        return kept.attribute.clipped(value) if isinstance(value, float) else value


def _state(history: Mapping[str, State], kept: _Kept) -> State | None:
    state = history.get(kept.key)
    return state if isinstance(state, kept.aggregator.kind) else None


def _covers(purposes: Collection[Purpose], attribute: Attribute) -> bool:
    return all(purpose in purposes for purpose in attribute.purposes)


def _typed(attribute: Attribute, value: Stated) -> Stated | None:
    """The value if it is of the attribute's type, else None."""
    if attribute.dtype == "flag":
        return value if isinstance(value, bool) else None
    if attribute.dtype == "category":
        return value if isinstance(value, str) and value in attribute.values else None
    if isinstance(value, bool | str) or not math.isfinite(value):
        return None
    return attribute.clipped(float(value))
