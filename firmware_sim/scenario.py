"""A scenario: a TOML file that states the zones, devices, people and radio of a simulated site.

`load` checks all of it before anything runs. Every fault of a file is an error with its line and field, and with the nearest
known name where one was mistyped. Lengths are in metres and times in seconds of street time, unless a name ends in another unit.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from firmware_sim.adversaries.names import NAMES, AdversaryName
from firmware_sim.checked import Checked, Location, Problem, problems
from firmware_sim.faults.rules import AnyRule
from firmware_sim.nearest import nearest
from firmware_sim.people.behaviour import (
    SEGMENTS,
    Choices,
    Climate,
    Company,
    Curve,
    Happening,
    Incident,
    Loyalty,
    OfferEffect,
    Rhythm,
    Segment,
    SegmentName,
    Sleep,
    Trains,
)
from firmware_sim.products.groups import Group
from firmware_sim.world.hours import Moment, Span
from firmware_sim.world.places import Wall, Waypoint

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Period = Annotated[int, Field(ge=50)]
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A kind of place, and the category of what is sold there."""
OPEN = "open"  # in `curves`: zones without a kind


MAC = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")


class ScenarioError(ValueError):
    """A scenario does not exist or has faults; the text has one line for each, with place and remedy."""


class Origin(Checked):
    """Position of x = y = 0 (WGS 84)."""

    latitude_deg: Annotated[float, Field(ge=-85, le=85)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]


class People(Checked):
    """Number of people, their movement and consent. Seconds are simulated time."""

    walkers: Annotated[int, Field(ge=1, le=100_000)]
    consenting_share: Share
    withdrawing_share: Share = 0.0
    withdraw_from_s: float = 300.0
    withdraw_until_s: float = 900.0
    arrive_until_s: float = 120.0
    walk_m_per_s: Positive = 1.4
    reach_m: Positive = 150.0
    buying_share: Share = 0.6
    redeeming_share: Share = 0.8
    clockless_share: Share = 0.25
    mac_rotation_s: Positive = 900.0
    joining_share: Share = 0.0  # of the consenting people: consent comes later, before `join_until_s`
    join_until_s: float = 1800.0
    returning_share: Share = 0.0  # of the withdrawing people: consent again, up to `return_within_s` later
    return_within_s: Positive = 1800.0


class Fading(Checked):
    """Radio parameters from measured traces (`wayside-sim fit` prints them), instead of `shadowing_db` and `fading_db`.

    Shadowing is a random field with spread `place_db` that changes over `place_m`. At each place the three advertising channels
    lie `channels_db` above and below the mean line, with a spread of `channel_db`, and stay so while the phone does not move. A
    sample is received on one of them (the same one as before with probability `same_share`), with a spread of `sample_db`.
    Bodies, walls and ceilings attenuate it.
    """

    place_db: Annotated[float, Field(ge=0)] = 2.6
    place_m: Positive = 2.0
    channels_db: tuple[float, float, float] = (8.1, 1.4, -9.8)
    channel_db: Annotated[float, Field(ge=0)] = 1.3
    sample_db: Annotated[float, Field(ge=0)] = 2.5
    same_share: Share = 0.16
    body_db: Annotated[float, Field(ge=0)] = 6.0
    ceiling_db: Annotated[float, Field(ge=0)] = 16.0
    phone_db: Annotated[float, Field(ge=0)] = 2.0  # spread of the transmit power of phones
    airtime_us: Positive = 376.0  # of one advertisement on one channel: 47 bytes at 1 Mbit/s


class RadioRules(Checked):
    """Log-distance path loss: rssi_1m - 10 * exponent * log10(d) + shadowing + fading, not received below the floor.

    With a `fading` table shadowing and fading follow it instead.
    """

    rssi_1m_dbm: float = -52.0
    exponent: Positive = 2.2
    shadowing_db: Annotated[float, Field(ge=0)] = 2.0
    fading_db: Annotated[float, Field(ge=0)] = 2.0
    floor_dbm: float = -94.0
    advertise_ms: Period = 1000
    lost_share: Share = 0.05
    fading: Fading | None = None


class Zone(Checked):
    """A place where people stay: `attraction` is its weight in the choice of the next place, `dwell_s` the mean stay.

    Its area is a circle of `radius_m`, or a rectangle around its centre if `width_m` (east) and `depth_m` (north) are given.
    Without `hours` it is always open.
    """

    id: str
    x_m: float
    y_m: float
    floor: int = 0
    kind: Kind | None = None
    radius_m: Positive = 6.0
    width_m: Positive | None = None
    depth_m: Positive | None = None
    dwell_s: Positive = 240.0
    attraction: Positive = 1.0
    hours: tuple[Span, ...] = ()
    outdoors: bool = False


class Scanner(Checked):
    """A radio that receives advertisements of phones and publishes them in the format of its product."""

    id: str
    zone: str
    format: Literal["espresense", "minew_gateway_json", "ruuvi_gateway"]
    report_ms: Period = 1000


