"""Geometry of position fixes: distances in metres, and the depth of a point within an outline.

Degrees become metres on a plane that touches the ground at the zone, exact to 0.1 % within a city. An outline has few corners, so the
device needs no geometry library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.core.radio import normal_cdf

METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
RADIAL_68 = 1.515  # radius of the circle with 68 % of fixes, in standard deviations: the accuracy that phones state
ACCURACY_M_MIN = 1.0  # phones are not more accurate, even if they state so

Corner = tuple[float, float]
"""(latitude, longitude) in degrees"""


def offset_m(latitude_deg: float, longitude_deg: float, origin: Corner) -> tuple[float, float]:
    """Metres (east, north) of `origin`, the shorter way across the date line."""
    turn_deg = (longitude_deg - origin[1] + 180.0) % 360.0 - 180.0
    return turn_deg * METRES_PER_DEGREE * math.cos(math.radians(origin[0])), (latitude_deg - origin[0]) * METRES_PER_DEGREE


def depth_m(latitude_deg: float, longitude_deg: float, polygon: Sequence[Corner]) -> float:
    """Metres to the nearest edge of `polygon`: positive inside, negative outside."""
    corners = [offset_m(*corner, (latitude_deg, longitude_deg)) for corner in polygon]  # the fix is the origin
    inside, nearest_m = False, math.inf
    for (x, y), (next_x, next_y) in zip(corners, (*corners[1:], corners[0]), strict=True):
        nearest_m = min(nearest_m, _to_edge_m(x, y, next_x - x, next_y - y))
        if (y > 0.0) != (next_y > 0.0) and x - y * (next_x - x) / (next_y - y) > 0.0:
            inside = not inside  # a ray to the east crosses this edge
    return nearest_m if inside else -nearest_m


def fix_confidence(depth: float, accuracy_m: float | None) -> float:
    """Probability that a fix at this depth (metres) is on the side of the edge where it seems to be, given its stated accuracy."""
    return normal_cdf(abs(depth), max(accuracy_m or 0.0, ACCURACY_M_MIN) / RADIAL_68)


def _to_edge_m(x: float, y: float, run: float, rise: float) -> float:
    """Metres from the origin to the edge that starts at (x, y)."""
    length_2 = run * run + rise * rise
    share = min(max(-(x * run + y * rise) / length_2, 0.0), 1.0) if length_2 > 0.0 else 0.0
    return math.hypot(x + share * run, y + share * rise)
