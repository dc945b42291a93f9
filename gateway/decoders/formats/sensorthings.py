"""OGC SensorThings API 1.0 and 1.1: what a server such as FROST publishes by MQTT (https://docs.ogc.org/is/18-088/18-088.html).

An Observation is a `result` of a Datastream, and only the Datastream knows what was measured and in which unit.
Where the server was asked to expand it, that is told in the same message; else the number comes as `unspecified`
and stands for itself, since a decoder remembers nothing. The device is the Datastream, or the MultiDatastream,
written as in the server's addresses: `Datastreams(999)`, by topic before payload. A Location of Things is their
position. The other entities, and updates of single properties, are descriptions: well formed, and not kept.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.core.types import Message, Observation, Position, Reading
from gateway.decoders.contract import UNSTATED, Decoder, bounded, optional, parse_json, refuse, text
from gateway.decoders.values.decoded_objects import amount
from gateway.decoders.values.naming import named
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import BY_UNIT, UNITS, measured_amount

_STREAM_LEVEL = re.compile(r"(?:Multi)?Datastreams\([^/]{1,200}\)")
_UNSPECIFIED = "unspecified"


class _Entity(msgspec.Struct, gc=False):
    """The fields that Wayside reads, of whichever kind of entity."""

    result: object = msgspec.UNSET
    phenomenon_time: object = msgspec.field(default=None, name="phenomenonTime")
    result_time: object = msgspec.field(default=None, name="resultTime")
    datastream: dict[str, object] | None = msgspec.field(default=None, name="Datastream")
    place: object = msgspec.field(default=None, name="location")
    things: list[object] | None = msgspec.field(default=None, name="Things")


_ENTITY: msgspec.json.Decoder[_Entity] = msgspec.json.Decoder(_Entity)


def decode(message: Message) -> list[Observation]:
    """A reading of an Observation, positions of a Location."""
    entity = parse_json(message.payload, _ENTITY)
    if entity.result is not msgspec.UNSET:
        return _reading(message.topic, entity)
    if entity.things and entity.place is not None:
        return bounded([where for thing in entity.things for where in _places(thing, entity.place)])
    return []


def _reading(topic: str, entity: _Entity) -> list[Observation]:
    value = int(entity.result) if isinstance(entity.result, bool) else entity.result
    if isinstance(value, (str, list, dict)) or value is None:
        return []  # a text, a record or "no result": well formed, and no measurement
    stream = entity.datastream or {}
    device = _device(topic, stream)
    at_ms = _at_ms(entity)
    quantity, unit = _meant(stream)
    found = amount(quantity, value) if unit is None else measured_amount(quantity, value, unit)
    if found is None:
        refuse("out_of_range", "result is no possible amount of its datastream's quantity")
    return [Reading(device, quantity, found, at_ms)]


def _device(topic: str, stream: dict[str, object]) -> str:
    level = next((level for level in topic.split("/") if _STREAM_LEVEL.fullmatch(level)), None)
    if level is not None:
        return text(level, "topic")
    stated = stream.get("@iot.id")
    if stated is None:
        return UNSTATED
    return text(f"Datastreams({_id(stated)})", "Datastream")


def _id(stated: object) -> str:
    """An entity's id as addresses hold it: numbers as they are, texts quoted."""
    if isinstance(stated, str):
        return f"'{text(stated, '@iot.id')}'"
    whole = optional(stated, -(2.0**63), 2.0**63)
    if whole is None or not whole.is_integer():
        refuse("wrong_shape", "@iot.id must be a text or a whole number")
    return str(int(whole))


def _meant(stream: dict[str, object]) -> tuple[str, str | None]:
    """The quantity and the unit of what a Datastream measures, as far as the message tells them."""
    measured = stream.get("ObservedProperty")
    name = measured.get("name") if isinstance(measured, dict) else None
    meant = named(name) if isinstance(name, str) else None
    unit = stream.get("unitOfMeasurement")
    symbol = unit.get("symbol") if isinstance(unit, dict) else None
    row = UNITS.get(symbol) if isinstance(symbol, str) else None
    if meant is not None:
        return meant.quantity, symbol if row is not None else meant.unit
    quantity = None if row is None else BY_UNIT.get(row.dimension)
    return (_UNSPECIFIED, None) if quantity is None or name is not None else (quantity, symbol)


def _at_ms(entity: _Entity) -> int | None:
    """When it was measured; of an interval, its end."""
    for stated in (entity.phenomenon_time, entity.result_time):
        at_ms = iso_ms(stated.rpartition("/")[2]) if isinstance(stated, str) else None
        if at_ms is not None:
            return at_ms
    return None


def _places(thing: object, place: Any) -> list[Position]:
    stated = thing.get("@iot.id") if isinstance(thing, dict) else None
    point = place.get("geometry", place) if isinstance(place, dict) else None  # GeoJSON, with or without a Feature around it
    coordinates = point.get("coordinates") if isinstance(point, dict) and point.get("type") == "Point" else None
    if stated is None or not isinstance(coordinates, list) or len(coordinates) < 2:
        return []
    longitude, latitude = optional(coordinates[0], -180, 180), optional(coordinates[1], -90, 90)
    if longitude is None or latitude is None:
        refuse("out_of_range", "coordinates are no place on Earth")
    return [Position(text(f"Things({_id(stated)})", "Things"), latitude, longitude)]


DECODER = Decoder("sensorthings", ("v1.0/#", "v1.1/#"), decode)
