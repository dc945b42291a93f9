"""One TOML file and the environment -> one frozen Config.

An unknown key is an error that names the nearest known one: a typo in a privacy setting must never pass
for the default. Secrets are never written in the file: it names files that hold them.
"""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.core import limits
from gateway.core.ids import checked_id
from gateway.core.presence import PresenceRules
from gateway.core.radio import level_dbm
from gateway.core.site import EVERYWHERE, Zone
from gateway.core.types import OfferKind
from gateway.decoders.contract import UNSTATED

Id = Annotated[str, AfterValidator(checked_id)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
CORNERS_MIN = 3
Filter = Annotated[str, Field(min_length=1, max_length=limits.TOPIC_BYTES_MAX)]


class ConfigError(ValueError):
    """The config cannot be used: one line for each fault, each with the way out."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MqttPart(_Part):
    """The broker."""

    host: str = Field("127.0.0.1", description="the broker's name or address")
    port: int = Field(1883, gt=0, lt=65_536, description="the broker's port; 8883 with TLS")
    username: str | None = Field(None, description="user name, if the broker wants one")
    password_file: Path | None = Field(None, description="file that holds the password")
    ca_file: Path | None = Field(None, description="certificate authority; naming one turns TLS on")
    certificate_file: Path | None = Field(None, description="this gateway's certificate")
    key_file: Path | None = Field(None, description="this gateway's private key")
    first_connect_s: float = Field(
        10.0, ge=0, description="how long to wait for the broker at the start before giving up; 0 waits for ever"
    )


class StorePart(_Part):
    """The database."""

    path: Path = Field(Path("wayside.db"), description="the SQLite file")
    key_file: Path = Field(Path("wayside.key"), description="64 hex digits; made at the first start; WAYSIDE_STORE_KEY outranks it")


class BundlePart(_Part):
    """Model, offers and policy."""

    path: Path = Field(description="the signed bundle")
    trusted_keys: tuple[Path, ...] = Field(min_length=1, description="public keys whose signature is accepted")


class CloudPart(_Part):
    """Where records go."""

    url: str = Field(pattern=r"^https?://[^\s/]+/?$", description="the dashboard, such as https://dashboard.example")
    token_file: Path = Field(description="file that holds this gateway's token")
    ca_file: Path | None = Field(None, description="certificate authority of the dashboard, if not a public one")
    interval_s: float = Field(30.0, ge=0.1, description="how often to look for records when none waited")


class PrivacyPart(_Part):
    """What leaves."""

    window_s: int = Field(3600, gt=0, le=86_400, description="how long counts are gathered before they may leave")


Days = Annotated[int, Field(ge=limits.RETENTION_DAYS_MIN, le=limits.RETENTION_DAYS_MAX)]


class RetentionPart(_Part):
    """For how long things are kept."""

    visits_days: Days = Field(90, description="ended visits of people who may be learned from, in days; then they are deleted")
    decisions_days: Days = Field(180, description="the decision log, in days")
    facts_days: Days = Field(400, description="purchases, answers and consents, in days; a repetition is known for as long")
    withdrawals_days: Days = Field(400, description="that somebody said no (a keyed hash), in days, so that no older yes undoes it")


class PresencePart(_Part):
    """When somebody is in a zone."""

    enter_dbm: float = Field(-75.0, ge=-127, le=0, description="heard this clearly (mean power of the last five sightings): in")
    exit_dbm: float = Field(-83.0, ge=-127, le=0, description="heard weaker than this does not keep anybody in")
    enter_m: float | None = Field(None, gt=0, le=100, description="instead of enter_dbm: in within this many metres of an anchor")
    exit_m: float | None = Field(
        None, gt=0, le=100, description="instead of exit_dbm: heard from further than this does not keep anybody in"
    )
    reference_dbm: float = Field(-58.5, ge=-127, le=0, description="level at one metre; `wayside calibrate` measures it")
    exponent: float = Field(2.0, gt=0, le=8, description="path loss: 10 times this is lost with every tenfold distance")
    offset_db: dict[str, Annotated[float, Field(ge=-40, le=40)]] = Field(
        default_factory=dict, description="anchor -> what to add to whatever it hears, or is heard with; `wayside calibrate` measures it"
    )
    samples_min: int = Field(2, ge=1, le=3, description="clear sightings needed to enter")
    dwell_s: float = Field(60.0, gt=0, description="in for this long: dwelled")
    exit_after_s: float = Field(30.0, gt=0, description="silent for this long: left")
    margin_db: float = Field(
        5.0, ge=0, le=40, description="how much better another zone must hear somebody to call them away; at least twice that to call back"
    )
    fix_exit_after_s: float = Field(900.0, gt=0, description="no word for this long: left, in zones without anchors")

    @model_validator(mode="after")
    def _hysteresis(self) -> PresencePart:
        enter_dbm, exit_dbm = self.thresholds_dbm()
        if exit_dbm > enter_dbm:
            raise ValueError(f"exit_dbm {exit_dbm:g} must not be above enter_dbm {enter_dbm:g}, or visits flicker")
        return self

    def thresholds_dbm(self) -> tuple[float, float]:
        """What is clear enough to enter, and to stay; metres are turned into levels by the path loss."""
        stated = ((self.enter_m, self.enter_dbm), (self.exit_m, self.exit_dbm))
        enter_dbm, exit_dbm = (dbm if m is None else round(level_dbm(m, self.reference_dbm, self.exponent), 2) for m, dbm in stated)
        return enter_dbm, exit_dbm

    def rules(self, zones: Sequence[Zone]) -> PresenceRules:
        """As the core wants them."""
        return PresenceRules(
            *self.thresholds_dbm(),
            samples_min=self.samples_min,
            dwell_ms=int(self.dwell_s * 1000),
            exit_after_ms=int(self.exit_after_s * 1000),
            margin_db=self.margin_db,
            fix_exit_after_ms=int(self.fix_exit_after_s * 1000),
            fix_zones=frozenset(zone.id for zone in zones if not zone.anchors),
            offset_db=self.offset_db,
        )


class ZonePart(_Part):
    """A place that a person can be in."""

    id: Id = Field(description="its name in offers, records and screens")
    kind: OfferKind | None = Field(None, description="the kind of place, where visits should count as habit")
    transit: bool = Field(default=False, description="people here are on their way to work (morning) or home (evening)")
    x_m: float = Field(0.0, description="metres east on the site's plan")
    y_m: float = Field(0.0, description="metres north on the site's plan")
    anchors: tuple[str, ...] = Field((), description="scanners and beacons that stand for this zone, by canonical id")
    latitude_deg: float | None = Field(None, ge=-90, le=90, description="centre, for position fixes")
    longitude_deg: float | None = Field(None, ge=-180, le=180, description="centre, for position fixes")
    radius_m: float = Field(0.0, ge=0, description="radius, for position fixes")
    polygon: tuple[tuple[Latitude, Longitude], ...] = Field(
        (), description="its outline instead, as [[lat, lon], ...]: three corners at least"
    )
    regions: tuple[str, ...] = Field((), description="what phones call it that tell of entering and leaving regions (OwnTracks waypoints)")

    @field_validator("polygon")
    @classmethod
    def _outline(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if value and len(set(value)) < CORNERS_MIN:
            raise ValueError(f"an outline has {CORNERS_MIN} different corners at least, as [[lat, lon], ...]")
        return value

    @model_validator(mode="after")
    def _one_outline(self) -> ZonePart:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError("latitude_deg and longitude_deg go together")
        if self.polygon and self.latitude_deg is not None:
            raise ValueError("a zone has a polygon or a centre and radius, not both")
        return self

    def zone(self) -> Zone:
        """As the core wants it."""
        return Zone(**self.model_dump())


class SourcePart(_Part):
    """What to listen to."""

    topic: Filter = Field(description="MQTT topic filter")
    decoder: str = Field(description="the wire format's name; see `wayside decode --help`")
    keys_file: Path | None = Field(None, description='TOML file of sensors that encrypt: "MAC address" = "key in hex digits"')


class Config(_Part):
    """Everything that may be set."""

    site: Id = Field(description="the site's name in topics")
    gateway: Id = Field(description="this gateway's name in topics and records")
    timezone: str = Field(description="the site's time zone, such as Europe/Berlin")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
    status_interval_s: float = Field(10.0, ge=0.1, description="how often the retained status is renewed")
    mqtt: MqttPart = Field(default_factory=MqttPart, description="the broker")
    store: StorePart = Field(default_factory=StorePart, description="the database")
    bundle: BundlePart = Field(description="model, offers and policy")
    cloud: CloudPart | None = Field(None, description="where records go; without it they wait")
    privacy: PrivacyPart = Field(default_factory=PrivacyPart, description="what leaves")
    retention: RetentionPart = Field(default_factory=RetentionPart, description="for how long things are kept")
    presence: PresencePart = Field(default_factory=PresencePart, description="when somebody is in a zone")
    zones: tuple[ZonePart, ...] = Field(min_length=1, description="the places")
    sources: tuple[SourcePart, ...] = Field(min_length=1, description="what to listen to")
    devices: dict[str, str] = Field(default_factory=dict, description="sensor or till -> its zone, or * for the whole site")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {value!r}; write one such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        zones = [zone.id for zone in self.zones]
        anchors = self.anchors()
        regions = [region for zone in self.zones for region in zone.regions]
        for what, names in (("zone", zones), ("anchor", anchors), ("region", regions)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]!r} stands twice; each {what} belongs in one place")
        unstated = UNSTATED in self.devices or UNSTATED in anchors
        if unstated:
            raise ValueError(
                f"{UNSTATED!r} stands for every device that does not say who it is, so it is in no one place: have the device name itself "
                "(or give its format a topic with its name)"
            )
        for anchor in self.presence.offset_db:
            if anchor not in anchors:
                raise ValueError(f"presence.offset_db: {anchor!r} is no anchor of any zone{_nearest(anchor, anchors)}")
        for device, zone in self.devices.items():
            if zone != EVERYWHERE and zone not in zones:
                raise ValueError(f"devices: {device!r} is in zone {zone!r}, which is not defined{_nearest(zone, zones)}")
        return self

    def anchors(self) -> list[str]:
        """Every scanner and beacon that stands for a zone."""
        return [anchor for zone in self.zones for anchor in zone.anchors]


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config file; relative paths in it are relative to it. Raises ConfigError.

    `overrides` are `name.of.setting=value` with the value in TOML, or as bare text where that is no TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; copy deploy/demo/gw-a.toml and adapt it") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); name the gateway's TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _override(table, override)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        lines = path.read_text(encoding="utf-8").splitlines()
        raise ConfigError("\n".join(_fault(path, lines, dict(fault)) for fault in error.errors(include_url=False))) from None
    return _anchored(config, path.resolve().parent)


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


def _anchored(config: Config, folder: Path) -> Config:
    """The same config with its relative paths taken from the config's own folder."""

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

    whole = anchored(config)
    assert isinstance(whole, Config)
    return whole


def _fault(path: Path, lines: list[str], fault: dict[str, Any]) -> str:
    """One line: file, line, field, what is wrong, and the nearest right name."""
    where = [part for part in fault["loc"] if isinstance(part, str)]
    name = where[-1] if where else ""
    number = _line_of(lines, fault["loc"])
    place = f"{path}:{number}" if number else str(path)
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = f"unknown key{_nearest(name, _known_keys(where[:-1]))}"
    return f"{place}: {'.'.join(str(part) for part in fault['loc']) or 'config'}: {message}"


def _line_of(lines: list[str], loc: tuple[str | int, ...]) -> int | None:
    """The line of a setting, or of the table that should hold it; None where the file says nothing of it (such as of a `--set`)."""
    table: tuple[str | int, ...] = ()
    found: dict[tuple[str | int, ...], int] = {}
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        head, is_setting, _ = line.partition("=")
        name = head.partition("#")[0].strip()
        keys = tuple(part.strip().strip("\"'") for part in name.strip("[]").split("."))
        if name.startswith("[["):
            table = (*keys, counts[name])
            counts[name] += 1
            found.setdefault(table, number)
        elif name.startswith("["):
            table = keys
            found.setdefault(table, number)
        elif is_setting:
            found.setdefault((*table, *keys), number)
    return next((found[loc[:length]] for length in range(len(loc), 0, -1) if loc[:length] in found), None)


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


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are: {', '.join(known)}"
