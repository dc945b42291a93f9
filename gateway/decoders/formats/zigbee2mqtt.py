"""Zigbee2MQTT: one JSON object with the state of a Zigbee device (https://www.zigbee2mqtt.io).

The device is the topic without its base: `zigbee2mqtt/kitchen/climate` is `kitchen/climate`, and topics below a device
or of the bridge (`.../availability`, `bridge/logging`) are devices of their own. Topics that end in `/set` or `/get`,
or are below `bridge/request`, are commands and give nothing. Numbers of known keys become readings in our units; an
impossible value is left out, and a message of impossible values alone is refused. Everything else becomes a status.

Three keys need a rule, because products differ:
- `voltage`: batteries are stated in millivolts (2100-3600), mains in volts (up to 400): 500 and more are mV;
- `pressure`: hPa (500-1155) or kPa (50-116): below 200 it is kPa;
- `illuminance`: lux, except beside `illuminance_lux` (before 2.0), where it is a raw logarithm and not read.
"""

from __future__ import annotations

from typing import Any

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, bounded, check_size, number_or_none, parse_json, refuse, text
from gateway.decoders.values.people import people_named
from gateway.decoders.values.times import iso_ms

_BASE_LEVELS = 1
_COMMANDS = ("set", "get")
_STATES = ("online", "offline")
_MILLIVOLT_FROM = 500.0
_KILOPASCAL_TO = 200.0
_FLOAT = (-1e12, 1e12)  # any measurable amount; in_range() decides

_KEYS: dict[str, str] = {
    "temperature": "temperature",
    "local_temperature": "temperature",
    "humidity": "humidity",
    "pressure": "pressure",
    "illuminance": "illuminance",
    "illuminance_lux": "illuminance",
    "co2": "co2",
    "pm25": "pm2_5",
    "voc_index": "voc_index",
    "noise": "noise",
    "wind_speed": "wind_speed",
    "battery": "battery",
    "voltage": "voltage",
    "current": "current",
    "power": "power",
    "energy": "energy",
    "linkquality": "link_quality",
    "device_temperature": "device_temperature",
    "occupancy": "occupancy",
    "presence": "occupancy",
    "contact": "contact",
    "position": "level",
    "pm10": "pm10",
    "soil_moisture": "soil_moisture",
    "formaldehyd": "formaldehyde",
    "battery_low": "battery_low",
    "carbon_monoxide": "carbon_monoxide_alarm",
    "gas": "gas_alarm",
    "smoke": "smoke_alarm",
    "tamper": "tamper",
    "target_distance": "distance",  # of radar sensors, in metres
    "vibration": "vibration",
    "water_leak": "leak",
}
_YES_OR_NO = frozenset(
    {"occupancy", "contact", "battery_low", "carbon_monoxide_alarm", "gas_alarm", "smoke_alarm", "tamper", "vibration", "leak"}
)
_SWITCHED = {"ON": 1.0, "OFF": 0.0}


def decode(message: Message) -> list[Observation]:
    """The readings of a device, or a status where it states no measurement.

    Raises DecodeError: "missing_field" for an empty topic, "wrong_shape" for JSON of another shape, "not_text",
    "out_of_range" where every value is impossible, "too_large".
    """
    levels = message.topic.split("/")[_BASE_LEVELS:]
    device = text("/".join(levels), "topic")
    if _is_command(levels):
        return []
    if not message.payload:
        return [Status(device, "removed")]  # a retained state was cleared: the device was renamed or removed
    if message.payload.lstrip()[:1] not in (b"{", b"[") and len(levels) > 1:
        return [Status(device, _plain_state(message.payload))]
    state_fields = parse_json(message.payload)
    if not isinstance(state_fields, (dict, list)):
        refuse("wrong_shape", "the state of a device must be an object")
    return _readings(device, state_fields) if isinstance(state_fields, dict) else [Status(device)]


def _is_command(levels: list[str]) -> bool:
    return levels[-1] in _COMMANDS or levels[-2:-1] in (["set"], ["get"]) or levels[:2] == ["bridge", "request"]


def _plain_state(payload: bytes) -> str:
    """The state in a payload of plain text: of `bridge/state` and `availability` before 2.0, or of one attribute."""
    check_size(payload)
    try:
        word = text(payload.decode(), "payload")
    except UnicodeDecodeError:
        refuse("not_text", "the payload must be UTF-8")
    return word if word in _STATES else "online"


def _readings(device: str, state_fields: dict[str, Any]) -> list[Observation]:
    at_ms = _last_seen_ms(state_fields.get("last_seen"))
    observations: list[Observation] = []
    impossible = others = 0
    for key, value in state_fields.items():
        if value is None or (key == "illuminance" and "illuminance_lux" in state_fields):
            continue
        quantity = _KEYS.get(key)
        count = people_named(device, key, value, at_ms) if quantity is None else None
        if count is not None:
            observations.append(count)
        if quantity is None:
            others += 1
            continue
        amount = _amount(quantity, value)
        if amount is None:
            impossible += 1
        else:
            observations.append(Reading(device, quantity, amount, at_ms))
    state = state_fields.get("state")
    switched = _SWITCHED.get(state) if isinstance(state, str) else None
    if switched is not None:
        observations.append(Reading(device, "switch", switched, at_ms))
    if impossible and not observations and not others:
        refuse("out_of_range", "every value is out of the range of its quantity")
    return bounded(observations) or [Status(device, _state(state), at_ms)]


def _amount(quantity: str, value: object) -> float | None:
    """`value` in our unit of `quantity`, or `None` where it is impossible."""
    amount = number_or_none(int(value) if isinstance(value, bool) and quantity in _YES_OR_NO else value, *_FLOAT)
    if amount is None:
        return None
    if quantity == "voltage" and amount >= _MILLIVOLT_FROM:
        amount /= 1_000
    elif quantity == "pressure" and amount < _KILOPASCAL_TO:
        amount *= 10
    return amount if in_range(quantity, amount) else None


def _state(stated: object) -> str:
    """The state of an availability or of the bridge; another one, such as "OPEN" of a blind, is online."""
    return stated if isinstance(stated, str) and stated in _STATES else "online"


def _last_seen_ms(stated: object) -> int | None:
    """Milliseconds or ISO 8601, as `last_seen` can be configured, or `None`."""
    if isinstance(stated, int) and not isinstance(stated, bool):
        return stated if 0 <= stated <= limits.CLOCK_CEILING_MS else None
    return iso_ms(stated)


DECODER = Decoder("zigbee2mqtt", ("zigbee2mqtt/#",), decode, speakers=("zigbee2mqtt/{device}/#",), role="device")
