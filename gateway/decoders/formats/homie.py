"""Homie: a convention for topics, versions 3 to 5 (https://homieiot.github.io).

`homie/5/{device}/{property's node}/{property}` holds one value as text (without the `5` before version 5). What a
property means is described elsewhere (`$description`, `$unit`), and a decoder remembers nothing: so its name tells
the quantity, in our unit. A part of a device that Homie calls a node is a device of its own (`super-car/engine`).
`true` and `false` of a property that names no quantity are a switch; other values are a sign of life.

`$state` becomes a status, `$stats` readings and uptime; other attributes and extensions begin with `$` as well and say
nothing that Wayside keeps. What ends in `/set` is a command, and `$broadcast` is for the devices.
"""

from __future__ import annotations

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, optional, parse_json, refuse, text
from gateway.decoders.values.naming import named
from gateway.decoders.values.text_payload import number_in, word
from gateway.decoders.values.units import measured_amount

_VERSION = "5"
_STATES = frozenset({"init", "ready", "disconnected", "sleeping", "lost", "alert"})
_TRUTH = {"true": True, "false": False}
_DESCRIPTION = "$description"
_STATS: dict[str, str] = {"cputemp": "device_temperature", "battery": "battery", "supply": "voltage"}


def decode(message: Message) -> list[Observation]:
    """The value of one property, or the state of one device."""
    levels = message.topic.split("/")[1:]
    if levels[:1] == [_VERSION]:
        levels = levels[1:]
    if len(levels) < 2:
        refuse("wrong_topic", "not homie/{device}/{attribute or node}/...")
    device, below = levels[0], levels[1:]
    if device.startswith("$") or below[-1] == "set":
        return []
    text(device, "device")
    if below == ["$state"]:
        return [Status(device, _state(message.payload))]
    if below[0] == "$stats" and len(below) == 2:
        return _stat(device, below[1], message.payload)
    if below == [_DESCRIPTION] and message.payload:
        _check_description(message.payload)
        return []
    if any(level.startswith("$") for level in below):
        return []
    if len(below) != 2:
        refuse("wrong_topic", "not homie/{device}/{node}/{property}")
    return _property(text(f"{device}/{below[0]}", "node"), text(below[1], "property"), message.payload)


def _state(payload: bytes) -> str:
    """Of a device; an empty payload clears what the broker kept: the device was taken out."""
    if not payload:
        return "removed"
    state = word(payload, "$state")
    if state not in _STATES:
        refuse("unknown_kind", "$state is not one of Homie's")
    return state


def _check_description(payload: bytes) -> None:
    if not isinstance(parse_json(payload), dict):
        refuse("wrong_shape", "$description must be an object")


def _stat(device: str, name: str, payload: bytes) -> list[Observation]:
    """Statistics that a device keeps of itself (an extension)."""
    if name != "uptime" and name not in _STATS:
        return []
    number = number_in(word(payload, "$stats"))
    if number is None:
        refuse("wrong_shape", "a statistic must be a number")
    if name == "uptime":
        uptime_s = optional(number, 0, limits.INTEGER_MAX)
        return [Status(device, uptime_s=None if uptime_s is None else int(uptime_s))]
    return _reading(device, _STATS[name], number)


def _property(device: str, name: str, payload: bytes) -> list[Observation]:
    if not payload:
        return []  # a retained value was cleared
    said = word(payload)
    meant = named(name)
    if said in _TRUTH:
        quantity = "switch" if meant is None else meant.quantity
        amount = measured_amount(quantity, _TRUTH[said])
        return [Reading(device, "switch", float(_TRUTH[said]))] if amount is None else [Reading(device, quantity, amount)]
    number = number_in(said)
    if meant is None:
        return [Status(device)]
    if number is None:
        refuse("wrong_shape", "a measured property must hold a number")
    return _reading(device, meant.quantity, number, meant.unit)


def _reading(device: str, quantity: str, number: float, unit: str | None = None) -> list[Observation]:
    amount = measured_amount(quantity, number, unit)
    if amount is None:
        refuse("out_of_range", f"{quantity} outside its range")
    return [Reading(device, quantity, amount)]


DECODER = Decoder("homie", ("homie/+/+/#",), decode)
