"""Frigate: cameras that recognise people and vehicles, on the spot (https://docs.frigate.video/integrations/mqtt/).

Wayside takes how many there are, and nothing of who: `frigate/{camera or zone}/{label}` holds the number of objects
in view, retained and renewed whenever it changes, and becomes a count (`person` is counted as people). Motion on a
camera is occupancy. Messages about one tracked object (`events`, `reviews`, `tracked_object_update`, `triggers`)
are signs of life of their camera only: faces, number plates and names in them are not even declared here, and
pictures are not looked at. What ends in `/set` is a command.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Count, Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, optional, parse_json, refuse, text
from gateway.decoders.values.text_payload import number_in, word

_SERVICE = "frigate"
_PICTURES = frozenset({"snapshot", "thumbnail"})
_COUNT_MAX = 10_000
_ABOUT_OBJECTS = frozenset({"events", "reviews", "tracked_object_update", "triggers"})
_OF_CAMERAS = frozenset({"events", "reviews"})  # the others do not always say of which camera they are
_ABOUT_FRIGATE = frozenset({"stats", "camera_activity", "job_state", "model_state", "birdseye", "profile", "restart", "notifications"})
_LABELS = {"person": "people", "car": "cars", "bicycle": "bicycles", "motorcycle": "motorcycles", "bus": "buses", "truck": "trucks"}
_MOTION = {"ON": 1.0, "OFF": 0.0}
_STATES = ("online", "offline")
# Levels below a camera that are settings or other measures, and not the label of something counted.
_NO_LABELS = frozenset({"audio", "status", "review_status", "ptz", "ptz_autotracker", "classification", "motion_threshold", "zone"})
_ACTIVE = "active"


class _Object(msgspec.Struct, gc=False):
    """Of a tracked object only the camera and the time."""

    camera: object = None
    frame_time: object = None
    start_time: object = None


class _About(msgspec.Struct, gc=False):
    camera: object = None
    timestamp: object = None
    after: _Object | None = None


_ABOUT = msgspec.json.Decoder(_About)


def decode(message: Message) -> list[Observation]:
    """Counts, motion and signs of life."""
    levels = message.topic.split("/")
    if len(levels) < 2:
        refuse("wrong_topic", "not frigate/...")
    if levels[-1] in _PICTURES or levels[-1] == "set":
        return []
    if len(levels) == 2:
        return _service(levels[1], message.payload)
    if levels[1] in _ABOUT_FRIGATE:
        return []
    return _below(text(levels[1], "camera"), levels[2:], word(message.payload))


def _service(name: str, payload: bytes) -> list[Observation]:
    """Frigate as a whole, or one of the objects that it tracks."""
    if name == "available":
        return [Status(_SERVICE, _state(word(payload)))]
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
        refuse("wrong_topic", "not a topic of Frigate")
    return []


def _at_ms(stated: object) -> int | None:
    seconds = optional(stated, 0, limits.CLOCK_CEILING_MS / 1_000)
    return None if seconds is None else round(seconds * 1_000)


def _state(said: str) -> str:
    if said not in _STATES:
        refuse("unknown_kind", "neither online nor offline")
    return said


def _below(camera: str, levels: list[str], said: str) -> list[Observation]:
    """A count, motion, or the state of a setting."""
    if levels == ["motion"]:
        if said not in _MOTION:
            refuse("unknown_kind", "motion is neither ON nor OFF")
        return [Reading(camera, "occupancy", _MOTION[said])]
    if levels[-1] == "state" or levels[0] in _NO_LABELS or said in _MOTION:
        return [Status(camera)]
    if len(levels) > 1:  # only those that move, or more about the label: the label's own topic has the count
        return [Status(camera)] if levels[-1] == _ACTIVE else []
    number = number_in(said)
    if number is None or not number.is_integer():
        refuse("wrong_shape", "a count must be a whole number")
    if not 0 <= number <= _COUNT_MAX:
        refuse("out_of_range", f"a count outside 0..{_COUNT_MAX}")
    return [Count(camera, _LABELS.get(levels[0], text(levels[0], "label")), int(number))]


DECODER = Decoder("frigate", ("frigate/#",), decode)
