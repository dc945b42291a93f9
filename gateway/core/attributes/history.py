"""The history of one person: attribute -> state, advanced fact by fact, and the values of a person's attributes.

A `HistoryPlan` keeps only attributes that the active model uses, within the granted purposes: for any other attribute there is no
state, and one that was kept before is dropped. A state is kept under the attribute's name and the digest of its definition, so a
bundle that changes a definition starts that attribute anew.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from gateway.core import limits
from gateway.core.attributes.aggregators import Aggregator, Grouped, HistoryFact, State, Totals, Value, aggregator
from gateway.core.attributes.grouping import GroupPlan
from gateway.core.attributes.journeys import journey_aggregator
from gateway.core.attributes.schema import Attribute
from gateway.core.types import Purpose

Stated = float | str | bool
"""A stated value as it arrives in a consent."""


class _Folded(NamedTuple):
    """An attribute that is folded from facts: its position among `HistoryPlan.attributes`, and the key of its state.

    `prior` names the stated attribute that it starts from, `empty` is its value before the first fact.
    """

    at: int
    attribute: Attribute
    prior: str | None
    empty: float | None
    key: str
    aggregator: Aggregator


class _Told(NamedTuple):
    """A stated attribute and its position among `HistoryPlan.attributes`."""

    at: int
    attribute: Attribute


class _Derived(NamedTuple):
    """A derived attribute: its position among `HistoryPlan.attributes`, and among the values of the groups."""

    at: int
    attribute: Attribute
    place: int


class _Covered(NamedTuple):
    """The attributes that some purposes and a tier cover; `inputs` are those that groups read."""

    folded: tuple[_Folded, ...]
    told: tuple[_Told, ...]
    derived: tuple[_Derived, ...]
    inputs: tuple[_Folded, ...]


class HistoryPlan:
    """The attributes of a person in use. Every method is pure: it returns new values.

    Where the bundle defines tiers, an attribute above a person's tier is neither folded nor kept. Where it defines a velocity, a person's
    tier and derived attributes are kept, and worked out anew by the first fact after the due time; else at each read.
    """

    def __init__(self, used: Iterable[Attribute], groups: GroupPlan) -> None:
        """`used` are the attributes that the active model reads, directly or through others."""
        own = tuple(one for one in used if one.history is not None or one.told is not None or one.cohort is not None)
        self.attributes = (*own, *groups.attributes)
        self._groups, self._groups_key = groups, f"groups:{groups.digest}"
        self._folded = tuple(found for at, one in enumerate(own) if (found := _folded(at, one, groups)) is not None)
        self._told = tuple(_Told(at, one) for at, one in enumerate(own) if one.told is not None)
        self._derived = tuple(_Derived(len(own) + place, one, place) for place, one in enumerate(groups.attributes))
        self._coverage: dict[tuple[frozenset[Purpose], int], _Covered] = {}  # by purposes and tier: 16 sets, 9 tiers

    def fold(self, history: Mapping[str, State], purposes: Collection[Purpose], fact: HistoryFact, now_ms: int) -> dict[str, State]:
        """The states after one fact, without those that are no longer used or covered by the purposes."""
        after: dict[str, State] = {}
        tier = self._tier(history, purposes, now_ms)
        for _, _, _, _, key, (kind, facts, fold, _) in self._covered(purposes, tier).folded:
            state = history.get(key)
            if type(state) is not kind:
                state = None
            if fact.of in facts:
                state = fold(state, fact, now_ms)
            if state is not None:
                after[key] = state
        return self._regrouped(after, history.get(self._groups_key), purposes, now_ms)

    def stated(self, stated: Mapping[str, Stated], purposes: Collection[Purpose]) -> dict[str, Stated]:
        """The stated values that are kept: declared, in use, covered by the purposes and of the declared type; numbers are clipped."""
        found: dict[str, Stated] = {}
        for _, attribute in self._covered(purposes, 0).told:
            clean = _typed(attribute, stated.get(attribute.name))
            if clean is not None:
                found[attribute.name] = clean
        return found

    def renewed(
        self, history: Mapping[str, State], purposes: Collection[Purpose], stated: Mapping[str, Stated], now_ms: int
    ) -> dict[str, State]:
        """The states after a consent: uncovered ones dropped, and those with a stated prior started from it."""
        after: dict[str, State] = {}
        for one in self._covered(purposes, limits.TIER_LEVELS_MAX).folded:
            state = history.get(one.key)
            prior = stated.get(one.prior) if one.prior else None
            if prior is not None:
                state = Totals(float(prior), 0.0, now_ms)
            if type(state) is one.aggregator.kind:
                after[one.key] = state
        return self._regrouped(after, None, purposes, now_ms)

    def read(self, told: Mapping[str, Stated], history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int) -> list[Value]:
        """The value of each of `attributes`, not clipped; a flag is 0.0 or 1.0. None where unknown or not covered by the purposes."""
        values: list[Value] = [None] * len(self.attributes)
        grouped = self._grouped(history, purposes, now_ms) if self._derived or self._groups.variety else _NOT_GROUPED
        folded, stated, derived, _ = self._covered(purposes, grouped.tier)
        for at, _, _, empty, key, (kind, _, _, read) in folded:
            state = history.get(key)
            value = read(state, now_ms) if type(state) is kind else None
            values[at] = empty if value is None else value
        for at, attribute in stated:
            clean = _typed(attribute, told.get(attribute.name))
            values[at] = float(clean) if isinstance(clean, bool) else clean
        for at, _, place in derived:
            values[at] = grouped.values[place]
        return values

    # --- groups: tier and derived attributes -----------------------------------------------------------------

    def _tier(self, history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int) -> int:
        if not self._groups.variety:
            return 0
        kept = history.get(self._groups_key)
        if isinstance(kept, Grouped) and kept.at_ms <= now_ms < kept.due_ms:
            return kept.tier
        return self._groups.tier(self._known(history, purposes, now_ms, 0), purposes)  # the inputs of tiers have no least tier themselves

    def _grouped(self, history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int) -> Grouped:
        """The groups of a person: the kept ones until these are due, else worked out now."""
        kept = history.get(self._groups_key)
        if isinstance(kept, Grouped) and kept.at_ms <= now_ms < kept.due_ms:
            return kept
        tier = self._tier(history, purposes, now_ms)
        known = self._known(history, purposes, now_ms, tier)
        return Grouped(tier, tuple(self._groups.values(known)), now_ms, now_ms + self._groups.refresh_ms(known))

    def _known(self, history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int, tier: int) -> dict[str, Value]:
        """The values of the attributes that groups read, by name, within the bounds of the schema."""
        known: dict[str, Value] = {}
        for _, attribute, _, empty, key, (kind, _, _, read) in self._covered(purposes, tier).inputs:
            state = history.get(key)
            value = read(state, now_ms) if type(state) is kind else None
            value = empty if value is None else value
            known[attribute.name] = attribute.clipped(value) if isinstance(value, float) else value
        return known

    def _regrouped(self, after: dict[str, State], before: State | None, purposes: Collection[Purpose], now_ms: int) -> dict[str, State]:
        """`after` with the person's groups, those of `before` until due, and without the states above the person's tier."""
        if self._groups.velocity:
            kept = after if before is None else {**after, self._groups_key: before}
            after[self._groups_key] = self._grouped(kept, purposes, now_ms)
        if self._groups.variety:
            tier = self._tier(after, purposes, now_ms)
            for one in self._folded:
                if one.attribute.tier_min > tier:
                    after.pop(one.key, None)
        return after

    def _covered(self, purposes: Collection[Purpose], tier: int) -> _Covered:
        granted = frozenset(purposes)
        found = self._coverage.get((granted, tier))
        if found is None:
            folded = tuple(one for one in self._folded if granted.issuperset(one.attribute.purposes) and one.attribute.tier_min <= tier)
            told = tuple(one for one in self._told if granted.issuperset(one.attribute.purposes))
            derived = tuple(one for one in self._derived if granted.issuperset(one.attribute.purposes))
            inputs = tuple(one for one in folded if one.attribute.name in self._groups.inputs)
            found = self._coverage[granted, tier] = _Covered(folded, told, derived, inputs)
        return found


_NOT_GROUPED = Grouped(0, (), 0, 0)


def _folded(at: int, one: Attribute, groups: GroupPlan) -> _Folded | None:
    """How an attribute is folded; None for one that is not, and for a cohort without a definition."""
    if one.history is not None:
        return _Folded(at, one, one.history.prior, one.history.empty, f"{one.name}:{one.digest}", aggregator(one.history))
    cohort = groups.cohorts.get(one.cohort.name) if one.cohort is not None else None
    if cohort is None:
        return None
    return _Folded(at, one, None, 0.0, f"{one.name}:{one.digest}{cohort.digest}", journey_aggregator(cohort))


def _typed(attribute: Attribute, value: Stated | None) -> Stated | None:
    """The value if it is of the attribute's type, else None."""
    if attribute.dtype == "flag":
        return value if isinstance(value, bool) else None
    if attribute.dtype == "category":
        return value if isinstance(value, str) and value in attribute.values else None
    if value is None or isinstance(value, bool | str) or not math.isfinite(value):
        return None
    return attribute.clipped(float(value))
