"""Homie, a convention for topics, versions 3 to 5 (https://homieiot.github.io).

`homie/5/{device}/{node}/{property}` is one value as text (without the `5` before version 5). The meaning of a property
is published on other topics (`$description`, `$unit`) and a decoder keeps no state, so its name gives the quantity, in
our unit. A node is a device of its own (`super-car/engine`). `true` and `false` of a property whose name is no quantity
are a switch; other values become a status.

`$state` becomes a status, `$stats` readings and the uptime; other attributes and extensions, which begin with `$`, give
nothing. Topics that end in `/set` are commands, and `$broadcast` is addressed to devices.
"""

from __future__ import annotations

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, number_or_none, parse_json, refuse, text
from gateway.decoders.values.quantity_names import quantity_named
from gateway.decoders.values.text_payload import decimal_or_none, payload_text
from gateway.decoders.values.units import canonical_amount

_VERSION = "5"
_STATES = frozenset({"init", "ready", "disconnected", "sleeping", "lost", "alert"})
_TRUTH = {"true": True, "false": False}
_DESCRIPTION = "$description"
_STATS: dict[str, str] = {"cputemp": "device_temperature", "battery": "battery", "supply": "voltage"}


def decode(message: Message) -> list[Observation]:
    """The value of one property, or the state of one device.

    Raises DecodeError: "wrong_topic" for a topic that is too short, "unknown_kind" for another state, "not_text" or
    "out_of_range".
    """
    levels = message.topic.split("/")[1:]
    if levels[:1] == [_VERSION]:
        levels = levels[1:]
    if len(levels) < 2:
        refuse("wrong_topic", "the topic must be homie/{device}/{attribute or node}/...")
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
        refuse("wrong_topic", "the topic must be homie/{device}/{node}/{property}")
    return _property(text(f"{device}/{below[0]}", "node"), text(below[1], "property"), message.payload)


def _state(payload: bytes) -> str:
    """The status of a device; an empty payload clears the retained one, as the device was removed."""
    if not payload:
        return "removed"
    state = payload_text(payload, "$state")
    if state not in _STATES:
        refuse("unknown_kind", "$state is not one of Homie's states")
    return state


def _check_description(payload: bytes) -> None:
    if not isinstance(parse_json(payload), dict):
        refuse("wrong_shape", "$description must be an object")


def _stat(device: str, name: str, payload: bytes) -> list[Observation]:
    """One of the statistics of a device (an extension)."""
    if name != "uptime" and name not in _STATS:
        return []
    number = decimal_or_none(payload_text(payload, "$stats"))
    if number is None:
        refuse("wrong_shape", "a value below $stats must be a number")
    if name == "uptime":
        uptime_s = number_or_none(number, 0, limits.INTEGER_MAX)
        return [Status(device, uptime_s=None if uptime_s is None else int(uptime_s))]
    return _reading(device, _STATS[name], number)


def _property(device: str, name: str, payload: bytes) -> list[Observation]:
    if not payload:
        return []  # a retained value was cleared
    value = payload_text(payload)
    meant = quantity_named(name)
    if value in _TRUTH:
        quantity = "switch" if meant is None else meant.quantity
        amount = canonical_amount(quantity, _TRUTH[value])
        return [Reading(device, "switch", float(_TRUTH[value]))] if amount is None else [Reading(device, quantity, amount)]
    number = decimal_or_none(value)
    if meant is None:
        return [Status(device)]
    if number is None:
        refuse("wrong_shape", "the value of a measured property must be a number")
    return _reading(device, meant.quantity, number, meant.unit)


def _reading(device: str, quantity: str, number: float, unit: str | None = None) -> list[Observation]:
    amount = canonical_amount(quantity, number, unit)
    if amount is None:
        refuse("out_of_range", f"{quantity} is out of range")
    return [Reading(device, quantity, amount)]


DECODER = Decoder("homie", ("homie/+/+/#",), decode, speakers=(f"homie/{_VERSION}/{{device}}/#", "homie/{device}/#"), role="device")
