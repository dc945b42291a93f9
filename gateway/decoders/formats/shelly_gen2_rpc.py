"""Shelly, second generation and later: JSON-RPC over MQTT (https://shelly-api-docs.shelly.cloud/gen2/).

A device publishes notifications on `{prefix}/events/rpc` (`NotifyStatus` with changes, `NotifyFullStatus`,
`NotifyEvent`), whole components on `{prefix}/status/{component}`, and "true" or "false" on `{prefix}/online`. The
prefix is the device's factory name unless it was changed.

The device is the prefix of the topic, which the broker has checked. A frame also states the factory name (`src`), which
becomes a status, and names the readings only where there is no topic. Component 0 is the device itself and each further
one a device of its own (`plus2pm/switch:1`), or two channels would overwrite each other. Responses (`result`,
`error`) become a status; topics with `command` give nothing. Of the events, button pushes become readings with BTHome's
codes, and Bluetooth scans sightings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import HEARD, NO_KEYS, UNSTATED, Decoder, Keys, bounded, number_or_none, parse_json, refuse, text
from gateway.decoders.formats.shelly_ble_scan_result import KIND as SCAN_RESULT
from gateway.decoders.formats.shelly_ble_scan_result import scan_result
from gateway.decoders.formats.shelly_topics import BASE, SPEAKERS, device_above, device_of
from gateway.decoders.values.people import people_named
from gateway.decoders.values.text_payload import payload_text
from gateway.decoders.values.units import canonical_amount

_TRUTH = {"true": "online", "false": "offline"}
_STATUS_METHODS = ("NotifyStatus", "NotifyFullStatus")
_NOTIFY_EVENT = "NotifyEvent"
_KNOWN_METHODS = (_NOTIFY_EVENT, *_STATUS_METHODS)
_WIFI = "wifi"  # of it only the signal strength: the network's name is private
_PUSHES: dict[object, tuple[str, float]] = {
    "single_push": ("button", 1.0),
    "double_push": ("button", 2.0),
    "triple_push": ("button", 3.0),
    "long_push": ("button", 4.0),
    "btn_down": ("input", 1.0),
    "btn_up": ("input", 0.0),
}
_PRESENCE_ZONE = "presencezone"
_COMPONENT = re.compile(r"([a-z0-9_]{1,32}):([0-9]{1,4})", re.ASCII)
_SINCE_S = 86_400  # a `ts` below one day counts from the start of the device


class _Row(NamedTuple):
    path: tuple[str, ...]
    quantity: str
    unit: str | None = None


_ELECTRIC = (
    _Row(("apower",), "power"),
    _Row(("act_power",), "power"),
    _Row(("voltage",), "voltage"),
    _Row(("current",), "current"),
    _Row(("aenergy", "total"), "energy", "Wh"),
    _Row(("temperature", "tC"), "device_temperature"),
)
_RADIO = (_Row(("rssi",), "rssi"),)
_PHASES = ("a", "b", "c")

# type of component -> rows that are read
_COMPONENTS: dict[str, tuple[_Row, ...]] = {
    "switch": (_Row(("output",), "switch"), *_ELECTRIC),
    "light": (_Row(("output",), "switch"), _Row(("brightness",), "level"), *_ELECTRIC),
    "cover": (_Row(("current_pos",), "level"), *_ELECTRIC),
    "input": (_Row(("state",), "input"),),
    "pm1": _ELECTRIC,
    "em1": _ELECTRIC,
    "em1data": (_Row(("total_act_energy",), "energy", "Wh"),),
    "emdata": (_Row(("total_act",), "energy", "Wh"),),
    "em": (
        _Row(("total_act_power",), "power"),
        _Row(("total_current",), "current"),
    ),
    "temperature": (_Row(("tC",), "temperature"),),
    "humidity": (_Row(("rh",), "humidity"),),
    "illuminance": (_Row(("lux",), "illuminance"),),
    "devicepower": (_Row(("battery", "percent"), "battery"), _Row(("battery", "V"), "voltage")),
    "voltmeter": (_Row(("voltage",), "voltage"),),
    "smoke": (_Row(("alarm",), "smoke_alarm"),),
    "presencezone": (_Row(("value",), "occupancy"),),
    "bthomedevice": (_Row(("battery",), "battery"), _Row(("rssi",), "rssi")),
    "flood": (_Row(("alarm",), "leak"),),
}


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The readings, statuses and sightings of one notification, one component or a whole status.

    Raises DecodeError: "wrong_topic" for another topic, "missing_field", "wrong_shape", "unknown_kind" or
    "out_of_range" for its fields, "too_large".
    """
    levels = message.topic.split("/")
    if levels[-1] == "online" and len(levels) > 1:
        return [Status(device_of(levels[:-1]), _online(message.payload))]
    if "command" in levels[1:]:
        return []
    body = parse_json(message.payload)
    if not isinstance(body, dict):
        refuse("wrong_shape", "the payload must be an object: an RPC frame or a component")
    if "src" in body or "method" in body:
        return _frame(device_above(levels, "events") or (UNSTATED if message.topic else None), body, keys)
    if "status" in levels[1:]:
        return _status_topic(levels, body)
    if levels != [""] and levels[-1] != "announce":
        refuse("wrong_topic", "the topic must be {device}/events/rpc, /status/{component}, /announce or /online")
    return _unplaced(body)


