"""Zigbee2MQTT: one JSON object of everything that a Zigbee device reports (https://www.zigbee2mqtt.io).

The device is the topic without its base: `zigbee2mqtt/kitchen/climate` is `kitchen/climate`, and the topics
that Zigbee2MQTT adds below a device or for itself (`.../availability`, `bridge/logging`) are devices of
their own in the same way. What ends in `/set` or `/get`, or lies below `bridge/request`, is a command and
not a fact. Numbers of known keys become readings in our units; a value that cannot be is passed over,
and a message that holds nothing else is refused. Whatever else a device says is a sign of life.

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
from gateway.decoders.contract import Decoder, bounded, optional, parse_json, refuse, text
from gateway.decoders.values.times import iso_ms

_BASE_LEVELS = 1
_COMMANDS = ("set", "get")
_STATES = ("online", "offline")
_MILLIVOLT_FROM = 500.0
_KILOPASCAL_TO = 200.0
_FLOAT = (-1e12, 1e12)  # anything measurable; the quantity has the last word

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
    "vibration": "vibration",
    "water_leak": "leak",
}
_YES_OR_NO = frozenset(
    {"occupancy", "contact", "battery_low", "carbon_monoxide_alarm", "gas_alarm", "smoke_alarm", "tamper", "vibration", "leak"}
)
_SWITCHED = {"ON": 1.0, "OFF": 0.0}


def decode(message: Message) -> list[Observation]:
    """Readings of a device, or its status when it says nothing that is measured."""
    levels = message.topic.split("/")[_BASE_LEVELS:]
    device = text("/".join(levels), "topic")
    if _is_command(levels):
        return []
    if not message.payload:
        return [Status(device, "removed")]  # a retained state was cleared: the device was renamed or taken out
    if message.payload.lstrip()[:1] not in (b"{", b"[") and len(levels) > 1:
        return [Status(device, _word(message.payload))]
    said = parse_json(message.payload)
    if not isinstance(said, (dict, list)):
        refuse("wrong_shape", "a device's state must be an object")
    return _readings(device, said) if isinstance(said, dict) else [Status(device)]


def _is_command(levels: list[str]) -> bool:
    return levels[-1] in _COMMANDS or levels[-2:-1] in (["set"], ["get"]) or levels[:2] == ["bridge", "request"]


def _word(payload: bytes) -> str:
    """The state in a plain-text payload: of `bridge/state` and `availability` before 2.0, or of one attribute."""
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        refuse("too_large", f"payload over {limits.PAYLOAD_BYTES_MAX} bytes")
    try:
        word = text(payload.decode(), "payload")
    except UnicodeDecodeError:
        refuse("not_text", "payload is not UTF-8")
    return word if word in _STATES else "online"


def _readings(device: str, said: dict[str, Any]) -> list[Observation]:
    at_ms = _last_seen_ms(said.get("last_seen"))
    observations: list[Observation] = []
    impossible = others = 0
    for key, value in said.items():
        if value is None or (key == "illuminance" and "illuminance_lux" in said):
            continue
        quantity = _KEYS.get(key)
        if quantity is None:
            others += 1
            continue
        amount = _amount(quantity, value)
        if amount is None:
            impossible += 1
        else:
            observations.append(Reading(device, quantity, amount, at_ms))
    state = said.get("state")
    switched = _SWITCHED.get(state) if isinstance(state, str) else None
    if switched is not None:
        observations.append(Reading(device, "switch", switched, at_ms))
    if impossible and not observations and not others:
        refuse("out_of_range", "every value outside the range of its quantity")
    return bounded(observations) or [Status(device, _state(state), at_ms)]


def _amount(quantity: str, value: object) -> float | None:
    """`value` in the unit of `quantity`, or `None` where it cannot be one."""
    amount = optional(int(value) if isinstance(value, bool) and quantity in _YES_OR_NO else value, *_FLOAT)
    if amount is None:
        return None
    if quantity == "voltage" and amount >= _MILLIVOLT_FROM:
        amount /= 1_000
    elif quantity == "pressure" and amount < _KILOPASCAL_TO:
        amount *= 10
    return amount if in_range(quantity, amount) else None


def _state(stated: object) -> str:
    """Of availability and of the bridge; a blind that is "OPEN" is online."""
    return stated if isinstance(stated, str) and stated in _STATES else "online"


def _last_seen_ms(stated: object) -> int | None:
    """Milliseconds or ISO 8601, as `last_seen` is configured."""
    if isinstance(stated, int) and not isinstance(stated, bool):
        return stated if 0 <= stated <= limits.CLOCK_CEILING_MS else None
    return iso_ms(stated)


DECODER = Decoder("zigbee2mqtt", ("zigbee2mqtt/#",), decode)
