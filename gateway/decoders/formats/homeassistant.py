"""Home Assistant's MQTT discovery: devices that describe their own messages (https://www.home-assistant.io/integrations/mqtt/).

A retained message at `homeassistant/{component}/[{node}/]{object}/config` states a topic, the place of a value in its payload (a template),
its unit and its class; `homeassistant/device/{object}/config` states several. So Zigbee2MQTT, Z-Wave JS UI, ESPHome, rtl_433 and Tasmota
describe themselves. Templates are not executed: only those that point at one value, with filters that convert it, are read.

The descriptions must be kept until the values arrive, so a gateway has one decoder of its own (`fresh`), used by the source of the
descriptions and by those of the values; it keeps at most DESCRIBED_VALUES_MAX. The device is the speaker of the topic of its values: a
description cannot give a value to another device.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.core import limits
from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import UNSTATED, DecodeError, Decoder, bounded, parse_json, refuse, text
from gateway.decoders.mapping.decode import observed
from gateway.decoders.mapping.rows import Pointer, Value, resolved
from gateway.decoders.values.people import counted_named
from gateway.decoders.values.quantity_names import quantity_named
from gateway.decoders.values.text_payload import payload_text
from gateway.decoders.values.units import units_of

_PREFIX = "homeassistant"
_CLASSES: Mapping[str, str] = {
    "temperature": "temperature",
    "humidity": "humidity",
    "pressure": "pressure",
    "atmospheric_pressure": "pressure",
    "illuminance": "illuminance",
    "carbon_dioxide": "co2",
    "pm1": "pm1",
    "pm25": "pm2_5",
    "pm10": "pm10",
    "battery": "battery",
    "voltage": "voltage",
    "current": "current",
    "power": "power",
    "energy": "energy",
    "signal_strength": "rssi",
    "wind_speed": "wind_speed",
    "precipitation": "rain_total",
    "precipitation_intensity": "precipitation",
    "distance": "distance",
    "sound_pressure": "noise",
    "moisture": "soil_moisture",
    "volatile_organic_compounds": "tvoc",
}
# class of a binary sensor -> quantity and its value when the sensor is on
_BINARY: Mapping[str, tuple[str, float]] = {
    "occupancy": ("occupancy", 1.0),
    "presence": ("occupancy", 1.0),
    "motion": ("occupancy", 1.0),
    "door": ("contact", 0.0),
    "window": ("contact", 0.0),
    "opening": ("contact", 0.0),
    "garage_door": ("contact", 0.0),
    "moisture": ("leak", 1.0),
    "smoke": ("smoke_alarm", 1.0),
    "gas": ("gas_alarm", 1.0),
    "carbon_monoxide": ("carbon_monoxide_alarm", 1.0),
    "vibration": ("vibration", 1.0),
    "tamper": ("tamper", 1.0),
    "battery": ("battery_low", 1.0),
    "light": ("light", 1.0),
    "sound": ("sound", 1.0),
    "problem": ("problem", 1.0),
    "moving": ("moving", 1.0),
}
_LONG = {
    "stat_t": "state_topic",
    "dev_cla": "device_class",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "obj_id": "object_id",
    "def_ent_id": "default_entity_id",
    "cmps": "components",
    "p": "platform",
}
_TEMPLATE = re.compile(
    r"\{\{\s*value(_json)?((?:\.[A-Za-z_]\w*|\[\s*(?:'[^']{1,60}'|\"[^\"]{1,60}\"|\d{1,3})\s*\])*)\s*((?:\|[^|{}]*)*)\}\}", re.ASCII
)
_KEY = re.compile(r"\.([A-Za-z_]\w*)|\[\s*(?:'([^']+)'|\"([^\"]+)\"|(\d+))\s*\]", re.ASCII)
_FILTERS = re.compile(r"(?:\|\s*(?:is_defined|float|int|round(?:\(\s*\d?\s*\))?|default\(''\)|float\(\)|int\(\))\s*)*", re.ASCII)
_LEVELS_MIN = 3
_VALUE: Pointer = ("",)  # the whole payload, which is no JSON


class Entities:
    """The described values by topic: rows, each with the topic of its description."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Value]] = {}
        self._topics: dict[str, list[str]] = {}

    def describe(self, described_at: str, rows: Mapping[str, Value]) -> None:
        """Replace the rows that one description stated; none removes them. Above DESCRIBED_VALUES_MAX new ones are left out."""
        for topic in self._topics.pop(described_at, []):
            self._rows[topic] = {name: row for name, row in self._rows[topic].items() if not name.startswith(f"{described_at}#")}
        for name, row in rows.items():
            assert row.topic is not None
            if sum(map(len, self._rows.values())) >= limits.DESCRIBED_VALUES_MAX:
                return
            self._rows.setdefault(row.topic, {})[f"{described_at}#{name}"] = row
            self._topics.setdefault(described_at, []).append(row.topic)

    def rows(self, topic: str) -> list[Value]:
        """The rows of the values at a topic."""
        return list(self._rows.get(topic, {}).values())


