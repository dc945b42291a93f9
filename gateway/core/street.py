"""The fixed part of the world: zones, what hears people in them, and the rules of this gateway.

Built once from the config and the bundle; nothing here changes while the gateway runs.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from gateway.core.features import Heading
from gateway.core.offers import Campaign
from gateway.core.presence import PresenceRules
from gateway.core.types import OfferKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

WALK_M_PER_MIN = 80.0  # 4.8 km/h, the usual planning figure for pedestrians
METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
WORKWARD_UNTIL_H = 11
HOMEWARD_FROM_H = 16
EVERYWHERE = "*"  # the zone of sensors that speak for the whole site


class Zone(msgspec.Struct, frozen=True):
    """A place that a person can be in. `anchors` are the scanners and beacons that stand for it."""

    id: str
    kind: OfferKind | None = None
    transit: bool = False
    x_m: float = 0.0
    y_m: float = 0.0
    anchors: tuple[str, ...] = ()
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    radius_m: float = 0.0


class Street(msgspec.Struct, frozen=True):
    """Everything that the engine needs to know and never changes.

    `devices` maps sensors and tills to their zone (or to EVERYWHERE), `window_ms` is how long counts are
    gathered before they may leave, `clock_floor_ms` is the moment before which the clock cannot be right.
    """

    site: str
    gateway: str
    timezone: ZoneInfo
    zones: Mapping[str, Zone]
    anchors: Mapping[str, str]
    devices: Mapping[str, str]
    presence: PresenceRules
    campaign: Campaign
    window_ms: int = 3_600_000
    clock_floor_ms: int = 0


def local(now_ms: int, timezone: ZoneInfo) -> datetime:
    """The site's wall clock."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(timezone)


def travel_min(here: Zone, there: Zone) -> float:
    """Minutes to walk between two zones, as the crow flies."""
    return math.hypot(here.x_m - there.x_m, here.y_m - there.y_m) / WALK_M_PER_MIN


def heading(zone: Zone, hour: float) -> Heading:
    """Where a person in this zone is likely bound: in a transit hall to work in the morning, home later on."""
    if not zone.transit:
        return "nowhere_urgent"
    if hour < WORKWARD_UNTIL_H:
        return "work"
    return "home" if hour >= HOMEWARD_FROM_H else "nowhere_urgent"


def distance_m(zone: Zone, latitude_deg: float, longitude_deg: float) -> float | None:
    """Metres from the centre of a zone with coordinates (equirectangular: exact to 0.1 % within a city), else None."""
    if zone.latitude_deg is None or zone.longitude_deg is None:
        return None
    north = (latitude_deg - zone.latitude_deg) * METRES_PER_DEGREE
    east = (longitude_deg - zone.longitude_deg) * METRES_PER_DEGREE * math.cos(math.radians(zone.latitude_deg))
    return math.hypot(north, east)
