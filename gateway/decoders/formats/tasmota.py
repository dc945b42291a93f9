"""Tasmota: firmware of plugs, bulbs and home-made sensors (https://tasmota.github.io/docs/MQTT/).

`tele/{device}/SENSOR` holds what is measured, one object a sensor; `.../STATE` how the device is; `.../LWT`
"Online" or "Offline"; `stat/{device}/...` answers to commands, which themselves (`cmnd/`) are no facts. The device
is the topic without its prefix and last level, so home-grown orders of the levels work as well.

The names of sensors are those of their chips, and two of them may measure the same: a sensor is a device of its
own (`kitchen/BME280`), except `ENERGY`, which is the plug itself. `TempUnit` and `PressureUnit` stand beside the
sensors and say in which unit their owner wants them. Times without a zone are not stated times. The radios that a
bridge hears (`ZbReceived`, `LwReceived`, `IBEACON`) are devices below it, and a tag is a sighting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Sighting, Status
from gateway.decoders.contract import UNSTATED, Decoder, bounded, measured, optional, parse_json, refuse, text
from gateway.decoders.values.radio_ids import ibeacon_id, mac_or_none
from gateway.decoders.values.text_payload import word
from gateway.decoders.values.times import iso_ms, seconds_ms
from gateway.decoders.values.units import measured_amount

_COMMANDS = "cmnd"
_PREFIXES = frozenset({"tele", "stat", _COMMANDS})
_ALIVE = {"Online": "online", "Offline": "offline"}
_WORD_TOPICS = re.compile(r"LWT|LOGGING|POWER[0-9]{0,2}|SWITCH[0-9]{0,2}T?|BUTTON[0-9]{0,2}T?", re.ASCII)
_POWER = re.compile(r"POWER([0-9]{0,2})", re.ASCII)
_SWITCHED = {"ON": 1.0, "OFF": 0.0, "1": 1.0, "0": 0.0}
_CLOCK_KEYS = frozenset({"Time", "Epoch", "TempUnit", "PressureUnit", "SpeedUnit"})
_ANSWERS = ("StatusSNS", "StatusSTS")  # answers to `Status 8`, `10` and `11` hold what SENSOR and STATE hold
_TEMPERATURE_UNITS = {"C": "°C", "F": "°F"}
_METER = "ENERGY"
_RADIO = "Wifi"  # of it only how well it is heard: its name is its owner's
_BRIDGED = ("ZbReceived", "LwReceived")

# key -> (quantity, unit; None is ours, a text in braces the unit that the message states)
_KEYS: dict[str, tuple[str, str | None]] = {
    "Temperature": ("temperature", "{temperature}"),
    "Humidity": ("humidity", None),
    "Pressure": ("pressure", "{pressure}"),
    "Illuminance": ("illuminance", None),
    "CarbonDioxide": ("co2", None),
    "eCO2": ("co2", None),
    "PM2.5": ("pm2_5", None),
    "FlowRate": ("precipitation", None),
    "Noise": ("noise", None),
}
_METER_KEYS: dict[str, tuple[str, str | None]] = {
    "Total": ("energy", None),
    "Power": ("power", None),
    "Voltage": ("voltage", None),
    "Current": ("current", None),
}
_RADIO_KEYS: dict[str, tuple[str, str | None]] = {
    "Temperature": ("temperature", None),
    "Humidity": ("humidity", None),
    "Pressure": ("pressure", None),
    "BatteryPercentage": ("battery", None),
    "BatteryVoltage": ("voltage", None),
    "LinkQuality": ("link_quality", None),
    "Occupancy": ("occupancy", None),
    "Contact": ("contact", "open"),  # the alarm of Zigbee's contact switches: 1 is an open door
    "DoorOpen": ("contact", "open"),
}
_RAIN_GAUGE = "RG-15"  # the one chip whose FlowRate is rain, in mm/h; others count litres
_CO2_BESIDE = "CarbonDioxide"  # a measured value makes the estimated one of the same chip superfluous


def decode(message: Message) -> list[Observation]:
    """Readings, sightings and signs of life of one topic."""
    levels = message.topic.split("/") if message.topic else []
    if _COMMANDS in levels:
        return []
    if levels and (len(levels) < 3 or not _PREFIXES & {levels[0], levels[-2]}):
        refuse("wrong_topic", "not tele/{device}/... or stat/{device}/...")
    device = _device(levels)
    if levels and _WORD_TOPICS.fullmatch(levels[-1]) and message.payload[:1] != b"{":
        return _said(device, levels[-1], word(message.payload))
    said = parse_json(message.payload)
    if not isinstance(said, dict):
        refuse("wrong_shape", "not an object")
    for answer in _ANSWERS:
        if isinstance(said.get(answer), dict):
            said = {**said, **said[answer]}
    if levels and levels[-1] == _METER:
        said = {**said, _METER: said}  # before version 6 the meter had a topic of its own
    return _object(device, said)


def _device(levels: list[str]) -> str:
    """The topic without prefix and last level: of `tele/a/SENSOR`, and of `a/tele/SENSOR` as some prefer it."""
    if not levels:
        return UNSTATED
    return text("/".join(levels[1:-1] if levels[0] in _PREFIXES else levels[:-2]), "device")


def _said(device: str, topic: str, said: str) -> list[Observation]:
    """One word: whether the device is there, or what it switched."""
    if topic == "LWT":
        if said not in _ALIVE:
            refuse("unknown_kind", "LWT is neither Online nor Offline")
        return [Status(device, _ALIVE[said])]
    return [*_switch(device, topic, said)] or [Status(device)]


def _switch(device: str, key: str, value: object) -> Iterator[Reading]:
    """`POWER` and `POWER1` are the device itself, `POWER2` its second channel."""
    match = _POWER.fullmatch(key)
    amount = _SWITCHED.get(value) if isinstance(value, str) else None
    if match and amount is not None:
        yield Reading(text(device if match[1] in ("", "1") else f"{device}/{key}", "device"), "switch", amount)


def _object(device: str, said: dict[str, Any]) -> list[Observation]:
    at_ms = iso_ms(said.get("Time")) or seconds_ms(said.get("Epoch"))
    units = {
        "{temperature}": _TEMPERATURE_UNITS.get(str(said.get("TempUnit", "C"))[:1], "unknown"),
        "{pressure}": str(said.get("PressureUnit", "hPa"))[:8],
    }
    observations: list[Observation] = []
    if "UptimeSec" in said or "Uptime" in said:
        uptime_s = optional(said.get("UptimeSec"), 0, limits.INTEGER_MAX)
        observations.append(Status(device, at_ms=at_ms, uptime_s=None if uptime_s is None else int(uptime_s)))
    stated = readable = 0
    for key, value in said.items():
        if key in _CLOCK_KEYS:
            continue
        found = _part(device, key, value, at_ms, units)
        observations += found
        stated += _numbers_of(key, value)
        readable += len(found)
    if stated and not readable and len(observations) == 0:
        refuse("out_of_range", "every value outside the range of its quantity")
    return bounded(observations) or [Status(device, at_ms=at_ms)]


def _numbers_of(key: str, value: object) -> int:
    """How many readings a sensor would give if all its values were possible."""
    known = _METER_KEYS if key == _METER else _KEYS
    return sum(isinstance(inner, (int, float)) for name, inner in value.items() if name in known) if isinstance(value, dict) else 0


def _part(device: str, key: str, value: object, at_ms: int | None, units: dict[str, str]) -> list[Observation]:
    """What one key of the message says."""
    if not isinstance(value, dict):
        return [*_switch(device, key, value)]
    if key == _METER:
        return _meter(device, value, at_ms)
    if key == _RADIO:
        signal = measured_amount("rssi", value.get("Signal"))
        return [] if signal is None else [Reading(device, "rssi", signal, at_ms)]
    if key == "IBEACON":
        return _tag(device, value, at_ms)
    if key in _BRIDGED:
        return [one for radio, row in value.items() if isinstance(row, dict) for one in _radio(device, radio, row, at_ms)]
    sensor = text(f"{device}/{key}", "sensor")
    return [
        Reading(sensor, quantity, amount, at_ms)
        for name, (quantity, unit) in _KEYS.items()
        if not (name == "eCO2" and _CO2_BESIDE in value) and not (name == "FlowRate" and key != _RAIN_GAUGE)
        if (amount := measured_amount(quantity, value.get(name), None if unit is None else units[unit])) is not None
    ]


def _meter(device: str, said: dict[str, Any], at_ms: int | None) -> list[Observation]:
    """A value for the whole plug, or a list of one for each of its channels."""
    observations: list[Observation] = []
    for key, (quantity, unit) in _METER_KEYS.items():
        values = said.get(key)
        for place, value in enumerate(values if isinstance(values, list) else [values]):
            amount = measured_amount(quantity, value, unit)
            if amount is not None:
                observations.append(Reading(text(f"{device}/{place + 1}" if place else device, "device"), quantity, amount, at_ms))
    return observations


def _tag(device: str, said: dict[str, Any], at_ms: int | None) -> list[Observation]:
    """A Bluetooth tag that the HM-17 or ESP32 heard; without a signal strength it is one that went away."""
    beacon = ibeacon_id(said.get("UID"), _hex_word(said.get("MAJOR")), _hex_word(said.get("MINOR")))
    heard, rssi_dbm = beacon or mac_or_none(said.get("MAC")), measured(said.get("RSSI"))
    return [] if heard is None or rssi_dbm is None else [Sighting(device, heard, rssi_dbm, at_ms)]


def _hex_word(stated: object) -> int | None:
    """Major and minor come as the four hex digits that the radio chip writes."""
    return int(stated, 16) if isinstance(stated, str) and re.fullmatch(r"[0-9A-Fa-f]{4}", stated) else None


def _radio(device: str, radio: str, said: dict[str, Any], at_ms: int | None) -> list[Observation]:
    """A Zigbee or LoRa device behind a bridge, by the name that its owner gave it or by its address."""
    name = said.get("Name")
    whole = text(f"{device}/{name if isinstance(name, str) and name else radio}", "radio")
    rows = ((key, quantity, unit, said.get(key)) for key, (quantity, unit) in _RADIO_KEYS.items())
    values = ((quantity, _closed(value) if unit == "open" else _truth(quantity, value)) for _, quantity, unit, value in rows)
    found = ((quantity, measured_amount(quantity, value)) for quantity, value in values)
    return [Reading(whole, quantity, amount, at_ms) for quantity, amount in found if amount is not None]


def _closed(stated: object) -> float | None:
    return {0: 1.0, 1: 0.0}.get(stated) if isinstance(stated, int) else None


def _truth(quantity: str, stated: object) -> object:
    """Occupancy and contact as numbers or as true and false."""
    return {"true": 1, "false": 0}.get(stated, stated) if quantity == "occupancy" and isinstance(stated, str) else stated


DECODER = Decoder("tasmota", ("tele/#", "stat/#", "+/tele/+", "+/stat/+"), decode)
