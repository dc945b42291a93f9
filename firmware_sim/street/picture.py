"""Map of a scenario as SVG, legible on a phone and in print.

Every floor is a panel; a site that is much longer than wide is split into strips, so that names stay legible on a narrow
screen. Colours show kinds of places, symbols show scanners, beacons, sensors and tills; line width shows the radio loss of a
wall. Sizes are in units of a drawing 640 wide, which scales with the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.sax.saxutils import escape

from firmware_sim.scenario import Scenario, Zone

WIDE = 640.0
MARGIN, PAD, TITLE = 16.0, 12.0, 58.0
AIR_M = 14.0  # margin around the zones
STRIP_M = 175.0  # length of a strip
LONG = 3.2  # sites with a larger ratio of length to width are split
NAME, SMALL = 17.0, 14.0
LETTER = 0.64  # mean width of a bold letter relative to its height, in the widest of the fonts

PALETTE = (  # fill and line of the kinds of places, in the order of [tastes]
    ("#f3dfc6", "#8a5a24"),
    ("#fbe3d6", "#b4532a"),
    ("#f1d9e4", "#9a2f63"),
    ("#dcecd5", "#3f7d2c"),
    ("#dfdcf3", "#5446a8"),
    ("#f5efc4", "#857012"),
    ("#d3ebe6", "#1f7a68"),
    ("#f7d9d9", "#b03a3a"),
)
OPEN_PLACE, OUTDOORS = ("#e9eef2", "#5b6b78", "open place"), ("#d8edf2", "#2b7f93", "outdoors")
SIGNS = {
    "scanner": ("#14508c", "scanner"),
    "beacon": ("#c0392b", "beacon received by phones"),
    "positions": ("#2b7f93", "phones report positions"),
    "sensor": ("#2e7d32", "sensor or counter"),
    "till": ("#8d6e00", "till"),
    "product": ("#6a1b9a", "other product"),
}
STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif;fill:#22303a}"
    ".name{font-weight:600}.soft{fill:#5b6b78}"
)


class Frame(NamedTuple):
    """Panel: the zones of one floor or strip, its part of the site in metres, and its position in the drawing."""

    floor: int
    zones: tuple[Zone, ...]
    left_m: float
    bottom_m: float
    width_m: float
    height_m: float
    top: float

    @property
    def scale(self) -> float:
        """Units per metre."""
        return (WIDE - 2 * MARGIN) / self.width_m

    @property
    def height(self) -> float:
        """Height in units."""
        return self.height_m * self.scale

    def at(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Drawing coordinates of a point of the site."""
        return MARGIN + (x_m - self.left_m) * self.scale, self.top + self.height - (y_m - self.bottom_m) * self.scale


def svg(scenario: Scenario) -> str:
    """The map as SVG text."""
    frames = _frames(scenario)
    legend_top = frames[-1].top + frames[-1].height + 22
    legend, height = _legend(scenario, legend_top)
    body = [_title(scenario), *(part for frame in frames for part in _panel(scenario, frame)), *legend]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE:g} {height:.0f}" role="img" '
        f'aria-label="Map of {escape(scenario.site)}" style="display:block;width:100%;max-width:920px;height:auto;margin:0 auto">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", f'<rect width="{WIDE:g}" height="{height:.0f}" fill="#faf8f4"/>', *body, "</svg>\n"])


def _half(zone: Zone) -> tuple[float, float]:
    """Half the width and half the depth of a zone in metres."""
    if zone.width_m is not None and zone.depth_m is not None:
        return zone.width_m / 2, zone.depth_m / 2
    return zone.radius_m, zone.radius_m


def _frames(scenario: Scenario) -> list[Frame]:
    """Panels from top to bottom: floors from the highest down, each in one or more strips."""
    left_m, right_m = _span(scenario.zones, 0)
    frames: list[Frame] = []
    top = TITLE + MARGIN
    for floor in sorted({zone.floor for zone in scenario.zones}, reverse=True):
        here = sorted((zone for zone in scenario.zones if zone.floor == floor), key=lambda zone: zone.x_m)
        bottom_m, top_m = _span(here, 1)
        long = right_m - left_m > LONG * (top_m - bottom_m)
        strips = _strips(here, math.ceil((right_m - left_m) / STRIP_M) if long else 1)
        high = top_m - bottom_m + (2.4 if long else 1.4) * AIR_M
        wide = max(end - begin for begin, end in (_span(part, 0) for part in strips)) if long else right_m - left_m
        for part in strips:
            begin, end = _span(part, 0) if long else (left_m, right_m)
            left = (begin + end - wide) / 2 - AIR_M
            frame = Frame(floor, part, left, bottom_m - (1.9 if long else 0.9) * AIR_M, wide + 2 * AIR_M, high, top + 24)
            frames.append(frame)
            top = frame.top + frame.height + 10
    return frames


