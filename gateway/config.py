"""Reads a TOML file into a frozen Config.

An unknown key is an error that names the nearest known one, because a mistyped privacy setting must not silently leave the default in
force. The file holds no secrets; it names the files that do.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, field_validator, model_validator

from gateway.adapters.desired import AppliedFile, DesiredError
from gateway.adapters.toml_files import TomlFileError, read_toml
from gateway.config_network import CloudPart, DeskPart, FeedPart, HttpPart, Id, MetricsPart, PagePart, WebhookPart, is_loopback
from gateway.config_part import BOUNDS, PlacedError, plain
from gateway.config_part import Part as _Part
from gateway.config_privacy import PrivacyPart
from gateway.config_sources import CodecPart, SourcePart
from gateway.core import limits
from gateway.core import opening_hours as hours
from gateway.core.desired import SETTINGS
from gateway.core.nearest import nearest
from gateway.core.places import crosses_itself, is_flat
from gateway.core.presence import PresenceRules
from gateway.core.radio import level_dbm
from gateway.core.records import ZONES_MAX
from gateway.core.refusal import WrongUse
from gateway.core.site import EVERYWHERE, Zone
from gateway.core.toml_lines import line_of
from gateway.decoders.contract import UNSTATED
from gateway.runtime.sources import DeviceKind

log = logging.getLogger("wayside")

Latitude = Annotated[float, Field(ge=-90, le=90, description="latitude, which stands first")]
Longitude = Annotated[float, Field(ge=-180, le=180)]
CORNERS_MIN = 3
PLAN_M_MAX = 100_000.0


class ConfigError(WrongUse, ValueError):
    """The config cannot be used; the text has one line per fault, each with the way out."""


class MqttPart(_Part):
    """The broker."""

    host: str = Field(
        "127.0.0.1", pattern=r"^[^\s/]+$", description="the broker's name or address alone; `port` and `ca_file` state the rest"
    )
    port: int = Field(1883, gt=0, lt=65_536, description="the broker's port; 8883 with TLS")
    username: str | None = Field(None, description="user name, if the broker requires one")
    password_file: Path | None = Field(None, description="file that holds the password")
    ca_file: Path | None = Field(None, description="certificate authority; naming one turns TLS on")
    certificate_file: Path | None = Field(None, description="this gateway's certificate")
    key_file: Path | None = Field(None, description="this gateway's private key")
    websocket_path: str | None = Field(None, pattern="^/", description="a path such as /mqtt, for MQTT over websockets")
    first_connect_s: float = Field(
        10.0, ge=0, description="how long to wait for the broker at the start before giving up; 0 waits for ever"
    )
    plaintext: bool = Field(default=False, description="true: passwords and messages may cross the network in plain text")

    @field_validator("host")
    @classmethod
    def _without_port(cls, value: str) -> str:
        name, colon, port = value.rpartition(":")
        if colon and port.isdecimal() and ":" not in name:
            raise ValueError(f"{value!r} has a port: write host = {name!r} and port = {port}")
        return value

    @model_validator(mode="after")
    def _whole_login(self) -> MqttPart:
        if self.password_file is not None and self.username is None:
            raise ValueError("a password_file needs a username")
        return self

    @property
    def danger(self) -> str:
        """Why a connection with these settings can be read by others on the network; empty if it cannot, or if that is allowed."""
        if self.ca_file is not None or self.plaintext or is_loopback(self.host):
            return ""
        return (
            f"{self.host!r} is another machine, and passwords and messages would cross the network in plain text: "
            "set mqtt.ca_file, or mqtt.plaintext = true if the network is your own"
        )


class StorePart(_Part):
    """The database."""

    path: Path = Field(Path("wayside.db"), description="the SQLite file")
    key_file: Path = Field(Path("wayside.key"), description="64 hex digits; made at the first start; WAYSIDE_STORE_KEY replaces it")
    written_mb_day_max: int = Field(
        2_000,
        gt=0,
        description="budget of the disk's wear in MB written a day: 500 rewrites of a 32 GB card in 20 years; above it is an alarm",
    )


class BundlePart(_Part):
    """Model, offers and policy."""

    path: Path = Field(description="the signed bundle")
    trusted_keys: tuple[Path, ...] = Field(min_length=1, description="public keys whose signature is accepted")


Days = Annotated[int, Field(ge=limits.RETENTION_DAYS_MIN, le=limits.RETENTION_DAYS_MAX)]


class RetentionPart(_Part):
    """Days after which rows are deleted."""

    visits_days: Days = Field(90, description="ended visits of people who consented to learning, in days; then they are deleted")
    decisions_days: Days = Field(180, description="the decision log, in days")
    facts_days: Days = Field(400, description="purchases, answers and consents, in days; repetitions are recognised for as long")
    withdrawals_days: Days = Field(
        400, description="withdrawals (a keyed hash), in days, so that an older consent that arrives late does not undo them"
    )


class PresencePart(_Part):
    """Thresholds for visits."""

    enter_dbm: float = Field(-75.0, ge=-127, le=0, description="level to enter a zone (mean power of the last five sightings)")
    exit_dbm: float = Field(-83.0, ge=-127, le=0, description="level to stay in a zone")
    enter_m: float | None = Field(
        None, gt=0, le=100, description="instead of enter_dbm: distance to an anchor within which a person enters"
    )
    exit_m: float | None = Field(None, gt=0, le=100, description="instead of exit_dbm: distance to an anchor within which a person stays")
    reference_dbm: float = Field(-58.5, ge=-127, le=0, description="level at one metre; `wayside calibrate` measures it")
    app_within_s: float | None = Field(
        None, gt=0, description="for an offer the person's own device must have sent a message within this time; a tag alone can be copied"
    )
    exponent: float = Field(2.0, gt=0, le=8, description="path-loss exponent: every tenfold distance lowers the level by 10 times this")
    offset_db: dict[str, Annotated[float, Field(ge=-40, le=40)]] = Field(
        default_factory=dict, description="anchor -> correction of the levels at it, or of it; `wayside calibrate` measures it"
    )
    samples_min: int = Field(2, ge=1, le=3, description="sightings needed to enter")
    dwell_s: float = Field(60.0, gt=0, description="time in a zone after which a person has dwelled")
    exit_after_s: float = Field(30.0, gt=0, description="time without a sighting after which a person has left")
    margin_db: float = Field(
        5.0,
        ge=0,
        le=40,
        description="lead in level that another zone needs to take over a person; at least twice that to return to the previous zone",
    )
    fix_exit_after_s: float = Field(900.0, gt=0, description="time without a position after which a person has left a zone without anchors")

    @model_validator(mode="after")
    def _hysteresis(self) -> PresencePart:
        enter_dbm, exit_dbm = self.thresholds_dbm()
        if exit_dbm > enter_dbm:
            raise ValueError(f"exit_dbm {exit_dbm:g} must not be above enter_dbm {enter_dbm:g}, or visits flicker")
        return self

    def thresholds_dbm(self) -> tuple[float, float]:
        """Levels in dBm to enter and to stay; distances are converted by the path loss."""
        stated = ((self.enter_m, self.enter_dbm), (self.exit_m, self.exit_dbm))
        enter_dbm, exit_dbm = (dbm if m is None else round(level_dbm(m, self.reference_dbm, self.exponent), 2) for m, dbm in stated)
        return enter_dbm, exit_dbm

    def rules(self, zones: Sequence[Zone]) -> PresenceRules:
        """The rules of the core for these settings."""
        return PresenceRules(
            *self.thresholds_dbm(),
            samples_min=self.samples_min,
            dwell_ms=int(self.dwell_s * 1000),
            exit_after_ms=int(self.exit_after_s * 1000),
            margin_db=self.margin_db,
            fix_exit_after_ms=int(self.fix_exit_after_s * 1000),
            fix_zones=frozenset(zone.id for zone in zones if not zone.anchors),
            offset_db=self.offset_db,
            reference_dbm=self.reference_dbm,
            exponent=self.exponent,
            app_within_ms=None if self.app_within_s is None else int(self.app_within_s * 1000),
        )


class ZonePart(_Part):
    """A place that a person can be in."""

    id: Id = Field(description="its name in offers, records and screens")
    kind: Id | None = Field(None, description="kind of place, one of zone_kinds of the bundle's schema")
    transit: bool = Field(default=False, description="transit zone: people are on their way to work (morning) or home (evening)")
    x_m: float = Field(0.0, ge=-PLAN_M_MAX, le=PLAN_M_MAX, description="metres east on the site's plan")
    y_m: float = Field(0.0, ge=-PLAN_M_MAX, le=PLAN_M_MAX, description="metres north on the site's plan")
    anchors: tuple[str, ...] = Field((), description="canonical ids of the scanners and beacons of this zone")
    latitude_deg: float | None = Field(None, ge=-90, le=90, description="centre, for position fixes")
    longitude_deg: float | None = Field(None, ge=-180, le=180, description="centre, for position fixes")
    radius_m: float = Field(0.0, ge=0, le=PLAN_M_MAX, description="radius, for position fixes")
    polygon: tuple[tuple[Latitude, Longitude], ...] = Field(
        (), description="outline instead of a circle, as [[lat, lon], ...]: at least three corners"
    )
    regions: tuple[str, ...] = Field((), description="names of the zone in region crossings that phones send (OwnTracks waypoints)")
    opening_hours: str | None = Field(
        None,
        max_length=limits.TEXT_CHARS_MAX,
        description="opening hours as in OpenStreetMap, such as `Mo-Fr 08:00-18:00; Sa 10:00-14:00; PH off`",
    )

    empty_at: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="local time at which nobody is here, such as 04:00: people counters begin at 0",
    )

    @field_validator("opening_hours")
    @classmethod
    def _weekly(cls, value: str | None) -> str | None:
        if value is not None:
            hours.parse(value)
        return value

    @field_validator("polygon")
    @classmethod
    def _outline(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if value and len(set(value)) < CORNERS_MIN:
            raise ValueError(f"an outline needs at least {CORNERS_MIN} different corners, as [[lat, lon], ...]")
        if value and is_flat(value):
            raise ValueError("the corners lie on one line, so no position is within: list the corners of an area")
        if crosses_itself(value):
            raise ValueError("the outline crosses itself: list the corners in the order in which they follow each other")
        return value

    @model_validator(mode="after")
    def _one_outline(self) -> ZonePart:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError("latitude_deg and longitude_deg go together")
        if self.latitude_deg is not None and not self.polygon and not self.radius_m:
            raise ValueError("a centre needs a radius, or no position is within: set radius_m, such as 30")
        if self.polygon and self.latitude_deg is not None:
            raise ValueError("a zone has a polygon or a centre and radius, not both")
        return self

    def zone(self) -> Zone:
        """The zone of the core for these settings."""
        opening_hours = None if self.opening_hours is None else hours.parse(self.opening_hours)
        fields = self.model_dump(exclude={"empty_at"})
        empty_at_min = None if self.empty_at is None else int(self.empty_at[:2]) * 60 + int(self.empty_at[3:])
        return Zone(**(fields | {"opening_hours": opening_hours, "empty_at_min": empty_at_min}))


class ClaimsPart(_Part):
    """Proofs that a radio id belongs to the person claiming it."""

    secret_file: Path | None = Field(
        None,
        description="secret of the codes issued with tags, 16 to 64 characters; made at the first start; without it no code is accepted",
    )
    counters: tuple[str, ...] = Field((), description="anchors to which a tag is held while the phone claims it")


class ScreensPart(_Part):
    """Screens for groups of people."""

    people_min: int = Field(
        5,
        ge=3,
        le=64,
        description="people with consent in the zone for whom a programme is chosen; with fewer it is the house programme",
    )
    programme_s: int = Field(60, ge=15, le=3600, description="length of a programme of up to three offers")


class CouponsPart(_Part):
    """Signed codes of offers, for tills."""

    key_file: Path | None = Field(
        None, description="private key that signs coupons; made at the first start, with the public key for tills beside it (.pub)"
    )


class DevicePart(_Part):
    """An installed device."""

    zone: str = Field(description="its zone, or * for the whole site")
    kind: DeviceKind = Field(
        "sensor",
        description="its kind: sensor (readings, counts), till (purchases, requests), kiosk, counter or contact_centre "
        "(requests, answers), scanner (sightings), feed (events), desk (incidents), screen (proof of play) or gateway (a neighbour)",
    )
    from_zone: str | None = Field(
        None,
        description="of a people counter at a door between two zones: those who come in leave this zone; default: they come from outside",
    )
    inverted: bool = Field(default=False, description="true: the people counter is mounted the other way round, in means out")

    @model_validator(mode="after")
    def _placed(self) -> DevicePart:
        if self.kind == "screen" and self.zone == EVERYWHERE:
            raise ValueError("a screen stands in one zone: name it")
        return self


class Config(_Part):
    """All settings."""

    site: Id = Field(description="the site's name in topics")
    gateway: Id = Field(description="this gateway's name in topics and records")
    timezone: str = Field(description="the site's time zone, such as Europe/Berlin")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
    status_interval_s: float = Field(10.0, ge=0.02, description="how often the retained status is renewed")
    mqtt: MqttPart = Field(default_factory=MqttPart, description="the broker")
    store: StorePart = Field(default_factory=StorePart, description="the database")
    bundle: BundlePart = Field(description="model, offers and policy")
    cloud: CloudPart | None = Field(None, description="where records are sent; without it they stay in the outbox")
    privacy: PrivacyPart = Field(default_factory=PrivacyPart, description="records that leave the gateway")
    retention: RetentionPart = Field(default_factory=RetentionPart, description="days after which rows are deleted")
    claims: ClaimsPart = Field(default_factory=ClaimsPart, description="how a radio id is proven to belong to a person")
    coupons: CouponsPart = Field(default_factory=CouponsPart, description="signed codes of offers, for tills")
    http: HttpPart | None = Field(None, description="the HTTP interface; without it the gateway listens to nothing")
    metrics: MetricsPart | None = Field(None, description="the gateway's own state for Prometheus, without counts of people's doings")
    page: PagePart | None = Field(None, description="the person's page: consent, offers, everything that is kept; without it there is none")
    desk: DeskPart | None = Field(None, description="the operator's desk: `wayside subject`; without it there is none")
    webhook: WebhookPart | None = Field(
        None, description="passes offers of the channel `webhook` on: SMS, e-mail, messenger, contact centre"
    )
    presence: PresencePart = Field(default_factory=PresencePart, description="thresholds for visits")
    zones: tuple[ZonePart, ...] = Field(min_length=1, max_length=ZONES_MAX, description="the zones")
    screens: ScreensPart = Field(default_factory=ScreensPart, description="screens for groups of people")
    holdout_salt: str = Field(
        "",
        max_length=limits.TEXT_CHARS_MAX,
        description="divides people into those with offers and the holdout, alike on all gateways with this text; default: the site's name",
    )
    feeds: tuple[FeedPart, ...] = Field((), max_length=16, description="JSON feeds that are polled")
    holidays: tuple[date, ...] = Field((), description="public holidays, as dates; `wayside-models holidays` prints them for a country")
    sources: tuple[SourcePart, ...] = Field(min_length=1, description="subscriptions with their decoders")
    codecs: tuple[CodecPart, ...] = Field((), max_length=limits.CODEC_FILES_MAX, description="JavaScript codecs of LoRaWAN devices")
    devices: dict[str, DevicePart] = Field(
        default_factory=dict, description='device -> its zone (* for the whole site), or { zone = "...", kind = "till" }'
    )

    _file: Path | None = PrivateAttr(None)
    _lines: list[str] = PrivateAttr([])
    _table: dict[str, Any] = PrivateAttr({})

    @field_validator("devices", mode="before")
    @classmethod
    def _zone_alone(cls, value: object) -> object:
        """A device that is written as its zone alone is a sensor."""
        return {name: {"zone": one} if isinstance(one, str) else one for name, one in value.items()} if isinstance(value, dict) else value

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"unknown time zone {value!r}; write one such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        zones = [zone.id for zone in self.zones]
        anchors = self.anchors()
        regions = [region for zone in self.zones for region in zone.regions]
        for what, names in (("zone", zones), ("anchor", anchors), ("region", regions), ("feed", [feed.name for feed in self.feeds])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise PlacedError(f"{what} {twice[0]!r} occurs twice; each {what} must occur once", *self._second(what, twice[0]))
        unstated = UNSTATED in self.devices or UNSTATED in anchors
        if unstated:
            raise ValueError(
                f"{UNSTATED!r} stands for all devices that state no id, so it belongs to no single zone: "
                "configure the device to state an id, or to use a topic with its name"
            )
        for counter in self.claims.counters:
            if counter not in anchors:
                raise PlacedError(f"{counter!r} is not an anchor of any zone{nearest(counter, anchors)}", "claims", "counters")
        for anchor in self.presence.offset_db:
            if anchor not in anchors:
                raise PlacedError(f"{anchor!r} is not an anchor of any zone{nearest(anchor, anchors)}", "presence", "offset_db", anchor)
        return self

    def _second(self, what: str, name: str) -> tuple[str | int, ...]:
        """The place of the second zone, anchor, region or feed of a name."""
        fields = {"anchor": "anchors", "region": "regions"}
        if what == "feed":
            return ("feeds", [number for number, one in enumerate(self.feeds) if one.name == name][1], "name")
        found = [
            (number, fields.get(what, "id"))
            for number, zone in enumerate(self.zones)
            for held in (getattr(zone, fields[what]) if what in fields else (zone.id,))
            if held == name
        ]
        return ("zones", *found[1])

    @model_validator(mode="after")
    def _placed(self) -> Config:
        zones = [zone.id for zone in self.zones]
        for device, part in self.devices.items():
            if part.zone != EVERYWHERE and part.zone not in zones:
                text = f"{device!r} is in zone {part.zone!r}, which is not defined{nearest(part.zone, zones)}"
                raise PlacedError(text, "devices", device)
            if part.from_zone is not None and (part.from_zone not in zones or part.from_zone == part.zone):
                other = nearest(part.from_zone, [zone for zone in zones if zone != part.zone])
                text = f"{device!r} counts people from {part.from_zone!r}, which is no other zone{other}"
                raise PlacedError(text, "devices", device, "from_zone")
        return self

    @property
    def neighbours(self) -> list[str]:
        """The other gateways of the site, which share their contacts."""
        return [name for name, part in self.devices.items() if part.kind == "gateway"]

    def anchors(self) -> list[str]:
        """Ids of the scanners and beacons of all zones."""
        return [anchor for zone in self.zones for anchor in zone.anchors]

    def read_from(self, file: Path, lines: list[str], table: dict[str, Any]) -> None:
        """Note the file that the config was read from, for `place`, and its table with the overrides, for `combined`."""
        self._file, self._lines, self._table = file, lines, table

    def origin(self) -> tuple[Path, dict[str, Any]]:
        """The file and the table that the config was read from."""
        assert self._file is not None
        return self._file, self._table

    def place(self, *setting: str | int) -> str:
        """File, line and dotted name of a setting, for an error message; the name alone if it does not come from a file."""
        return _place(self._file, self._lines, setting) if self._file else _dotted(setting)


class SourcesFile(_Part):
    """The sources and codecs of a config, or of a file with nothing else."""

    sources: tuple[SourcePart, ...] = ()
    codecs: tuple[CodecPart, ...] = ()


def load_sources(path: Path) -> SourcesFile:
    """Read and check the sources and codecs of a file; relative paths are relative to its folder. Raises ConfigError."""
    table, lines = _table(path)
    try:
        found = SourcesFile.model_validate({name: table[name] for name in SourcesFile.model_fields if name in table})
    except ValidationError as error:
        raise ConfigError("\n".join(_fault(path, lines, dict(fault)) for fault in error.errors(include_url=False))) from None
    whole = _anchored(found, path.resolve().parent)
    assert isinstance(whole, SourcesFile)
    return whole


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config file; relative paths in it are relative to its folder. Raises ConfigError.

    `overrides` are `name.of.setting=value`, with the value in TOML or, if it is not valid TOML, as text.
    """
    table, lines = _table(path)
    for override in overrides:
        _override(table, override)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError("\n".join(_fault(path, lines, dict(fault)) for fault in error.errors(include_url=False))) from None
    config.read_from(path, lines, table)
    whole = _anchored(config, path.resolve().parent)
    assert isinstance(whole, Config)
    return with_desk_settings(whole)


