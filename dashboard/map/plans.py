"""Plans of sites, read once at the start: GeoJSON of your own, or the configs of gateways with positions of zones.

A feature of GeoJSON with the property `zone` is a zone; others are drawn below, as walls and ways. Coordinates are longitude and
latitude, or metres east and north if the collection has `"units": "m"`. Plans of one site in several files become one.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dashboard import limits

Point = tuple[float, float]
"""Metres east and north."""
EARTH_M = 6_371_000.0
RADIUS_M = 8.0  # of a zone without an outline


class PlanError(ValueError):
    """A plan cannot be used; the text names the file and the place in it."""


class Zone(NamedTuple):
    """A zone: its centre, and its outlines (none: a circle of `radius_m`)."""

    id: str
    title: str
    centre: Point
    radius_m: float
    outlines: tuple[tuple[Point, ...], ...] = ()

    @property
    def points(self) -> list[Point]:
        """Points that span the zone."""
        x, y, r = *self.centre, self.radius_m
        return [point for outline in self.outlines for point in outline] or [(x - r, y - r), (x + r, y + r)]


class Plan(NamedTuple):
    """A site: zones, lines below the zones, and the gateways that count there (none: all)."""

    site: str
    zones: tuple[Zone, ...]
    lines: tuple[tuple[Point, ...], ...] = ()
    gateways: tuple[str, ...] = ()


def read_plans(files: Iterable[Path]) -> tuple[Plan, ...]:
    """The plan of each site, in the order of the files. Raises PlanError."""
    found: dict[str, Plan] = {}
    for file in files:
        plan = _read(file)
        known = found.get(plan.site, Plan(plan.site, ()))
        zones = {zone.id: zone for zone in (*plan.zones, *known.zones)}
        found[plan.site] = Plan(plan.site, tuple(zones.values()), (*known.lines, *plan.lines), (*known.gateways, *plan.gateways))
    return tuple(found.values())


def _read(file: Path) -> Plan:
    try:
        text = file.read_text("utf-8")
        is_config = file.suffix == ".toml"
        plan = _of_config(tomllib.loads(text)) if is_config else _of_geojson(json.loads(text), file.stem)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as fault:
        raise PlanError(f"--plan {file}: {fault}") from fault
    except (PlanError, KeyError, TypeError, ValueError, IndexError, AttributeError) as fault:
        cause = fault if isinstance(fault, PlanError) else f"{fault!r} does not fit the format"
        raise PlanError(
            f"--plan {file}: {cause}; name GeoJSON with features that have the property `zone`, or a gateway's config"
        ) from fault
    if not plan.zones:
        raise PlanError(f"--plan {file}: there is no zone in it; a feature is one with the property `zone`, in a config [[zones]]")
    if len(plan.zones) > limits.PLAN_ZONES_MAX:
        raise PlanError(f"--plan {file}: more than {limits.PLAN_ZONES_MAX} zones; divide it into sites")
    return plan


def _of_config(table: Mapping[str, Any]) -> Plan:
    """The zones of a gateway's config. Coordinates on the plan go before those on the earth."""
    zones = table.get("zones", [])
    is_planned = any("x_m" in zone or "y_m" in zone for zone in zones)
    corners = [corner for zone in zones for corner in _earthly(zone)]
    middle = _mean(corners) if corners else (0.0, 0.0)
    found = []
    for zone in zones:
        outline = tuple(_projected(corner, middle) for corner in zone.get("polygon", ()))
        place = _projected(_earthly(zone)[0], middle) if _earthly(zone) and not outline else _mean(outline) if outline else (0.0, 0.0)
        centre = (float(zone.get("x_m", 0.0)), float(zone.get("y_m", 0.0))) if is_planned else place
        shift = (centre[0] - place[0], centre[1] - place[1])
        outlines = (tuple((x + shift[0], y + shift[1]) for x, y in outline),) if outline else ()
        found.append(Zone(zone["id"], zone["id"], centre, min(float(zone.get("radius_m", 0.0)) or RADIUS_M, 3 * RADIUS_M), outlines))
    return Plan(str(table["site"]), tuple(found), (), (str(table["gateway"]),))


def _earthly(zone: Mapping[str, Any]) -> list[Point]:
    """Latitude and longitude of the corners or the centre of a zone; none without any."""
    if zone.get("polygon"):
        return [(float(one[0]), float(one[1])) for one in zone["polygon"]]
    return [(float(zone["latitude_deg"]), float(zone["longitude_deg"]))] if "latitude_deg" in zone else []


def _of_geojson(content: Mapping[str, Any], name: str) -> Plan:
    if content.get("type") != "FeatureCollection":
        raise PlanError("it is no GeoJSON FeatureCollection")
    is_metric = content.get("units") == "m"
    paths = [(feature, list(_paths(feature["geometry"]))) for feature in content["features"]]
    places = [(float(one[1]), float(one[0])) for _, found in paths for path in found for one in path]
    middle = _mean(places) if places and not is_metric else (0.0, 0.0)

    def placed(one: Sequence[float]) -> Point:
        return (float(one[0]), float(one[1])) if is_metric else _projected((float(one[1]), float(one[0])), middle)

    zones, lines = [], []
    for feature, found in paths:
        shapes = tuple(tuple(placed(one) for one in path) for path in found)
        properties = feature.get("properties") or {}
        zone = properties.get("zone")
        if zone is None:
            lines += [shape for shape in shapes if len(shape) > 1]
            continue
        outlines = tuple(shape for shape in shapes if len(shape) > 2)
        centre = _mean([point for shape in shapes for point in shape])
        zones.append(Zone(str(zone), str(properties.get("title", zone)), centre, RADIUS_M, outlines))
    gateways = tuple(str(one) for one in content.get("gateways", ()))
    return Plan(str(content.get("site", content.get("name", name))), tuple(zones), tuple(lines), gateways)


def _paths(geometry: Mapping[str, Any]) -> Iterator[Sequence[Sequence[float]]]:
    """The lines and outer rings of a geometry. Raises PlanError for another kind."""
    kind, found = geometry["type"], geometry["coordinates"]
    if kind == "Point":
        yield [found]
    elif kind == "LineString":
        yield found
    elif kind == "MultiLineString":
        yield from found
    elif kind == "Polygon":
        yield found[0]
    elif kind == "MultiPolygon":
        yield from (polygon[0] for polygon in found)
    else:
        raise PlanError(f"a geometry {kind!r} cannot be drawn")


def _projected(place: Sequence[float], middle: Point) -> Point:
    """Metres east and north of the middle, for a latitude and longitude; exact enough for a site."""
    latitude, longitude = float(place[0]), float(place[1])
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise PlanError(f'{latitude:g}, {longitude:g} is no latitude and longitude; coordinates in metres need "units": "m"')
    east = math.radians(longitude - middle[1]) * math.cos(math.radians(middle[0]))
    return east * EARTH_M, math.radians(latitude - middle[0]) * EARTH_M


def _mean(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
