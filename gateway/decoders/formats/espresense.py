"""ESPresense: ESP32 nodes that hear Bluetooth tags and estimate their distance (https://espresense.com).

A node publishes `espresense/devices/{id}/{room}` for every tag that it hears and
`espresense/rooms/{room}/telemetry` for itself; `rooms/{room}/status` holds "online" or "offline" as plain
text (retained, last will). The other topics below `rooms/`, and those of `settings/` and `companion/`, hold
settings, commands and the companion's own conclusions: nothing that Wayside keeps.
The ids of the topic are taken verbatim: they are the house's canonical spelling.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Sighting, Status
from gateway.decoders.contract import Decoder, optional, parse_json, power, refuse, rssi, text

_SILENT_BRANCHES = ("rooms", "settings", "companion")
_DISTANCE_M_MAX = 1_000.0


class _Heard(msgspec.Struct, gc=False):
    rssi: float
    distance: object = None
    rssi_at_1m: object = msgspec.field(default=None, name="rssi@1m")


class _Telemetry(msgspec.Struct, gc=False):
    uptime: object = None
    batt: object = None


_HEARD = msgspec.json.Decoder(_Heard)
_TELEMETRY = msgspec.json.Decoder(_Telemetry)


def decode(message: Message) -> list[Observation]:
    """A sighting from `devices/{id}/{room}`, a status from `rooms/{room}/telemetry` or `/status`."""
    levels = message.topic.split("/")
    branch = levels[-3] if len(levels) > 2 else ""
    if branch == "devices":
        return [_sighting(levels[-2], levels[-1], message.payload)]
    if branch == "rooms" and levels[-1] == "telemetry":
        return [_telemetry(levels[-2], message.payload)]
    if branch == "rooms" and levels[-1] == "status":
        return [Status(text(levels[-2], "room"), _state(message.payload))]
    if not any(silent in levels[1:] for silent in _SILENT_BRANCHES):
        refuse("wrong_topic", "not espresense/devices/{id}/{room} or espresense/rooms/{room}/...")
    return []


def _sighting(tag: str, room: str, payload: bytes) -> Sighting:
    heard = parse_json(payload, _HEARD)
    return Sighting(
        text(room, "room"),
        text(tag, "id"),
        rssi(heard.rssi),
        distance_m=optional(heard.distance, 0, _DISTANCE_M_MAX),
        tx_power_dbm=power(heard.rssi_at_1m),
    )


def _telemetry(room: str, payload: bytes) -> Status:
    said = parse_json(payload, _TELEMETRY)
    uptime_s = optional(said.uptime, 0, limits.INTEGER_MAX)
    return Status(
        text(room, "room"),
        battery_pct=optional(said.batt, 0, 100),
        uptime_s=None if uptime_s is None else int(uptime_s),
    )


def _state(payload: bytes) -> str:
    if payload not in (b"online", b"offline"):
        refuse("unknown_kind", "status is neither online nor offline")
    return payload.decode()


DECODER = Decoder("espresense", ("espresense/#",), decode)
