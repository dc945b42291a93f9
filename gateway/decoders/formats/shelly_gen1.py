"""Shelly, first generation: plugs, meters and sensors, one value a topic (https://shelly-api-docs.shelly.cloud/gen1/).

`shellies/{device}/{branch}/...` is a number or a text; `.../info` and `.../announce` are JSON. Channel 0 of a branch is
the device itself and each further channel a device of its own (`shelly25/relay/1`), or the phases of a meter would
overwrite each other. Energy comes in watt minutes (`energy`, since the last report, of relays) or in watt hours
(`total`); only the totals of meters are read. Sensors publish temperatures in the unit of the settings without stating
it, so °C is assumed; the temperature of the device itself comes in both units. Topics with `command` or `set` are
commands and give nothing.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, bounded, number_or_none, parse_json, refuse, text
from gateway.decoders.formats.shelly_topics import BASE
from gateway.decoders.values.text_payload import decimal_or_none, payload_text
from gateway.decoders.values.units import canonical_amount

_COMMANDS = frozenset({"command", "set"})
_SWITCHED = {"on": 1.0, "off": 0.0}
_OPEN = {"close": 1.0, "open": 0.0}
_TRUTH = {"1": 1.0, "true": 1.0, "0": 0.0, "false": 0.0}
_CHANNELED = frozenset({"relay", "emeter", "light", "color", "white", "roller"})
_OUTSIDE = {"ext_temperature": "temperature", "ext_humidity": "humidity"}
_INPUTS = frozenset({"input", "ext_switch"})
_BRANCHES = frozenset({*_CHANNELED, *_INPUTS, *_OUTSIDE, "adc", "input_event", "longpush", "sensor", "thermostat"})
_DIRECT = frozenset(
    {"temperature", "temperature_f", "temperature_status", "overtemperature", "overpower", "overload", "voltage", "loaderror"}
)
_JSON_LEAVES = frozenset({"announce", "info", "input_event", "settings"})

# last level of the topic below a branch -> (quantity, unit where it is not ours)
_NUMBERS: dict[tuple[str, str], tuple[str, str | None]] = {
    **{(branch, "power"): ("power", None) for branch in _CHANNELED},
    ("emeter", "voltage"): ("voltage", None),
    ("emeter", "current"): ("current", None),
    ("emeter", "total"): ("energy", "Wh"),
    ("sensor", "temperature"): ("temperature", None),
    ("sensor", "humidity"): ("humidity", None),
    ("sensor", "battery"): ("battery", None),
    ("sensor", "lux"): ("illuminance", None),
    ("roller", "pos"): ("level", None),
    ("", "temperature"): ("device_temperature", None),
    ("", "voltage"): ("voltage", None),
    ("adc", "0"): ("voltage", None),
}
_STATES: dict[tuple[str, str], tuple[str, dict[str, float]]] = {
    ("sensor", "motion"): ("occupancy", _TRUTH),
    ("sensor", "state"): ("contact", _OPEN),
    ("sensor", "flood"): ("leak", _TRUTH),
    ("sensor", "smoke"): ("smoke_alarm", _TRUTH),
    ("sensor", "charger"): ("plugged", _TRUTH),
}


class _Bat(msgspec.Struct, gc=False):
    value: object = None
    voltage: object = None


class _Value(msgspec.Struct, gc=False):
    value: object = None


class _Degrees(msgspec.Struct, gc=False):
    celsius: object = msgspec.field(default=None, name="tC")


class _Meter(msgspec.Struct, gc=False):
    power: object = None
    voltage: object = None
    current: object = None
    total: object = None
    is_valid: object = True


class _Relay(msgspec.Struct, gc=False):
    ison: object = None
    brightness: object = None


class _Info(msgspec.Struct, gc=False):
    """The fields of `info` and `announce`; each may be missing."""

    id: object = None
    uptime: object = None
    temperature: object = None
    tmp: _Degrees | None = None
    hum: _Value | None = None
    lux: _Value | None = None
    bat: _Bat | None = None
    relays: list[_Relay] | None = None
    emeters: list[_Meter] | None = None
    meters: list[_Meter] | None = None


_INFO = msgspec.json.Decoder(_Info)
_RELAY = msgspec.json.Decoder(_Relay)


def decode(message: Message) -> list[Observation]:
    """The readings and statuses of one topic.

    Raises DecodeError: "wrong_topic" for another topic, "wrong_shape", "unknown_kind" or "out_of_range" for its value.
    """
    levels = message.topic.split("/")
    if levels == [BASE, "announce"]:
        return [Status(text(parse_json(message.payload, _INFO).id, "id"))]
    if levels[0] == BASE and _COMMANDS & set(levels[1:]):
        return []
    if levels[0] != BASE or len(levels) < 3:
        refuse("wrong_topic", "the topic must be shellies/{device}/...")
    if levels[-1] == "status" and levels[-3] in _CHANNELED:
        return _lamp(levels, message.payload)
    if levels[-1] in _JSON_LEAVES or levels[-2] == "input_event":
        return _document(levels, message.payload)
    return _value(levels, payload_text(message.payload))


def _document(levels: list[str], payload: bytes) -> list[Observation]:
    info: _Info = parse_json(payload, _INFO)
    device = text("/".join(levels[1 : -2 if levels[-2] == "input_event" else -1]), "device")
    uptime_s = number_or_none(info.uptime, 0, limits.INTEGER_MAX)
    status = Status(device, uptime_s=None if uptime_s is None else int(uptime_s))
    return bounded([status, *_info(device, info)] if levels[-1] == "info" else [status])


def _lamp(levels: list[str], payload: bytes) -> list[Observation]:
    """The state of one light, in one object."""
    lamp: _Relay = parse_json(payload, _RELAY)
    device = _channel(text("/".join(levels[1:-3]), "device"), levels[-3], levels[-2])
    found = ((quantity, canonical_amount(quantity, value)) for quantity, value in (("switch", lamp.ison), ("level", lamp.brightness)))
    return [Reading(device, quantity, amount) for quantity, amount in found if amount is not None] or [Status(device)]


def _info(device: str, info: _Info) -> list[Observation]:
    rows: list[tuple[str, str, object, str | None]] = [(device, "device_temperature", info.temperature, None)]
    rows += [(device, "temperature", info.tmp.celsius, None)] if info.tmp else []
    rows += [(device, "humidity", info.hum.value, None)] if info.hum else []
    rows += [(device, "illuminance", info.lux.value, None)] if info.lux else []
    rows += [(device, "battery", info.bat.value, None), (device, "voltage", info.bat.voltage, None)] if info.bat else []
    rows += [(_channel(device, "relay", str(place)), "switch", relay.ison, None) for place, relay in enumerate(info.relays or [])]
    branch, meters = ("emeter", info.emeters) if info.emeters else ("relay", info.meters or [])
    for place, meter in enumerate(meters):
        if meter.is_valid is not False:
            name = _channel(device, branch, str(place))
            rows += [(name, "power", meter.power, None), (name, "voltage", meter.voltage, None), (name, "current", meter.current, None)]
            rows += [(name, "energy", meter.total, "Wh")] if branch == "emeter" else []
    found = ((name, quantity, canonical_amount(quantity, value, unit)) for name, quantity, value, unit in rows)
    return [Reading(name, quantity, amount) for name, quantity, amount in found if amount is not None]


def _channel(device: str, branch: str, channel: str) -> str:
    return device if channel == "0" else text(f"{device}/{branch}/{channel}", "channel")


def _value(levels: list[str], value: str) -> list[Observation]:
    """One topic with one value; the device is everything above the branch."""
    at = next((place for place in range(2, len(levels)) if levels[place] in _BRANCHES), len(levels) - 1)
    device = text("/".join(levels[1:at]), "device")
    if levels[-1] == "online":
        return [Status(device, _online(value))]
    branch, below = (levels[at], levels[at + 1 :]) if levels[at] in _BRANCHES else ("", levels[at:])
    if not branch and below[0] not in _DIRECT:
        refuse("wrong_topic", "the topic is not one of Shelly's first generation")
    if branch in _OUTSIDE and below:
        return _reading(_channel(device, branch, below[0]), _OUTSIDE[branch], None, value)
    if branch in _INPUTS and below:
        return [Reading(_channel(device, branch, below[0]), "input", _TRUTH[value])] if value in _TRUTH else [Status(device)]
    if branch in _CHANNELED and below:
        device = _channel(device, branch, below[0])
        if len(below) == 1:
            return [Reading(device, "switch", _SWITCHED[value])] if value in _SWITCHED else [Status(device)]
    return _leaf(device, (branch, below[-1] if below else ""), value)


def _leaf(device: str, leaf: tuple[str, str], value: str) -> list[Observation]:
    if leaf in _NUMBERS:
        return _reading(device, *_NUMBERS[leaf], value)
    if leaf in _STATES:
        quantity, states = _STATES[leaf]
        if value not in states:
            refuse("unknown_kind", f"{leaf[1]} must be one of {', '.join(states)}")
        return [Reading(device, quantity, states[value])]
    return [Status(device)]


def _reading(device: str, quantity: str, unit: str | None, value: str) -> list[Observation]:
    number = decimal_or_none(value)
    if number is None:
        refuse("wrong_shape", f"{quantity} must be a number")
    amount = canonical_amount(quantity, number, unit)
    if amount is None:
        refuse("out_of_range", f"{quantity} is out of range")
    return [Reading(device, quantity, amount)]


def _online(value: str) -> str:
    if value not in ("true", "false"):
        refuse("unknown_kind", "online must be true or false")
    return "online" if value == "true" else "offline"


_TOPICS = (
    "shellies/announce",
    "shellies/+/announce",
    "shellies/+/info",
    "shellies/+/online",
    *(f"shellies/+/{name}" for name in sorted(_DIRECT)),
    *(f"shellies/+/{branch}/#" for branch in sorted(_BRANCHES)),
    *(f"shellies/+/+/{branch}/#" for branch in ("relay", "emeter")),  # with a custom prefix
)

DECODER = Decoder("shelly_gen1", _TOPICS, decode, speakers=(f"{BASE}/{{device}}/+/#",), role="device")
