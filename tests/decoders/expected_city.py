"""Expectations of city and LoRaWAN messages, as claims for `expected.py`.

LoRaWAN lines hold the result of ThingsBoard's converters, each of which is written for one model of sensor. Wayside
reads only what a message states by itself, so values that need the manual of the model are listed in `NOT_KEPT_CITY`
with the reason. NGSI lines state an entity's id and type; the type is a claim for the kind of observation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from gateway.core.types import Count, Event, Observation, Position, Reading, Status

Claim = tuple[str, Callable[[list[Observation]], bool]]

# A converter's name for a value -> our quantity and the divisor of the value.
_READINGS: dict[str, tuple[str, float]] = {
    "temperature": ("temperature", 1),
    "humidity": ("humidity", 1),
    "battery": ("battery", 1),
    "co2": ("co2", 1),
    "illumination": ("illuminance", 1),
    "light": ("illuminance", 1),
    "distance": ("distance", 1_000),
    "vdd": ("voltage", 1_000),
    "soundAvg": ("noise", 1),
    "battery_voltage": ("voltage", 1),
    "lora_rssi": ("rssi", 1),
    "lora_snr": ("snr", 1),
    "angle_x": ("rotation", 1),
    "angle_y": ("rotation", 1),
    "angle_z": ("rotation", 1),
    "pressure": ("gauge_pressure", 1),
}
_TEXTS: dict[tuple[str, object], tuple[str, float]] = {
    ("occupancy", "occupied"): ("occupancy", 1),
    ("leakage_status", "normal"): ("input", 0),
    ("magnet_status", "open"): ("input", 1),
    ("tamper_status", "uninstalled"): ("input", 1),
    ("pir", "trigger"): ("input", 1),
    ("daylight", "dark"): ("input", 0),
    ("state", "normal"): ("gas_alarm", 0),
    ("valve", "open"): ("switch", 1),
    ("relay", "close"): ("switch", 0),
}
_COUNTS: tuple[tuple[str, str], ...] = (
    (r"(period)_(in|out)", r"people_\2"),
    (r"(total)_(in|out)", r"people_\2_total"),
    (r"region_(\d+)_count", r"region-\1 people"),
    (r"line_1\.0_total_(in|out)", r"people_\1_total"),
    (r"line_([2-9])\.0_total_(in|out)", r"line-\1 people_\2_total"),
    ("pir", "motions"),
)
_EUIS = ("eui", "lora_dev_eui")
_KINDS: dict[str, type[Observation] | None] = {
    "up": Reading,
    "uplink_message": Reading,
    "integration": Reading,
    "join": Status,
    "join_accept": Status,
    "status": Status,
    "downlink_ack": Status,
    "location": Position,
    "txack": None,
}
_MEASURING: dict[str, type[Observation]] = {
    "CrowdFlowObserved": Count,
    "ItemFlowObserved": Count,
    "TrafficFlowObserved": Count,
    "BikeHireDockingStation": Count,
    "OffStreetParking": Count,
    "OnStreetParking": Count,
    "ParkingGroup": Count,
    "ParkingSpot": Reading,
    "AirQualityObserved": Reading,
    "IndoorEnvironmentObserved": Reading,
    "NoiseLevelObserved": Reading,
    "WeatherObserved": Reading,
    "Device": Reading,
    "Vehicle": Position,
}


def lorawan_claims(line: dict[str, Any]) -> Iterator[Claim]:
    """The kind of message, the device, and every value of a converter under the name of the sensor's model."""
    expected = line.get("expected", {})
    for field in ("event", "message"):
        if field in expected:
            yield field, partial(_is_kind, kind=_KINDS[expected[field]])
    decoded = expected.get("thingsboard_decode", [])
    for item in decoded if isinstance(decoded, list) else [decoded]:
        for name, value in item.get("attributes", {}).items():
            if name in _EUIS:
                yield f"{line['device']}/{name}", partial(_is_all_of, device=value.lower())
        for place, entry in enumerate(item.get("telemetry", [])):
            yield f"{line['device']}/{'history_' if place else ''}ts", partial(_is_then, at_ms=entry["ts"])
            for name, value in entry["values"].items():
                yield f"{line['device']}/{name}", partial(_is_held, name=name, value=value)


