"""Tasmota: firmware of plugs, bulbs and home-made sensors (https://tasmota.github.io/docs/MQTT/).

`tele/{device}/SENSOR` holds measurements, one object a sensor; `.../STATE` the state of the device; `.../LWT` "Online"
or "Offline"; `stat/{device}/...` responses to commands; `cmnd/` commands, which give nothing. The device is the topic
without its prefix and last level, so other orders of the levels work too.

Sensors are named by chip, and two may measure the same quantity, so a sensor is a device of its own (`kitchen/BME280`),
except `ENERGY`, which is the plug itself, and Bluetooth
sensors, which are their address, as with other receivers. `TempUnit` and `PressureUnit`, beside the sensors, are the units of the
settings. Times without a zone are not read. Radio devices behind a bridge (`ZbReceived`, `LwReceived`) are devices
below it, and a received tag (`IBEACON`) is a sighting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Sighting, Status
from gateway.decoders.contract import HEARD, UNSTATED, Decoder, bounded, number_or_none, parse_json, refuse, rssi_or_none, text
from gateway.decoders.values.radio_ids import ibeacon_id, mac_or_none
from gateway.decoders.values.text_payload import payload_text
from gateway.decoders.values.times import iso_ms, seconds_ms
from gateway.decoders.values.units import canonical_amount

_COMMANDS = "cmnd"
_PREFIXES = frozenset({"tele", "stat", _COMMANDS})
_ALIVE = {"Online": "online", "Offline": "offline"}
_TEXT_TOPICS = re.compile(r"LWT|LOGGING|POWER[0-9]{0,2}|SWITCH[0-9]{0,2}T?|BUTTON[0-9]{0,2}T?", re.ASCII)
_POWER = re.compile(r"POWER([0-9]{0,2})", re.ASCII)
_SWITCHED = {"ON": 1.0, "OFF": 0.0, "1": 1.0, "0": 0.0}
_CLOCK_KEYS = frozenset({"Time", "Epoch", "TempUnit", "PressureUnit", "SpeedUnit"})
_ANSWERS = ("StatusSNS", "StatusSTS")  # responses to `Status 8`, `10` and `11` hold the same as SENSOR and STATE
_TEMPERATURE_UNITS = {"C": "°C", "F": "°F"}
_METER = "ENERGY"
_RADIO = "Wifi"  # of it only the signal strength: the network's name is private
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
_RAIN_GAUGE = "RG-15"  # the only chip whose FlowRate is rain, in mm/h; others count litres
_CO2_BESIDE = "CarbonDioxide"  # the measured value replaces the estimate (eCO2) of the same chip


def decode(message: Message) -> list[Observation]:
    """The readings, sightings and statuses of one topic.

    Raises DecodeError: "wrong_topic" for another topic, "wrong_shape" for another body, "unknown_kind" for another LWT,
    "out_of_range" where every value is impossible, "too_large".
    """
    levels = message.topic.split("/") if message.topic else []
    if _COMMANDS in levels:
        return []
    if levels and (len(levels) < 3 or not _PREFIXES & {levels[0], levels[-2]}):
        refuse("wrong_topic", "the topic must be tele/{device}/... or stat/{device}/...")
    device = _device(levels)
    if levels and _TEXT_TOPICS.fullmatch(levels[-1]) and message.payload[:1] != b"{":
        return _state(device, levels[-1], payload_text(message.payload))
    fields = parse_json(message.payload)
    if not isinstance(fields, dict):
        refuse("wrong_shape", "the payload must be an object")
    for answer in _ANSWERS:
        if isinstance(fields.get(answer), dict):
            fields = {**fields, **fields[answer]}
    if levels and levels[-1] == _METER:
        fields = {**fields, _METER: fields}  # before version 6 the meter had a topic of its own
    return _object(device, fields)


def _device(levels: list[str]) -> str:
    """The topic without prefix and last level: of `tele/a/SENSOR`, and of `a/tele/SENSOR`."""
    if not levels:
        return UNSTATED
    return text("/".join(levels[1:-1] if levels[0] in _PREFIXES else levels[:-2]), "device")


def _state(device: str, topic: str, state: str) -> list[Observation]:
    """A payload that is a text: the state of the device, or of a switch."""
    if topic == "LWT":
        if state not in _ALIVE:
            refuse("unknown_kind", "LWT must be Online or Offline")
        return [Status(device, _ALIVE[state])]
    return [*_switch(device, topic, state)] or [Status(device)]


def _switch(device: str, key: str, value: object) -> Iterator[Reading]:
    """The state of a switch: `POWER` and `POWER1` are the device itself, `POWER2` its second channel."""
    match = _POWER.fullmatch(key)
    amount = _SWITCHED.get(value) if isinstance(value, str) else None
    if match and amount is not None:
        yield Reading(text(device if match[1] in ("", "1") else f"{device}/{key}", "device"), "switch", amount)


def _object(device: str, fields: dict[str, Any]) -> list[Observation]:
    at_ms = iso_ms(fields.get("Time")) or seconds_ms(fields.get("Epoch"))
    units = {
        "{temperature}": _TEMPERATURE_UNITS.get(str(fields.get("TempUnit", "C"))[:1], "unknown"),
        "{pressure}": str(fields.get("PressureUnit", "hPa"))[:8],
    }
    observations: list[Observation] = []
    if "UptimeSec" in fields or "Uptime" in fields:
        uptime_s = number_or_none(fields.get("UptimeSec"), 0, limits.INTEGER_MAX)
        observations.append(Status(device, at_ms=at_ms, uptime_s=None if uptime_s is None else int(uptime_s)))
    stated = readable = 0
    for key, value in fields.items():
        if key in _CLOCK_KEYS:
            continue
        found = _part(device, key, value, at_ms, units)
        observations += found
        stated += _numbers_of(key, value)
        readable += len(found)
    if stated and not readable and len(observations) == 0:
        refuse("out_of_range", "every value is out of the range of its quantity")
    return bounded(observations) or [Status(device, at_ms=at_ms)]


def _numbers_of(key: str, value: object) -> int:
    """The number of readings that a sensor would give if all its values were possible."""
    known = _METER_KEYS if key == _METER else _KEYS
    return sum(isinstance(inner, (int, float)) for name, inner in value.items() if name in known) if isinstance(value, dict) else 0


def _part(device: str, key: str, value: object, at_ms: int | None, units: dict[str, str]) -> list[Observation]:
    """The observations of one key of the message."""
    if not isinstance(value, dict):
        return [*_switch(device, key, value)]
    if key == _METER:
        return _meter(device, value, at_ms)
    if key == _RADIO:
        signal = canonical_amount("rssi", value.get("Signal"))
        return [] if signal is None else [Reading(device, "rssi", signal, at_ms)]
    if key == "IBEACON":
        return _tag(device, value, at_ms)
    if key in _BRIDGED:
        return [one for radio, row in value.items() if isinstance(row, dict) for one in _radio(device, radio, row, at_ms)]
    mac, rssi_dbm = mac_or_none(value.get("mac")), rssi_or_none(value.get("RSSI"))
    sensor = text(f"{device}/{key}", "sensor") if mac is None else mac
    sighting = () if mac is None or rssi_dbm is None else (Sighting(device, mac, rssi_dbm, at_ms),)
    readings = (
        Reading(sensor, quantity, amount, at_ms)
        for name, (quantity, unit) in _KEYS.items()
        if not (name == "eCO2" and _CO2_BESIDE in value) and not (name == "FlowRate" and key != _RAIN_GAUGE)
        if (amount := canonical_amount(quantity, value.get(name), None if unit is None else units[unit])) is not None
    )
    return [*sighting, *readings]


def _meter(device: str, fields: dict[str, Any], at_ms: int | None) -> list[Observation]:
    """Readings of the whole plug, or of each channel where the values are lists."""
    observations: list[Observation] = []
    for key, (quantity, unit) in _METER_KEYS.items():
        values = fields.get(key)
        for place, value in enumerate(values if isinstance(values, list) else [values]):
            amount = canonical_amount(quantity, value, unit)
            if amount is not None:
                observations.append(Reading(text(f"{device}/{place + 1}" if place else device, "device"), quantity, amount, at_ms))
    return observations


def _tag(device: str, fields: dict[str, Any], at_ms: int | None) -> list[Observation]:
    """A Bluetooth tag that the HM-17 or ESP32 received; without an rssi it is one that went away."""
    beacon = ibeacon_id(fields.get("UID"), _hex_uint16(fields.get("MAJOR")), _hex_uint16(fields.get("MINOR")))
    heard, rssi_dbm = beacon or mac_or_none(fields.get("MAC")), rssi_or_none(fields.get("RSSI"))
    return [] if heard is None or rssi_dbm is None else [Sighting(device, heard, rssi_dbm, at_ms)]


def _hex_uint16(stated: object) -> int | None:
    """Major and minor come as four hex digits, as in the radio chip."""
    return int(stated, 16) if isinstance(stated, str) and re.fullmatch(r"[0-9A-Fa-f]{4}", stated) else None


def _radio(device: str, radio: str, fields: dict[str, Any], at_ms: int | None) -> list[Observation]:
    """A Zigbee or LoRa device behind a bridge, by its given name or its address."""
    name = fields.get("Name")
    whole = text(f"{device}/{name if isinstance(name, str) and name else radio}", "radio")
    rows = ((key, quantity, unit, fields.get(key)) for key, (quantity, unit) in _RADIO_KEYS.items())
    values = ((quantity, _closed(value) if unit == "open" else _truth(quantity, value)) for _, quantity, unit, value in rows)
    found = ((quantity, canonical_amount(quantity, value)) for quantity, value in values)
    return [Reading(whole, quantity, amount, at_ms) for quantity, amount in found if amount is not None]


def _closed(stated: object) -> float | None:
    return {0: 1.0, 1: 0.0}.get(stated) if isinstance(stated, int) else None


def _truth(quantity: str, stated: object) -> object:
    """Occupancy as a number, or as the text true or false."""
    return {"true": 1, "false": 0}.get(stated, stated) if quantity == "occupancy" and isinstance(stated, str) else stated


_SPEAKERS = ("tele/{device}/#", "stat/{device}/#", "{device}/tele/+", "{device}/stat/+")

DECODER = Decoder("tasmota", ("tele/#", "stat/#", "+/tele/+", "+/stat/+"), decode, speakers=_SPEAKERS, role="scanner", kinds=HEARD)
