"""The schema of a bundle: offer categories, zone kinds, currency and attributes, each declared once by name.

Models, exports, `wayside why` and the workstation use attributes by these names only. People write the schema as TOML; the bundle carries
it as `schema.json`. An attribute has exactly one source. `parse` reports every fault with its path, not only the first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from gateway.core import limits
from gateway.core.attributes.convert import Fault, convert
from gateway.core.ids import Id
from gateway.core.nearest import nearest
from gateway.core.quantities import QUANTITIES
from gateway.core.types import AnswerKind, Occasion, Purpose

Name = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,63}\Z")]
Value = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9_]{0,63}\Z")]
Values = Annotated[tuple[Value, ...], Meta(max_length=limits.VALUES_MAX)]
Days = Annotated[int, Meta(ge=1, le=limits.WITHIN_DAYS_MAX)]

About = Literal["person", "place", "offer", "moment", "occasion"]
Dtype = Literal["number", "category", "flag"]
FactKind = Literal["visits", "purchases", "answers", "contacts"]
FoldName = Literal["count", "sum", "mean", "last", "recency", "tenure", "distinct", "days", "share"]
FactField = Literal["amount", "category", "zone_kind", "zone", "offer", "occasion", "answer"]
ClockField = Literal["hour", "weekday", "season", "heading", "minutes_to_close", "holiday"]
OfferField = Literal["category", "value", "price", "discount", "tag", "expiry_hours", "hours_left"]
OccasionField = Literal["kind", "dwell_s"]

SEASONS = ("winter", "spring", "summer", "autumn")
HEADINGS = ("nowhere_urgent", "home", "work")
WEATHERS = ("sunny", "rainy", "snowy")
OCCASIONS = ("entered", "dwelled")
DERIVED = ("weather", "people_per_hour", "people_in_per_hour", "people_out_per_hour", "people_present", "context_age")
"""Readings that the gateway derives: from precipitation and temperature, from counters, and the age of the oldest reading in minutes."""

_SENSITIVE = frozenset(
    [
        "age",
        "birthday",
        "sex",
        "gender",
        "orientation",
        "health",
        "illness",
        "disease",
        "disability",
        "pregnancy",
        "ethnicity",
        "ethnic",
        "race",
        "nationality",
        "religion",
        "religious",
        "faith",
        "belief",
        "politics",
        "political",
        "union",
    ]
)
_FACT_FIELDS: Mapping[FactKind, tuple[FactField, ...]] = {
    "visits": ("zone", "zone_kind"),
    "purchases": ("amount", "category", "zone", "zone_kind", "offer"),
    "answers": ("category", "zone", "zone_kind", "offer", "answer"),
    "contacts": ("category", "zone", "zone_kind", "offer", "occasion"),
}
"""The fields that a fact of each kind has; another one would never have a value."""
_FILTERS: Mapping[str, FactField] = {
    "categories": "category",
    "zone_kinds": "zone_kind",
    "offers": "offer",
    "occasions": "occasion",
    "answers": "answer",
}
_ABOUT: Mapping[str, tuple[About, ...]] = {
    "told": ("person",),
    "history": ("person",),
    "reading": ("place",),
    "clock": ("moment",),
    "offer": ("offer",),
    "between": ("offer",),
    "occasion": ("occasion",),
    "segment": ("person",),
    "cohort": ("person",),
    "pattern": ("offer",),
    "score": ("person",),
}


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields of one source."""


class Told(_Source, frozen=True):
    """Stated by the person in a consent, under the attribute's name."""