class Beacon(Checked):
    """A fixed iBeacon, received by phones."""

    zone: str
    uuid: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    major: Annotated[int, Field(ge=0, le=65_535)]
    minor: Annotated[int, Field(ge=0, le=65_535)]


class Sensor(Checked):
    """A sensor. With `clock = false` it does not know the time and publishes null for it."""

    device: str
    format: Literal["wayside_v1", "zigbee2mqtt", "ruuvi_tag"]
    measures: tuple[Literal["temperature", "humidity", "precipitation", "people"], ...]
    every_ms: Period
    zone: str | None = None
    clock: bool = True

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.format == "ruuvi_tag" and not MAC.fullmatch(self.device):
            raise ValueError(f"device {self.device!r} is a RuuviTag and needs its MAC address as name, as in E3:75:CF:00:00:01")
        if "people" in self.measures and self.zone is None:
            raise ValueError(f"device {self.device!r} counts people and needs a zone")
        return self


class Till(Checked):
    """The cash desk of a shop; `clock` as for a sensor."""

    device: str
    zone: str
    clock: bool = True


class Phones(Checked):
    """Behaviour of the app on the phones of consenting people.

    A phone advertises a tag that was issued with a code. `ephemeral_share` of the phones advertise an Eddystone-EID instead and state its
    key with the consent; `counter_share` have no code and hold their tag to the scanner `counter`.
    """

    app_uuid: str
    scan_ms: Period = 1000
    fine_zone: str
    fine_ms: Period = 2000
    coarse_ms: Period = 15_000
    error_m: float = 3.0
    ephemeral_share: Share = 0.0
    counter_share: Share = 0.0
    counter: str = ""


class Taste(Checked):
    """Purchases and offers in one kind of place: true acceptance, visits without offers, amounts.

    True acceptance is 1 / (1 + exp(-(bias + pull * taste - per_minute * minutes to walk))), with the
    person's hidden taste for the kind drawn from N(0, 1); visits a month are Poisson(visits * exp(0.8 * taste)).
    Segment, fatigue and the attributes of the offer add to it (`tastes.accept`). `margin_share` of an amount is the margin.
    `items` are articles with their price in minor units, as tills of this kind state; without items a sale is one amount.
    """

    bias: float
    pull: float
    per_minute: float
    visits: Annotated[float, Field(ge=0, le=20)]
    amount_minor: Annotated[int, Field(gt=0)]
    margin_share: Share = 0.6
    items: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)


def _all_four(segments: Mapping[SegmentName, Segment]) -> Mapping[SegmentName, Segment]:
    absent = [name for name in SEGMENTS if name not in segments]
    if absent:
        raise ValueError(f"[segments.{absent[0]}] is missing: state all four segments, or none")
    return segments


class Scenario(Checked):
    """All inputs of a run besides the seed and the start."""

    site: str
    speed: Positive
    start_ms: int
    origin: Origin
    people: People
    radio: RadioRules
    phones: Phones
    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]
    tastes: Mapping[Kind, Taste]
    scanners: tuple[Scanner, ...] = ()
    beacons: tuple[Beacon, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    tills: tuple[Till, ...] = ()
    malformed_share: Share = 0.0
    devices: tuple[Group, ...] = ()
    faults: tuple[AnyRule, ...] = ()
    adversaries: tuple[AdversaryName, ...] = ()
    walls: tuple[Wall, ...] = ()
    waypoints: tuple[Waypoint, ...] = ()
    segments: Annotated[Mapping[SegmentName, Segment], AfterValidator(_all_four)] = Field(default_factory=lambda: dict(SEGMENTS))
    offers: tuple[OfferEffect, ...] = ()
    choices: Choices = Choices()
    curves: Mapping[Kind, Curve] = Field(default_factory=dict)
    rhythm: Rhythm | None = None
    trains: tuple[Trains, ...] = ()
    happenings: tuple[Happening, ...] = ()
    incidents: tuple[Incident, ...] = ()
    loyalty: Loyalty | None = None
    company: Company = Company()
    sleep: Sleep = Sleep()
    climate: Climate = Climate()
    clock: Moment | None = None  # local time on the site at the start ("sat 14:00"); unset: that of the start
    clock_offset_min: Annotated[int, Field(ge=-720, le=840)] = 60  # local time less UTC

    def zone(self, zone_id: str) -> Zone:
        """The zone with this id, which must exist."""
        return next(zone for zone in self.zones if zone.id == zone_id)


def built_in() -> list[str]:
    """Names of the built-in scenarios, sorted."""
    folder = resources.files("firmware_sim") / "scenarios"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def schema() -> str:
    """JSON Schema (draft 2020-12) of scenario files, as text that ends with a line break."""
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}, indent=2) + "\n"


