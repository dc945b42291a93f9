"""A plan as shapes of an SVG drawing that is `WIDE` units wide and scales with the page.

A site that is much longer than wide is split into strips below each other, so that its names stay legible on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dashboard.map.plans import Plan, Point, Zone

WIDE = 640.0
AIR_M = 10.0  # around the zones
LABEL = 54.0  # room below a zone for its name and number
LONG = 2.4  # a longer site is split
RADIUS_MIN = 14.0


class Shape(NamedTuple):
    """A zone in the drawing: circle, or the points of its outlines; its label is centred at (label_x, label_y)."""

    zone: Zone
    x: float
    y: float
    radius: float
    outlines: tuple[str, ...]
    label_x: float
    label_y: float


class Drawing(NamedTuple):
    """Shapes of the zones, lines below the zones as points, and the height."""

    height: float
    shapes: tuple[Shape, ...]
    lines: tuple[str, ...]


class _Strip(NamedTuple):
    """Part of the site in metres, and its top in the drawing."""

    left: float
    right: float
    north: float
    top: float
    scale: float

    def place(self, point: Point) -> Point:
        """The point in the drawing."""
        return (point[0] - self.left) * self.scale, self.top + (self.north - point[1]) * self.scale


def drawing(plan: Plan) -> Drawing:
    """The drawing of a plan with at least one zone."""
    points = [point for zone in plan.zones for point in zone.points] + [point for line in plan.lines for point in line]
    west, east = min(x for x, _ in points) - AIR_M, max(x for x, _ in points) + AIR_M
    south, north = min(y for _, y in points) - AIR_M, max(y for _, y in points) + AIR_M
    count = max(1, round(math.sqrt((east - west) / (north - south) / LONG)))
    width = (east - west) / count
    scale = WIDE / width
    tall = (north - south) * scale + LABEL
    strips = [_Strip(west + at * width, west + (at + 1) * width, north, at * tall, scale) for at in range(count)]
    shapes = tuple(_shape(zone, _strip_of(zone.centre, strips)) for zone in plan.zones)
    lines = tuple(_points(line, strip) for line in plan.lines for strip in strips if _meets(line, strip))
    return Drawing(round(tall * count, 1), shapes, lines)


def _strip_of(centre: Point, strips: Sequence[_Strip]) -> _Strip:
    return next((strip for strip in strips if centre[0] < strip.right), strips[-1])


def _meets(line: Sequence[Point], strip: _Strip) -> bool:
    return any(strip.left <= x <= strip.right for x, _ in line)


def _shape(zone: Zone, strip: _Strip) -> Shape:
    x, y = strip.place(zone.centre)
    outlines = tuple(_points(outline, strip) for outline in zone.outlines)
    radius = max(RADIUS_MIN, zone.radius_m * strip.scale)
    low = max((strip.place(point)[1] for outline in zone.outlines for point in outline), default=y + radius)
    # A name stays within the drawing: it may need this many units on each side.
    half = min(WIDE / 2, 6.5 * len(zone.title))
    label_x = min(max(x, half), WIDE - half)
    return Shape(zone, round(x, 1), round(y, 1), round(radius, 1), outlines, round(label_x, 1), round(low, 1))


def _points(line: Sequence[Point], strip: _Strip) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(strip.place, line))
