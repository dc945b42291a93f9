"""Entities of the Smart Data Models, whichever version of NGSI carries them (https://smartdatamodels.org).

An entity is an id, a type and attributes by name. The two versions differ in how they wrap attributes and
entities; `ngsi_v2` and `ngsi_ld` unwrap them and hand plain attributes to this file. The device is the entity.

What the models prescribe: ratios of 1 for relative humidity, batteries and occupied shares; litres per square
metre and hour for rain; hPa; metres per second; an AirQualityObserved's gases in µg/m³. A `unitCode` of
UN/CEFACT Recommendation 20 outranks that. An entity that measures nothing that is kept (an alert, a
forecast, a measurement marked as an outlier) is a sign of life, one in which every value is impossible is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading, Status
from gateway.decoders.contract import bounded, optional, refuse, text
from gateway.decoders.values.decoded_objects import counted
from gateway.decoders.values.quantity_names import QUANTITY_OF, spelled
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import measured_amount

_FLOAT = (-1e12, 1e12)
_NAME_CHARS_MAX = 60
_NAMES_REMEMBERED_MAX = 1_024  # the models' names come again and again; strangers' push each other out


class Attribute(NamedTuple):
    """One attribute without its wrapping."""

    value: object
    at: object = None
    unit_code: object = None


class Entity(NamedTuple):
    """One entity; its attributes as they are wrapped, and what unwraps one: of the many that there are, few are asked for."""

    id: object
    type: object
    attributes: dict[str, Any]
    unwrap: Callable[[Any], Attribute]

    def get(self, name: str) -> Attribute | None:
        """The attribute called `name`."""
        return self.unwrap(self.attributes[name]) if name in self.attributes else None

    def value(self, name: str) -> object:
        """The value of the attribute called `name`, or `None`."""
        attribute = self.get(name)
        return None if attribute is None else attribute.value


# How the models name what is not in the table of all formats.
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
    "LX": "lx",  # what some write instead
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
_NO_UNITS = frozenset({"", "C62"})  # "one": what the models prescribe
_COUNTS: dict[str, str] = {
    "peopleCount": "people",
    "numberOfPeople": "people",
    "peopleCountTowards": "people_towards",
    "peopleCountAway": "people_away",
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
_INTENSITY: dict[object, str] = {"TrafficFlowObserved": "vehicles", "ItemFlowObserved": "items"}
_TAKEN: dict[object, int] = {"occupied": 1, "free": 0}
_NOT_OBSERVED = frozenset({"WeatherForecast", "WeatherAlert", "AirQualityForecast", "Alert"})
_TIMES = ("dateObservedTo", "dateObserved", "observationDateTime", "observationDate", "dateModified", "modifiedAt")


def observed(entities: list[Entity]) -> list[Observation]:
    """What all the entities of one message say."""
    return bounded([one for entity in entities for one in _observed(entity)])


def _observed(entity: Entity) -> list[Observation]:
    device = text(entity.id, "id")
    kind = text(entity.type, "type")
    at_ms = _at_ms(entity)
    where = _position(device, entity.get("location"), at_ms)
    if kind in _NOT_OBSERVED or entity.value("outlier") is True:
        return where or [Status(device, at_ms=at_ms)]
    measured = [*_measured(entity)]
    said = [*_counts(device, kind, entity, at_ms), *_readings(device, measured, at_ms)]
    if not said and _impossible(measured):
        refuse("out_of_range", "every value outside the range of its quantity")
    return [*said, *where] or [Status(device, at_ms=at_ms)]


def _counts(device: str, kind: str, entity: Entity, at_ms: int | None) -> Iterator[Observation]:
    names = [(_COUNTS[name], name) for name in _COUNTS if name in entity.attributes]
    if kind in _INTENSITY:
        names.append((_INTENSITY[kind], "intensity"))
    for what, name in names:
        attribute = entity.get(name)
        if attribute is not None:
            yield from counted(device, what, attribute.value, _when(attribute, at_ms))


def _readings(device: str, measured: list[tuple[str, Attribute]], at_ms: int | None) -> Iterator[Observation]:
    for quantity, attribute in measured:
        amount = _amount(quantity, attribute)
        if amount is not None:
            yield Reading(device, quantity, amount, _when(attribute, at_ms))


def _measured(entity: Entity) -> Iterator[tuple[str, Attribute]]:
    """The attributes that are measured quantities, also those that name their quantity beside them."""
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
    """The quantity that an attribute of such a name measures."""
    return _named(name) if len(name) <= _NAME_CHARS_MAX else None


@lru_cache(maxsize=_NAMES_REMEMBERED_MAX)
def _named(name: str) -> str | None:
    return _OWN.get(name.lower()) or QUANTITY_OF.get(spelled(name))


def _amount(quantity: str, attribute: Attribute) -> float | None:
    """The attribute's value in our unit, or `None` where it cannot be one, or is in a unit that nobody here knows."""
    value = optional(attribute.value, *_FLOAT)
    code = attribute.unit_code
    unit = _UNITS.get(code) if isinstance(code, str) else None
    if value is None or (unit is None and isinstance(code, str) and code not in _NO_UNITS):
        return None
    if unit is not None:
        converted = measured_amount(quantity, value, unit)
    else:
        converted = round(value * 100, 9) if quantity in _RATIOS and value <= 1 else value
    return converted if converted is not None and in_range(quantity, converted) else None


def _impossible(measured: list[tuple[str, Attribute]]) -> bool:
    """Whether numbers were stated, of which then none is possible."""
    return any(optional(attribute.value, *_FLOAT) is not None for _, attribute in measured)


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
    """Of a GeoJSON point; lines and areas are no place for a device, nor is what lies beyond the poles."""
    point: Any = place.value if place is not None else None
    coordinates = point.get("coordinates") if isinstance(point, dict) and point.get("type") == "Point" else None
    if not isinstance(coordinates, list) or len(coordinates) < 2 or place is None:
        return []
    longitude, latitude = optional(coordinates[0], -180, 180), optional(coordinates[1], -90, 90)
    if longitude is None or latitude is None:
        return []
    return [Position(device, latitude, longitude, at_ms=_when(place, at_ms))]