def _online(payload: bytes) -> str:
    state = _TRUTH.get(payload_text(payload))
    if state is None:
        refuse("unknown_kind", "online must be true or false")
    return state


# --- frames ---------------------------------------------------------------------------------------
def _frame(device: str | None, body: dict[str, Any], keys: Keys) -> list[Observation]:
    stated = text(body.get("src"), "src")
    params = body.get("params")
    method = body.get("method")
    if method is not None and method not in _KNOWN_METHODS:
        return []  # a request to the device
    if method is not None and not isinstance(params, dict):
        refuse("missing_field", "params of a notification must be an object")
    at_ms = _at_ms(params.get("ts")) if isinstance(params, dict) else None
    observations: list[Observation] = [Status(stated, at_ms=at_ms, uptime_s=_uptime_s(params))]
    if method in _STATUS_METHODS and isinstance(params, dict):
        observations += _components(device or stated, params, at_ms)
    elif method == _NOTIFY_EVENT and isinstance(params, dict):
        observations += _device_entries(device or stated, params.get("events"), at_ms, keys)
    return bounded(observations)


def _device_entries(device: str, entries: object, at_ms: int | None, keys: Keys) -> Iterator[Observation]:
    """The readings of button pushes and the scan results of an event notification; other events give nothing."""
    for one in entries if isinstance(entries, list) else []:
        kind = one.get("event") if isinstance(one, dict) else None
        if kind == SCAN_RESULT:
            yield from scan_result(device, one.get("data"), keys)
        elif isinstance(kind, str) and kind in _PUSHES:
            component = one.get("component")
            match = _COMPONENT.fullmatch(component) if isinstance(component, str) else None
            if match is not None:
                yield Reading(_named(device, match), *_PUSHES[kind], at_ms)


def _at_ms(ts: object) -> int | None:
    """Seconds with a fraction as milliseconds; `None` where the clock of the device was never set."""
    seconds = number_or_none(ts, _SINCE_S, limits.CLOCK_CEILING_MS / 1_000)
    return None if seconds is None else round(seconds * 1_000)


def _uptime_s(params: object) -> int | None:
    """The uptime in the component `sys`, in a status or alone."""
    system = params.get("sys", params) if isinstance(params, dict) else None
    seconds = number_or_none(system.get("uptime"), 0, limits.INTEGER_MAX) if isinstance(system, dict) else None
    return None if seconds is None else int(seconds)


