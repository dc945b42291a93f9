"""The columns of a model that depend on the offer: its fields, made once for a campaign, and values between place, person and offer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.grouping import hidden_name
from gateway.core.attributes.schema import Attribute, OfferSource

if TYPE_CHECKING:
    from gateway.core.offers import Offer

Floats = NDArray[np.float32]
Positions = Mapping[str, tuple[float, float]]
"""Zone -> metres (east, north) on the site's plan."""

WALK_M_PER_MIN = 80.0  # 4.8 km/h, the usual planning figure for pedestrians
HOUR_MS = 3_600_000
FLOAT32_MAX = float(np.finfo(np.float32).max)


class _Walk(NamedTuple):
    """A column of the way from the zone to the offers' shops, with the attribute's unit in metres and its bounds."""

    place: int
    unit_m: float
    low: float
    high: float


class _ByCategory(NamedTuple):
    """A column that takes a slot of `numbers` for each category of the schema, with its bounds."""

    place: int
    slots: NDArray[np.intp]
    low: float
    high: float


class OfferColumns:
    """The columns of one campaign's offers. `places` are the positions of a model's columns, `slots` those of named numbers.

    `fields` (offers, fields) are the columns that do not change, `field_places` their positions.
    """

    def __init__(
        self,
        used: Sequence[Attribute],
        places: Mapping[str, int],
        slots: Mapping[str, int],
        categories: Sequence[str],
        offers: Sequence[Offer],
        positions: Positions,
    ) -> None:
        """Work out all columns that do not change."""
        self._offers, self._positions = tuple(offers), positions
        self.field_places, self.fields = _static(used, places, offers)
        self._ends_ms = np.array([float(offer.ends_ms) for offer in offers])
        self._countdowns: dict[tuple[float, float], list[int]] = {}  # bounds -> columns of the hours until offers end
        self._walks: list[_Walk] = []
        self._by_category: list[_ByCategory] = []
        for one in used:
            place = places.get(one.name)
            if place is None:
                continue
            if one.offer is not None and one.offer.field == "hours_left":
                self._countdowns.setdefault(bounds(one), []).append(place)
            elif (names := _by_category(one, categories)) is not None:
                found = [slots.get(name, -1) for name in names]
                self._by_category.append(_ByCategory(place, np.array(found, dtype=np.intp), *bounds(one)))
            elif one.between is not None:
                self._walks.append(_Walk(place, _UNITS_M[one.between.field], *bounds(one)))
        numbers = {category: at for at, category in enumerate(categories)}
        self._category = np.array([numbers[offer.category] for offer in offers], dtype=np.intp)
        self._ways: dict[str, list[Floats]] = {}  # zone -> a column for each of `_walks`

    def write(self, rows: Floats, chosen: NDArray[np.intp], zone: str, now_ms: int, numbers: NDArray[np.float64]) -> None:
        """Write the columns of the offers at the positions `chosen` into `rows` (len(chosen), columns).

        `numbers` are those of `ReadPlan.numbers`, with NaN in the last slot.
        """
        rows[:, self.field_places] = self.fields[chosen]
        if self._countdowns:
            hours_left = (self._ends_ms[chosen] - now_ms) / HOUR_MS
            for (low, high), places in self._countdowns.items():
                rows[:, places] = _clipped(hours_left, low, high)[:, np.newaxis]
        for one in self._by_category:
            rows[:, one.place] = _of_categories(one, numbers)[self._category[chosen]]
        if self._walks:
            for walk, way in zip(self._walks, self._ways.get(zone) or self._ways_from(zone), strict=True):
                rows[:, walk.place] = way[chosen]

    def write_by_category(self, row: Floats, category: int, numbers: NDArray[np.float64]) -> None:
        """Write the person's values for an offer of this category (its position in the schema, -1 for none) into one row."""
        for one in self._by_category:
            row[one.place] = _of_categories(one, numbers)[category] if category >= 0 else math.nan

    def _ways_from(self, zone: str) -> list[Floats]:
        here = self._positions.get(zone)
        there = [self._positions.get(offer.shop) for offer in self._offers]
        metres = np.array([math.hypot(here[0] - to[0], here[1] - to[1]) if here and to else math.nan for to in there])
        found = [_clipped(metres / walk.unit_m, walk.low, walk.high).astype(np.float32) for walk in self._walks]
        self._ways[zone] = found
        return found


def _by_category(one: Attribute, categories: Sequence[str]) -> list[str] | None:
    """The name of the person's number for each category; None for an attribute that depends on more than the offer's category."""
    if one.pattern is not None or (one.between is not None and one.between.field == "group"):
        return [hidden_name(one, category) for category in categories]
    if one.between is not None and one.between.field == "by_category":
        return [one.between.by_category.get(category, "") for category in categories]
    return None


def bounds(attribute: Attribute) -> tuple[float, float]:
    """Lowest and highest number of an attribute, at most those of float32."""
    low = -FLOAT32_MAX if attribute.low is None else max(attribute.low, -FLOAT32_MAX)
    return low, FLOAT32_MAX if attribute.high is None else min(attribute.high, FLOAT32_MAX)


def without_negative_zero(numbers: Floats) -> None:
    """Change -0.0 into 0.0, in place: not every export keeps the sign of zero, and replayed rows must have equal bytes."""
    numbers += np.float32(0.0)


def _clipped(numbers: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    clipped: NDArray[np.float64] = np.minimum(np.maximum(numbers, low), high)
    return clipped


def _of_categories(one: _ByCategory, numbers: NDArray[np.float64]) -> Floats:
    found = _clipped(numbers[one.slots], one.low, one.high).astype(np.float32)
    without_negative_zero(found)
    return found


def _static(used: Sequence[Attribute], places: Mapping[str, int], offers: Sequence[Offer]) -> tuple[NDArray[np.intp], Floats]:
    """Positions of the columns of fields that do not change, and these columns, (offers, columns)."""
    fields = {name: [read(offer) for offer in offers] for name, read in _FIELDS.items()}
    found: dict[int, NDArray[np.float64]] = {}
    for one in used:
        source = one.offer
        if source is None or source.field == "hours_left":
            continue
        listed = {one.name: _tagged(source, offers) if source.field == "tag" else fields.get(source.field, [])}
        if source.field == "category":
            listed = {
                column: [float(offer.category == value) for offer in offers] for column, value in zip(one.columns, one.values, strict=True)
            }
        for name, numbers in listed.items():
            if name in places:
                found[places[name]] = _clipped(np.array(numbers, dtype=np.float64), *bounds(one))
    static = np.empty((len(offers), len(found)), dtype=np.float32)
    for at, column in enumerate(found.values()):
        static[:, at] = column
    without_negative_zero(static)
    return np.array(list(found), dtype=np.intp), static


def _tagged(source: OfferSource, offers: Sequence[Offer]) -> list[float]:
    return [float(source.tag in offer.tags) for offer in offers]


def _or_unknown(number: float | None) -> float:
    return math.nan if number is None else float(number)


_FIELDS: Mapping[str, Callable[[Offer], float]] = {
    "value": lambda offer: float(offer.value_minor),
    "price": lambda offer: _or_unknown(offer.price_minor),
    "discount": lambda offer: _or_unknown(offer.discount),
    "expiry_hours": lambda offer: offer.expiry_hours,
}
_UNITS_M: Mapping[str, float] = {"walk_min": WALK_M_PER_MIN, "distance_m": 1.0}
