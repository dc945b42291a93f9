"""OwnTracks: positions of a phone (owntracks.org/booklet/tech/json, `_type` location).

Times are whole seconds, coordinates degrees, accuracy and altitude whole metres.
"""

from __future__ import annotations

import msgspec

from firmware_sim.message import Message

FORMAT = "owntracks"


def location(user: str, device: str, latitude: float, longitude: float, *, accuracy_m: int, at_ms: int, battery: int) -> Message:
    """One position, published to `owntracks/{user}/{device}`."""
    fields = {
        "_type": "location",
        "acc": accuracy_m,
        "alt": 36,
        "batt": battery,
        "bs": 1,
        "conn": "m",
        "created_at": at_ms // 1000,
        "lat": round(latitude, 7),
        "lon": round(longitude, 7),
        "m": 1,
        "t": "u",
        "tid": device[-2:],
        "tst": at_ms // 1000,
        "vac": 4,
        "vel": 0,
    }
    return Message(f"owntracks/{user}/{device}", msgspec.json.encode(fields), FORMAT, "position")


def last_will(user: str, device: str, at_ms: int) -> Message:
    """Last will of a phone; its time is that of the connection."""
    return Message(f"owntracks/{user}/{device}", msgspec.json.encode({"_type": "lwt", "tst": at_ms // 1000}), FORMAT, "status", qos=1)