class History(_Source, frozen=True):
    """A fold over the person's own facts.

    `of` the facts, `fold` the aggregator, `field` the fact's field that it takes (sum, mean, last, distinct). `categories`, `zone_kinds`,
    `offers`, `occasions` and `answers` filter (empty: all). `per` are the facts that a share is
    taken of, with the same filters but that on answers (without it: all facts `of` the kind). `within_days` counts UTC days,
    today included; `half_life_days` decays; neither is the whole time. `prior` names a stated attribute that the fold starts from, and
    `empty` is the value where no fact gives one: before the first, or without any in a window that a mean or share is taken of (without
    it: unknown).
    """

    of: FactKind
    fold: FoldName
    field: FactField = "amount"
    categories: Values = ()
    zone_kinds: Values = ()
    offers: Annotated[tuple[Id, ...], Meta(max_length=limits.VALUES_MAX)] = ()
    occasions: tuple[Occasion, ...] = ()
    answers: tuple[AnswerKind, ...] = ()
    per: FactKind | None = None
    within_days: Days | None = None
    half_life_days: Annotated[float, Meta(gt=0, le=36_500)] | None = None
    prior: Name | None = None
    empty: float | None = None


class Reading(_Source, frozen=True):
    """The latest value of a quantity in the zone, or in the whole site, unless it is older than `max_age_min`."""

    quantity: str
    max_age_min: Annotated[float, Meta(gt=0, le=limits.READING_AGE_MS_MAX / 60_000)] = limits.READING_AGE_MS_MAX / 60_000


class Clock(_Source, frozen=True):
    """A field of the site's local time: hour 0 to 24, weekday 0 (Monday) to 6, season (northern), heading (from hour and transit zones).

    `minutes_to_close` is 0 while the zone is closed, and unknown without `opening_hours` of the zone in the config; `holiday` is unknown
    in a year without a date in `holidays` of the config.
    """

    field: ClockField


class OfferSource(_Source, frozen=True):
    """A field of the offer; for `tag` whether the offer has that tag; `hours_left` until the offer ends."""

    field: OfferField
    tag: Id | None = None


class Between(_Source, frozen=True):
    """Between the person or zone and the offer.

    `walk_min` minutes and `distance_m` metres from the zone to the offer's shop; or the attribute that `by_category` names for the
    offer's category; or for `group` the number by category of a group definition: a basket (item-item filtering) or neighbours (similar
    customers).
    """

    field: Literal["walk_min", "distance_m", "by_category", "group"]
    by_category: dict[Value, Name] = {}
    group: Name | None = None


class OccasionSource(_Source, frozen=True):
    """A field of the occasion that led to the decision: its kind, or seconds since the person entered.

    The values of a kind are `entered` and `dwelled`, unless the attribute states others of the occasions.
    """

    field: OccasionField


class SegmentSource(_Source, frozen=True):
    """The person's segment in a segmentation of `groups.json`."""

    name: Name


class CohortSource(_Source, frozen=True):
    """Whether the person's visits contain the journey of a cohort of `groups.json`."""

    name: Name


class PatternSource(_Source, frozen=True):
    """The largest gain of a pattern of `patterns.json` for the offer's category that holds for the person, 0 if none does.

    `by_item` names a number attribute of the person for each item on the left of a pattern; the item is there if its value is above 0.
    """

    by_item: Annotated[dict[str, Name], Meta(min_length=1, max_length=limits.ATTRIBUTES_MAX)]


class Score(_Source, frozen=True):
    """A value table of `groups.json` (`bound`: its middle, or an end of its interval), or a person's association."""

    name: Name
    bound: Literal["low", "middle", "high"] = "middle"


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One attribute and its one source. `low` and `high` bound a number: values beyond are clipped.

    `title` names it to a person, to be read after "because of", such as "how often you buy coffee"; without it no sentence names it.
    `tier_min` is the least tier of a person of whom it is kept, where the bundle's groups define tiers.
    """

    name: Name
    about: About
    dtype: Dtype
    title: Annotated[str, Meta(max_length=80)] = ""
    unit: Annotated[str, Meta(max_length=32)] = ""
    values: Values = ()
    low: float | None = None
    high: float | None = None
    purposes: tuple[Purpose, ...] = ()
    sensitive: bool = False
    reason: Annotated[str, Meta(max_length=500)] = ""
    tier_min: Annotated[int, Meta(ge=0, le=limits.TIER_LEVELS_MAX)] = 0
    told: Told | None = None
    history: History | None = None
    reading: Reading | None = None
    clock: Clock | None = None
    offer: OfferSource | None = None
    between: Between | None = None
    occasion: OccasionSource | None = None
    segment: SegmentSource | None = None
    cohort: CohortSource | None = None
    pattern: PatternSource | None = None
    score: Score | None = None

    def clipped(self, value: float) -> float:
        """A number within `low` and `high`."""
        if self.low is not None and value < self.low:
            return self.low
        return self.high if self.high is not None and value > self.high else value

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the float columns that the attribute expands to: one for each value of a category, else its own name."""
        return tuple(f"{self.name}_{value}" for value in self.values) if self.dtype == "category" else (self.name,)

    @property
    def digest(self) -> str:
        """8 hex digits of the definition of the values; a changed one has another digest, so that its state starts anew.

        Title, purposes, tier_min and the reason of a sensitive attribute are left out: a value may exist or not because of them, and is
        the same.
        """
        definition = msgspec.structs.replace(self, title="", purposes=(), sensitive=False, reason="", tier_min=0)
        return hashlib.blake2b(msgspec.json.encode(definition), digest_size=4).hexdigest()


