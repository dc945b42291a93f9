"""Devices that describe their own messages: Home Assistant's discovery, and the births of Sparkplug."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder
from gateway.decoders.formats.homeassistant import Entities, decode
from gateway.decoders.formats.sparkplug_schema import payload_type
from gateway.decoders.mapping.rows import Value
from gateway.decoders.registry import load
from gateway.decoders.values.people import people
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed, source


def message(topic: str, payload: Any) -> Message:
    return Message(topic, payload.encode() if isinstance(payload, str) else json.dumps(payload).encode(), 0)


# The description, and the topic, payload and result of a value: as the programs publish them.
DESCRIBED: tuple[tuple[str, str, dict[str, Any], str, Any, list[Observation]], ...] = (
    (
        "Zigbee2MQTT",
        "homeassistant/sensor/0x00158d0001/temperature/config",
        {
            "device_class": "temperature",
            "state_topic": "zigbee2mqtt/kitchen",
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature }}",
        },
        "zigbee2mqtt/kitchen",
        {"temperature": 20.5, "battery": 90},
        [Reading("kitchen", "temperature", 20.5)],
    ),
    (
        "Zigbee2MQTT, a contact",
        "homeassistant/binary_sensor/0x00158d0002/contact/config",
        {
            "device_class": "door",
            "state_topic": "zigbee2mqtt/door",
            "payload_on": False,
            "payload_off": True,
            "value_template": "{{ value_json.contact }}",
        },
        "zigbee2mqtt/door",
        {"contact": False},
        [Reading("door", "contact", 0.0)],
    ),
    (
        "ESPHome",
        "homeassistant/sensor/hall/presence_target_count/config",
        {"name": "Presence Target Count", "stat_t": "hall/sensor/presence_target_count/state", "obj_id": "presence_target_count"},
        "hall/sensor/presence_target_count/state",
        "2",
        [people("hall", 2, "present")],
    ),
    (
        "ESPHome, a binary sensor",
        "homeassistant/binary_sensor/hall/presence/config",
        {"dev_cla": "occupancy", "stat_t": "~/state", "~": "hall/binary_sensor/presence"},
        "hall/binary_sensor/presence/state",
        "ON",
        [Reading("hall", "occupancy", 1.0)],
    ),
    (
        "Tasmota",
        "homeassistant/sensor/ABC_BME280_Temperature/config",
        {"dev_cla": "temperature", "unit_of_meas": "°F", "stat_t": "tele/x/SENSOR", "val_tpl": "{{value_json['BME280'].Temperature}}"},
        "tele/x/SENSOR",
        {"BME280": {"Temperature": 50.0}},
        [Reading("x", "temperature", 10.0)],
    ),
    (
        "rtl_433",
        "homeassistant/sensor/Acurite-1/Acurite-1-T/config",
        {
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_topic": "rtl_433/pi/devices/Acurite/1/temperature_C",
            "value_template": "{{ value|float|round(1) }}",
        },
        "rtl_433/pi/devices/Acurite/1/temperature_C",
        "7.3",
        [Reading("pi", "temperature", 7.3)],
    ),
    (
        "Z-Wave JS UI",
        "homeassistant/sensor/multisensor/humidity/config",
        {
            "device_class": "humidity",
            "unit_of_measurement": "%",
            "state_topic": "zwave/multisensor/49/0/Humidity",
            "value_template": "{{ value_json.value | default('') }}",
        },
        "zwave/multisensor/49/0/Humidity",
        {"time": 1_700_000_000_000, "value": 41},
        [Reading("multisensor", "humidity", 41.0)],
    ),
    (
        "a whole device",
        "homeassistant/device/x1/config",
        {
            "stat_t": "zigbee2mqtt/x1",
            "cmps": {
                "t": {"p": "sensor", "dev_cla": "temperature", "unit_of_meas": "°C", "val_tpl": "{{ value_json.t }}"},
                "h": {"p": "sensor", "dev_cla": "humidity", "unit_of_meas": "%", "val_tpl": "{{ value_json.h }}"},
            },
        },
        "zigbee2mqtt/x1",
        {"t": 20.0, "h": 40},
        [Reading("x1", "temperature", 20.0), Reading("x1", "humidity", 40.0)],
    ),
)
_SPEAKERS = {
    "zigbee2mqtt/#": "zigbee2mqtt/{d}/#",
    "hall/#": "{d}/#",
    "tele/#": "tele/{d}/#",
    "rtl_433/#": "rtl_433/{d}/#",
    "zwave/#": "zwave/{d}/#",
}


def router(decoder: Decoder) -> Router:
    return Router(
        [source("homeassistant/#", decoder), *(source(topic, decoder, speaker) for topic, speaker in _SPEAKERS.items())], Installed()
    )


@pytest.mark.parametrize(
    ("name", "described_at", "description", "topic", "payload", "expected"), DESCRIBED, ids=[one[0] for one in DESCRIBED]
)
def test_a_described_value_is_read(
    name: str, described_at: str, description: dict[str, Any], topic: str, payload: Any, expected: list[Observation]
) -> None:
    gateway = router(load("homeassistant").remembering())
    assert gateway.decode(message(topic, payload)) == []
    assert all(isinstance(one, Status) for one in gateway.decode(message(described_at, description)))
    assert gateway.decode(message(topic, payload)) == expected
    gateway.decode(message(described_at, ""))
    assert gateway.decode(message(topic, payload)) == [], f"{name}: a removed description is forgotten"


@pytest.mark.parametrize(
    "description",
    [
        {"dev_cla": "temperature", "stat_t": "zigbee2mqtt/a", "val_tpl": "{{ value_json.t * 9 / 5 }}"},
        {"dev_cla": "temperature", "stat_t": "zigbee2mqtt/a", "val_tpl": "{{ states('sensor.x') }}"},
        {"dev_cla": "temperature", "stat_t": "zigbee2mqtt/a", "unit_of_meas": "kPa", "val_tpl": "{{ value_json.t }}"},
        {"dev_cla": "aqi", "stat_t": "zigbee2mqtt/a", "val_tpl": "{{ value_json.t }}"},
        {"dev_cla": "temperature", "stat_t": 7, "val_tpl": "{{ value_json.t }}"},
        {"dev_cla": "temperature", "stat_t": "zigbee2mqtt/a", "val_tpl": 7},
    ],
)
def test_what_is_not_understood_is_not_read(description: dict[str, Any]) -> None:
    gateway = router(load("homeassistant").remembering())
    gateway.decode(message("homeassistant/sensor/a/t/config", description))
    assert gateway.decode(message("zigbee2mqtt/a", {"t": 20.0})) == []


def test_a_description_gives_no_value_to_another_device() -> None:
    """The value belongs to the speaker of its topic, whichever device the description names."""
    gateway = router(load("homeassistant").remembering())
    stated = {
        "dev_cla": "temperature",
        "stat_t": "zigbee2mqtt/a",
        "val_tpl": "{{ value_json.t }}",
        "dev": {"ids": ["victim"], "name": "victim"},
    }
    gateway.decode(message("homeassistant/sensor/victim/t/config", stated))
    assert gateway.decode(message("zigbee2mqtt/a", {"t": 20.0})) == [Reading("a", "temperature", 20.0)]


def test_descriptions_are_bounded() -> None:
    entities = Entities()
    for number in range(limits.ENTITIES_MAX + 10):
        entities.describe(f"homeassistant/sensor/{number}/t/config", {"": Value(("t",), "temperature", topic=f"a/{number}")})
    assert entities.rows("a/0")
    assert not entities.rows(f"a/{limits.ENTITIES_MAX + 1}")
    assert decode(message(f"a/{limits.ENTITIES_MAX + 1}", {"t": 1}), entities) == []


def metrics(*rows: tuple[str, int | None, float | None]) -> bytes:
    payload = payload_type()[0]()
    payload.timestamp = 1_790_000_000_000
    for name, alias, value in rows:
        metric = payload.metrics.add()
        if name:
            metric.name = name.encode()
        if alias is not None:
            metric.alias = alias
        if value is not None:
            metric.datatype, metric.double_value = 10, value
    return bytes(payload.SerializeToString())


def test_sparkplugs_aliases_are_those_of_the_birth() -> None:
    decoder = load("sparkplug_b").remembering()
    data = Message("spBv1.0/g/DDATA/e/d", metrics(("", 3, 21.0)), 0)
    assert [type(one) for one in decoder.decode(data)] == [Status]
    decoder.decode(Message("spBv1.0/g/DBIRTH/e/d", metrics(("Temperature", 3, 20.0)), 0))
    assert [(one.quantity, one.value) for one in decoder.decode(data) if isinstance(one, Reading)] == [("temperature", 21.0)]
    other = Message("spBv1.0/g/DDATA/e/other", data.payload, 0)
    assert [type(one) for one in decoder.decode(other)] == [Status], "aliases are those of one device"
    decoder.decode(Message("spBv1.0/g/DDEATH/e/d", metrics(), 0))
    assert [type(one) for one in decoder.decode(data)] == [Status]
    assert [type(one) for one in load("sparkplug_b").decode(data)] == [Status], "the shared decoder remembers nothing"
