"""A scenario is a TOML file that says what stands on a street and who walks there.

It is checked completely before anything moves: an unknown key or a reference to a zone that does not
exist is an error that names the place and the nearest right name, never a default that nobody asked for.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

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


class RadioRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Log-distance path loss: rssi_1m - 10 * exponent * log10(d) + shadowing + fading, unheard below the floor."""

    rssi_1m_dbm: float = -52.0
    exponent: Positive = 2.2
    shadowing_db: Annotated[float, Meta(ge=0)] = 2.0
    fading_db: Annotated[float, Meta(ge=0)] = 2.0
    floor_dbm: float = -94.0
    advertise_ms: Period = 1000
    lost_share: Share = 0.05


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place to be. `attraction` is how often it is chosen compared with others, `dwell_s` the mean stay."""

    id: str
    x_m: float
    y_m: float
    kind: Kind | None = None
    radius_m: Positive = 6.0
    dwell_s: Positive = 240.0
    attraction: Positive = 1.0


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
    """

    bias: float
    pull: float
    per_minute: float
    visits: Annotated[float, Meta(ge=0, le=20)]
    amount_minor: Annotated[int, Meta(gt=0)]


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

    def zone(self, zone_id: str) -> Zone:
        """The zone of that name, which must exist."""
        return next(zone for zone in self.zones if zone.id == zone_id)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error text: which right name was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


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
        _known_keys(table, Scenario, source)
        scenario = msgspec.convert(table, Scenario)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {error}") from error
    _references(scenario, source)
    return scenario


def _known_keys(value: object, shape: Any, where: str) -> None:
    """Find an unknown key anywhere in `value`; the parser itself would not tell the nearest right one."""
    if get_origin(shape) is Annotated:
        _known_keys(value, get_args(shape)[0], where)
    elif get_origin(shape) is tuple and isinstance(value, list):
        for index, item in enumerate(value):
            _known_keys(item, get_args(shape)[0], f"{where}[{index}]")
    elif isinstance(shape, type) and issubclass(shape, msgspec.Struct) and isinstance(value, dict):
        fields = {field.name: field.type for field in msgspec.structs.fields(shape)}
        for key, item in value.items():
            if key not in fields:
                raise ScenarioError(f"{where}: unknown key {key!r}; {nearest(key, fields)}")
            _known_keys(item, fields[key], f"{where}: {key}")


def _references(scenario: Scenario, source: str) -> None:
    """Names are unique, every zone that is mentioned exists, and what stands in it can work there."""
    zones = [zone.id for zone in scenario.zones]
    devices = [*(sensor.device for sensor in scenario.sensors), *(till.device for till in scenario.tills)]
    for names in (zones, devices, [scanner.id for scanner in scenario.scanners]):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ScenarioError(f"{source}: {min(twice)!r} stands twice")
    named: list[str | None] = [scenario.phones.fine_zone]
    for group in (scenario.scanners, scenario.beacons, scenario.tills, scenario.sensors):
        named += [item.zone for item in group]
    for zone in named:
        if zone is not None and zone not in zones:
            raise ScenarioError(f"{source}: no zone {zone!r}; {nearest(zone, zones)}")
    for sensor in scenario.sensors:
        _sensor(sensor, scenario, source)
    _shops(scenario, source)


def _shops(scenario: Scenario, source: str) -> None:
    """Every shop's kind has a taste, every till stands in a shop."""
    for shop in scenario.zones:
        if shop.kind is not None and shop.kind not in scenario.tastes:
            raise ScenarioError(f"{source}: zone {shop.id!r} is a {shop.kind}, but [tastes.{shop.kind}] is missing")
    for till in scenario.tills:
        if scenario.zone(till.zone).kind is None:
            raise ScenarioError(f"{source}: till {till.device!r} stands in {till.zone!r}, which is no shop (it has no kind)")


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
