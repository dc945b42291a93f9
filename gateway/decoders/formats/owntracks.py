"""OwnTracks: phones that publish positions (https://owntracks.org/booklet/tech/json/).

Every payload is a JSON object with a `_type`. `location` and `transition` (a region was entered or left) become
positions, `lwt` and `status` a status; the other types of the booklet give nothing, and unknown types and commands are
refused.

The device is user and device of the topic (`owntracks/{user}/{device}[/event...]`), because two users may give one name
to their devices. Messages that came by HTTP have no topic: they name it in `topic`, or only state the tracker id `tid`.
Battery, speed, Wi-Fi names and the like are not read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.types import Message, Observation, Position, Status
from gateway.decoders.contract import Decoder, number, number_or_none, parse_json, refuse, text
from gateway.decoders.values.times import seconds, seconds_ms

_DEVICE_LEVEL = 2  # owntracks/{user}/{device}
_ACCURACY_M_MAX = 1e7

_SILENT_TYPES = frozenset({"beacon", "card", "configuration", "dump", "encrypted", "msg", "request", "steps", "waypoint", "waypoints"})
_ACTIONS = frozenset(
    {
        "action",
        "clearWaypoints",
        "dump",
        "reportLocation",
        "reportSteps",
        "response",
        "setConfiguration",
        "setWaypoints",
        "status",
        "waypoints",
    }
)
_CROSSINGS: dict[object, Literal["entered", "left"]] = {"enter": "entered", "leave": "left"}


class _Sent(msgspec.Struct, gc=False):
    """The fields that Wayside reads; each is checked where it is used, because its shape depends on the type."""

    type: object = msgspec.field(default=None, name="_type")
    tst: object = None
    lat: object = None
    lon: object = None
    acc: object = None
    tid: object = None
    topic: object = None
    event: object = None
    desc: object = None
    action: object = None


_SENT = msgspec.json.Decoder(_Sent)


def decode(message: Message) -> list[Observation]:
    """Positions, region crossings and statuses.

    Raises DecodeError: "unknown_kind" for another type, command or crossing, "missing_field" without a device or a
    time, "wrong_shape" or "out_of_range" for a coordinate or time.
    """
    sent = parse_json(message.payload, _SENT)
    kind = text(sent.type, "_type")
    if kind == "location":
        return _location(message.topic, sent)
    if kind == "transition":
        return _transition(message.topic, sent)
    if kind in ("lwt", "status"):
        return _sign_of_life(message.topic, sent, "offline" if kind == "lwt" else "online")
    if kind == "cmd":
        return _command(sent)
    if kind not in _SILENT_TYPES:
        refuse("unknown_kind", "_type is not one of OwnTracks' types")
    return []


def _location(topic: str, sent: _Sent) -> list[Observation]:
    if sent.lat is None and sent.lon is None:
        return []
    return [_position(topic, sent)]


def _transition(topic: str, sent: _Sent) -> list[Observation]:
    crossing = _CROSSINGS.get(sent.event) if isinstance(sent.event, str) else None
    if crossing is None:
        refuse("unknown_kind", "event must be enter or leave")
    if sent.lat is None and sent.lon is None:
        return []
    region = None if sent.desc is None else text(sent.desc, "desc")
    return [_position(topic, sent, region, crossing)]


def _position(topic: str, sent: _Sent, region: str | None = None, crossing: Literal["entered", "left"] | None = None) -> Position:
    device = _device(topic, sent)
    if device is None:
        refuse("missing_field", "the topic must be owntracks/{user}/{device}")
    return Position(
        device,
        number(sent.lat, "lat", -90.0, 90.0),
        number(sent.lon, "lon", -180.0, 180.0),
        number_or_none(sent.acc, 0, _ACCURACY_M_MAX),  # -1 is "not known"
        _at_ms(sent.tst),
        region,
        crossing,
    )


def _at_ms(tst: object) -> int:
    """The time of the fix in milliseconds: required, and not 0, by which the Android app means "no fix"."""
    stated = seconds(tst)
    if stated is None:
        refuse("missing_field", "tst must be Unix seconds")
    at_ms = seconds_ms(stated)
    if at_ms is None or stated <= 0:
        refuse("out_of_range", "tst is out of range")
    return at_ms


def _sign_of_life(topic: str, sent: _Sent, state: str) -> list[Observation]:
    device = _device(topic, sent)
    return [] if device is None else [Status(device, state, seconds_ms(sent.tst))]


def _command(sent: _Sent) -> list[Observation]:
    if text(sent.action, "action") not in _ACTIONS:
        refuse("unknown_kind", "action is not one of OwnTracks' commands")
    return []


def _device(topic: str, sent: _Sent) -> str | None:
    """User and device of the topic; without any topic those in the payload's `topic`, else the tracker id."""
    if topic:
        levels = topic.split("/")
        return text("/".join(levels[1:3]), "device") if len(levels) > _DEVICE_LEVEL and all(levels[1:3]) else None
    levels = sent.topic.split("/") if isinstance(sent.topic, str) else []
    if len(levels) > _DEVICE_LEVEL and all(levels[1:3]):
        return text("/".join(levels[1:3]), "device")
    return None if sent.tid in (None, "") else text(sent.tid, "tid")


_SPEAKERS = ("owntracks/{user}/{device}/#",)

DECODER = Decoder("owntracks", ("owntracks/#",), decode, speakers=_SPEAKERS, role="device", kinds=frozenset({"position", "status"}))