def _span(zones: Sequence[Zone], axis: int) -> tuple[float, float]:
    """Extent of zones in metres, east (axis 0) or north (axis 1)."""
    ends = [(zone.x_m, zone.y_m)[axis] + side * _half(zone)[axis] for zone in zones for side in (-1, 1)]
    return min(ends), max(ends)


def _strips(zones: Sequence[Zone], number: int) -> list[tuple[Zone, ...]]:
    """Groups of neighbouring zones of about equal size."""
    cuts = [round(index * len(zones) / number) for index in range(number + 1)]
    return [tuple(zones[begin:end]) for begin, end in pairwise(cuts) if begin < end]


def _title(scenario: Scenario) -> str:
    people = scenario.people
    clock = f" · from {scenario.clock}" if scenario.clock else ""
    line = (
        f"{people.walkers} people, {people.consenting_share:.0%} consent · {len(scenario.zones)} zones · {scenario.speed:g} times as fast"
    )
    return (
        f'<text x="{MARGIN}" y="36" font-size="27" class="name">{escape(scenario.site)}</text>'
        f'<text x="{MARGIN}" y="58" font-size="{SMALL:g}" class="soft">{escape(line + clock)}</text>'
    )


def _panel(scenario: Scenario, frame: Frame) -> Iterator[str]:
    """One panel: background, ways, zones, walls, labels and scale."""
    yield _text(MARGIN, frame.top - 7, _panel_name(scenario, frame), SMALL, "soft")
    key = f"panel-{frame.top:.0f}"
    paper = f'<rect x="{MARGIN}" y="{frame.top:.1f}" width="{WIDE - 2 * MARGIN:g}" height="{frame.height:.1f}" rx="10"'
    yield f'<clipPath id="{key}">{paper}/></clipPath>'
    yield f'{paper} fill="#ffffff" stroke="#d9d4ca"/>'
    yield f'<g clip-path="url(#{key})">'
    if not scenario.waypoints:
        yield from _ways(scenario, frame)
    yield from (_shape(scenario, frame, zone) for zone in frame.zones)
    if scenario.waypoints:
        yield from _ways(scenario, frame)
    yield from _walls(scenario, frame)
    for zone in frame.zones:
        yield from _label(scenario, frame, zone)
    yield "</g>"
    yield from _ruler(frame)


def _panel_name(scenario: Scenario, frame: Frame) -> str:
    floors = {zone.floor for zone in scenario.zones}
    if len(floors) > 1:
        return "ground floor" if frame.floor == 0 else "upstairs" if frame.floor == 1 else f"floor {frame.floor}"
    if len(frame.zones) == len(scenario.zones):
        return "the whole site"
    return f"{frame.zones[0].id} to {frame.zones[-1].id}"


def _colours(scenario: Scenario, zone: Zone) -> tuple[str, str, str]:
    """Fill, line and name of the kind of a zone."""
    if zone.kind is None:
        return OUTDOORS if zone.outdoors else OPEN_PLACE
    return *PALETTE[list(scenario.tastes).index(zone.kind) % len(PALETTE)], zone.kind.replace("_", " ")


def _shape(scenario: Scenario, frame: Frame, zone: Zone) -> str:
    fill, ink, kind = _colours(scenario, zone)
    x, y = frame.at(zone.x_m, zone.y_m)
    hours = f"; open {', '.join(zone.hours)}" if zone.hours else ""
    label = f"<title>{escape(f'{zone.id}: {kind}{hours}')}</title>"
    look = f'fill="{fill}" stroke="{ink}" stroke-width="1.3"'
    if zone.width_m is None or zone.depth_m is None:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{zone.radius_m * frame.scale:.1f}" {look}>{label}</circle>'
    wide, deep = zone.width_m * frame.scale, zone.depth_m * frame.scale
    return f'<rect x="{x - wide / 2:.1f}" y="{y - deep / 2:.1f}" width="{wide:.1f}" height="{deep:.1f}" rx="4" {look}>{label}</rect>'


