"""A scenario is a TOML file that says what stands on a street and who walks there.

It is checked completely before anything moves: an unknown key or a reference to a zone that does not
exist is an error that names the place and the nearest right name, never a default that nobody asked for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from firmware_sim import keys
from firmware_sim.faults.rules import FaultError, Rule, parse_faults
from firmware_sim.nearest import nearest
from firmware_sim.people.behaviour import (
    SEGMENTS,
    Choices,
    Climate,
    Company,
    Curve,
    Happening,
    Incident,
    OfferEffect,
    Rhythm,
    Segment,
    SegmentName,
    Sleep,
    Trains,
)
from firmware_sim.products.catalogue import CATALOGUE
from firmware_sim.products.groups import Group
from firmware_sim.world import hours
from firmware_sim.world.places import Wall, Waypoint

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Period = Annotated[int, Meta(ge=50)]
Kind = Literal["coffee_house", "restaurant_cheap", "restaurant_dear", "carry_away", "bar"]


class ScenarioError(ValueError):
    """The scenario cannot be used; the text says where and what would be right."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where x = y = 0 lies on Earth (WGS 84)."""

    latitude_deg: Annotated[float, Meta(ge=-85, le=85)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many walk, how they move, how many of them say yes. Seconds here are seconds of street time."""

    walkers: Annotated[int, Meta(ge=1, le=100_000)]
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
    joining_share: Share = 0.0  # of those who consent, only somewhere before `join_until_s`
    join_until_s: float = 1800.0
    returning_share: Share = 0.0  # of those who withdraw: yes again, up to `return_within_s` later
    return_within_s: Positive = 1800.0


class Fading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Radio as measured (`wayside-sim fit` prints these): what `shadowing_db` and `fading_db` only summarise.

    A place's luck is a field that changes over `place_m`. At each place the three advertising channels lie `channels_db` above
    and below the line, give or take `channel_db`, and stay so while nobody moves; a sample comes on one of them (the same as
    before only in `same_share`) and scatters by `sample_db`. A body, a wall and a ceiling take their share.
    """

    place_db: Annotated[float, Meta(ge=0)] = 2.6
    place_m: Positive = 2.0
    channels_db: tuple[float, float, float] = (8.1, 1.4, -9.8)
    channel_db: Annotated[float, Meta(ge=0)] = 1.3
    sample_db: Annotated[float, Meta(ge=0)] = 2.5
    same_share: Share = 0.16
    body_db: Annotated[float, Meta(ge=0)] = 6.0
    ceiling_db: Annotated[float, Meta(ge=0)] = 16.0
    phone_db: Annotated[float, Meta(ge=0)] = 2.0  # phones differ in how loud they are
    airtime_us: Positive = 376.0  # of one advertisement on one channel: 47 bytes at 1 Mbit/s


class RadioRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Log-distance path loss: rssi_1m - 10 * exponent * log10(d) + shadowing + fading, unheard below the floor.

    With a `fading` table shadowing and fading follow it instead.
    """

    rssi_1m_dbm: float = -52.0
    exponent: Positive = 2.2
    shadowing_db: Annotated[float, Meta(ge=0)] = 2.0
    fading_db: Annotated[float, Meta(ge=0)] = 2.0
    floor_dbm: float = -94.0
    advertise_ms: Period = 1000
    lost_share: Share = 0.05
    fading: Fading | None = None


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place to be. `attraction` is how often it is chosen compared with others, `dwell_s` the mean stay.

    It is a circle of `radius_m`, or a rectangle around its middle when `width_m` (east) and `depth_m` (north) are given.
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
    hours: tuple[str, ...] = ()
    outdoors: bool = False


class Scanner(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A radio that hears people and tells of it in its product's format."""

    id: str
    zone: str
    format: Literal["espresense", "minew_gateway_json", "ruuvi_gateway"]
    report_ms: Period = 1000


class Beacon(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fixed iBeacon that phones hear."""

    zone: str
    uuid: Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    major: Annotated[int, Meta(ge=0, le=65_535)]
    minor: Annotated[int, Meta(ge=0, le=65_535)]


class Sensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A thing that measures. `clock = false`: it does not know the time and claims null."""

    device: str
    format: Literal["wayside_v1", "zigbee2mqtt", "ruuvi_tag"]
    measures: tuple[Literal["temperature", "humidity", "precipitation", "people"], ...]
    every_ms: Period
    zone: str | None = None
    clock: bool = True


class Till(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a shop takes money."""

    device: str
    zone: str
    clock: bool = True


class Phones(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the app on a consenting person's phone does."""

    app_uuid: str
    scan_ms: Period = 1000
    fine_zone: str
    fine_ms: Period = 2000
    coarse_ms: Period = 15_000
    error_m: float = 3.0


class Taste(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Offers of one kind of place: who says yes, how often they go there anyway, what they spend.

    True acceptance is 1 / (1 + exp(-(bias + pull * taste - per_minute * minutes to walk))), with the
    person's hidden taste for the kind drawn from N(0, 1); visits a month are Poisson(visits * exp(0.8 * taste)).
    Segments, weariness and what the offer gives add to it (`tastes.accept`). Of what is spent, `margin_share` stays.
    """

    bias: float
    pull: float
    per_minute: float
    visits: Annotated[float, Meta(ge=0, le=20)]
    amount_minor: Annotated[int, Meta(gt=0)]
    margin_share: Share = 0.6


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a run depends on, besides the seed and the start."""

    site: str
    speed: Positive
    start_ms: int
    origin: Origin
    people: People
    radio: RadioRules
    phones: Phones
    zones: Annotated[tuple[Zone, ...], Meta(min_length=1)]
    tastes: Mapping[Kind, Taste]
    scanners: tuple[Scanner, ...] = ()
    beacons: tuple[Beacon, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    tills: tuple[Till, ...] = ()
    malformed_share: Share = 0.0
    devices: tuple[Group, ...] = ()
    faults: tuple[Rule, ...] = ()
    walls: tuple[Wall, ...] = ()
    waypoints: tuple[Waypoint, ...] = ()
    segments: Mapping[SegmentName, Segment] = msgspec.field(default_factory=lambda: dict(SEGMENTS))
    offers: tuple[OfferEffect, ...] = ()
    choices: Choices = Choices()
    curves: Mapping[Kind | Literal["open"], Curve] = msgspec.field(default_factory=dict)
    rhythm: Rhythm | None = None
    trains: tuple[Trains, ...] = ()
    happenings: tuple[Happening, ...] = ()
    incidents: tuple[Incident, ...] = ()
    company: Company = Company()
    sleep: Sleep = Sleep()
    climate: Climate = Climate()
    clock: str | None = None  # what the site's clock shows at the start ("sat 14:00"); unset: what the start says
    clock_offset_min: Annotated[int, Meta(ge=-720, le=840)] = 60  # of the site's clock from UTC

    def zone(self, zone_id: str) -> Zone:
        """The zone of that name, which must exist."""
        return next(zone for zone in self.zones if zone.id == zone_id)


def built_in() -> list[str]:
    """Names of the scenarios that come with the simulator."""
    folder = resources.files("firmware_sim") / "scenarios"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(name_or_path: str) -> Scenario:
    """Read a scenario by its built-in name or from a TOML file; `ScenarioError` when that is impossible."""
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


def parse(text: str, source: str) -> Scenario:
    """A checked scenario from TOML text; `source` names it in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not TOML: {error}") from error
    return parsed(table, source)


def parsed(table: dict[str, Any], source: str) -> Scenario:
    """A checked scenario from tables and lists, however they were written down."""
    if not isinstance(table, dict):
        raise ScenarioError(f"{source}: a scenario is a table of tables")
    rest = {key: value for key, value in table.items() if key != "faults"}
    try:
        faults = parse_faults(table.get("faults", []), source)
        for wrong in keys.unknown(rest, Scenario, source):
            raise ScenarioError(wrong)
        scenario = msgspec.structs.replace(msgspec.convert(rest, Scenario), faults=faults)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {error}") from error
    except FaultError as error:
        raise ScenarioError(str(error)) from error
    _references(scenario, source)
    return scenario


def _references(scenario: Scenario, source: str) -> None:
    """Names are unique, every zone that is mentioned exists, and what stands in it can work there."""
    zones = [zone.id for zone in scenario.zones]
    devices = [*(sensor.device for sensor in scenario.sensors), *(till.device for till in scenario.tills)]
    for names in (zones, devices, [scanner.id for scanner in scenario.scanners]):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ScenarioError(f"{source}: {min(twice)!r} stands twice")
    named: list[str | None] = [scenario.phones.fine_zone]
    for group in (scenario.scanners, scenario.beacons, scenario.tills, scenario.sensors, scenario.devices, scenario.trains):
        named += [item.zone for item in group]
    for zone in named:
        if zone is not None and zone not in zones:
            raise ScenarioError(f"{source}: no zone {zone!r}; {nearest(zone, zones)}")
    for sensor in scenario.sensors:
        _sensor(sensor, scenario, source)
    for put_up in scenario.devices:
        if put_up.product not in CATALOGUE:
            raise ScenarioError(f"{source}: devices: no product {put_up.product!r}; {nearest(put_up.product, CATALOGUE)}")
    _shops(scenario, source)
    _mentions(scenario, zones, source)
    _times(scenario, source)


def _shops(scenario: Scenario, source: str) -> None:
    """Every shop's kind has a taste, every till stands in a shop."""
    for shop in scenario.zones:
        if shop.kind is not None and shop.kind not in scenario.tastes:
            raise ScenarioError(f"{source}: zone {shop.id!r} is a {shop.kind}, but [tastes.{shop.kind}] is missing")
    for till in scenario.tills:
        if scenario.zone(till.zone).kind is None:
            raise ScenarioError(f"{source}: till {till.device!r} stands in {till.zone!r}, which is no shop (it has no kind)")


def _mentions(scenario: Scenario, zones: list[str], source: str) -> None:
    """Zones and waypoints that walls, ways, offers, happenings and people's rhythm speak of exist."""
    points = [point.id for point in scenario.waypoints]
    named = [(f"offer {offer.id!r}", offer.shop) for offer in scenario.offers]
    named += [(f"happening {item.id!r}", item.zone) for item in scenario.happenings]
    named += [(f"incident {item.id!r}", item.zone) for item in scenario.incidents]
    named += [(f"waypoint {point.id!r}", zone) for point in scenario.waypoints for zone in point.zones]
    named += [("rhythm.entrances", zone) for zone in (scenario.rhythm.entrances if scenario.rhythm else ())]
    for who, zone in named:
        if zone not in zones:
            raise ScenarioError(f"{source}: {who}: no zone {zone!r}; {nearest(zone, zones)}")
    for point in scenario.waypoints:
        for other in point.leads_to:
            if other not in points:
                raise ScenarioError(f"{source}: waypoint {point.id!r} leads to {other!r}; {nearest(other, points)}")
    for offer in scenario.offers:
        if scenario.zone(offer.shop).kind is None:
            raise ScenarioError(f"{source}: offer {offer.id!r} is handed in at {offer.shop!r}, which is no shop (it has no kind)")
    absent = [name for name in SEGMENTS if name not in scenario.segments]
    if absent:
        raise ScenarioError(f"{source}: [segments.{absent[0]}] is missing: state all four segments, or none")


def _times(scenario: Scenario, source: str) -> None:
    """Hours are written as hours."""
    groups = (scenario.zones, scenario.trains, scenario.happenings, scenario.incidents)
    try:
        for group in groups:
            for item in group:
                hours.Weekly(item.hours)
        if scenario.clock is not None:
            hours.moment_min(scenario.clock)
    except ValueError as error:
        raise ScenarioError(f"{source}: {error}") from error


def _sensor(sensor: Sensor, scenario: Scenario, source: str) -> None:
    """What a sensor needs to be heard, and to have something to say."""
    where = f"{source}: sensor {sensor.device!r}"
    if sensor.format == "ruuvi_tag":
        if not re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}", sensor.device):
            raise ScenarioError(f"{where} is a RuuviTag and needs its MAC address as name, as in E3:75:CF:00:00:01")
        if sensor.zone not in {scanner.zone for scanner in scenario.scanners}:
            raise ScenarioError(f"{where} only advertises, and no scanner stands in {sensor.zone!r} to hear it")
    if "people" in sensor.measures and sensor.zone is None:
        raise ScenarioError(f"{where} counts people and needs a zone")
