"""Attribute values of one decision request, as the float32 matrix that a model reads: one row an offer, one column a name.

A `ReadPlan` is compiled once for a schema, a model's columns and a campaign. It works on positions instead of names: `numbers` reads
everything that does not depend on the offer into one array of slots, once a request; `matrix` copies the slots into every row and adds
the columns of the offers. Unknown is NaN. A category expands to one slot, or column, a value: 1 for the value, 0 for the others, NaN in
all of them if it is unknown. Numbers are clipped to the attribute's bounds, and to those of float32.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.grouping import NOTHING_MINED, GroupPlan, Mined
from gateway.core.attributes.groups import NO_GROUPS, Groups, group_named
from gateway.core.attributes.history import HistoryPlan, Stated
from gateway.core.attributes.offer_columns import FLOAT32_MAX, Floats, OfferColumns, Positions, bounds, without_negative_zero
from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.attributes.sources import Read, Request, Source, reader, shared_source
from gateway.core.nearest import nearest

if TYPE_CHECKING:
    from gateway.core.attributes.aggregators import State, Value
    from gateway.core.offers import Offer
    from gateway.core.types import Purpose

Numbers = NDArray[np.float64]
"""One number a slot, NaN where unknown; see `ReadPlan.slots`."""


SURE_MIN = 0.5


class ColumnsError(ValueError):
    """A model's columns are not columns of the schema; the text names the first and the nearest name."""


