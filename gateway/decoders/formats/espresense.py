"""ESPresense: ESP32 nodes that receive Bluetooth tags and estimate the distance (https://espresense.com).

A node publishes `espresense/devices/{id}/{room}` for every received tag and `espresense/rooms/{room}/telemetry` for
itself; `rooms/{room}/status` is "online" or "offline" as plain text (retained, last will). Other topics below `rooms/`,
`settings/` and `companion/` hold settings, commands and estimates of the companion, and give nothing. Ids are taken
from the topic unchanged, in the canonical spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from gateway.core import limits
from gateway.core.strangers import Concern
from gateway.core.types import Message, Observation, Reading, Sighting, Status
from gateway.decoders.contract import HEARD, Decoder, number_or_none, parse_json, refuse, rssi, text, tx_power_or_none
from gateway.decoders.values.units import canonical_amount

_SILENT_BRANCHES = ("rooms", "settings", "companion")
_DISTANCE_M_MAX = 1_000.0


class _Tag(msgspec.Struct, gc=False):
    rssi: float
    distance: object = None
    rssi_at_1m: object = msgspec.field(default=None, name="rssi@1m")
    temp: object = None
    rh: object = None
    mV: object = None  # noqa: N815 - ESPresense's name


class _Telemetry(msgspec.Struct, gc=False):
    uptime: object = None
    batt: object = None


_TAG = msgspec.json.Decoder(_Tag)
_TELEMETRY = msgspec.json.Decoder(_Telemetry)


def decode(message: Message) -> list[Observation]:
    """A sighting (and readings) of `devices/{id}/{room}`, a status of `rooms/{room}/telemetry` or `rooms/{room}/status`.

    Raises DecodeError: "wrong_topic" for another topic, "missing_field", "wrong_shape" or "out_of_range" for its
    fields, "unknown_kind" for another status.
    """
    return at(message.topic)(message.payload)


def at(topic: str) -> Callable[[bytes], list[Observation]]:
    """Decodes the payloads of one topic, as `decode` does. Raises DecodeError: "wrong_topic", and as `text()` does for an id."""
    levels = topic.split("/")
    branch = levels[-3] if len(levels) > 2 else ""
    if branch == "devices":
        return partial(_received, text(levels[-2], "id"), text(levels[-1], "room"))
    if branch == "rooms" and levels[-1] == "telemetry":
        return partial(_telemetry, text(levels[-2], "room"))
    if branch == "rooms" and levels[-1] == "status":
        return partial(_state, text(levels[-2], "room"))
    if not any(silent in levels[1:] for silent in _SILENT_BRANCHES):
        refuse("wrong_topic", "the topic must be espresense/devices/{id}/{room} or espresense/rooms/{room}/...")
    return _nothing


def concern(levels: Sequence[str]) -> Concern | None:
    """The device that a topic `devices/{id}/{room}` places."""
    return (levels[-2], levels[-1]) if len(levels) > 2 and levels[-3] == "devices" else None


def _nothing(_payload: bytes) -> list[Observation]:
    return []


def _received(heard: str, room: str, payload: bytes) -> list[Observation]:
    sent = parse_json(payload, _TAG)
    sighting = Sighting(
        room, heard, rssi(sent.rssi), None, number_or_none(sent.distance, 0, _DISTANCE_M_MAX), tx_power_or_none(sent.rssi_at_1m)
    )
    if sent.temp is None and sent.rh is None and sent.mV is None:
        return [sighting]
    stated = (("temperature", sent.temp, None), ("humidity", sent.rh, None), ("voltage", sent.mV, "mV"))
    found = ((quantity, canonical_amount(quantity, value, unit)) for quantity, value, unit in stated if value is not None)
    return [sighting, *(Reading(heard, quantity, amount) for quantity, amount in found if amount is not None)]


def _telemetry(room: str, payload: bytes) -> list[Observation]:
    telemetry = parse_json(payload, _TELEMETRY)
    uptime_s = number_or_none(telemetry.uptime, 0, limits.INTEGER_MAX)
    return [Status(room, battery_pct=number_or_none(telemetry.batt, 0, 100), uptime_s=None if uptime_s is None else int(uptime_s))]


def _state(room: str, payload: bytes) -> list[Observation]:
    if payload not in (b"online", b"offline"):
        refuse("unknown_kind", "status must be online or offline")
    return [Status(room, payload.decode())]


_SPEAKERS = ("espresense/devices/+/{room}", "espresense/rooms/{room}/#")

DECODER = Decoder("espresense", ("espresense/#",), decode, speakers=_SPEAKERS, role="scanner", kinds=HEARD, concern=concern, at=at)
