"""Faults of zones on the map: outlines that cross themselves, zones that overlap, latitude and longitude that were exchanged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from gateway.core.geometry import METRES_PER_DEGREE, Corner, depth_m, offset_m
from gateway.core.site import Zone

FAR_KM = 1_500.0  # from the city of a time zone: most places are nearer


def crosses_itself(polygon: Sequence[Corner]) -> bool:
    """Whether two edges of an outline cross that do not follow each other."""
    edges = list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))
    apart = ((one, other) for one, other in itertools.combinations(range(len(edges)), 2) if 1 < other - one < len(edges) - 1)
    return any(_cross(*edges[one], *edges[other]) for one, other in apart)


def is_flat(polygon: Sequence[Corner]) -> bool:
    """Whether all corners lie on one line."""
    first, second = polygon[0], next((one for one in polygon if one != polygon[0]), polygon[0])
    return all(_side(first, second, one) == 0 for one in polygon)


def overlaps(zones: Sequence[Zone]) -> Iterator[tuple[str, str]]:
    """Pairs of zones with a common area, of those with coordinates."""
    for one, other in itertools.combinations([zone for zone in zones if _centre(zone) is not None], 2):
        if _reaches(one, other) or _reaches(other, one):
            yield one.id, other.id


def swapped(zones: Sequence[Zone], city: Corner) -> list[str]:
    """Zones far from the city of the time zone, and much nearer to it with exchanged coordinates."""
    found = []
    for zone in zones:
        place = _centre(zone)
        if place is not None and abs(place[1]) <= 90.0:
            far_km = distance_km(place, city)
            if far_km > FAR_KM and distance_km((place[1], place[0]), city) < far_km / 2:
                found.append(zone.id)
    return found


def distance_km(one: Corner, other: Corner) -> float:
    """The great-circle distance."""
    first, second, turn = math.radians(one[0]), math.radians(other[0]), math.radians(other[1] - one[1])
    cosine = math.sin(first) * math.sin(second) + math.cos(first) * math.cos(second) * math.cos(turn)
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine)))) * METRES_PER_DEGREE / 1000


def _centre(zone: Zone) -> Corner | None:
    """The centre of a circle, the first corner of an outline, or None."""
    if zone.polygon:
        return zone.polygon[0]
    return None if zone.latitude_deg is None or zone.longitude_deg is None else (zone.latitude_deg, zone.longitude_deg)


def _reaches(one: Zone, other: Zone) -> bool:
    """Whether the circle, a corner or an edge of a zone lies within another one."""
    place = _centre(one)
    assert place is not None
    radius_m = 0.0 if one.polygon else one.radius_m
    if other.polygon:
        if any(depth_m(*corner, other.polygon) > 0.0 for corner in one.polygon or ()):
            return True
        return _edges_cross(one.polygon, other.polygon) if one.polygon else depth_m(*place, other.polygon) > -radius_m
    centre = _centre(other)
    assert centre is not None
    return not one.polygon and math.hypot(*offset_m(*place, centre)) < radius_m + other.radius_m


def _edges_cross(one: Sequence[Corner], other: Sequence[Corner]) -> bool:
    edges = [list(zip(outline, (*outline[1:], outline[0]), strict=True)) for outline in (one, other)]
    return any(_cross(*first, *second) for first, second in itertools.product(*edges))


def _cross(start: Corner, end: Corner, other_start: Corner, other_end: Corner) -> bool:
    """Whether two edges cross within both, not only at the ends."""
    sides = (
        _side(start, end, other_start) * _side(start, end, other_end),
        _side(other_start, other_end, start) * _side(other_start, other_end, end),
    )
    return all(side < 0.0 for side in sides)


def _side(start: Corner, end: Corner, point: Corner) -> float:
    """Positive on one side of the line, negative on the other, 0 on it."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
