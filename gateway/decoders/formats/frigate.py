"""Frigate: cameras that recognise people and vehicles (https://docs.frigate.video/integrations/mqtt/).

Only numbers are kept: `frigate/{camera or zone}/{label}` is the number of objects in view, retained and published at
every change, and becomes a count (of label `person`: "people"). Motion on a camera is occupancy. Messages about one
tracked object (`events`, `reviews`, `tracked_object_update`, `triggers`) become a status of the camera; faces, number
plates and names are not declared here and so are not parsed, and pictures are skipped. Topics that end in `/set` are
commands.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Count, Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, number_or_none, parse_json, refuse, text
from gateway.decoders.values.text_payload import decimal_or_none, payload_text

_SERVICE = "frigate"
_PICTURES = frozenset({"snapshot", "thumbnail"})
_COUNT_MAX = 10_000
_ABOUT_OBJECTS = frozenset({"events", "reviews", "tracked_object_update", "triggers"})
_OF_CAMERAS = frozenset({"events", "reviews"})  # the others may not name a camera
_ABOUT_FRIGATE = frozenset({"stats", "camera_activity", "job_state", "model_state", "birdseye", "profile", "restart", "notifications"})
_LABELS = {"person": "people", "car": "cars", "bicycle": "bicycles", "motorcycle": "motorcycles", "bus": "buses", "truck": "trucks"}
_MOTION = {"ON": 1.0, "OFF": 0.0}
_STATES = ("online", "offline")
# Levels below a camera that are settings or other values, and not labels of objects.
_NO_LABELS = frozenset({"audio", "status", "review_status", "ptz", "ptz_autotracker", "classification", "motion_threshold", "zone"})
_ACTIVE = "active"


class _Object(msgspec.Struct, gc=False):
    """Of a tracked object only the camera and the times."""

    camera: object = None
    frame_time: object = None
    start_time: object = None


class _About(msgspec.Struct, gc=False):
    camera: object = None
    timestamp: object = None
    after: _Object | None = None


_ABOUT = msgspec.json.Decoder(_About)


def decode(message: Message) -> list[Observation]:
    """Counts, occupancy and statuses.

    Raises DecodeError: "wrong_topic" for a topic that Frigate does not have, "unknown_kind", "wrong_shape" or
    "out_of_range" for its value.
    """
    levels = message.topic.split("/")
    if len(levels) < 2:
        refuse("wrong_topic", "the topic must be frigate/...")
    if levels[-1] in _PICTURES or levels[-1] == "set":
        return []
    if len(levels) == 2:
        return _service(levels[1], message.payload)
    if levels[1] in _ABOUT_FRIGATE:
        return []
    return _below(text(levels[1], "camera"), levels[2:], payload_text(message.payload))


def _service(name: str, payload: bytes) -> list[Observation]:
    """The status of Frigate, or of the camera of a tracked object."""
    if name == "available":
        return [Status(_SERVICE, _state(payload_text(payload)))]
    if name in _ABOUT_OBJECTS:
        about: _About = parse_json(payload, _ABOUT)
        tracked = about.after
        stated = about.camera if tracked is None else tracked.camera
        camera = _SERVICE if stated is None and name not in _OF_CAMERAS else text(stated, "camera")
        at_s = about.timestamp if tracked is None else tracked.frame_time or tracked.start_time
        return [Status(camera, at_ms=_at_ms(at_s))]
    if name == "stats":
        parse_json(payload)
        return [Status(_SERVICE)]
    if name not in _ABOUT_FRIGATE:
        refuse("wrong_topic", "the topic is not one that Frigate publishes")
    return []


def _at_ms(stated: object) -> int | None:
    seconds = number_or_none(stated, 0, limits.CLOCK_CEILING_MS / 1_000)
    return None if seconds is None else round(seconds * 1_000)


def _state(value: str) -> str:
    if value not in _STATES:
        refuse("unknown_kind", "the state must be online or offline")
    return value


def _below(camera: str, levels: list[str], value: str) -> list[Observation]:
    """A count, occupancy, or a status for a setting."""
    if levels == ["motion"]:
        if value not in _MOTION:
            refuse("unknown_kind", "motion must be ON or OFF")
        return [Reading(camera, "occupancy", _MOTION[value])]
    if levels[-1] == "state" or levels[0] in _NO_LABELS or value in _MOTION:
        return [Status(camera)]
    if len(levels) > 1:  # the active ones, or details of the label, whose own topic has the count
        return [Status(camera)] if levels[-1] == _ACTIVE else []
    number = decimal_or_none(value)
    if number is None or not number.is_integer():
        refuse("wrong_shape", "the count must be a whole number")
    if not 0 <= number <= _COUNT_MAX:
        refuse("out_of_range", f"the count must be within 0..{_COUNT_MAX}")
    return [Count(camera, _LABELS.get(levels[0], text(levels[0], "label")), int(number), kind="present")]


DECODER = Decoder("frigate", ("frigate/#",), decode)