def _ways(scenario: Scenario, frame: Frame) -> Iterator[str]:
    """Walking routes as dotted lines; an escalator is a ring."""
    points = {point.id: point for point in scenario.waypoints}
    look = 'stroke="#8a97a1" stroke-width="1.6" stroke-dasharray="1 5" stroke-linecap="round"'
    if not points:
        middle = frame.at(frame.left_m, 0)[1]
        yield f'<line x1="0" y1="{middle:.1f}" x2="{WIDE:g}" y2="{middle:.1f}" {look}/>'
    pairs = [(point, points[name]) for point in points.values() for name in point.leads_to]
    for one, other in pairs:
        if one.floor == other.floor == frame.floor:
            (x, y), (ox, oy) = frame.at(one.x_m, one.y_m), frame.at(other.x_m, other.y_m)
            yield f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{ox:.1f}" y2="{oy:.1f}" {look}/>'
    for end in (end for pair in pairs if pair[0].floor != pair[1].floor for end in pair if end.floor == frame.floor):
        yield _sign("escalator", *frame.at(end.x_m, end.y_m), f"escalator {end.id}")


def _walls(scenario: Scenario, frame: Frame) -> Iterator[str]:
    for wall in scenario.walls:
        if wall.floor == frame.floor:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (frame.at(*point) for point in wall.points))
            thick = 1.2 + wall.loss_db / 4
            yield (
                f'<polyline points="{points}" fill="none" stroke="#3a444c" stroke-width="{thick:.1f}" stroke-linejoin="round">'
                f"<title>wall, {wall.loss_db:g} dB</title></polyline>"
            )


def _signs(scenario: Scenario, zone: str) -> list[tuple[str, str]]:
    """Devices in a zone: kind and name."""
    found = [("scanner", f"{item.format} {item.id}") for item in scenario.scanners if item.zone == zone]
    found += [("beacon", f"iBeacon {item.major}-{item.minor}") for item in scenario.beacons if item.zone == zone]
    found += [("positions", "owntracks positions")] if scenario.phones.fine_zone == zone else []
    found += [("sensor", item.device) for item in scenario.sensors if item.zone == zone]
    found += [("till", item.device) for item in scenario.tills if item.zone == zone]
    return found + [("product", f"{item.count} {item.product}") for item in scenario.devices if item.zone == zone]


def _label(scenario: Scenario, frame: Frame, zone: Zone) -> Iterator[str]:
    """Name and symbols: inside a rectangle, below a circle; side by side where height is scarce."""
    x, y = frame.at(zone.x_m, zone.y_m)
    signs = _signs(scenario, zone.id)
    half_wide, half_deep = (part * frame.scale for part in _half(zone))
    row = 19.0 * len(signs)
    if zone.width_m is None:
        yield _text(x, y + half_deep + NAME + 2, zone.id, NAME, "name", middle=True, halo=True)
        yield from _row(signs, x - row / 2 + 9.5, y + half_deep + NAME + 18)
        return
    room = 2 * half_wide - 12 - (row + 4 if half_deep < 24 else 0.0)
    size = min(NAME, room / (LETTER * len(zone.id)))
    if half_deep < 24 and size < 12:
        yield _text(x, y - 3, zone.id, min(13.0, (2 * half_wide - 8) / (LETTER * len(zone.id))), "name", middle=True)
        yield from _row(signs, x - row / 2 + 9.5, y + 10)
        return
    if half_deep < 24:
        yield _text(x - half_wide + 7, y + size / 3, zone.id, size, "name")
        yield from _row(signs, x + half_wide - row + 4, y)
        return
    yield _text(x, y - 4, zone.id, size, "name", middle=True, halo=True)
    yield from _row(signs, x - row / 2 + 9.5, y + 14)


def _row(signs: list[tuple[str, str]], x: float, y: float) -> Iterator[str]:
    for index, (sort, label) in enumerate(signs):
        yield _sign(sort, x + 19 * index, y, label)