def load(name_or_path: str) -> Scenario:
    """A scenario by its built-in name, or from a TOML file. Raises ScenarioError when there is none or it is faulty."""
    if name_or_path in built_in():
        return parse((resources.files("firmware_sim") / "scenarios" / f"{name_or_path}.toml").read_text("utf-8"), name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise ScenarioError(f"no scenario {name_or_path!r}; {nearest(name_or_path, built_in())}")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot read {name_or_path}: {error}") from error
    return parse(text, name_or_path)


def with_adversaries(scenario: Scenario, names: Sequence[str] | None) -> Scenario:
    """The scenario with further adversaries. Raises ScenarioError for an unknown name."""
    unknown = [name for name in names or () if name not in NAMES]
    if unknown:
        raise ScenarioError(f"--adversary {unknown[0]}: no such adversary; {nearest(unknown[0], NAMES)}")
    return scenario.changed(adversaries=tuple(dict.fromkeys((*scenario.adversaries, *names)))) if names else scenario


def parse(text: str, source: str) -> Scenario:
    """A scenario from TOML text. Raises ScenarioError with one line for each fault; `source` names the text there."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not TOML: {error}") from error
    return parsed(table, source, text)


def parsed(table: Mapping[str, Any], source: str, text: str = "") -> Scenario:
    """A scenario from the content of a file whose `text` serves to find lines. Raises ScenarioError as `parse` does."""
    try:
        # Strict types allow no list for a tuple in Python data, but do in JSON, which has nothing else.
        scenario = Scenario.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        found = problems(error, Scenario)
    else:
        found = list(_dangling(scenario))
        if not found:
            return scenario
    raise ScenarioError("\n".join(problem.line(source, text) for problem in found))


def _dangling(scenario: Scenario) -> Iterator[Problem]:
    """Faults in the references between tables: repeated names, unknown names, unsuitable targets."""
    yield from _repeated(scenario)
    yield from _misplaced(scenario)
    points = [point.id for point in scenario.waypoints]
    for index, point in enumerate(scenario.waypoints):
        for place, other in enumerate(point.leads_to):
            if other not in points:
                yield Problem(("waypoints", index, "leads_to", place), f"no waypoint {other!r}; {nearest(other, points)}")
    for index, zone in enumerate(scenario.zones):
        if zone.kind is not None and zone.kind not in scenario.tastes:
            message = f"zone {zone.id!r} is a {zone.kind}, but [tastes.{zone.kind}] is missing; {nearest(zone.kind, scenario.tastes)}"
            yield Problem(("zones", index, "kind"), message)
    for kind in scenario.curves:
        if kind != OPEN and kind not in scenario.tastes:
            yield Problem(("curves", kind), f"no kind of place {kind!r}; {nearest(kind, [OPEN, *scenario.tastes])}")
    heard = {scanner.zone for scanner in scenario.scanners}
    for index, sensor in enumerate(scenario.sensors):
        if sensor.format == "ruuvi_tag" and sensor.zone not in heard:
            yield Problem(("sensors", index, "zone"), f"{sensor.device!r} only advertises, and there is no scanner in {sensor.zone!r}")


def _repeated(scenario: Scenario) -> Iterator[Problem]:
    """Repeated names of zones, scanners, and sensors or tills."""
    zones: list[tuple[Location, str]] = [(("zones", index, "id"), zone.id) for index, zone in enumerate(scenario.zones)]
    scanners: list[tuple[Location, str]] = [(("scanners", index, "id"), item.id) for index, item in enumerate(scenario.scanners)]
    devices: list[tuple[Location, str]] = [(("sensors", index, "device"), item.device) for index, item in enumerate(scenario.sensors)]
    devices += [(("tills", index, "device"), item.device) for index, item in enumerate(scenario.tills)]
    for group in (zones, scanners, devices):
        seen = set[str]()
        for location, name in group:
            if name in seen:
                yield Problem(location, f"{name!r} is used twice")
            seen.add(name)


def _misplaced(scenario: Scenario) -> Iterator[Problem]:
    """References to zones that do not exist, and to zones without a kind where a shop is needed."""
    zones = {zone.id: zone for zone in scenario.zones}
    for location, name in _named_zones(scenario):
        if name not in zones:
            yield Problem(location, f"no zone {name!r}; {nearest(name, zones)}")
        elif location[0] in {"tills", "offers"} and zones[name].kind is None:
            yield Problem(location, f"zone {name!r} is not a shop (it has no kind)")


def _named_zones(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """All references to zones: location and id."""
    yield ("phones", "fine_zone"), scenario.phones.fine_zone
    for part in ("scanners", "beacons", "tills", "sensors", "devices", "trains", "happenings", "incidents"):
        for index, item in enumerate(getattr(scenario, part)):
            if item.zone is not None:
                yield (part, index, "zone"), item.zone
    for index, offer in enumerate(scenario.offers):
        yield ("offers", index, "shop"), offer.shop
    for index, point in enumerate(scenario.waypoints):
        for place, zone in enumerate(point.zones):
            yield ("waypoints", index, "zones", place), zone
    for place, zone in enumerate(scenario.rhythm.entrances if scenario.rhythm else ()):
        yield ("rhythm", "entrances", place), zone
