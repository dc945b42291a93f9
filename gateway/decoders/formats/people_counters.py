"""Dedicated people counters that publish JSON: Xovis, Axis, Terabee, FootfallCam.

Their topics and payload templates are set in the device, so none has a usual topic: name the decoder in the source, and the level of the
topic that is the device in `speaker`. Without one the device is the serial number in the payload.

- `xovis` (Xovis, "Data push, JSON, version 5"): each logic of `logics_data` has records of one interval with counts. `fw` and `bw` of a
  line are passages in the interval, `balance` of a zone its occupancy at the end; only the newest record is read. A logic is a part of
  the device.
- `axis_people_counter` (VAPIX, "People counter API" and "3D people counter API"): `in` and `out` of the live sum are totals of the day,
  zeroed at midnight, `occupancy` is in view.
- `terabee` (Terabee, "People Counting L-XL"): `count_in` and `count_out` are totals.
- `footfallcam` (FootfallCam, "Live data push"): `ValueIn` and `ValueOut` are passages of the interval that ends at the time of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.core import limits
from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import UNSTATED, Decoder, Kind, bounded, number, number_or_none, parse_json, refuse, text
from gateway.decoders.values.people import Counted, people
from gateway.decoders.values.times import iso_ms

_COUNT = (0.0, float(limits.INTEGER_MAX))
_FIELDS_OF_LISTS = ("data", "counts", "records", "Data", "sensor_data")
_DEVICES = ("serial", "serial_number", "serialNumber", "device_id", "deviceId", "DeviceSerial", "mac", "id")
_TIMES = ("timestamp", "time", "utcTime", "date_time", "Time", "dateTime")
_COMPACT = "%Y%m%d%H%M%S"

_AXIS: Mapping[str, Counted] = {
    "in": Counted("total", "in"),
    "out": Counted("total", "out"),
    "total_in": Counted("total", "in"),
    "total_out": Counted("total", "out"),
    "totalIn": Counted("total", "in"),
    "totalOut": Counted("total", "out"),
    "occupancy": Counted("present"),
    "inside": Counted("present"),
}
_TERABEE: Mapping[str, Counted] = {
    "count_in": Counted("total", "in"),
    "count_out": Counted("total", "out"),
    "occupancy": Counted("present"),
}
_FOOTFALLCAM: Mapping[str, Counted] = {
    "ValueIn": Counted("passed", "in"),
    "ValueOut": Counted("passed", "out"),
    "valueIn": Counted("passed", "in"),
    "valueOut": Counted("passed", "out"),
}
_XOVIS: Mapping[str, Counted] = {
    "fw": Counted("passed", "in"),
    "bw": Counted("passed", "out"),
    "balance": Counted("present"),
}


def decode_xovis(message: Message) -> list[Observation]:
    """The newest counts of each logic.

    Raises DecodeError: "wrong_shape" or "missing_field" for another payload, "out_of_range" for a count, "too_large".
    """
    body = _object(message)
    logics = body.get("logics_data", body.get("content", body))
    logics = logics.get("logics") if isinstance(logics, dict) else None
    if not isinstance(logics, list):
        refuse("missing_field", "logics_data.logics must be an array")
    device = _device(message, body)
    observations: list[Observation] = []
    for logic in logics:
        records = logic.get("records") if isinstance(logic, dict) else None
        rows = _objects(records)
        if not rows:
            continue
        newest = max(rows, key=lambda row: number_or_none(row.get("to"), *_COUNT) or 0.0)
        at_ms = number_or_none(newest.get("to"), 0, limits.CLOCK_CEILING_MS)
        part = text(f"{device}/{number(logic.get('id'), 'id', *_COUNT):.0f}", "id")
        when = None if at_ms is None else int(at_ms)
        named = {one["name"]: one.get("value") for one in _objects(newest.get("counts")) if isinstance(one.get("name"), str)}
        observations += [_counted(part, meant, named[name], when) for name, meant in _XOVIS.items() if name in named]
    return bounded(observations) or [Status(device)]


def _reader(names: Mapping[str, Counted]) -> Callable[[Message], list[Observation]]:
    def decode(message: Message) -> list[Observation]:
        """The counts of one object, or of each in an array.

        Raises DecodeError: "wrong_shape" for another payload, "out_of_range" for a count, "too_large".
        """
        body = _object(message)
        rows = next((body[name] for name in _FIELDS_OF_LISTS if isinstance(body.get(name), list)), [body])
        observations: list[Observation] = []
        for row in rows:
            if not isinstance(row, dict):
                refuse("wrong_shape", "a row of counts must be an object")
            device, at_ms = _device(message, {**body, **row}), _at_ms({**body, **row})
            observations += [_counted(device, meant, row[name], at_ms) for name, meant in names.items() if name in row]
        return bounded(observations) or [Status(_device(message, body))]

    return decode


def _objects(stated: object) -> list[dict[str, Any]]:
    return [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []


def _object(message: Message) -> dict[str, Any]:
    body = parse_json(message.payload)
    if not isinstance(body, dict):
        refuse("wrong_shape", "the payload must be an object")
    return body


def _device(message: Message, body: Mapping[str, Any]) -> str:
    """The device that the source names; the serial number only where there is no topic, such as in a file."""
    stated = next((body[name] for name in _DEVICES if isinstance(body.get(name), str) and body[name]), None)
    return UNSTATED if message.topic or stated is None else text(stated, "serial")


def _counted(device: str, meant: Counted, value: object, at_ms: int | None) -> Observation:
    amount = number(value, "a count", *_COUNT)
    if not amount.is_integer():
        refuse("out_of_range", "a count must be a whole number")
    return people(device, int(amount), meant.kind, meant.direction, at_ms)


def _at_ms(body: Mapping[str, Any]) -> int | None:
    """The time of a row: ISO 8601, seconds or milliseconds; `None` for local times without a zone."""
    stated = next((body[name] for name in _TIMES if name in body), None)
    seconds = number_or_none(stated, 1e9, limits.CLOCK_CEILING_MS)
    if seconds is not None:
        return int(seconds if seconds > 1e11 else seconds * 1_000)
    if isinstance(stated, str) and len(stated) == len("20260101000000") and stated.isdigit():
        try:
            return round(datetime.strptime(stated, _COMPACT).replace(tzinfo=UTC).timestamp() * 1_000)
        except ValueError:
            return None
    return iso_ms(stated)


_KINDS: frozenset[Kind] = frozenset({"count", "status"})
XOVIS = Decoder("xovis", (), decode_xovis, role="device", kinds=_KINDS)
AXIS = Decoder("axis_people_counter", (), _reader(_AXIS), role="device", kinds=_KINDS)
TERABEE = Decoder("terabee", (), _reader(_TERABEE), role="device", kinds=_KINDS)
FOOTFALLCAM = Decoder("footfallcam", (), _reader(_FOOTFALLCAM), role="device", kinds=_KINDS)