def with_desk_settings(config: Config) -> Config:
    """The config with the settings that the desk has stated; the file's own if these do not fit, so that a gateway always starts."""
    if config.cloud is None or not config.cloud.desk:
        return config
    try:
        text = AppliedFile(config.bundle.path).read().settings
        return combined(config, text) if text else config
    except (DesiredError, ConfigError) as error:
        log.error("the desk's settings are left out: %s", error)  # noqa: TRY400 - one line
        return config


def combined(config: Config, text: str) -> Config:
    """A config with the desk's settings in place of those of its file. Raises ConfigError."""
    file, table = config.origin()
    try:
        stated = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the desk's settings: {error}") from None
    for name in stated:
        if name not in SETTINGS:
            raise ConfigError(f"the desk's settings: {name} is set on the gateway only; a desk sets {', '.join(SETTINGS)}")
    try:
        made = Config.model_validate(table | stated)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(_fault(Path("the desk's settings"), [], dict(one)) for one in error.errors(include_url=False))
        ) from None
    made.read_from(file, [], table)
    whole = _anchored(made, file.resolve().parent)
    assert isinstance(whole, Config)
    return whole


def _table(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The table and the lines of a TOML file. Raises ConfigError."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; `wayside init` makes one, or name it with --config")
    try:
        file = read_toml(path)
    except TomlFileError as error:
        raise ConfigError(str(error)) from None
    return file.table, list(file.lines)


