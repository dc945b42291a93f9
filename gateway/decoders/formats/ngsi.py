"""Entities of the Smart Data Models (https://smartdatamodels.org), for both versions of NGSI.

An entity is an id, a type and attributes by name. The versions wrap attributes and entities in different ways, which
`ngsi_v2` and `ngsi_ld` unwrap. The device is the entity.

Units of the models: ratios of 1 for relative humidity, batteries and occupied shares; litres per square metre and hour
for rain; hPa; metres per second; µg/m³ for the gases of an AirQualityObserved. A `unitCode` (UN/CEFACT Recommendation
20) takes precedence. An alert becomes an event. An entity without a measurement that is kept (a forecast, an outlier) becomes a status;
one in which every value is impossible is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Event, Observation, Position, Reading, Status
from gateway.decoders.contract import bounded, number_or_none, refuse, text
from gateway.decoders.values.decoded_objects import count_of
from gateway.decoders.values.people import people_named
from gateway.decoders.values.quantity_names import QUANTITY_OF, folded_name
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import canonical_amount

_FLOAT = (-1e12, 1e12)
_NAME_CHARS_MAX = 60
_NAMES_CACHED_MAX = 1_024  # the models have few names; names that are sent once drop out of the cache


class Attribute(NamedTuple):
    """One attribute without its wrapping."""

    value: object
    at: object = None
    unit_code: object = None


class Entity(NamedTuple):
    """One entity with its wrapped attributes; `unwrap` is called only for those that are read, as there are many."""

    id: object
    type: object
    attributes: dict[str, Any]
    unwrap: Callable[[Any], Attribute]

    def get(self, name: str) -> Attribute | None:
        """The attribute called `name`, or `None`."""
        return self.unwrap(self.attributes[name]) if name in self.attributes else None

    def value(self, name: str) -> object:
        """The value of the attribute called `name`, or `None`."""
        attribute = self.get(name)
        return None if attribute is None else attribute.value


# Names of the models that are not in the common table.
_OWN: dict[str, str] = {
    "precipitation": "precipitation",
    "laeq": "noise",
    "occupancy": "occupancy",
    "pm2.5": "pm2_5",
}
_RATIOS = frozenset({"humidity", "battery"})
_UNITS: dict[str, str] = {
    "CEL": "°C",
    "FAH": "°F",
    "KEL": "K",
    "A97": "hPa",
    "MBR": "hPa",
    "PAL": "Pa",
    "KPA": "kPa",
    "MTS": "m/s",
    "KMH": "km/h",
    "HM": "mph",
    "KNT": "kn",
    "GQ": "µg/m³",
    "GP": "mg/m³",
    "LUX": "lx",
    "LX": "lx",  # instead of the code LUX, as some entities have it
    "P1": "%",
    "2N": "dB",
    "59": "ppm",
    "VLT": "V",
    "2Z": "mV",
    "AMP": "A",
    "WTT": "W",
    "KWT": "kW",
    "KWH": "kWh",
}
_NO_UNITS = frozenset({"", "C62"})  # no unit, and "one": the models' own unit
_COUNTS: dict[str, str] = {
    "peopleCount": "people",
    "numberOfPeople": "people",
    "peopleCountTowards": "people_in",
    "peopleCountAway": "people_out",
    "vehicleEntranceCount": "vehicles_in",
    "vehicleExitCount": "vehicles_out",
    "availableSpotNumber": "spots_free",
    "occupiedSpotNumber": "spots_taken",
    "totalSpotNumber": "spots",
    "availableBikeNumber": "bikes_free",
    "freeSlotNumber": "slots_free",
    "totalSlotNumber": "slots",
    "outOfServiceSlotNumber": "slots_broken",
}
_DIRECTED = frozenset({"people_in", "people_out"})
_INTENSITY: dict[object, str] = {"TrafficFlowObserved": "vehicles", "ItemFlowObserved": "items"}
_TAKEN: dict[object, int] = {"occupied": 1, "free": 0}
_NOT_OBSERVED = frozenset({"WeatherForecast", "AirQualityForecast"})
_ALERTS = frozenset({"Alert", "WeatherAlert"})
_ALERT_KINDS = ("category", "subCategory")
_ALERT_SOURCES = ("alertSource", "source", "dataProvider")
_TIMES = ("dateObservedTo", "dateObserved", "observationDateTime", "observationDate", "dateModified", "modifiedAt")


def entity_observations(entities: list[Entity]) -> list[Observation]:
    """The readings, counts, positions and statuses of all entities of one message.

    Raises DecodeError: "missing_field" without an id or a type, "out_of_range" for an entity with impossible values
    alone, "too_large".
    """
    return bounded([one for entity in entities for one in _observed(entity)])


def _observed(entity: Entity) -> list[Observation]:
    device = text(entity.id, "id")
    kind = text(entity.type, "type")
    at_ms = _at_ms(entity)
    where = _position(device, entity.get("location"), at_ms)
    if kind in _ALERTS:
        return [_event(device, kind, entity, at_ms), *where]
    if kind in _NOT_OBSERVED or entity.value("outlier") is True:
        return where or [Status(device, at_ms=at_ms)]
    measured = [*_measured(entity)]
    measurements = [*_counts(device, kind, entity, at_ms), *_readings(device, measured, at_ms)]
    if not measurements and _impossible(measured):
        refuse("out_of_range", "every value is out of the range of its quantity")
    return [*measurements, *where] or [Status(device, at_ms=at_ms)]


def _event(device: str, kind: str, entity: Entity, at_ms: int | None) -> Observation:
    """An alert as an event, such as `Alert/traffic/trafficJam`; its device is its source, or itself without one."""
    texts = {name: _text(entity.value(name)) for name in (*_ALERT_KINDS, *_ALERT_SOURCES)}
    source = next((texts[name] for name in _ALERT_SOURCES if texts[name]), device)
    parts = [kind, *[texts[name] for name in _ALERT_KINDS if texts[name]]]
    issued_ms = _time(entity.value("dateIssued"))
    starts_ms = _time(entity.value("validFrom")) if issued_ms is None else issued_ms
    at_ms = at_ms if starts_ms is None else starts_ms
    return Event(source, source, device, text("/".join(parts), "category"), None, at_ms, _time(entity.value("validTo")))


def _text(value: object) -> str:
    """The value where it is a text that can be kept, otherwise empty."""
    is_kept = isinstance(value, str) and value.isprintable() and len(value) <= limits.TEXT_CHARS_MAX
    return str(value) if is_kept else ""


def _counts(device: str, kind: str, entity: Entity, at_ms: int | None) -> Iterator[Observation]:
    names = [(_COUNTS[name], name) for name in _COUNTS if name in entity.attributes]
    if not _DIRECTED.isdisjoint(what for what, _ in names):
        names = [(what, name) for what, name in names if what != "people"]  # their sum
    if kind in _INTENSITY:
        names.append((_INTENSITY[kind], "intensity"))
    for what, name in names:
        attribute = entity.get(name)
        if attribute is not None:
            when = _when(attribute, at_ms)
            count = people_named(device, what, attribute.value, when) if what in _DIRECTED else None
            yield from count_of(device, what, attribute.value, when) if count is None else [count]


def _readings(device: str, measured: list[tuple[str, Attribute]], at_ms: int | None) -> Iterator[Observation]:
    for quantity, attribute in measured:
        amount = _amount(quantity, attribute)
        if amount is not None:
            yield Reading(device, quantity, amount, _when(attribute, at_ms))


def _measured(entity: Entity) -> Iterator[tuple[str, Attribute]]:
    """The attributes that are quantities, including one with its quantity in another attribute."""
    for name, wrapped in entity.attributes.items():
        quantity = _quantity(name)
        if quantity is not None:
            yield quantity, entity.unwrap(wrapped)
    status = entity.get("status")
    if status is not None and isinstance(status.value, str) and status.value in _TAKEN:
        yield "occupancy", status._replace(value=_TAKEN[status.value])
    measurement, measures = entity.get("numValue"), entity.value("controlledProperty")
    if measurement is not None and isinstance(measures, str):
        quantity = _quantity(measures)
        if quantity is not None:
            yield quantity, measurement


def _quantity(name: str) -> str | None:
    """The quantity of an attribute called `name`, or `None`."""
    return _named(name) if len(name) <= _NAME_CHARS_MAX else None


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _named(name: str) -> str | None:
    return _OWN.get(name.lower()) or QUANTITY_OF.get(folded_name(name))


def _amount(quantity: str, attribute: Attribute) -> float | None:
    """The attribute's value in our unit, or `None` where it is impossible or in an unknown unit."""
    value = number_or_none(attribute.value, *_FLOAT)
    code = attribute.unit_code
    unit = _UNITS.get(code) if isinstance(code, str) else None
    if value is None or (unit is None and isinstance(code, str) and code not in _NO_UNITS):
        return None
    if unit is not None:
        converted = canonical_amount(quantity, value, unit)
    else:
        converted = round(value * 100, 9) if quantity in _RATIOS and value <= 1 else value
    return converted if converted is not None and in_range(quantity, converted) else None


