"""rtl_433: weather stations and other radio sensors, received with a television stick (https://github.com/merbanan/rtl_433).

It publishes one JSON object a reception on `rtl_433/{host}/events` (and `/states` without repetitions), and each value
by itself on `rtl_433/{host}/devices/{device}/{field}`. The device is named as in those topics: type, model, subtype,
channel and id, as far as stated (`Acurite-Tower/B/9884`). Fields are named by quantity and unit; the table below holds
those that Wayside keeps. Rain is the total since the gauge was reset, not a rate. A battery is usually fine or low,
which is a state; only a value between 0 and 1 is a level. Tyre pressure sensors of passing cars are not kept: the ids
identify cars, and so people.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, bounded, number_or_none, parse_json, refuse, text
from gateway.decoders.values.text_payload import decimal_or_none, payload_text
from gateway.decoders.values.times import iso_ms, seconds_ms
from gateway.decoders.values.units import canonical_amount

# field -> (quantity, unit); of several fields of one quantity the first one is read
_FIELDS: dict[str, tuple[str, str | None]] = {
    "temperature_C": ("temperature", None),
    "temperature_F": ("temperature", "°F"),
    "humidity": ("humidity", None),
    "pressure_hPa": ("pressure", None),
    "pressure_kPa": ("pressure", "kPa"),
    "wind_avg_m_s": ("wind_speed", None),
    "wind_avg_km_h": ("wind_speed", "km/h"),
    "wind_avg_mi_h": ("wind_speed", "mi/h"),
    "wind_dir_deg": ("wind_direction", None),
    "rain_mm": ("rain_total", None),
    "rain_in": ("rain_total", "in"),
    "rain_rate_mm_h": ("precipitation", None),
    "rain_rate_in_h": ("precipitation", "in/h"),
    "light_lux": ("illuminance", None),
    "light_klx": ("illuminance", "klx"),
    "uvi": ("uv_index", None),
    "uv": ("uv_index", None),
    "moisture": ("soil_moisture", None),
    "co2_ppm": ("co2", None),
    "pm2_5_ug_m3": ("pm2_5", None),
    "battery_V": ("voltage", None),
    "battery_mV": ("voltage", "mV"),
    "power_W": ("power", None),
    "current_A": ("current", None),
    "voltage_V": ("voltage", None),
    "energy_kWh": ("energy", None),
}
_NAMES = ("type", "model", "subtype", "channel", "id")
_BATTERY = "battery_ok"
_OLD_STATES = {"OK": 1, "LOW": 0}  # of the field `battery`, before 2020
_TYRES = "TPMS"
_STATES = ("online", "offline")
_DEVICE_LEVEL = 3  # rtl_433/{host}/devices/...


def decode(message: Message) -> list[Observation]:
    """The readings and the battery state of one device.

    Raises DecodeError: "missing_field" without a model or an id, "wrong_shape", "unknown_kind" for another
    availability, "out_of_range" where every value is impossible.
    """
    levels = message.topic.split("/")
    if "devices" in levels[2:3]:
        return (
            []
            if _TYRES in levels
            else _field(text("/".join(levels[_DEVICE_LEVEL:-1]), "device"), levels[-1], payload_text(message.payload))
        )
    if levels[-1] == "availability":
        return _availability(text("/".join(levels[:-1]), "host"), payload_text(message.payload))
    fields = parse_json(message.payload)
    if not isinstance(fields, dict):
        refuse("wrong_shape", "the payload must be an object")
    text(fields.get("model"), "model")
    if fields.get("type") == _TYRES:
        return []
    device = text("/".join(str(fields[name])[:64] for name in _NAMES if _is_name(fields.get(name))), "id")
    return _readings(device, fields)


def _is_name(stated: object) -> bool:
    return isinstance(stated, (str, int)) and not isinstance(stated, bool) and stated != ""


def _availability(host: str, value: str) -> list[Observation]:
    if value not in _STATES:
        refuse("unknown_kind", "availability must be online or offline")
    return [Status(host, value)]


def _field(device: str, name: str, value: str) -> list[Observation]:
    """One value of one device, on a topic of its own."""
    if name not in _FIELDS and name != _BATTERY:
        return [Status(device)]
    number = decimal_or_none(value)
    if number is None:
        refuse("wrong_shape", f"{name} must be a number")
    return _readings(device, {name: number})


def _readings(device: str, fields: dict[str, Any]) -> list[Observation]:
    at_ms = _at_ms(fields.get("time"))
    amounts: dict[str, float] = {}
    stated = False
    for field, (quantity, unit) in _FIELDS.items():
        if field not in fields:
            continue
        stated = True
        amount = canonical_amount(quantity, fields[field], unit)
        if amount is not None:
            amounts.setdefault(quantity, amount)
    status = _battery(device, fields.get(_BATTERY, _OLD_STATES.get(str(fields.get("battery"))[:4])), at_ms)
    if stated and not amounts and status is None:
        refuse("out_of_range", "every value is out of the range of its quantity")
    readings: list[Observation] = [Reading(device, quantity, amount, at_ms) for quantity, amount in amounts.items()]
    return bounded([*readings, *([status] if status else [])] or [Status(device, at_ms=at_ms)])


def _battery(device: str, stated: object, at_ms: int | None) -> Status | None:
    level = number_or_none(int(stated) if isinstance(stated, bool) else stated, 0, 1)
    if level is None:
        return None
    if 0 < level < 1:
        return Status(device, at_ms=at_ms, battery_pct=round(level * 100, 3))
    return Status(device, "online" if level else "battery_low", at_ms)


def _at_ms(stated: object) -> int | None:
    """Unix seconds or ISO 8601 with a zone, or `None`. The default of rtl_433 is local time, which is not read."""
    if isinstance(stated, str) and stated[:10].isdigit():
        return seconds_ms(stated.partition(".")[0])
    return iso_ms(stated)


_TOPICS = (
    *(f"rtl_433/+/{branch}" for branch in ("events", "states", "availability", "devices/#")),
    "home/+/RTL_433toMQTT/#",  # OpenMQTTGateway, which contains the same receiver
)

DECODER = Decoder("rtl_433", _TOPICS, decode)
