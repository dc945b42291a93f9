"""The derived attributes of one plan: which there are, the values for a person, and which attributes are kept of the person.

Values between a person and an offer that depend on the offer's category only (similar items, similar customers, patterns) are numbers of
the person as well: one for each category, under the name `attribute:category`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from gateway.core.attributes.aggregators import Value
from gateway.core.attributes.derive import (
    Gain,
    Values,
    association,
    basket_score,
    best_gain,
    estimate,
    gains_by_category,
    held_items,
    neighbour_rates,
    refresh_ms,
    segment_of,
    tier_of,
)
from gateway.core.attributes.groups import NO_GROUPS, Association, Basket, Groups, Neighbours, Segmentation, ValueTable, group_named
from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.learned import Pattern
from gateway.core.types import Purpose


class Mined(msgspec.Struct, frozen=True):
    """Groups and patterns, the mined part of a bundle."""

    groups: Groups
    patterns: tuple[Pattern, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex digits of the definitions and patterns."""
        return hashlib.blake2b(msgspec.json.encode(self, order="deterministic"), digest_size=8).hexdigest()


NOTHING_MINED = Mined(NO_GROUPS)


class Derivation(NamedTuple):
    """`derive` gives the values of `attributes`, in this order, from the values of the attributes `inputs` of a person by name."""

    attributes: tuple[Attribute, ...]
    inputs: tuple[str, ...]
    derive: Callable[[Values], Sequence[Value]]


class GroupPlan:
    """`attributes` are the derived ones, `inputs` the names of the attributes behind these, tier and refresh."""

    def __init__(self, mined: Mined, schema: Schema, used: Sequence[Attribute]) -> None:
        """Compile for the attributes in use."""
        groups, named = mined.groups, mined.groups.named()
        found = [of for one in used if (of := _derivation(one, mined, schema)) is not None]
        self._derive = [of.derive for of in found]
        self.attributes = tuple(attribute for of in found for attribute in of.attributes)
        policies = (groups.inputs_of(name) for name in groups.policies)
        self.inputs = tuple(dict.fromkeys(name for names in (*(of.inputs for of in found), *policies) for name in names))
        self.cohorts = {one.name: one for one in groups.cohorts}
        self.variety, self.velocity = groups.variety, groups.velocity
        self._value = named.get(self.variety.value) if self.variety else None
        self._strength = named.get(self.velocity.strength) if self.velocity else None
        self.digest = hashlib.blake2b(msgspec.json.encode([mined.digest, self.attributes]), digest_size=4).hexdigest()

    def values(self, known: Values) -> list[Value]:
        """The value of each of `attributes`."""
        return [value for derive in self._derive for value in derive(known)]

    def tier(self, known: Values, purposes: Collection[Purpose]) -> int:
        """Tier of the attributes that are kept of a person; 0 where the bundle has no tiers."""
        if self.variety is None:
            return 0
        worth = estimate(self._value, known) if isinstance(self._value, ValueTable) else None
        return tier_of(self.variety, None if worth is None else worth.middle, purposes)

    def refresh_ms(self, known: Values) -> int:
        """Milliseconds until the groups of a person are worked out anew; 0 where the bundle has no velocity."""
        if self.velocity is None:
            return 0
        return refresh_ms(self.velocity, association(self._strength, known) if isinstance(self._strength, Association) else None)


def by_category(one: Attribute, schema: Schema) -> tuple[Attribute, ...]:
    """A number of the person for each category of the schema, for an attribute that depends on the offer's category."""
    return tuple(Attribute(hidden_name(one, category), "person", "number", unit="1") for category in schema.categories)


def hidden_name(one: Attribute, category: str) -> str:
    """The name of the number for one category; no attribute of a schema can have it."""
    return f"{one.name}:{category}"


def _derivation(one: Attribute, mined: Mined, schema: Schema) -> Derivation | None:
    """How an attribute is derived, None for one that is not. A cohort is folded from visits instead (`journeys.py`)."""
    if one.pattern is not None:
        items = one.pattern.by_item
        derive = partial(_gains, gains_by_category(mined.patterns), items, schema.categories)
        return Derivation(by_category(one, schema), tuple(items.values()), derive)
    name = group_named(one) or ""
    of, whole = mined.groups.named().get(name), by_category(one, schema)
    found: tuple[tuple[Attribute, ...], Callable[[Values], Sequence[Value]]] | None = None
    match of:
        case Segmentation():
            found = (one,), partial(_segment, of)
        case ValueTable():
            found = (one,), partial(_bound, of, one)
        case Association():
            found = (one,), lambda known: [association(of, known)]
        case Basket():
            found = whole, lambda known: [basket_score(of, category, known) for category in schema.categories]
        case Neighbours():
            found = whole, partial(_rates, of, schema.categories)
        case _:
            return None
    return Derivation(found[0], mined.groups.inputs_of(name), found[1])


def _segment(of: Segmentation, known: Values) -> list[Value]:
    found = segment_of(of, known)
    return [None if found is None else found.name]


def _bound(of: ValueTable, one: Attribute, known: Values) -> list[Value]:
    found = estimate(of, known)
    assert one.score is not None
    return [None if found is None else getattr(found, one.score.bound)]


def _rates(of: Neighbours, categories: Sequence[str], known: Values) -> list[Value]:
    rates = neighbour_rates(of, known)
    return [rates.get(category) for category in categories]


def _gains(gains: Mapping[str, Sequence[Gain]], items: Mapping[str, str], categories: Sequence[str], known: Values) -> list[Value]:
    held = held_items(items, known)
    return [best_gain(gains.get(category, ()), held) for category in categories]