SOURCES: tuple[str, ...] = ("told", "history", "reading", "clock", "offer", "between", "occasion", "segment", "cohort", "pattern", "score")


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Categories of offers, kinds of zones, the currency of all amounts (ISO 4217), and the attributes."""

    categories: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=limits.VALUES_MAX)]
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
    attributes: Annotated[tuple[Attribute, ...], Meta(max_length=limits.ATTRIBUTES_MAX)]
    zone_kinds: Values = ()

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name, or None."""
        return next((one for one in self.attributes if one.name == name), None)

    @property
    def columns(self) -> tuple[str, ...]:
        """All float columns, in the order of the attributes."""
        return tuple(column for attribute in self.attributes for column in attribute.columns)


class SchemaError(ValueError):
    """The schema cannot be used; `faults` has all of them, the text one line for each."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def parse(table: Mapping[str, Any]) -> Schema:
    """The schema in a decoded TOML or JSON file. Raises SchemaError with every fault."""
    faults: list[Fault] = []
    attributes = table.get("attributes", ())
    if isinstance(attributes, list | tuple) and len(attributes) > limits.ATTRIBUTES_MAX:
        raise SchemaError([Fault(("attributes",), f"{len(attributes)} attributes, at most {limits.ATTRIBUTES_MAX} are allowed")])
    head = convert(Schema, {**table, "attributes": []}, (), faults)
    read: list[Attribute | None] = []
    if not isinstance(attributes, list | tuple) or "attributes" not in table:
        faults.append(Fault(("attributes",), "expected a list of tables, [[attributes]]"))
    else:
        read = [convert(Attribute, one, ("attributes", at), faults) for at, one in enumerate(attributes)]
    categories = tuple(head.categories) if head else ()
    known = {at: _completed(one, categories) for at, one in enumerate(read) if one is not None}
    if head is None:
        raise SchemaError(faults)
    schema = msgspec.structs.replace(head, attributes=tuple(known.values()))
    faults += [fault for at, one in known.items() for fault in _faults(schema, one, at)]
    faults += _repeated(schema, known)
    if faults:
        raise SchemaError(faults)
    return schema


def schema_bytes(schema: Schema) -> bytes:
    """The schema as JSON; the same schema gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=1) + b"\n"


def sources_of(attribute: Attribute) -> list[str]:
    """The names of the sources that are stated; a valid attribute has exactly one."""
    return [name for name in SOURCES if getattr(attribute, name) is not None]


def sensitive_parts(name: str) -> list[str]:
    """The parts of an attribute's name that make it sensitive if it is about a person."""
    return sorted(_SENSITIVE & set(name.split("_")))


def _completed(attribute: Attribute, categories: tuple[str, ...]) -> Attribute:
    """The attribute with the values that its source already fixes."""
    if attribute.dtype != "category" or attribute.values:
        return attribute
    fixed: Mapping[object, tuple[str, ...]] = {"heading": HEADINGS, "season": SEASONS, "category": categories, "kind": OCCASIONS}
    source = attribute.clock or attribute.offer or attribute.occasion
    values = fixed.get(source.field, ()) if source else ()
    if attribute.reading is not None and attribute.reading.quantity == "weather":
        values = WEATHERS
    return msgspec.structs.replace(attribute, values=values)


