"""Groups: definitions mined on a workstation by which a gateway derives attributes of a person from other attributes.

The member `groups.json` of a bundle has bounds, centres and rates of at least GROUP_SUBJECTS_MIN people, never a row of a person. Inputs
are history attributes, so that a group follows from the facts of a person and changes with them. `derive.py` evaluates the definitions,
`group_checks.py` checks each against the others and against a schema.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.core import limits
from gateway.core.attributes.schema import Attribute, Name, Value
from gateway.core.types import Purpose

GROUPS_FORMAT = 1

Finite = Annotated[float, Meta(ge=-1e12, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=1e6)]
People = Annotated[int, Meta(ge=limits.GROUP_SUBJECTS_MIN, le=limits.INTEGER_MAX)]
Edges = Annotated[tuple[Finite, ...], Meta(max_length=limits.GROUP_VALUES_MAX)]
Coordinates = Annotated[tuple[Share | None, ...], Meta(min_length=1, max_length=limits.GROUP_ATTRIBUTES_MAX)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of `groups.json`."""


class Ranked(_Part, frozen=True):
    """A number as its percentile rank: `quantiles` are its values at equal steps from 0 to 100 % of the people that it was mined from."""

    attribute: Name
    quantiles: Annotated[tuple[Finite, ...], Meta(min_length=2, max_length=limits.GROUP_VALUES_MAX)]


class Binned(_Part, frozen=True):
    """A number as the bin that it falls into: bin 0 is below the first edge, an edge belongs to the bin above it."""

    attribute: Name
    edges: Edges


Inputs = Annotated[tuple[Ranked, ...], Meta(min_length=1, max_length=limits.GROUP_ATTRIBUTES_MAX)]


class Segment(_Part, frozen=True):
    """One segment: its centre as ranks of the inputs (None: not considered), how many people it was mined from, its treatment.

    `discounts` is False where people are not to be pushed with discounts.
    """

    name: Value
    centre: Coordinates
    people: People
    discounts: bool = True


class Segmentation(_Part, frozen=True):
    """A person has the segment of the nearest centre: least mean distance of ranks over the known coordinates, at least half of all."""

    name: Name
    inputs: Inputs
    segments: Annotated[tuple[Segment, ...], Meta(min_length=2, max_length=limits.VALUES_MAX)]


class Estimate(_Part, frozen=True, array_like=True):
    """A value with its interval."""

    low: Finite
    middle: Finite
    high: Finite


class ValueTable(_Part, frozen=True):
    """A value by bins of the inputs, in row-major order: the last input's bins are adjacent."""

    name: Name
    inputs: Annotated[tuple[Binned, ...], Meta(min_length=1, max_length=8)]
    cells: Annotated[tuple[Estimate, ...], Meta(min_length=1, max_length=limits.GROUP_CELLS_MAX)]


class Association(_Part, frozen=True):
    """Of the shares of a person's choices, one attribute a kind: `strength` (SBA) the largest, `intensity` (IBA) 1 - scaled entropy."""

    name: Name
    measure: Literal["strength", "intensity"]
    attributes: Annotated[tuple[Name, ...], Meta(min_length=2, max_length=limits.VALUES_MAX)]


class Cohort(_Part, frozen=True):
    """People with visits that contain `steps` in order, other steps in between, within the last `within_days`.

    Visits that are more than `gap_h` hours apart belong to different walks.
    """

    name: Name
    by: Literal["zone", "zone_kind"]
    steps: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(min_length=2, max_length=8)]
    people: People
    gap_h: Annotated[float, Meta(gt=0, le=24 * 31)] = 4.0
    within_days: Annotated[int, Meta(ge=1, le=limits.WITHIN_DAYS_MAX)] = 28

    @property
    def digest(self) -> str:
        """8 hex digits of the definition; a changed journey has another digest, so that a person's progress starts anew."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=4).hexdigest()


class Basket(_Part, frozen=True):
    """Item-item filtering: `weights` are similarities, offer category -> number attribute of another category -> weight."""

    name: Name
    weights: Annotated[dict[Value, dict[Name, Weight]], Meta(min_length=1, max_length=limits.VALUES_MAX)]


class Customers(_Part, frozen=True):
    """A group of similar customers: centre as ranks of the inputs, number of members, and share of members that bought, by category."""

    centre: Coordinates
    people: People
    rates: Annotated[dict[Value, Share], Meta(max_length=limits.VALUES_MAX)]


class Neighbours(_Part, frozen=True):
    """Similar customers: the mean of the groups' rates, weighted by exp(-(distance of ranks / width)²)."""

    name: Name
    inputs: Inputs
    width: Annotated[float, Meta(gt=0, le=1)]
    groups: Annotated[tuple[Customers, ...], Meta(min_length=2, max_length=limits.VALUES_MAX)]


