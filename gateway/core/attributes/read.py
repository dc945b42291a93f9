"""Attribute values of one decision request, as the float32 matrix that a model reads: one row an offer, one column a name.

A `ReadPlan` is compiled once for a schema, a model's columns and a campaign. Per request everything that does not depend on the offer is
worked out once and copied into every row; fields of offers are arrays made at compile time. Unknown is NaN. A category expands to one
column a value: 1 for the value, 0 for the others, NaN in all of them if it is unknown.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.core import context as contexts
from gateway.core.attributes.history import HistoryPlan, Stated
from gateway.core.attributes.schema import SEASONS, Attribute, Schema
from gateway.core.nearest import nearest

if TYPE_CHECKING:
    from gateway.core.attributes.aggregators import State, Value
    from gateway.core.context import ZoneContext
    from gateway.core.offers import Offer
    from gateway.core.types import Occasion, Purpose

Floats = NDArray[np.float32]
Positions = Mapping[str, tuple[float, float]]
"""Zone -> metres (east, north) on the site's plan."""

WALK_M_PER_MIN = 80.0  # 4.8 km/h, the usual planning figure for pedestrians
WORKWARD_UNTIL_H = 11
HOMEWARD_FROM_H = 16
HOUR_MS = 3_600_000


class ColumnsError(ValueError):
    """A model's columns are not columns of the schema; the text names the first and the nearest name."""


class Request(NamedTuple):
    """The subject of one decision, except the offers: a person (stated values, history, purposes), a place, an occasion and a time."""

    told: Mapping[str, Stated]
    history: Mapping[str, State]
    purposes: Collection[Purpose]
    zone: str
    transit: bool
    here: ZoneContext
    occasion: Occasion
    dwell_s: float
    now_ms: int
    clock: datetime