class ReadPlan:
    """Reads the columns of one model.

    `used` are the attributes that these, and the rules of the campaign, need, directly or through others. `slots` gives the position in
    `numbers` of each attribute that is a number or flag, and of each column of a category, except those of the offer; the last slot is
    always NaN.
    """

    def __init__(
        self,
        schema: Schema,
        columns: Sequence[str],
        offers: Sequence[Offer],
        positions: Positions,
        also: Collection[str] = (),
        mined: Mined = NOTHING_MINED,
    ) -> None:
        """Compile; `also` are attributes that the rules of the campaign need. Raises ColumnsError if the schema has no such column."""
        self.mined = mined
        self.schema = schema
        self.columns = tuple(columns)
        self._scored = used_attributes(schema, columns, groups=mined.groups)
        self.used = used_attributes(schema, columns, also, mined.groups)
        self.history = HistoryPlan(self.used, GroupPlan(mined, schema, self.used))
        self._shared, shared = self._compile_shared(len(self.history.attributes))
        attributes = (*self.history.attributes, *shared)
        self.slots, self._categories = _layout(attributes)
        self._low, self._high = _slot_bounds(attributes, self.slots)
        places = {column: at for at, column in enumerate(self.columns)}
        self._copied = _copy_of(attributes, places, self.slots)
        self._copied_person = _copy_of(self.history.attributes, places, self.slots)
        self._critical = [
            (places[one.column], np.array(one.edges, dtype=np.float64), np.array(one.chances, dtype=np.float64))
            for one in mined.groups.sure_thing
            if one.column in places
        ]
        self._without_discounts = _slots_without_discounts(self.used, mined.groups, self.slots)
        self._offers = OfferColumns(self.used, places, self.slots, schema.categories, offers, positions)

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the columns and of the definitions behind them: equal digests mean that rows can be compared."""
        mined = [] if self.mined == NOTHING_MINED else [self.mined.digest]
        content = "\n".join([*self.columns, *(one.digest for one in self._scored), *mined])
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    @cached_property
    def quantities(self) -> frozenset[str]:
        """The sensor quantities behind the readings in use; the oldest of them is the age of the context."""
        stated = {one.reading.quantity for one in self.used if one.reading is not None} - {"context_age"}
        return frozenset(stated - {"weather"} | ({"precipitation", "temperature"} if "weather" in stated else set()))

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Attribute -> the positions of its columns, for all that can be hidden from a model: not the offer's own fields."""
        places = {column: at for at, column in enumerate(self.columns)}
        found = {one.name: [places[column] for column in one.columns if column in places] for one in self.used if one.offer is None}
        return {name: columns for name, columns in found.items() if columns}

    def numbers(self, request: Request) -> Numbers:
        """The numbers of everything that does not depend on the offer, one a slot."""
        values = self.history.read(request.told, request.history, request.purposes, request.now_ms)
        values += [None] * (len(self._low) - len(values))
        for read, places in self._shared:
            value = read(request)
            for at in places:
                values[at] = value
        return self._expanded(values)

    def are_sure(self, rows: Floats) -> NDArray[np.bool_]:
        """Whether each row (n, columns) is of a sure thing: above one half by every column of the sure thing, all known."""
        sure = np.full(len(rows), bool(self._critical), dtype=np.bool_)
        for place, edges, chances in self._critical:
            column = rows[:, place].astype(np.float64)
            sure &= ~np.isnan(column) & (chances[np.searchsorted(edges, column, side="left")] > SURE_MIN)
        return sure

    def is_without_discounts(self, numbers: Numbers) -> bool:
        """Whether a segment of the person is not to be pushed with discounts."""
        return any(numbers[slot] == 1.0 for slot in self._without_discounts)

    def value(self, name: str, numbers: Numbers) -> float | str | None:
        """The value of an attribute in use that does not depend on the offer, of the `numbers` of a request; None if it is unknown."""
        attribute = self._by_name[name]
        if attribute.dtype == "category":
            return next(
                (value for column, value in zip(attribute.columns, attribute.values, strict=True) if numbers[self.slots[column]] == 1.0),
                None,
            )
        number = float(numbers[self.slots[name]])
        return None if math.isnan(number) else number

    @cached_property
    def _by_name(self) -> dict[str, Attribute]:
        return {one.name: one for one in self.used}

    def person_numbers(
        self, told: Mapping[str, Stated], history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int
    ) -> Numbers:
        """As `numbers`, of the attributes of a person only; all other slots are NaN."""
        values = self.history.read(told, history, purposes, now_ms)
        return self._expanded(values + [None] * (len(self._low) - len(values)))

    def matrix(self, request: Request, chosen: Sequence[int] | NDArray[np.intp], numbers: Numbers | None = None) -> Floats:
        """Rows float32 (len(chosen), len(columns)) for the offers at these positions of the campaign; NaN where unknown.

        `numbers` are those of `numbers(request)`, if read before.
        """
        known = self.numbers(request) if numbers is None else numbers
        row = np.full(len(self.columns), np.nan, dtype=np.float32)
        self._copied.into(row, known)
        rows = np.empty((len(chosen), len(self.columns)), dtype=np.float32)
        rows[:] = row
        self._offers.write(rows, np.asarray(chosen, dtype=np.intp), request.zone, request.now_ms, known)
        return rows

    def offer_rows(self) -> Floats:
        """A row for each offer of the campaign with the offer's fields that do not change; NaN in all other columns."""
        rows = np.full((len(self._offers.fields), len(self.columns)), np.nan, dtype=np.float32)
        rows[:, self._offers.field_places] = self._offers.fields
        return rows

    def person_row(self, row: Floats, numbers: Numbers, category: str | None) -> Floats:
        """A copy of one row (columns,) with the person's numbers, and those by the offer's category, written into it."""
        written = row.copy()
        self._copied_person.into(written, numbers)
        known = self.schema.categories
        self._offers.write_by_category(written, known.index(category) if category in known else -1, numbers)
        return written

    def _compile_shared(self, first: int) -> tuple[list[tuple[Read, tuple[int, ...]]], list[Attribute]]:
        """Each different source once, with the slots that it fills, counted from `first`; and the attributes of these slots."""
        attributes = [one for one in self.used if shared_source(one) is not None]
        places: dict[Source, list[int]] = {}
        for at, one in enumerate(attributes, first):
            source = shared_source(one)
            assert source is not None
            places.setdefault(source, []).append(at)
        return [(reader(source, self.quantities), tuple(found)) for source, found in places.items()], attributes

    def _expanded(self, values: list[Value]) -> Numbers:
        """Values by position as numbers: the own slot of a category is NaN, and its slots by value follow those of all attributes."""
        for category in self._categories:
            value, values[category.at] = values[category.at], None
            values[category.start : category.stop] = category.by_value.get(value, category.others)
        numbers = np.array(values, dtype=np.float64)  # None becomes NaN
        np.maximum(numbers, self._low, out=numbers)
        np.minimum(numbers, self._high, out=numbers)
        return numbers


class _Category(NamedTuple):
    """A category among the slots: its own, those by value, and the numbers of these for each value, for None and for any other value."""

    at: int
    start: int
    stop: int
    by_value: Mapping[Value, tuple[float, ...]]
    others: tuple[float, ...]