def _faults(schema: Schema, attribute: Attribute, at: int) -> Iterator[Fault]:
    here = ("attributes", at)
    stated = sources_of(attribute)
    if len(stated) != 1:
        found = " and ".join(stated) if stated else "none"
        yield Fault(here, f"{attribute.name!r} needs exactly one source ({', '.join(SOURCES)}), it has {found}")
        return
    (source,) = stated
    if attribute.about not in _ABOUT[source]:
        yield Fault((*here, "about"), f"an attribute from {source!r} is about {' or '.join(_ABOUT[source])}, not about {attribute.about!r}")
    yield from _type_faults(attribute, here)
    yield from _person_faults(attribute, here)
    yield from _SOURCE_FAULTS.get(source, _no_faults)(schema, attribute, (*here, source))


def _type_faults(attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    if attribute.dtype == "number" and not attribute.unit:
        yield Fault((*here, "unit"), f"the number {attribute.name!r} needs a unit in UCUM, such as h, Cel, m, {{purchases}}, or 1")
    if attribute.dtype != "number" and (attribute.unit or attribute.low is not None or attribute.high is not None):
        yield Fault((*here, "unit"), f"unit, low and high belong to numbers; {attribute.name!r} is a {attribute.dtype}")
    if attribute.dtype == "category" and not attribute.values:
        yield Fault((*here, "values"), f"the category {attribute.name!r} needs its closed list of values")
    if attribute.dtype != "category" and attribute.values:
        yield Fault((*here, "values"), f"values belong to categories; {attribute.name!r} is a {attribute.dtype}")
    if len(set(attribute.values)) != len(attribute.values):
        yield Fault((*here, "values"), f"a value of {attribute.name!r} is listed twice")
    numbers = {"low": attribute.low, "high": attribute.high}
    if attribute.history is not None:
        numbers["history.empty"] = attribute.history.empty
    for name, number in numbers.items():
        if number is not None and not math.isfinite(number):
            yield Fault((*here, *name.split(".")), f"{number} is not a finite number; leave {name} out instead")
    if attribute.low is not None and attribute.high is not None and attribute.low >= attribute.high:
        yield Fault((*here, "low"), f"low {attribute.low:g} must be below high {attribute.high:g}")


def _person_faults(attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    if attribute.about == "person" and not attribute.purposes:
        yield Fault((*here, "purposes"), f"{attribute.name!r} is about a person: name the purposes that must be granted, such as offers")
    if attribute.about != "person" and attribute.purposes:
        yield Fault((*here, "purposes"), f"purposes belong to attributes about a person; {attribute.name!r} is about {attribute.about!r}")
    if attribute.tier_min and attribute.history is None and attribute.cohort is None:
        yield Fault(
            (*here, "tier_min"),
            f"tier_min belongs to attributes from history or cohort, of which a state is kept; {attribute.name!r} has none",
        )
    parts = sensitive_parts(attribute.name) if attribute.about == "person" else []
    if parts and not attribute.sensitive:
        yield Fault((*here, "sensitive"), f"{parts[0]!r} is sensitive: set sensitive = true with a reason, or leave the attribute out")
    if attribute.sensitive and not attribute.reason.strip():
        yield Fault((*here, "reason"), f"the sensitive attribute {attribute.name!r} needs a reason")


def _no_faults(_schema: Schema, _attribute: Attribute, _here: tuple[str | int, ...]) -> Iterator[Fault]:
    return iter(())


def _history_faults(schema: Schema, attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    source = attribute.history
    assert source is not None
    for field in ("categories", "zone_kinds"):
        known = getattr(schema, field)
        for value in getattr(source, field):
            if value not in known:
                yield Fault((*here, field), f"{value!r} is not declared in {field} of the schema{nearest(value, known)}")
    yield from _fold_faults(attribute, source, here)
    yield from _filter_faults(source, here)
    yield from _empty_faults(attribute, source, here)
    yield from _prior_faults(schema, attribute, source, here)


def _fold_faults(attribute: Attribute, source: History, here: tuple[str | int, ...]) -> Iterator[Fault]:
    """Faults of a fold and the fields that it takes."""
    if source.within_days is not None and source.half_life_days is not None:
        yield Fault((*here, "half_life_days"), "within_days and half_life_days exclude each other")
    if source.fold in {"last", "recency", "tenure", "days"} and (source.within_days or source.half_life_days):
        yield Fault((*here, "fold"), f"{source.fold} looks at the whole time: it takes neither within_days nor half_life_days")
    if source.fold == "distinct" and (source.half_life_days or source.field == "amount"):
        yield Fault((*here, "field"), "distinct counts the values of a field such as category, zone or offer, and takes no half_life_days")
    if source.fold in {"sum", "mean"} and (source.field, source.of) != ("amount", "purchases"):
        yield Fault((*here, "of"), f"{source.fold} takes the amount of purchases; no other fact or field has one")
    if source.per is not None and source.fold != "share":
        yield Fault((*here, "per"), "per belongs to share")
    if (attribute.dtype == "category") != (source.fold == "last" and source.field != "amount"):
        yield Fault((*here, "fold"), f"{source.fold} of {source.field} does not give a {attribute.dtype}")


def _filter_faults(source: History, here: tuple[str | int, ...]) -> Iterator[Fault]:
    """Fields of facts that an attribute takes or filters by, and that such facts do not have."""
    known = _FACT_FIELDS[source.of]
    if source.fold in {"last", "distinct"} and source.field not in known:
        yield Fault((*here, "field"), f"{source.of} have no {source.field}{nearest(source.field, known)}")
    for name, field in _FILTERS.items():
        if getattr(source, name) and field not in known:
            yield Fault((*here, name), f"{source.of} have no {field}, so this filter lets none of them pass")
        elif getattr(source, name) and name != "answers" and source.per is not None and field not in _FACT_FIELDS[source.per]:
            yield Fault((*here, name), f"{source.per} have no {field}, so the share would be of nothing")


def _empty_faults(attribute: Attribute, source: History, here: tuple[str | int, ...]) -> Iterator[Fault]:
    if source.empty is None:
        return
    if attribute.dtype != "number":
        yield Fault((*here, "empty"), f"empty is a number; {attribute.name!r} is a {attribute.dtype}")
    elif attribute.clipped(source.empty) != source.empty:
        yield Fault((*here, "empty"), f"empty {source.empty:g} is outside low and high")


def _prior_faults(schema: Schema, attribute: Attribute, source: History, here: tuple[str | int, ...]) -> Iterator[Fault]:
    if source.prior is None:
        return
    prior = schema.attribute(source.prior)
    if prior is None or prior.told is None:
        told = [one.name for one in schema.attributes if one.told is not None]
        yield Fault((*here, "prior"), f"{source.prior!r} is not a told attribute{nearest(source.prior, told)}")
    elif missing := [purpose for purpose in prior.purposes if purpose not in attribute.purposes]:
        message = f"it starts from {source.prior!r}, so it needs its purposes as well: {', '.join(missing)}"
        yield Fault(("attributes", here[1], "purposes"), message)
    if source.fold != "count" or source.half_life_days is None:
        yield Fault((*here, "prior"), "only a count with half_life_days can start from a prior")


def _reading_faults(_schema: Schema, attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    assert attribute.reading is not None
    known = (*DERIVED, *QUANTITIES)
    if attribute.reading.quantity not in known:
        message = f"no sensor reports {attribute.reading.quantity!r}{nearest(attribute.reading.quantity, known)}"
        yield Fault((*here, "quantity"), message)
    is_weather = attribute.reading.quantity == "weather"
    if is_weather != (attribute.dtype == "category") or (is_weather and attribute.values != WEATHERS):
        yield Fault((*here, "quantity"), f"weather is a category of {', '.join(WEATHERS)}; every other reading is a number")


def _field_faults(schema: Schema, attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    """Faults of the sources with a field that fixes the type: clock, offer, occasion."""
    source = attribute.clock or attribute.offer or attribute.occasion
    assert source is not None
    is_stated = bool(attribute.values) and set(attribute.values) <= set(get_args(Occasion))
    stated = attribute.values if is_stated else OCCASIONS
    fixed = {"heading": HEADINGS, "season": SEASONS, "category": schema.categories, "kind": stated}.get(source.field)
    due = "category" if fixed else "flag" if source.field in {"tag", "holiday"} else "number"
    if attribute.dtype != due:
        yield Fault((*here, "field"), f"{source.field} is a {due}, not a {attribute.dtype}")
    elif fixed and attribute.values != fixed:
        known = ", ".join(get_args(Occasion)) if source.field == "kind" else ""
        way_out = f"state some of {known}, or leave values out" if known else "leave values out"
        yield Fault((*here, "field"), f"the values of {source.field} are {', '.join(fixed)}; {way_out}")
    if isinstance(source, OfferSource) and (source.field == "tag") != (source.tag is not None):
        yield Fault((*here, "tag"), "the field tag needs the tag that it stands for, and no other field has one")


def _between_faults(schema: Schema, attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    source = attribute.between
    assert source is not None
    if attribute.dtype != "number":
        yield Fault((*here, "field"), f"{source.field} is a number, not a {attribute.dtype}")
    if (source.field == "by_category") != bool(source.by_category):
        yield Fault((*here, "by_category"), "by_category maps each offer category to a number attribute of the person, and only that field")
    if (source.field == "group") != (source.group is not None):
        yield Fault((*here, "group"), "the field group needs the name of a basket or of neighbours, and no other field has one")
    numbers = [one.name for one in schema.attributes if one.about == "person" and one.dtype == "number"]
    for category, name in source.by_category.items():
        if category not in schema.categories:
            yield Fault((*here, "by_category", category), f"{category!r} is no offer category{nearest(category, schema.categories)}")
        if name not in numbers:
            yield Fault((*here, "by_category", category), f"{name!r} is no number about a person{nearest(name, numbers)}")


def _group_faults(_schema: Schema, attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    """Faults of the types that group definitions fix."""
    due = "category" if attribute.segment is not None else "flag" if attribute.cohort is not None else "number"
    if attribute.dtype != due:
        yield Fault(here, f"an attribute from {here[-1]!r} is a {due}, not a {attribute.dtype}")


def _pattern_faults(schema: Schema, attribute: Attribute, here: tuple[str | int, ...]) -> Iterator[Fault]:
    assert attribute.pattern is not None
    yield from _group_faults(schema, attribute, here)
    numbers = [one.name for one in schema.attributes if one.history is not None and one.dtype == "number"]
    for item, name in attribute.pattern.by_item.items():
        if name not in numbers:
            yield Fault((*here, "by_item", item), f"{name!r} is no number from the history of a person{nearest(name, numbers)}")


_SOURCE_FAULTS = {
    "history": _history_faults,
    "reading": _reading_faults,
    "clock": _field_faults,
    "offer": _field_faults,
    "occasion": _field_faults,
    "between": _between_faults,
    "segment": _group_faults,
    "cohort": _group_faults,
    "pattern": _pattern_faults,
    "score": _group_faults,
}


def _repeated(schema: Schema, known: Mapping[int, Attribute]) -> Iterator[Fault]:
    """Names, and columns, that two attributes share."""
    for field in ("categories", "zone_kinds"):
        values = getattr(schema, field)
        if len(set(values)) != len(values):
            yield Fault((field,), "a value is listed twice")
    owners: dict[str, str] = {}
    names: set[str] = set()
    for at, attribute in known.items():
        if attribute.name in names:
            yield Fault(("attributes", at, "name"), f"{attribute.name!r} is declared twice")
            continue
        names.add(attribute.name)
        for column in attribute.columns:
            if column in owners:
                yield Fault(("attributes", at, "name"), f"its column {column!r} is also a column of {owners[column]!r}")
            owners[column] = attribute.name