def _impossible(measured: list[tuple[str, Attribute]]) -> bool:
    """Whether there are numbers at all; called where there was no reading."""
    return any(number_or_none(attribute.value, *_FLOAT) is not None for _, attribute in measured)


def _at_ms(entity: Entity) -> int | None:
    """The first of the models' times that can be read; of an interval, its end."""
    for name in _TIMES:
        at_ms = _time(entity.value(name)) if name in entity.attributes else None
        if at_ms is not None:
            return at_ms
    return None


def _when(attribute: Attribute, at_ms: int | None) -> int | None:
    stated = _time(attribute.at)
    return at_ms if stated is None else stated


def _time(stated: object) -> int | None:
    if isinstance(stated, dict):  # JSON-LD: {"@type": "DateTime", "@value": "..."}
        stated = stated.get("@value")
    return iso_ms(stated.rpartition("/")[2]) if isinstance(stated, str) else None


def _position(device: str, place: Attribute | None, at_ms: int | None) -> list[Observation]:
    """The position of a GeoJSON point; none for lines, areas and coordinates out of range."""
    point: Any = place.value if place is not None else None
    coordinates = point.get("coordinates") if isinstance(point, dict) and point.get("type") == "Point" else None
    if not isinstance(coordinates, list) or len(coordinates) < 2 or place is None:
        return []
    longitude, latitude = number_or_none(coordinates[0], -180, 180), number_or_none(coordinates[1], -90, 90)
    if longitude is None or latitude is None:
        return []
    return [Position(device, latitude, longitude, at_ms=_when(place, at_ms))]
