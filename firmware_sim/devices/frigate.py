"""Frigate: a camera that counts people in view (docs.frigate.video, "MQTT").

`frigate/{camera}/person` holds the number as plain text, retained, new whenever it changes; every tracked object has messages
of its own on `frigate/events`, with the states before and after. `frigate/available` is birth and last will of the service.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from firmware_sim.message import Message

FORMAT = "frigate"


class Tracked(NamedTuple):
    """One tracked object at one moment; boxes are left, top, right, bottom in pixels, times in seconds."""

    id: str
    start_s: float
    frame_s: float
    box: tuple[int, int, int, int]
    score: float
    top_score: float


def count(camera: str, label: str, number: int) -> Message:
    """Number of objects in view."""
    return Message(f"frigate/{camera}/{label}", str(number).encode(), FORMAT, "count", retain=True)


def motion(camera: str, *, moving: bool) -> Message:
    """Whether anything moves."""
    return Message(f"frigate/{camera}/motion", b"ON" if moving else b"OFF", FORMAT, "reading")


def available(*, is_online: bool) -> Message:
    """Birth or last will of the service."""
    return Message("frigate/available", b"online" if is_online else b"offline", FORMAT, "status", retain=True)


def person(camera: str, kind: str, before: Tracked, after: Tracked) -> Message:
    """Event of one person: `kind` is `new`, `update` or `end`."""
    end_s = after.frame_s if kind == "end" else None
    fields = {"type": kind, "before": _object(camera, before, None), "after": _object(camera, after, end_s)}
    return Message("frigate/events", msgspec.json.encode(fields), FORMAT, "status")


def _object(camera: str, tracked: Tracked, end_s: float | None) -> dict[str, object]:
    left, top, right, bottom = tracked.box
    area, ratio = (right - left) * (bottom - top), round((right - left) / (bottom - top), 6)
    region = [max(0, left - 100), max(0, top - 100), right + 100, bottom + 100]
    shot = {"frame_time": tracked.frame_s, "box": list(tracked.box), "area": area, "region": region, "score": tracked.score}
    return {
        "id": tracked.id,
        "camera": camera,
        "frame_time": tracked.frame_s,
        "snapshot": {**shot, "attributes": []},
        "label": "person",
        "sub_label": None,
        "top_score": tracked.top_score,
        "false_positive": False,
        "start_time": tracked.start_s,
        "end_time": end_s,
        "score": tracked.score,
        "box": list(tracked.box),
        "area": area,
        "ratio": ratio,
        "region": region,
        "current_zones": [],
        "entered_zones": [],
        "thumbnail": None,
        "has_snapshot": False,
        "has_clip": False,
        "active": True,
        "stationary": False,
        "motionless_count": 0,
        "position_changes": 1,
        "attributes": {},
        "current_attributes": [],
        "current_estimated_speed": 0,
        "average_estimated_speed": 0,
        "velocity_angle": 0,
        "recognized_license_plate": None,
        "recognized_license_plate_score": None,
    }