def ngsi_claims(line: dict[str, Any]) -> Iterator[Claim]:
    """The entity's id as the device of all observations, or as the id of an event, and the kind of observation that its type measures."""
    expected = line["expected"]
    yield "id", partial(_is_of_entity, entity=expected["id"])
    kind = _MEASURING.get(expected["type"])
    if kind is not None:
        yield "type", partial(_is_kind, kind=kind)
    elif "outlier" not in line["payload"]:
        yield "type", _measures_nothing


def _is_of_entity(observations: list[Observation], entity: str) -> bool:
    others = [one for one in observations if not (isinstance(one, Event) and one.id == entity)]
    return len(others) < len(observations) if not others else _is_all_of(others, entity)


def _is_kind(observations: list[Observation], kind: type[Observation] | None) -> bool:
    return not observations if kind is None else any(isinstance(one, kind) for one in observations)


def _measures_nothing(observations: list[Observation]) -> bool:
    return all(isinstance(one, (Status, Position, Event)) for one in observations)


def _is_all_of(observations: list[Observation], device: str) -> bool:
    """Whether all are of `device`, or of a part of it."""
    devices = {getattr(one, "device", "") for one in observations}
    return device in devices and all(one == device or one.startswith(f"{device}/") for one in devices)


def _is_then(observations: list[Observation], at_ms: int) -> bool:
    return any(getattr(one, "at_ms", None) == at_ms for one in observations)


def _is_held(observations: list[Observation], name: str, value: object) -> bool:
    """Whether a reading of the right quantity or a count of the right name holds `value`."""
    stated = _TEXTS.get((name, value)) if isinstance(value, str) else None
    if stated is None and name in _READINGS and isinstance(value, (int, float)):
        quantity, divisor = _READINGS[name]
        stated = (quantity, value / divisor)
    if stated is not None:
        readings = [one.value for one in observations if isinstance(one, Reading) and one.quantity == stated[0]]
        return any(found == pytest.approx(stated[1], abs=1e-9) for found in readings)
    what = next((re.sub(pattern, ours, name) for pattern, ours in _COUNTS if re.fullmatch(pattern, name)), None)
    counts = [one for one in observations if isinstance(one, Count)]
    return any((" ".join([*one.device.split("/")[1:], one.what]), one.count) == (what, value) for one in counts)


# --- values that are not kept: pattern of paths -> reason ------------------------------------------
_BY_MODEL = "the bytes say what it is only to who knows the model, and no message names its model"
_DECENTLAB = {
    r"DL-.*/(?!battery_voltage$|lora_).*": f"{_BY_MODEL}; with it `test_sensor_payloads` reads the same bytes",
    r"DL-.*/lora_(frame_counter|frame_port|frequency|spreading_factor)": "how the network sent it, not what it says",
}
_MILESIGHT = {
    r"(VS351|VS360)/.*_alarm|EM320-TILT/threshold_.|EM400-TLD/.*(abnormal|alarming)": "a threshold that somebody set, crossed",
}
_INDOORS = {r"VS330/calibration": "the sensor of itself", r"VS360/((period|total)_(in|out)|history_ts)": f"a history: {_BY_MODEL}"}
_OTHERS = {
    r"G4_NCC_FM/.*": "three bytes without a mark",
    r"Aura/.*": "a meter that states no unit of what was consumed",
}
_CHIRPSTACK_ONLY = {
    r"ERS2_Sound/soundPeak": "noise is its average",
    r"R718DA/.*": _BY_MODEL,
    r"EM300-SLD-ZLD/(temperature|humidity|leakage_status|history_ts|ts)": (
        f"a history: {_BY_MODEL}; the converter reads a byte of its clock as humidity"
    ),
}

NOT_KEPT_CITY: dict[str, dict[str, str]] = {
    "actility_thingpark": _DECENTLAB,
    "chirpstack_v4": {**_DECENTLAB, **_MILESIGHT, **_INDOORS, **_OTHERS, **_CHIRPSTACK_ONLY},
    "http_gateway_json": _MILESIGHT,
    "loriot": {**_DECENTLAB, **_MILESIGHT, **_INDOORS, **_OTHERS},
    "ttn_v3": {**_DECENTLAB, **_MILESIGHT, **_INDOORS, **_OTHERS},
}
CLAIMS_CITY: dict[str, Callable[[dict[str, Any]], Iterator[Claim]]] = {
    **dict.fromkeys(("actility_thingpark", "chirpstack_v4", "http_gateway_json", "loriot", "ttn_v3"), lorawan_claims),
    **dict.fromkeys(("ngsi_ld", "ngsi_v2"), ngsi_claims),
}