class Critical(_Part, frozen=True):
    """The probability to buy by one column of the model alone, by its bins; bin i holds numbers above edge i - 1 and up to edge i."""

    column: Annotated[str, Meta(min_length=1, max_length=128)]
    edges: Edges
    chances: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=limits.GROUP_VALUES_MAX + 1)]


class Variety(_Part, frozen=True):
    """Which attributes are kept of a person: tier 0 without `purpose`, else 1 and one more for each edge below the person's value."""

    value: Name
    edges: Annotated[tuple[Finite, ...], Meta(min_length=1, max_length=limits.TIER_LEVELS_MAX - 1)]
    purpose: Purpose = "learning"


class Velocity(_Part, frozen=True):
    """Hours until a person's groups are worked out anew: shortest + (longest - shortest) * strength; the shortest if that is unknown."""

    strength: Name
    shortest_h: Annotated[float, Meta(gt=0, le=24 * 400)]
    longest_h: Annotated[float, Meta(gt=0, le=24 * 400)]


_Many = Meta(max_length=limits.GROUP_ITEMS_MAX)


class Groups(_Part, frozen=True, omit_defaults=True):
    """The content of `groups.json`.

    A person is a sure thing, likely to buy without a discount, if the chance by each column of `sure_thing` is above one half.
    """

    format: Annotated[int, Meta(ge=GROUPS_FORMAT, le=GROUPS_FORMAT)]
    segmentations: Annotated[tuple[Segmentation, ...], _Many] = ()
    tables: Annotated[tuple[ValueTable, ...], _Many] = ()
    associations: Annotated[tuple[Association, ...], _Many] = ()
    cohorts: Annotated[tuple[Cohort, ...], _Many] = ()
    baskets: Annotated[tuple[Basket, ...], _Many] = ()
    neighbours: Annotated[tuple[Neighbours, ...], _Many] = ()
    sure_thing: Annotated[tuple[Critical, ...], Meta(max_length=limits.GROUP_ATTRIBUTES_MAX)] = ()
    variety: Variety | None = None
    velocity: Velocity | None = None

    def definitions(self) -> tuple[Definition, ...]:
        """All definitions that attributes name."""
        return (*self.segmentations, *self.tables, *self.associations, *self.cohorts, *self.baskets, *self.neighbours)

    def named(self) -> dict[str, Definition]:
        """The definitions by name."""
        return {one.name: one for one in self.definitions()}

    def parts(self) -> tuple[str, ...]:
        """Names of the definitions, and of the policies that are stated."""
        stated = {"sure_thing": self.sure_thing, "variety": self.variety, "velocity": self.velocity}
        return (*(one.name for one in self.definitions()), *(name for name, part in stated.items() if part))

    def inputs_of(self, name: str) -> tuple[str, ...]:
        """The attributes that the definition of this name reads; none if there is no such definition."""
        one = self.named().get(name)
        match one:
            case Segmentation() | ValueTable() | Neighbours():
                return tuple(part.attribute for part in one.inputs)
            case Association():
                return one.attributes
            case Basket():
                return tuple(dict.fromkeys(name for weights in one.weights.values() for name in weights))
            case _:
                return ()

    @property
    def policies(self) -> tuple[str, ...]:
        """The definitions that variety and velocity read."""
        return tuple(name for name in (self.variety and self.variety.value, self.velocity and self.velocity.strength) if name)


Definition = Segmentation | ValueTable | Association | Cohort | Basket | Neighbours
NO_GROUPS = Groups(GROUPS_FORMAT)


def group_named(attribute: Attribute) -> str | None:
    """The name of the definition that an attribute needs, or None."""
    source = attribute.segment or attribute.cohort or attribute.score
    return source.name if source is not None else attribute.between.group if attribute.between is not None else None
