"""Checks of groups: within the definitions when `groups.json` is parsed, and against schema, columns and patterns of the bundle.

A definition that nothing in the bundle uses is a fault as well.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from gateway.core.attributes.groups import (
    Association,
    Basket,
    Cohort,
    Customers,
    Definition,
    Groups,
    Neighbours,
    Segment,
    Segmentation,
    ValueTable,
    group_named,
)
from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.learned import Pattern
from gateway.core.nearest import nearest

FAULTS_SHOWN_MAX = 20
_DUE: Mapping[str, tuple[tuple[type[Definition], ...], str]] = {
    "segment": ((Segmentation,), "segmentation"),
    "cohort": ((Cohort,), "cohort"),
    "score": ((ValueTable, Association), "value table or association"),
    "between": ((Basket, Neighbours), "basket or neighbours"),
}


def parse_groups(content: bytes) -> Groups:
    """The groups in `content` (JSON). Raises ValueError with the first fault of a type, or with every fault within the definitions."""
    try:
        groups = msgspec.json.decode(content, type=Groups)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)[:300]) from error
    _raise_faults(_own_faults(groups))
    return groups


def groups_bytes(groups: Groups) -> bytes:
    """The groups as JSON; the same groups give the same bytes."""
    return msgspec.json.format(msgspec.json.encode(groups, order="deterministic"), indent=1) + b"\n"


def check_groups(groups: Groups, schema: Schema, columns: Collection[str], used: Sequence[Attribute]) -> None:
    """Check groups against a schema, the columns of the model and the attributes in use. Raises ValueError with every fault."""
    parts = (_unused(groups, used), _undefined(groups, used), _unknown(groups, schema), _segment_values(groups, schema))
    _raise_faults(itertools.chain(*parts, _sure_thing(groups, columns), _variety(groups, schema), _velocity(groups)))


def check_patterns(patterns: Sequence[Pattern], schema: Schema, used: Sequence[Attribute]) -> None:
    """Check that an attribute in use takes the patterns, and that each can hold and can act. Raises ValueError with every fault."""
    sources = [one.pattern for one in used if one.pattern is not None]
    if patterns and not sources:
        raise ValueError("no attribute of the model takes patterns: leave them out, or declare an attribute with a source pattern")
    items = set.intersection(*(set(source.by_item) for source in sources)) if sources else set()
    left = sorted({item for pattern in patterns for item in pattern.left} - items)
    right = sorted({pattern.right for pattern in patterns} - set(schema.categories))
    faults = [f"no attribute is named for the item {item!r} in by_item{nearest(item, items)}" for item in left]
    faults += [f"a pattern proposes {item!r}, no offer category{nearest(item, schema.categories)}" for item in right]
    _raise_faults(faults)


def _raise_faults(faults: Iterable[str]) -> None:
    listed = list(itertools.islice(faults, FAULTS_SHOWN_MAX))
    if listed:
        raise ValueError("\n".join(listed))


# --- within the definitions ------------------------------------------------------------------------------


def _own_faults(groups: Groups) -> Iterator[str]:
    names = [one.name for one in groups.definitions()]
    yield from (f"{name!r} is defined twice" for name in _repeated(names))
    for one in groups.definitions():
        match one:
            case Segmentation():
                yield from _centres(one, one.segments)
                yield from (f"{one.name!r}: segment {name!r} is defined twice" for name in _repeated([of.name for of in one.segments]))
            case Neighbours():
                yield from _centres(one, one.groups)
            case ValueTable():
                yield from _cells(one)
            case _:
                pass
    yield from _orders(groups)


def _centres(one: Segmentation | Neighbours, parts: Sequence[Segment] | Sequence[Customers]) -> Iterator[str]:
    for part in parts:
        if len(part.centre) != len(one.inputs) or all(at is None for at in part.centre):
            yield f"{one.name!r}: a centre needs one coordinate for each of {len(one.inputs)} inputs, at least one of them stated"
    yield from (f"{one.name!r}: the quantiles of {of.attribute!r} fall" for of in one.inputs if list(of.quantiles) != sorted(of.quantiles))


def _cells(table: ValueTable) -> Iterator[str]:
    yield from (f"{table.name!r}: the edges of {of.attribute!r} do not rise" for of in table.inputs if not _rises(of.edges))
    due = math.prod(len(of.edges) + 1 for of in table.inputs)
    if len(table.cells) != due:
        yield f"{table.name!r}: {len(table.cells)} cells, the bins of its inputs make {due}"
    if any(cell.low > cell.high for cell in table.cells):
        yield f"{table.name!r}: the interval of a cell is reversed"


def _orders(groups: Groups) -> Iterator[str]:
    for critical in groups.sure_thing:
        if not _rises(critical.edges) or len(critical.chances) != len(critical.edges) + 1:
            yield f"sure_thing: {critical.column!r} needs rising edges and one more chance than edges"
    if groups.variety and not _rises(groups.variety.edges):
        yield "variety: the edges do not rise"
    if groups.velocity and groups.velocity.shortest_h > groups.velocity.longest_h:
        yield "velocity: shortest_h is above longest_h"


# --- against the bundle ----------------------------------------------------------------------------------


def _unused(groups: Groups, used: Sequence[Attribute]) -> Iterator[str]:
    wanted = {group_named(one) for one in used} | set(groups.policies)
    for one in groups.definitions():
        if one.name not in wanted:
            yield f"{one.name!r} is used by no attribute of the model, no rule and no policy: leave it out"


def _undefined(groups: Groups, used: Sequence[Attribute]) -> Iterator[str]:
    named = groups.named()
    for attribute in used:
        name = group_named(attribute)
        if name is None:
            continue
        kinds, due = next(row for source, row in _DUE.items() if getattr(attribute, source) is not None)
        if not isinstance(named.get(name), kinds):
            known = [other for other, one in named.items() if isinstance(one, kinds)]
            yield f"attribute {attribute.name!r} needs a {due} named {name!r}{nearest(name, known)}"


def _unknown(groups: Groups, schema: Schema) -> Iterator[str]:
    """Inputs, offer categories and zone kinds that the schema does not have."""
    numbers = {one.name for one in schema.attributes if one.history is not None and one.dtype == "number"}
    for one in groups.definitions():
        for name in groups.inputs_of(one.name):
            if name not in numbers:
                yield f"{one.name!r}: {name!r} is no number from the history of a person{nearest(name, numbers)}"
        for category in _categories(one):
            if category not in schema.categories:
                yield f"{one.name!r}: {category!r} is no offer category{nearest(category, schema.categories)}"
        for step in one.steps if isinstance(one, Cohort) and one.by == "zone_kind" else ():
            if step not in schema.zone_kinds:
                yield f"{one.name!r}: {step!r} is no zone kind{nearest(step, schema.zone_kinds)}"


def _categories(one: Definition) -> dict[str, None]:
    """The offer categories that a definition names, each once."""
    if isinstance(one, Neighbours):
        return dict.fromkeys(category for group in one.groups for category in group.rates)
    return dict.fromkeys(one.weights) if isinstance(one, Basket) else {}


def _segment_values(groups: Groups, schema: Schema) -> Iterator[str]:
    segments = {one.name: tuple(of.name for of in one.segments) for one in groups.segmentations}
    for attribute in schema.attributes:
        due = segments.get(attribute.segment.name) if attribute.segment is not None else None
        if due is not None and attribute.values != due:
            yield f"the values of {attribute.name!r} must be the segments of its segmentation: {', '.join(due)}"


def _sure_thing(groups: Groups, columns: Collection[str]) -> Iterator[str]:
    for critical in groups.sure_thing:
        if critical.column not in columns:
            yield f"sure_thing: {critical.column!r} is no column of the model{nearest(critical.column, columns)}"


def _variety(groups: Groups, schema: Schema) -> Iterator[str]:
    tiers = {one.name: one.tier_min for one in schema.attributes if one.tier_min}
    if groups.variety is None:
        if tiers:
            yield f"{next(iter(tiers))!r} has a tier_min, and no tiers are defined: state variety"
        return
    if not tiers:
        yield "variety: no attribute has a tier_min, so a tier changes nothing: leave it out"
    if not isinstance(groups.named().get(groups.variety.value), ValueTable):
        yield f"variety: {groups.variety.value!r} is no value table"
    for name in groups.inputs_of(groups.variety.value):
        if name in tiers:
            yield f"variety: its input {name!r} has a tier_min, so no tier could be worked out without it"


def _velocity(groups: Groups) -> Iterator[str]:
    if groups.velocity is not None:
        one = groups.named().get(groups.velocity.strength)
        if not isinstance(one, Association) or one.measure != "strength":
            yield f"velocity: {groups.velocity.strength!r} is no association of the measure strength"


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _rises(edges: Sequence[float]) -> bool:
    return all(left < right for left, right in itertools.pairwise(edges))
