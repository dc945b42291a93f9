"""OGC SensorThings API 1.0 and 1.1, as servers such as FROST publish it by MQTT (https://docs.ogc.org/is/18-088/18-088.html).

An Observation is a `result` of a Datastream, and only the Datastream states the quantity and the unit. A server can be
asked to expand it into the same message; without it the number is of the quantity `unspecified`, because a decoder
keeps no state. The device is the Datastream, or the MultiDatastream, as in the server's addresses: `Datastreams(999)`,
from the topic before the payload. A Location of Things is their position. Other entities, and updates of single
properties, give nothing.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.core.types import Message, Observation, Position, Reading
from gateway.decoders.contract import PLACED, UNSTATED, Decoder, bounded, number_or_none, parse_json, refuse, text
from gateway.decoders.values.decoded_objects import decoded_amount
from gateway.decoders.values.quantity_names import quantity_named
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import BY_UNIT, UNITS, canonical_amount

_STREAM_LEVEL = re.compile(r"(?:Multi)?Datastreams\([^/]{1,200}\)")
_UNSPECIFIED = "unspecified"


class _Entity(msgspec.Struct, gc=False):
    """The fields that Wayside reads, of all kinds of entities."""

    result: object = msgspec.UNSET
    phenomenon_time: object = msgspec.field(default=None, name="phenomenonTime")
    result_time: object = msgspec.field(default=None, name="resultTime")
    datastream: dict[str, object] | None = msgspec.field(default=None, name="Datastream")
    place: object = msgspec.field(default=None, name="location")
    things: list[object] | None = msgspec.field(default=None, name="Things")


_ENTITY: msgspec.json.Decoder[_Entity] = msgspec.json.Decoder(_Entity)


def decode(message: Message) -> list[Observation]:
    """A reading of an Observation, positions of a Location.

    Raises DecodeError: "out_of_range" for an impossible result or coordinate, "wrong_shape" for an id, "too_large".
    """
    entity = parse_json(message.payload, _ENTITY)
    if entity.result is not msgspec.UNSET:
        return _reading(message.topic, entity)
    if entity.things and entity.place is not None:
        return bounded([where for thing in entity.things for where in _places(thing, entity.place)])
    return []


def _reading(topic: str, entity: _Entity) -> list[Observation]:
    value = int(entity.result) if isinstance(entity.result, bool) else entity.result
    if isinstance(value, (str, list, dict)) or value is None:
        return []  # a text, a record or "no result"
    stream = entity.datastream or {}
    device = _device(topic, stream)
    at_ms = _at_ms(entity)
    quantity, unit = _meant(stream)
    found = decoded_amount(quantity, value) if unit is None else canonical_amount(quantity, value, unit)
    if found is None:
        refuse("out_of_range", "result is out of the range of its datastream's quantity")
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
    """The id of an entity as in addresses: a number as it is, a text in quotes."""
    if isinstance(stated, str):
        return f"'{text(stated, '@iot.id')}'"
    whole = number_or_none(stated, -(2.0**63), 2.0**63)
    if whole is None or not whole.is_integer():
        refuse("wrong_shape", "@iot.id must be a text or a whole number")
    return str(int(whole))


def _meant(stream: dict[str, object]) -> tuple[str, str | None]:
    """The quantity and the unit of a Datastream, as far as the message states them."""
    measured = stream.get("ObservedProperty")
    name = measured.get("name") if isinstance(measured, dict) else None
    meant = quantity_named(name) if isinstance(name, str) else None
    unit = stream.get("unitOfMeasurement")
    symbol = unit.get("symbol") if isinstance(unit, dict) else None
    row = UNITS.get(symbol) if isinstance(symbol, str) else None
    if meant is not None:
        return meant.quantity, symbol if row is not None else meant.unit
    quantity = None if row is None else BY_UNIT.get(row.dimension)
    return (_UNSPECIFIED, None) if quantity is None or name is not None else (quantity, symbol)


def _at_ms(entity: _Entity) -> int | None:
    """The time of the measurement; of an interval, its end."""
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
    longitude, latitude = number_or_none(coordinates[0], -180, 180), number_or_none(coordinates[1], -90, 90)
    if longitude is None or latitude is None:
        refuse("out_of_range", "coordinates must be within -180..180 and -90..90")
    return [Position(text(f"Things({_id(stated)})", "Things"), latitude, longitude)]


DECODER = Decoder("sensorthings", ("v1.0/#", "v1.1/#"), decode, kinds=PLACED)
