"""Sensor Measurement Lists (RFC 8428): the observations of a pack, for all three encodings.

The base fields of a record (`bn`, `bt`, `bu`, `bv`) apply to it and to the following ones, so records are resolved in
order. The resolved name, which is globally unique by the RFC, is the device. The unit decides the quantity; where a
unit belongs to several (`%`, `ppm`, `m/s`), the last part of the name does. `lat` and `lon` of one name and time are a
position; the unit `/` is a switch at 0 and 1 and a level in between; `count` is a count. A text is the state of a
status; raw data and sums become a status.

Times below 2**28 s are relative to now, which is the time of receipt. An unknown version, or a field whose name ends in
`_` ("must be understood"), makes the pack unreadable, as the RFC demands.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.core import limits
from gateway.core.types import Count, Observation, Position, Reading, Status
from gateway.decoders.contract import bounded, number, number_or_none, refuse, text
from gateway.decoders.values.quantity_names import NamedQuantity, quantity_named
from gateway.decoders.values.units import BY_UNIT, UNITS, canonical_amount

_RELATIVE_BELOW_S = 1 << 28
_TIME_S = (-1e12, 1e12)
_VALUE = (-1e300, 1e300)
_VERSIONS = frozenset({*range(1, 11), 26})  # 26: 10 and the feature "secondary units" (RFC 9100)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*", re.ASCII)
_LAST_PART = re.compile(r"[:/.]")
_VALUE_FIELDS = frozenset({"v", "vs", "vb", "vd"})
_CONTENT_FIELDS = _VALUE_FIELDS | {"s"}
_BASE_FIELDS = frozenset({"bn", "bt", "bu", "bv"})
_FIELDS = frozenset({"bver", "bs", "n", "u", "t", "ut", "l", *_BASE_FIELDS, *_CONTENT_FIELDS})
_NAMES_CACHED_MAX = 1_024  # packs repeat a few names; names that are sent once drop out of the cache
_RATIO = "/"
_COUNT_MAX = limits.INTEGER_MAX


class _Record(NamedTuple):
    """A resolved record; `value` is `None` for a text, which is the `state`, and for raw data or a sum."""

    name: str
    unit: str | None
    value: float | bool | None
    at_ms: int | None
    state: str = "online"


class _Base(NamedTuple):
    """The base fields after the records so far."""

    name: str = ""
    unit: str | None = None
    time_s: float = 0.0
    value: float = 0.0


def pack_observations(pack: object, received_at_ms: int) -> list[Observation]:
    """The readings, positions, counts and statuses of a pack with JSON's field names.

    Raises DecodeError: "wrong_shape" or "missing_field" for a record, "unknown_kind" for an unknown version or a field
    that must be understood, "out_of_range" where every value is impossible, "too_large".
    """
    if not isinstance(pack, list) or not pack:
        refuse("wrong_shape", "a pack must be an array of one or more records")
    records = _resolved(pack, received_at_ms)
    observations: list[Observation] = [*_positions(records)]
    impossible = False
    for record in records:
        found = _measurement(record)
        observations += found
        impossible |= not found and record.unit in UNITS and record.value is not None
    if not observations and impossible:
        refuse("out_of_range", "every value is out of the range of its quantity")
    states = {one.name: Status(one.name, one.state, one.at_ms) for one in records if one.value is None}
    alive = {one.name: Status(one.name, at_ms=one.at_ms) for one in records if one.value is not None and not observations}
    return bounded([*observations, *alive.values(), *states.values()])


# --- resolving ------------------------------------------------------------------------------------
def _resolved(pack: list[Any], received_at_ms: int) -> list[_Record]:
    base = _Base()
    records: list[_Record] = []
    for fields in pack:
        if not isinstance(fields, dict):
            refuse("wrong_shape", "a record must be an object")
        _check_understood(fields)
        if not _BASE_FIELDS.isdisjoint(fields):
            base = _Base(
                _name_part(fields, "bn", base.name),
                _unit(fields, "bu", base.unit),
                _amount(fields, "bt", base.time_s, *_TIME_S),
                _amount(fields, "bv", base.value, *_VALUE),
            )
        if not _CONTENT_FIELDS.isdisjoint(fields):
            records.append(_record(fields, base, received_at_ms))
    return records


def _check_understood(fields: dict[str, Any]) -> None:
    if not _FIELDS.issuperset(fields) and any(field.endswith("_") for field in fields):
        refuse("unknown_kind", "a field whose name ends in _ is unknown, so the pack must not be read")
    if "bver" in fields and not _is_known_version(fields["bver"]):
        refuse("unknown_kind", "bver must be a known version")
    if len(_VALUE_FIELDS.intersection(fields)) > 1:
        refuse("wrong_shape", "a record must have only one of v, vs, vb and vd")


def _is_known_version(stated: object) -> bool:
    return isinstance(stated, int) and not isinstance(stated, bool) and stated in _VERSIONS


def _record(fields: dict[str, Any], base: _Base, received_at_ms: int) -> _Record:
    name = text(base.name + _name_part(fields, "n", ""), "n")
    if not _NAME.fullmatch(name):
        refuse("out_of_range", "a name must begin with a letter or a digit and consist of those and of - : . / _")
    value: float | bool | None = None
    if "v" in fields:
        value = _amount(fields, "v", 0.0, *_VALUE) + base.value
    elif "vb" in fields:
        value = fields["vb"]
        if not isinstance(value, bool):
            refuse("wrong_shape", "vb must be true or false")
    time_s = base.time_s + _amount(fields, "t", 0.0, *_TIME_S)
    state = text(fields["vs"], "vs") if fields.get("vs") else "online"
    return _Record(name, _unit(fields, "u", base.unit), value, _at_ms(time_s, received_at_ms), state)


def _name_part(fields: dict[str, Any], field: str, default: str) -> str:
    stated = fields.get(field, default)
    return "" if stated == "" else text(stated, field)


def _unit(fields: dict[str, Any], field: str, default: str | None) -> str | None:
    return text(fields[field], field) if field in fields else default


def _amount(fields: dict[str, Any], field: str, default: float, low: float, high: float) -> float:
    return number(fields[field], field, low, high) if field in fields else default


def _at_ms(time_s: float, received_at_ms: int) -> int | None:
    """Milliseconds since 1970; `None` for "now" and for a time out of range."""
    if time_s == 0:
        return None
    at_ms = round(time_s * 1_000) + (received_at_ms if time_s < _RELATIVE_BELOW_S else 0)
    return at_ms if 0 <= at_ms <= limits.CLOCK_CEILING_MS else None


# --- meaning --------------------------------------------------------------------------------------
def _measurement(record: _Record) -> list[Observation]:
    if record.value is None:
        return []
    part, meant = _meant(record.name)
    if record.unit == "count":
        whole = number_or_none(record.value, 0, _COUNT_MAX)
        return [] if whole is None or not whole.is_integer() else [Count(record.name, part, int(whole), record.at_ms)]
    quantities = [] if meant is None else [meant.quantity]
    if record.unit is not None:
        quantities.append(_of_unit(record.unit, record.value))
    elif isinstance(record.value, bool):
        quantities.append("switch")
    for quantity in quantities:
        unit = None if quantity == "switch" else record.unit or (meant.unit if meant else None)
        amount = canonical_amount(quantity, record.value, unit)
        if amount is not None:
            return [Reading(record.name, quantity, amount, record.at_ms)]
    return []


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _meant(name: str) -> tuple[str, NamedQuantity | None]:
    """The last part of a name, and the quantity that it names."""
    part = _LAST_PART.split(name)[-1] or name
    return part, quantity_named(part)


def _of_unit(unit: str, value: float) -> str:
    """The quantity of `unit`, or an empty text."""
    if isinstance(value, bool) or (unit == _RATIO and value in (0.0, 1.0)):
        return "switch"
    row = UNITS.get(unit)
    return "" if row is None else BY_UNIT.get(row.dimension, "")


def _positions(records: list[_Record]) -> list[Observation]:
    """A position for each name and time that has both a latitude and a longitude."""
    places: dict[tuple[str, int | None], dict[str, float]] = {}
    for record in records:
        if record.unit in ("lat", "lon") and record.value is not None:
            places.setdefault((record.name, record.at_ms), {})[record.unit] = float(record.value)
    whole = ((key, place["lat"], place["lon"]) for key, place in places.items() if len(place) == 2)
    return [Position(name, lat, lon, at_ms=at_ms) for (name, at_ms), lat, lon in whole if abs(lat) <= 90 and abs(lon) <= 180]
