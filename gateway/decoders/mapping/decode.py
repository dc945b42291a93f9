"""Decodes messages by a declared mapping."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Count, Message, Observation, Position, Reading, Sighting, Status
from gateway.decoders.contract import UNSTATED, Decoder, Kind, bounded, number_or_none, parse_json, refuse, rssi_or_none, text
from gateway.decoders.mapping.rows import Mapping, Value, resolved
from gateway.decoders.topics import topic_matches
from gateway.decoders.values.people import people
from gateway.decoders.values.radio_ids import canonical_id
from gateway.decoders.values.text_payload import decimal_or_none, payload_text
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import canonical_amount

NAME = "mapping"
_FLOAT = (-1e300, 1e300)
_SECONDS_MAX = limits.CLOCK_CEILING_MS / 1_000


def mapping_decoder(mapping: Mapping) -> Decoder:
    """The decoder of a mapping: a bridge where the payload names the devices, a scanner where it states sightings."""
    kinds: set[Kind] = {"reading", "count", "status"}
    if mapping.heard is not None:
        kinds.add("sighting")
    if mapping.latitude is not None:
        kinds.add("position")
    role = "bridge" if mapping.device is not None or mapping.name is not None else "scanner" if mapping.heard is not None else "device"

    def decode(message: Message) -> list[Observation]:
        """The observations that the mapping finds.

        Raises DecodeError: as `parse_json()` does, and "out_of_range" where every value is impossible.
        """
        return mapped(mapping, message)

    return Decoder(NAME, (), decode, role=role, kinds=frozenset(kinds))  # type: ignore[arg-type]


def mapped(mapping: Mapping, message: Message) -> list[Observation]:
    """The observations of one message; a `Status` where it holds none of the values.

    Raises DecodeError: as `parse_json()` does, and "out_of_range" where every value is impossible.
    """
    body = _body(mapping, message.payload)
    observations: list[Observation] = []
    impossible = False
    for item in _items(mapping, body):
        device = _device(mapping, item)
        if device is None:
            continue
        at_ms = None if mapping.time is None else time_ms(resolved(item, mapping.time))
        observations += [*_sighting(mapping, item, device, at_ms), *_position(mapping, item, device, at_ms)]
        for value in mapping.values:
            if value.topic is not None and not topic_matches(value.topic, message.topic):
                continue
            stated = resolved(item, value.at)
            found = observed(value, stated, device, at_ms)
            observations += [] if found is None else [found]
            impossible |= found is None and _is_number(value, stated)
    if impossible and not observations:
        refuse("out_of_range", "every value is out of the range of its quantity, or missing by the mapping")
    return bounded(observations) or [Status(mapping.name or UNSTATED)]


def observed(value: Value, stated: Any, device: str, at_ms: int | None) -> Observation | None:
    """The reading or count that a row makes of the value that is `stated`; `None` where it is none, missing or impossible."""
    number = _number(value, stated)
    if number is None or number in value.missing:
        return None
    whole = device if value.part is None else text(f"{device}/{value.part}", "device")
    if value.kind is not None:
        if not number.is_integer() or not 0 <= number <= limits.INTEGER_MAX:
            return None
        if value.what == "people":
            return people(whole, int(number), value.kind, value.direction, at_ms)
        return Count(whole, value.what, int(number), at_ms, value.kind, value.direction)
    assert value.quantity is not None
    amount = canonical_amount(value.quantity, number * value.scale, value.unit)
    return Reading(whole, value.quantity, amount, at_ms) if amount is not None and in_range(value.quantity, amount) else None


def time_ms(stated: Any) -> int | None:
    """A stated time as milliseconds: ISO 8601, seconds or milliseconds; `None` for another value."""
    number = decimal_or_none(stated) if isinstance(stated, str) else number_or_none(stated, 0, limits.CLOCK_CEILING_MS)
    if number is None:
        return iso_ms(stated)
    at_ms = number * 1_000 if number <= _SECONDS_MAX else number
    return int(at_ms) if 0 < at_ms <= limits.CLOCK_CEILING_MS else None


def _body(mapping: Mapping, payload: bytes) -> Any:
    if mapping.form == "json":
        return parse_json(payload)
    stated = payload_text(payload)
    return [part.strip() for part in stated.split(mapping.delimiter)] if mapping.form == "csv" else stated


def _items(mapping: Mapping, body: Any) -> Iterator[Any]:
    if mapping.each is None:
        yield body
        return
    members = resolved(body, mapping.each)
    if isinstance(members, dict):
        yield from members.values()
    elif isinstance(members, list):
        yield from members[: limits.OBSERVATIONS_PER_MESSAGE_MAX]


def _device(mapping: Mapping, item: Any) -> str | None:
    """The device of an item; `None` where the mapping points at one and the item states none."""
    if mapping.device is None:
        return mapping.name or UNSTATED
    stated = resolved(item, mapping.device)
    if isinstance(stated, int) and not isinstance(stated, bool):
        stated = str(stated)
    return canonical_id(text(stated, "device")) if isinstance(stated, str) and stated else None


def _sighting(mapping: Mapping, item: Any, device: str, at_ms: int | None) -> Iterator[Observation]:
    if mapping.heard is None or mapping.rssi is None:
        return
    heard, rssi = resolved(item, mapping.heard), rssi_or_none(_plain(resolved(item, mapping.rssi)))
    if isinstance(heard, str) and heard and rssi is not None:
        yield Sighting(device, canonical_id(text(heard, "heard")), rssi, at_ms)


def _position(mapping: Mapping, item: Any, device: str, at_ms: int | None) -> Iterator[Observation]:
    if mapping.latitude is None or mapping.longitude is None:
        return
    degrees = [number_or_none(_plain(resolved(item, one)), *_FLOAT) for one in (mapping.latitude, mapping.longitude)]
    latitude, longitude = (math.nan if one is None else one * mapping.degrees for one in degrees)
    if abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude or longitude):
        yield Position(device, latitude, longitude, at_ms=at_ms)


def _number(value: Value, stated: Any) -> float | None:
    if isinstance(stated, str) and stated.strip().lower() in value.words:
        return value.words[stated.strip().lower()]
    if isinstance(stated, bool):
        return value.words.get(str(stated).lower(), float(stated))
    return number_or_none(_plain(stated), *_FLOAT)


def _is_number(value: Value, stated: Any) -> bool:
    return _number(value, stated) is not None


def _plain(stated: Any) -> Any:
    """A number that is stated as a text, as a number."""
    return decimal_or_none(stated) if isinstance(stated, str) else stated