class ReadPlan:
    """Reads the columns of one model. `used` are the attributes that these need, directly or through others."""

    def __init__(self, schema: Schema, columns: Sequence[str], offers: Sequence[Offer], positions: Positions) -> None:
        """Compile. Raises ColumnsError if the schema has no such column."""
        self.schema = schema
        self.columns = tuple(columns)
        self.used = used_attributes(schema, columns)
        self.history = HistoryPlan(self.used)
        self._place = {column: at for at, column in enumerate(self.columns)}
        self._offers = tuple(offers)
        self._positions = positions
        self._constant = [(one, _READERS[_source(one)]) for one in self.used if _source(one) in _READERS]
        self._between = [one for one in self.used if one.between is not None]
        self._static, self._timed = self._compile_offers()
        self._walks: dict[str, NDArray[np.float64]] = {}

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the columns and of the definitions behind them: equal digests mean that rows can be compared."""
        content = "\n".join([*self.columns, *(one.digest for one in self.used)])
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    @cached_property
    def quantities(self) -> frozenset[str]:
        """The sensor quantities behind the readings in use; the oldest of them is the age of the context."""
        stated = {one.reading.quantity for one in self.used if one.reading is not None} - {"context_age"}
        return frozenset(stated - {"weather"} | ({"precipitation", "temperature"} if "weather" in stated else set()))

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Attribute -> the positions of its columns, for all that can be hidden from a model: not the offer's own fields."""
        found: dict[str, list[int]] = {}
        for one in self.used:
            places = [self._place[column] for column in one.columns if column in self._place]
            if places and one.offer is None:
                found[one.name] = places
        return found

    def values(self, request: Request) -> dict[str, Value]:
        """The value of every attribute in use that does not depend on the offer."""
        found: dict[str, Value] = dict(self.history.read(request.history, request.purposes, request.now_ms))
        found |= self.history.read_stated(request.told, request.purposes)
        for one, reader in self._constant:
            value = reader(self, one, request)
            found[one.name] = one.clipped(value) if isinstance(value, float) else value
        return found

    def matrix(self, request: Request, chosen: Sequence[int], values: Mapping[str, Value] | None = None) -> Floats:
        """Rows float32 (len(chosen), len(columns)) for the offers at these positions of the campaign; NaN where unknown.

        `values` are those of `values(request)`, if read before.
        """
        known = self.values(request) if values is None else values
        index = np.asarray(chosen, dtype=np.intp)
        rows = self._static[index]
        self.fill(rows, known)
        for place, ends_ms in self._timed:
            rows[:, place] = (ends_ms[index] - request.now_ms) / HOUR_MS
        for one in self._between:
            if one.name in self._place:
                rows[:, self._place[one.name]] = self._clip(one, self._between_values(one, request, known)[index])
        return rows

    def fill(self, rows: Floats, values: Mapping[str, Value]) -> None:
        """Write values that do not depend on the offer into every row."""
        for name, value in values.items():
            for column, number in expanded(self._attributes[name], value):
                place = self._place.get(column)
                if place is not None:
                    rows[:, place] = number

    def person_row(self, row: Floats, values: Mapping[str, Value], category: str | None) -> Floats:
        """A copy of one row (columns,) with the person's values, and those by the offer's category, written into it."""
        rows = row[np.newaxis].copy()
        self.fill(rows, {one.name: values.get(one.name) for one in self.used if one.about == "person"})
        for one in self._between:
            if one.between is not None and one.between.by_category and one.name in self._place:
                number = _number(values.get(one.between.by_category.get(category or "", "")))
                rows[:, self._place[one.name]] = self._clip(one, np.array([number]))
        filled: Floats = rows[0]
        return filled

    @cached_property
    def _attributes(self) -> dict[str, Attribute]:
        return {one.name: one for one in self.used}

    def _compile_offers(self) -> tuple[Floats, list[tuple[int, NDArray[np.float64]]]]:
        """Rows of the fields of offers that do not change, and (column, end in ms) of those that count down."""
        static = np.full((len(self._offers), len(self.columns)), np.nan, dtype=np.float32)
        timed: list[tuple[int, NDArray[np.float64]]] = []
        for one in self.used:
            if one.offer is None:
                continue
            if one.offer.field == "hours_left":
                timed.append((self._place[one.name], np.array([float(offer.ends_ms) for offer in self._offers])))
                continue
            for at, offer in enumerate(self._offers):
                for column, number in expanded(one, _offer_value(one, offer)):
                    if column in self._place:
                        static[at, self._place[column]] = number
        return static, timed

    def _between_values(self, one: Attribute, request: Request, values: Mapping[str, Value]) -> NDArray[np.float64]:
        """One number an offer of the campaign."""
        assert one.between is not None
        if one.between.field == "by_category":
            names = one.between.by_category
            numbers = {category: _number(values.get(name)) for category, name in names.items()}
            by_category = np.array([numbers.get(category, math.nan) for category in self.schema.categories])
            found: NDArray[np.float64] = by_category[self._categories]
            return found
        metres = self._walks.get(request.zone)
        if metres is None:
            here = self._positions.get(request.zone)
            there = [self._positions.get(offer.shop) for offer in self._offers]
            metres = np.array([math.hypot(here[0] - to[0], here[1] - to[1]) if here and to else math.nan for to in there])
            self._walks[request.zone] = metres
        return metres / WALK_M_PER_MIN if one.between.field == "walk_min" else metres

    @cached_property
    def _categories(self) -> NDArray[np.intp]:
        numbers = {category: at for at, category in enumerate(self.schema.categories)}
        return np.array([numbers[offer.category] for offer in self._offers], dtype=np.intp)

    @staticmethod
    def _clip(one: Attribute, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        if one.low is None and one.high is None:
            return numbers
        clipped: NDArray[np.float64] = np.clip(numbers, one.low, one.high)
        return clipped


def used_attributes(schema: Schema, columns: Sequence[str]) -> tuple[Attribute, ...]:
    """The attributes behind `columns` and the sources of these, in the schema's order.

    Raises ColumnsError for a column that no attribute has, or that is listed twice.
    """
    owners = {column: attribute for attribute in schema.attributes for column in attribute.columns}
    names = {attribute.name: attribute for attribute in schema.attributes}
    needed: set[str] = set()
    seen: set[str] = set()
    for column in columns:
        if column not in owners:
            raise ColumnsError(f"{column!r} is no column of the schema{nearest(column, owners)}")
        if column in seen:
            raise ColumnsError(f"{column!r} is listed twice")
        seen.add(column)
        needed.add(owners[column].name)
    for name in tuple(needed):
        between = names[name].between
        needed |= set(between.by_category.values()) if between else set()
    for name in tuple(needed):
        history = names[name].history
        needed |= {history.prior} if history and history.prior else set()
    return tuple(attribute for attribute in schema.attributes if attribute.name in needed)


def expanded(attribute: Attribute, value: Value) -> list[tuple[str, float]]:
    """(column, number) of a value; NaN in every column if it is unknown."""
    if attribute.dtype != "category":
        return [(attribute.name, _number(value))]
    return [
        (column, math.nan if value is None else float(value == option))
        for column, option in zip(attribute.columns, attribute.values, strict=True)
    ]


def heading(hour: float, *, transit: bool) -> str:
    """Where a person is likely bound: in a transit hall to work in the morning and home from the afternoon on."""
    if not transit:
        return "nowhere_urgent"
    if hour < WORKWARD_UNTIL_H:
        return "work"
    return "home" if hour >= HOMEWARD_FROM_H else "nowhere_urgent"


def _number(value: Value) -> float:
    return value if isinstance(value, float) else math.nan


def _source(attribute: Attribute) -> str:
    return next((name for name in ("reading", "clock", "occasion") if getattr(attribute, name) is not None), "")


def _offer_value(attribute: Attribute, offer: Offer) -> Value:
    assert attribute.offer is not None
    field = attribute.offer.field
    if field == "tag":
        return float(attribute.offer.tag in offer.tags)
    if field == "category":
        return offer.category
    number = {
        "value": offer.value_minor,
        "price": offer.price_minor,
        "discount": offer.discount,
        "expiry_hours": offer.expiry_hours,
    }[field]
    return None if number is None else attribute.clipped(float(number))


def _reading(plan: ReadPlan, attribute: Attribute, request: Request) -> Value:
    source = attribute.reading
    assert source is not None
    max_age_ms = int(source.max_age_min * 60_000)
    here, now_ms = request.here, request.now_ms
    if source.quantity == "weather":
        return contexts.weather(here, now_ms, max_age_ms)
    if source.quantity == "people_per_hour":
        return contexts.people_per_hour(here, now_ms, max_age_ms)
    if source.quantity == "context_age":
        return contexts.age_min(here, now_ms, plan.quantities)
    return contexts.latest(here, source.quantity, now_ms, max_age_ms)


def _clock(_plan: ReadPlan, attribute: Attribute, request: Request) -> Value:
    assert attribute.clock is not None
    clock = request.clock
    hour = clock.hour + clock.minute / 60
    match attribute.clock.field:
        case "hour":
            return hour
        case "weekday":
            return float(clock.weekday())
        case "season":
            return SEASONS[clock.month % 12 // 3]
        case "heading":
            return heading(hour, transit=request.transit)


def _occasion(_plan: ReadPlan, attribute: Attribute, request: Request) -> Value:
    assert attribute.occasion is not None
    return request.occasion if attribute.occasion.field == "kind" else request.dwell_s


_READERS: Mapping[str, Callable[[ReadPlan, Attribute, Request], Value]] = {"reading": _reading, "clock": _clock, "occasion": _occasion}
