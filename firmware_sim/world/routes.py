"""Shortest routes between spots, over waypoints where the site has some, else straight.

Sites have tens of waypoints, so the shortest paths between all of them are computed once (Floyd-Warshall), and a walk only
selects the first and the last waypoint.
"""

from __future__ import annotations

import math
from itertools import pairwise, product

from firmware_sim.world.places import Spot, Waypoint

Way = tuple[Spot, ...]


class Routes:
    """Shortest routes over a graph of waypoints."""

    def __init__(self, waypoints: tuple[Waypoint, ...]) -> None:
        self._spots = {point.id: Spot(point.x_m, point.y_m, point.floor) for point in waypoints}
        self._doors: dict[str, list[str]] = {}
        for point in waypoints:
            for zone in point.zones:
                self._doors.setdefault(zone, []).append(point.id)
        self._next, self._metres = self._shortest(waypoints)
        self._between: dict[tuple[str, str], list[tuple[Spot, float, Spot, Way]]] = {}

    def way(self, start: Spot, from_zone: str, end: Spot, to_zone: str) -> Way:
        """Spots of the route from `start` to `end`, both included."""
        between = self._between.get((from_zone, to_zone))
        if between is None:
            between = self._between[from_zone, to_zone] = self._ways(from_zone, to_zone)
        if not between:
            return (start, end)
        if len(between) == 1:
            return (start, *between[0][3], end)
        # The best doors depend on the two spots: caching a choice would make routes depend on earlier queries.
        *_, inner = min(between, key=lambda way: start.metres_to(way[0]) + way[1] + way[2].metres_to(end))
        return (start, *inner, end)

    def _ways(self, from_zone: str, to_zone: str) -> list[tuple[Spot, float, Spot, Way]]:
        """Paths from each door of one zone to each of another: door, metres, door, waypoints. Empty within a zone or if unconnected."""
        if from_zone == to_zone:
            return []
        doors = sorted(product(self._doors.get(from_zone, ()), self._doors.get(to_zone, ())))
        return [
            (self._spots[a], self._metres[a, b], self._spots[b], self._inner(a, b)) for a, b in doors if math.isfinite(self._metres[a, b])
        ]

    def _inner(self, here: str, there: str) -> Way:
        """Waypoints from one to another, both included."""
        found = [here]
        while here != there:
            here = self._next[here, there]
            found.append(here)
        return tuple(self._spots[name] for name in found)

    def _shortest(self, waypoints: tuple[Waypoint, ...]) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], float]]:
        names = [point.id for point in waypoints]
        metres = {(a, b): 0.0 if a == b else math.inf for a, b in product(names, names)}
        towards: dict[tuple[str, str], str] = {(a, a): a for a in names}
        for point in waypoints:
            for other in point.leads_to:
                for a, b in ((point.id, other), (other, point.id)):
                    metres[a, b] = self._spots[a].metres_to(self._spots[b])
                    towards[a, b] = b
        for middle, a, b in product(names, names, names):
            through = metres[a, middle] + metres[middle, b]
            if through < metres[a, b]:
                metres[a, b] = through
                towards[a, b] = towards[a, middle]
        return towards, metres


def metres(way: Way) -> float:
    """Length of a route in metres."""
    return sum(here.metres_to(there) for here, there in pairwise(way))


def along(way: Way, share: float) -> Spot:
    """Spot at a share of a route (0 is the start, 1 the end)."""
    if len(way) == 2:
        here, there = way
        return Spot(here.x_m + share * (there.x_m - here.x_m), here.y_m + share * (there.y_m - here.y_m), here.floor)
    left_m = share * metres(way)
    for here, there in pairwise(way):
        step_m = here.metres_to(there)
        if left_m <= step_m:
            part = left_m / step_m if step_m else 0.0
            spot = Spot(here.x_m + part * (there.x_m - here.x_m), here.y_m + part * (there.y_m - here.y_m))
            return spot._replace(floor=here.floor if part < 0.5 else there.floor)
        left_m -= step_m
    return way[-1]