def decode(message: Message, entities: Entities | None = None) -> list[Observation]:
    """A status for a description; the readings and counts for a topic that `entities` describe; none for another topic.

    Raises DecodeError: as `parse_json()` does, and "wrong_shape" for a description that is no object.
    """
    levels = message.topic.split("/")
    if levels[0] == _PREFIX and levels[-1] == "config" and len(levels) > _LEVELS_MIN:
        rows = _described(levels, message.payload)
        if entities is not None:
            entities.describe(message.topic, rows)
        return [Status(UNSTATED)]
    rows_here = [] if entities is None else entities.rows(message.topic)
    if not rows_here:
        return []
    return _values(rows_here, message)


def _values(rows: list[Value], message: Message) -> list[Observation]:
    body = parse_json(message.payload) if any(row.at != _VALUE for row in rows) else None
    found = [observed(row, payload_text(message.payload) if row.at == _VALUE else resolved(body, row.at), UNSTATED, None) for row in rows]
    return bounded([one for one in found if one is not None]) or [Status(UNSTATED)]


def _described(levels: list[str], payload: bytes) -> dict[str, Value]:
    """The rows that a description states, by name; none where it is empty (the device was removed) or not understood."""
    if not payload:
        return {}
    stated = parse_json(payload)
    if not isinstance(stated, dict):
        refuse("wrong_shape", "a description must be an object")
    whole = _spelled_out(stated)
    components = whole.get("components") if levels[1] == "device" else None
    if not isinstance(components, dict):
        row = _row(levels[1], levels[-2], whole)
        return {} if row is None else {"": row}
    found = {}
    for name, one in components.items():
        if isinstance(one, dict):
            own = {**whole, **_spelled_out(one)}
            row = _row(str(own.get("platform")), name, own)
            if row is not None:
                found[name] = row
    return found


def _spelled_out(stated: dict[str, Any]) -> dict[str, Any]:
    """The fields by long names, with `~` replaced by the base topic."""
    base = stated.get("~")
    fields = {_LONG.get(key, key): value for key, value in stated.items()}
    topic = fields.get("state_topic")
    if isinstance(topic, str) and isinstance(base, str) and "~" in (topic[:1], topic[-1:]):
        fields["state_topic"] = base + topic[1:] if topic.startswith("~") else topic[:-1] + base
    return fields


def _row(component: str, name: str, fields: dict[str, Any]) -> Value | None:
    """The row of one entity; `None` for another component, an unknown class or unit, and a template that computes."""
    topic, template = fields.get("state_topic"), fields.get("value_template")
    at = _pointer(template) if isinstance(template, str) else _VALUE if template is None else None
    if not isinstance(topic, str) or at is None:
        return None
    try:
        text(topic, "state_topic")
    except DecodeError:
        return None
    stated = fields.get("device_class")
    device_class = stated if isinstance(stated, str) else ""
    if component == "binary_sensor" and device_class in _BINARY:
        quantity, on = _BINARY[device_class]
        words = {_word(fields.get("payload_on"), "on"): on, _word(fields.get("payload_off"), "off"): 1.0 - on}
        return Value(at, quantity, words=words, topic=topic)
    if component != "sensor":
        return None
    return _sensor(at, topic, device_class, fields.get("unit_of_measurement"), _names(name, fields))


def _sensor(at: Pointer, topic: str, device_class: str, unit: object, names: list[str]) -> Value | None:
    meant = next((one for one in map(counted_named, names) if one is not None), None)
    if meant is not None and not device_class:
        return Value(at, kind=meant.kind, direction=meant.direction, part=meant.part, topic=topic)
    quantity = _CLASSES.get(device_class) or (
        next((one.quantity for one in map(quantity_named, names) if one), None) if not device_class else None
    )
    if quantity is None or (unit is not None and unit not in units_of(quantity)):
        return None
    return Value(at, quantity, unit if isinstance(unit, str) else None, topic=topic)


def _names(name: str, fields: dict[str, Any]) -> list[str]:
    """The names of an entity, which may stand for its class: of its topic, its object id, and its own."""
    stated = [name, fields.get("object_id"), fields.get("name")]
    return [one for one in stated if isinstance(one, str)]


def _word(stated: object, default: str) -> str:
    return (stated if isinstance(stated, str) else str(stated) if isinstance(stated, bool) else default).strip().lower()


def _pointer(template: str) -> Pointer | None:
    """The value that a template points at; `None` for one that computes."""
    found = _TEMPLATE.fullmatch(template.strip()) if len(template) <= limits.TEXT_CHARS_MAX * 4 else None
    if found is None or not _FILTERS.fullmatch(found[3].strip()):
        return None
    keys = tuple(next(part for part in one if part) for one in _KEY.findall(found[2]))
    if found[1] is None:
        return _VALUE if not keys else None
    return keys or None


def _fresh() -> Decoder:
    entities = Entities()
    return DECODER._replace(decode=lambda message: decode(message, entities))


DECODER = Decoder(
    "homeassistant",
    (f"{_PREFIX}/+/+/config", f"{_PREFIX}/+/+/+/config"),
    decode,
    speakers=(f"{_PREFIX}/+/{{node}}/#",),
    role="device",
    fresh=_fresh,
)