# --- components -----------------------------------------------------------------------------------
def _status_topic(levels: list[str], body: dict[str, Any]) -> list[Observation]:
    at = len(levels) - 1 - levels[::-1].index("status")
    device, component = device_of(levels[:at]), "/".join(levels[at + 1 :])
    if component and not _COMPONENT.fullmatch(component):
        return [Status(device, uptime_s=_uptime_s(body)), *_component(device, component, body, None)]
    readings = _component(device, component, body, None) if component else _components(device, body, None)
    return bounded([Status(device, uptime_s=_uptime_s(body)), *readings] if not component else readings or [Status(device)])


def _unplaced(body: dict[str, Any]) -> list[Observation]:
    """A body without a topic: a whole status names its components, a single component only its own number."""
    if any(isinstance(value, dict) and (_COMPONENT.fullmatch(key) or key == "sys") for key, value in body.items()):
        return bounded([Status(UNSTATED, uptime_s=_uptime_s(body)), *_components(UNSTATED, body, None)])
    if isinstance(body.get("id"), str):
        return [Status(text(body["id"], "id"))]  # the answer to Shelly.GetDeviceInfo
    kind = "cover" if "current_pos" in body else "switch"
    return bounded(_component(UNSTATED, f"{kind}:{_number(body.get('id'))}", body, None) or [Status(UNSTATED)])


def _number(stated: object) -> int:
    number = number_or_none(stated, 0, 9_999)
    if number is None:
        refuse("missing_field", "the payload must be an RPC frame, a status, or a component with an id")
    return int(number)


def _components(device: str, body: dict[str, Any], at_ms: int | None) -> list[Observation]:
    return [one for key, value in body.items() if isinstance(value, dict) for one in _component(device, key, value, at_ms)]


def _component(device: str, key: str, body: dict[str, Any], at_ms: int | None) -> list[Observation]:
    if key == _WIFI:
        return _readings(device, _RADIO, body, at_ms)
    match = _COMPONENT.fullmatch(key)
    if match is None:
        return []
    kind, name = match[1], _named(device, match)
    observations: list[Observation] = [*_readings(name, _COMPONENTS.get(kind, ()), body, at_ms)]
    if kind == _PRESENCE_ZONE:
        objects = people_named(name, "people_count", body.get("num_objects"), at_ms)
        observations += [] if objects is None else [objects]
    if kind == "em":  # three phases in one component
        for phase in _PHASES:
            values = {field.removeprefix(f"{phase}_"): value for field, value in body.items() if field.startswith(f"{phase}_")}
            observations += _readings(text(f"{name}/{phase}", "phase"), _ELECTRIC, values, at_ms)
    return observations


def _named(device: str, component: re.Match[str]) -> str:
    return text(device if int(component[2]) == 0 else f"{device}/{component[0]}", "component")


def _readings(device: str, rows: tuple[_Row, ...], body: dict[str, Any], at_ms: int | None) -> list[Observation]:
    found = ((row.quantity, canonical_amount(row.quantity, _at(body, row.path), row.unit)) for row in rows)
    return [Reading(device, quantity, amount, at_ms) for quantity, amount in found if amount is not None]


def _at(body: object, path: tuple[str, ...]) -> object:
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    return body


_PLACES = ("sys", "wifi", "mqtt", "cloud", "ble", "ws", "eth")
_NUMBERED = tuple(
    f"{kind}:{number}"
    for kind, numbers in (
        ("switch", 4),
        ("input", 4),
        ("cover", 2),
        ("light", 1),
        ("pm1", 1),
        ("em", 1),
        ("em1", 3),
        ("temperature", 1),
        ("humidity", 1),
        ("devicepower", 1),
    )
    for number in range(numbers)
)
# The factory prefix is the first level, and a filter cannot select it, so the filters select the component.
_TOPICS = ("+/events/rpc", f"{BASE}/+/events/rpc", f"{BASE}/+/status/#", *(f"+/status/{name}" for name in (*_PLACES, *_NUMBERED)))

DECODER = Decoder("shelly_gen2_rpc", _TOPICS, decode, decode, speakers=SPEAKERS, role="scanner", kinds=HEARD)