def _override(table: dict[str, Any], override: str) -> None:
    name, equals, value = override.partition("=")
    *parts, last = name.strip().split(".")
    if not equals or not last:
        raise ConfigError(f"--set {override}: write it as name=value, such as mqtt.port=1884")
    for part in parts:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override}: {part} is not a group of settings")
    try:
        table[last] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = value


def _anchored(config: _Part, folder: Path) -> _Part:
    """The same settings with their relative paths taken from the config's own folder."""

    def anchored(part: _Part) -> _Part:
        changes: dict[str, Any] = {}
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, Path):
                changes[name] = folder / value
            elif isinstance(value, tuple) and value and isinstance(value[0], Path):
                changes[name] = tuple(folder / item for item in value)
            elif isinstance(value, tuple) and value and isinstance(value[0], _Part):
                changes[name] = tuple(anchored(item) for item in value)
            elif isinstance(value, _Part):
                changes[name] = anchored(value)
        return part.model_copy(update=changes)

    return anchored(config)


def _fault(path: Path, lines: list[str], fault: dict[str, Any]) -> str:
    """One line: file, line, field, fault, and the nearest known name."""
    error = fault.get("ctx", {}).get("error")
    setting = (*fault["loc"], *error.place) if isinstance(error, PlacedError) else fault["loc"]
    where = [part for part in setting if isinstance(part, str)]
    message = _unknown(where) if fault["type"] == "extra_forbidden" else plain(fault, _described(where))
    order = "; a corner is [latitude, longitude]" if "polygon" in where and fault["type"] in BOUNDS else ""
    return f"{_place(path, lines, setting)}: {message}{order}"


def _unknown(where: list[str]) -> str:
    return f"unknown key{nearest(where[-1], _known_keys(where[:-1]))}"


def _described(where: list[str]) -> str:
    """The description of a setting, or an empty text."""
    model: type[BaseModel] | None = Config
    for name in where:
        field = model.model_fields.get(name) if model is not None else None
        if field is None:
            return ""
        if name == where[-1]:
            return field.description or ""
        model = _model_in(field.annotation)
    return ""


def _place(path: Path, lines: list[str], setting: Sequence[str | int]) -> str:
    number = line_of(lines, tuple(setting))
    return f"{path}:{number}: {_dotted(setting)}" if number else f"{path}: {_dotted(setting)}"


def _dotted(setting: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in setting) or "config"


def _known_keys(where: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for name in where:
        field = model.model_fields.get(name)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            break
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_in(part))), None)