def _layout(attributes: Sequence[Attribute]) -> tuple[dict[str, int], list[_Category]]:
    """Slots by name of number or by column of category, and the categories. The slots end with one that is always NaN."""
    slots = {one.name: at for at, one in enumerate(attributes) if one.dtype != "category"}
    categories: list[_Category] = []
    start = len(attributes)
    for at, one in enumerate(attributes):
        if one.dtype == "category":
            stop = start + len(one.values)
            slots |= {column: start + position for position, column in enumerate(one.columns)}
            by_value: dict[Value, tuple[float, ...]] = {
                value: tuple(number for _, number in expanded(one, value)) for value in (*one.values, None)
            }
            categories.append(_Category(at, start, stop, by_value, (0.0,) * len(one.values)))
            start = stop
    return slots, categories


def _slot_bounds(attributes: Sequence[Attribute], slots: Mapping[str, int]) -> tuple[Numbers, Numbers]:
    """Lowest and highest number of each slot."""
    count = max([len(attributes) - 1, *slots.values()]) + 2
    low, high = np.full(count, -FLOAT32_MAX), np.full(count, FLOAT32_MAX)
    for at, one in enumerate(attributes):
        low[at], high[at] = bounds(one)
    return low, high


def _slots_without_discounts(used: Sequence[Attribute], groups: Groups, slots: Mapping[str, int]) -> tuple[int, ...]:
    """The slots of the segments that are not to be pushed with discounts."""
    named = {one.name: one for one in groups.segmentations}
    found = [(one, named[one.segment.name]) for one in used if one.segment is not None and one.segment.name in named]
    return tuple(slots[f"{one.name}_{part.name}"] for one, of in found for part in of.segments if not part.discounts)


class _Copy(NamedTuple):
    """Positions of columns, and the slots that are copied into them."""

    columns: NDArray[np.intp]
    slots: NDArray[np.intp]

    def into(self, row: Floats, numbers: Numbers) -> None:
        """Copy into one row, in place."""
        row[self.columns] = numbers[self.slots]
        without_negative_zero(row)


def _copy_of(attributes: Sequence[Attribute], places: Mapping[str, int], slots: Mapping[str, int]) -> _Copy:
    columns = [column for one in attributes for column in one.columns if column in places]
    found = [places[column] for column in columns], [slots[column] for column in columns]
    return _Copy(np.array(found[0], dtype=np.intp), np.array(found[1], dtype=np.intp))


def used_attributes(
    schema: Schema, columns: Sequence[str], also: Collection[str] = (), groups: Groups = NO_GROUPS
) -> tuple[Attribute, ...]:
    """The attributes behind `columns`, those named by `also`, the sources of all these and the inputs of `groups`, in the schema's order.

    Raises ColumnsError for a column that no attribute has, or that is listed twice.
    """
    owners = {column: attribute for attribute in schema.attributes for column in attribute.columns}
    names = {attribute.name: attribute for attribute in schema.attributes}
    needed: set[str] = set(also)
    seen: set[str] = set()
    for column in columns:
        if column not in owners:
            raise ColumnsError(f"{column!r} is no column of the schema{nearest(column, owners)}")
        if column in seen:
            raise ColumnsError(f"{column!r} is listed twice")
        seen.add(column)
        needed.add(owners[column].name)
    for name in tuple(needed):
        between, pattern = names[name].between, names[name].pattern
        needed |= set(between.by_category.values()) if between else set()
        needed |= set(pattern.by_item.values()) if pattern else set()
        needed |= set(groups.inputs_of(group_named(names[name]) or ""))
    needed |= {name for policy in groups.policies for name in groups.inputs_of(policy)}
    for name in needed & set(names):
        history = names[name].history
        needed |= {history.prior} if history and history.prior else set()
    return tuple(attribute for attribute in schema.attributes if attribute.name in needed)


def expanded(attribute: Attribute, value: Value) -> list[tuple[str, float]]:
    """(column, number) of a value; NaN in every column if it is unknown."""
    if attribute.dtype != "category":
        return [(attribute.name, value if isinstance(value, float) else math.nan)]
    return [
        (column, math.nan if value is None else float(value == option))
        for column, option in zip(attribute.columns, attribute.values, strict=True)
    ]