def _sign(sort: str, x: float, y: float, label: str) -> str:
    """One symbol, about fourteen units wide."""
    ink = SIGNS[sort][0] if sort in SIGNS else "#5b6b78"
    shapes = {
        "scanner": f'<circle r="3" fill="{ink}"/>'
        f'<path d="M-5.6-5a7.5 7.5 0 0 0 0 10M5.6-5a7.5 7.5 0 0 1 0 10" fill="none" stroke="{ink}" stroke-width="1.8"/>',
        "beacon": f'<path d="M0-7.5 7.5 0 0 7.5-7.5 0z" fill="{ink}"/><circle r="2" fill="#fff"/>',
        "positions": f'<path d="M0 8C-7 0-6-8 0-8S7 0 0 8z" fill="{ink}"/><circle cy="-2.5" r="2.2" fill="#fff"/>',
        "sensor": f'<path d="M0-7 7 6H-7z" fill="{ink}"/>',
        "till": f'<rect x="-7" y="-5.5" width="14" height="11" rx="2.5" fill="{ink}"/><path d="M-4 0h8" stroke="#fff" stroke-width="2"/>',
        "escalator": '<circle r="7" fill="#fff" stroke="#5b6b78" stroke-width="2"/>'
        '<path d="M-3 3h2v-2h2v-2h2v-2" fill="none" stroke="#5b6b78" stroke-width="1.3"/>',
        "product": f'<rect x="-6" y="-6" width="12" height="12" fill="none" stroke="{ink}" stroke-width="2.2"/>',
    }
    return f'<g transform="translate({x:.1f} {y:.1f})"><title>{escape(label)}</title>{shapes[sort]}</g>'


def _ruler(frame: Frame) -> Iterator[str]:
    """Scale in the lower left corner, north arrow in the upper right."""
    metres = 10 if frame.width_m < 120 else 20
    x, y, long = MARGIN + PAD, frame.top + frame.height - PAD, metres * frame.scale
    yield f'<path d="M{x:.1f} {y - 4:.1f}v4h{long:.1f}v-4" fill="none" stroke="#22303a" stroke-width="1.4"/>'
    yield _text(x + long + 6, y + 1, f"{metres} m", 12, "soft")
    right, top = WIDE - MARGIN - PAD - 4, frame.top + PAD
    yield f'<path d="M{right:.1f} {top:.1f}l5 13-5-3-5 3z" fill="#22303a"><title>north</title></path>'


def _legend(scenario: Scenario, top: float) -> tuple[list[str], float]:
    """Legend of the colours and symbols in use, in two columns, and the height of the whole drawing."""
    used = {_colours(scenario, zone) for zone in scenario.zones}
    sorts = {sort for zone in scenario.zones for sort, _ in _signs(scenario, zone.id)}
    entries = [
        (f'<rect x="-8" y="-8" width="16" height="16" rx="3" fill="{fill}" stroke="{ink}" stroke-width="1.3"/>', text)
        for fill, ink, text in sorted(used, key=lambda colours: (colours in (OPEN_PLACE, OUTDOORS), colours[2]))
    ]
    entries += [(_sign(sort, 0, 0, text), text) for sort, (_, text) in SIGNS.items() if sort in sorts]
    if scenario.walls:
        entries.append(('<path d="M-9 0H9" stroke="#3a444c" stroke-width="4"/>', "wall, line width by radio loss"))
    if any(waypoint.floor for waypoint in scenario.waypoints):
        entries.append((_sign("escalator", 0, 0, "escalator"), "escalator"))
    rows = math.ceil(len(entries) / 2)
    found = []
    for index, (shape, text) in enumerate(entries):
        x, y = MARGIN + 14 + (index // rows) * (WIDE / 2 - MARGIN), top + 14 + 25 * (index % rows)
        found += [f'<g transform="translate({x:.1f} {y:.1f})">{shape}</g>', _text(x + 20, y + 5, text, SMALL + 1, "")]
    return found, top + 25 * rows + MARGIN


def _text(x: float, y: float, text: str, size: float, style: str, *, middle: bool = False, halo: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    outline = ' paint-order="stroke" stroke="#ffffff" stroke-opacity="0.75" stroke-width="4" stroke-linejoin="round"' if halo else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" class="{style}"{anchor}{outline}>{escape(text)}</text>'
