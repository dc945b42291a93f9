"""Entities of the Smart Data Models, whichever version of NGSI carries them (https://smartdatamodels.org).

An entity is an id, a type and attributes by name. The two versions differ in how they wrap attributes and
entities; `ngsi_v2` and `ngsi_ld` unwrap them and hand plain attributes to this file. The device is the entity.

What the models prescribe: ratios of 1 for relative humidity, batteries and occupied shares; litres per square
metre and hour for rain; hPa; metres per second; an AirQualityObserved's gases in µg/m³. A `unitCode` of
UN/CEFACT Recommendation 20 outranks that. An entity that measures nothing that is kept (an alert, a
forecast, a measurement marked as an outlier) is a sign of life, one in which every value is impossible is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading, Status
from gateway.decoders.contract import bounded, optional, refuse, text
from gateway.decoders.decoded_objects import counted
from gateway.decoders.known_keys import QUANTITY_OF, spelled
from gateway.decoders.times import iso_ms
from gateway.decoders.units import measured_amount

_FLOAT = (-1e12, 1e12)


class Attribute(NamedTuple):
    """One attribute without its wrapping."""

    value: object
    at: object = None
    unit_code: object = None


class Entity(NamedTuple):
    """One entity; of attributes, those with a value."""

    id: object
    type: object
    attributes: dict[str, Attribute]


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
    "2N": "dB",
    "59": "ppm",
    "VLT": "V",
    "2Z": "mV",
    "AMP": "A",
    "WTT": "W",
    "KWT": "kW",
    "KWH": "kWh",
}
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
    at_ms = _at_ms(entity.attributes)
    where = _position(device, entity.attributes.get("location"), at_ms)
    if kind in _NOT_OBSERVED or _is_outlier(entity.attributes):
        return where or [Status(device, at_ms=at_ms)]
    said = [*_counts(device, kind, entity.attributes, at_ms), *_readings(device, entity.attributes, at_ms)]
    if not said and _impossible(entity.attributes):
        refuse("out_of_range", "every value outside the range of its quantity")
    return [*said, *where] or [Status(device, at_ms=at_ms)]


def _counts(device: str, kind: str, attributes: dict[str, Attribute], at_ms: int | None) -> Iterator[Observation]:
    rows = [(what, attributes[name]) for name, what in _COUNTS.items() if name in attributes]
    if kind in _INTENSITY and "intensity" in attributes:
        rows.append((_INTENSITY[kind], attributes["intensity"]))
    for what, attribute in rows:
        yield from counted(device, what, attribute.value, _when(attribute, at_ms))


def _readings(device: str, attributes: dict[str, Attribute], at_ms: int | None) -> Iterator[Observation]:
    for quantity, attribute in _measured(attributes):
        amount = _amount(quantity, attribute)
        if amount is not None:
            yield Reading(device, quantity, amount, _when(attribute, at_ms))


def _measured(attributes: dict[str, Attribute]) -> Iterator[tuple[str, Attribute]]:
    """The attributes that are measured quantities, also those that name their quantity beside them."""
    for name, attribute in attributes.items():
        quantity = _OWN.get(name.lower()) or QUANTITY_OF.get(spelled(name))
        if quantity is not None:
            yield quantity, attribute
    status = attributes.get("status")
    if status is not None and isinstance(status.value, str) and status.value in _TAKEN:
        yield "occupancy", status._replace(value=_TAKEN[status.value])
    measurement, measures = attributes.get("numValue"), attributes.get("controlledProperty")
    if measurement is not None and measures is not None and isinstance(measures.value, str):
        quantity = QUANTITY_OF.get(spelled(measures.value))
        if quantity is not None:
            yield quantity, measurement


def _amount(quantity: str, attribute: Attribute) -> float | None:
    """The attribute's value in our unit, or `None` where it cannot be one."""
    value = optional(attribute.value, *_FLOAT)
    if value is None:
        return None
    unit = _UNITS.get(attribute.unit_code) if isinstance(attribute.unit_code, str) else None
    if unit is not None:
        converted = measured_amount(quantity, value, unit)
    else:
        converted = round(value * 100, 9) if quantity in _RATIOS and value <= 1 else value
    return converted if converted is not None and in_range(quantity, converted) else None


def _impossible(attributes: dict[str, Attribute]) -> bool:
    """Whether numbers were stated, of which then none is possible."""
    return any(optional(attribute.value, *_FLOAT) is not None for _, attribute in _measured(attributes))


def _is_outlier(attributes: dict[str, Attribute]) -> bool:
    outlier = attributes.get("outlier")
    return outlier is not None and outlier.value is True


def _at_ms(attributes: dict[str, Attribute]) -> int | None:
    """The first of the models' times that can be read; of an interval, its end."""
    for name in _TIMES:
        at_ms = _time(attributes[name].value) if name in attributes else None
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
