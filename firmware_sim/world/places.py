"""Geometry of a site: spots, floors, walls and waypoints."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

from pydantic import Field

from firmware_sim.checked import Checked

STOREY_M = 4.5  # height of a floor

Point = tuple[float, float]


class Spot(NamedTuple):
    """Point of the site: metres east and north of the origin, and the floor."""

    x_m: float
    y_m: float
    floor: int = 0

    def metres_to(self, other: Spot) -> float:
        """Straight-line distance in metres, regardless of walls and ceilings."""
        flat = math.hypot(self.x_m - other.x_m, self.y_m - other.y_m)
        return flat if self.floor == other.floor else math.hypot(flat, STOREY_M * (self.floor - other.floor))


class Wall(Checked):
    """Polyline of walls on one floor. `loss_db` is the radio attenuation of one crossing: glass 2, plaster 4, concrete 10 to 15."""

    points: Annotated[tuple[Point, ...], Field(min_length=2)]
    loss_db: Annotated[float, Field(ge=0, le=60)] = 4.0
    floor: int = 0


class Waypoint(Checked):
    """Point that walkers pass: a door, the middle of a corridor, the foot of an escalator (linked to one on another floor).

    Routes between zones go from waypoint to waypoint; without waypoints they are straight lines.
    """

    id: str
    x_m: float
    y_m: float
    floor: int = 0
    leads_to: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


def crosses(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether segment ab crosses segment cd; a line through the joint of two segments crosses exactly one of them."""
    return (_side(a, b, c) > 0) != (_side(a, b, d) > 0) and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, p: Point) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def walls_db(walls: tuple[Wall, ...], here: Spot, there: Spot) -> float:
    """Attenuation in dB of the walls between two spots, on the floors of both."""
    a, b = (here.x_m, here.y_m), (there.x_m, there.y_m)
    return sum(
        wall.loss_db
        for wall in walls
        if wall.floor in {here.floor, there.floor}
        for c, d in zip(wall.points, wall.points[1:], strict=False)
        if crosses(a, b, c, d)
    )
