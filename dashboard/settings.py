"""Start values of a dashboard: its database, the tokens of its gateways, its clock and time zone.

A gateway is identified by its bearer token, so two gateways may not share one. Tokens are looked up by their digest: the time
that the comparison takes then depends on nothing that the sender could guess.
"""

from __future__ import annotations

import difflib
import hashlib
import time
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from dashboard import limits
from dashboard.map.plans import Plan
from gateway.core.ids import checked_id

GatewayId = Annotated[str, AfterValidator(checked_id)]
Token = Annotated[str, Field(pattern=r"^[!-~]+$", min_length=limits.TOKEN_CHARS_MIN, max_length=limits.TOKEN_CHARS_MAX)]

HOSTS = ("localhost", "127.0.0.1", "[::1]")

_ID_FORM = "a gateway id has lower-case letters, digits, '-' or '_', at most 64 of them, and begins with a letter or digit"
_TOKEN_FORM = f"a token has {limits.TOKEN_CHARS_MIN} to {limits.TOKEN_CHARS_MAX} printable ASCII characters and no space"


class SettingsError(ValueError):
    """The settings cannot be used: one line for each fault, with the file or option and a remedy. Tokens are never quoted."""


def wall_clock_ms() -> int:
    """Milliseconds since 1970-01-01 UTC by the machine's clock; the dashboard reads the clock nowhere else."""
    return time.time_ns() // 1_000_000


def digest(token: str) -> bytes:
    """SHA-256 of a token, 32 bytes."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def sqlite_url(path: Path) -> str:
    """The database address of a SQLite file."""
    return f"sqlite:///{path}"


class StorePlace(NamedTuple):
    """Where the records are: the address of the database, its text without a password, and the file with the key of the audit log."""

    url: str
    shown: str
    audit_key: Path


def store_place(text: str, audit_key: Path | None = None) -> StorePlace:
    """The place of `--store`: a SQLite file, or postgresql:// with the key of the log in `audit_key`. Raises SettingsError."""
    if "://" not in text:
        path = Path(text)
        return StorePlace(sqlite_url(path), text, audit_key or path.with_name(f"{path.name}.audit-key"))
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres"):
        raise SettingsError("--store: name a SQLite file, or an address such as postgresql://desk@db.example/wayside")
    if audit_key is None:
        raise SettingsError("--audit-key is needed with PostgreSQL: one file with the key of the audit log, the same for all desks")
    return StorePlace(text, url.render_as_string(), audit_key)


class Settings(BaseModel):
    """Everything that a dashboard is started with. Raises pydantic.ValidationError for values that it cannot work with."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    database_url: str = Field(repr=False)
    tokens: dict[GatewayId, Token] = Field(repr=False, description="gateway id -> its bearer token")
    now_ms: Callable[[], int] = wall_clock_ms
    audit_key: bytes = Field(b"", repr=False, description="key of the audit log; by default one that is forgotten at the end")
    hosts: tuple[str, ...] = Field(HOSTS, description="names under which the desk answers")
    public_url: str = Field(
        "", pattern=r"^(https?://[^\s/]+)?/?$", description="address of the desk for people, if not the one it listens on"
    )
    alarm_url: str = Field("", pattern=r"^(https?://\S+)?$", repr=False, description="address that new alarms are posted to as JSON")
    keep_days: int | None = Field(None, ge=limits.KEEP_DAYS_MIN, description="days after which old months are deleted; None keeps all")
    people_max: int = Field(limits.PEOPLE_MAX, gt=0, description="most people in one zone and window of a gateway")
    demonstration_links: dict[str, str] = Field({}, repr=False, description="token -> account that its link logs in; for loopback only")
    campaign: str = Field("", description="text of the base bundle's campaign, the first version of a new desk")
    plans: tuple[Plan, ...] = Field((), description="the plan of each site")
    world: str = Field("", description="simulated city of dry runs: a name or a scenario's file; empty without one")
    time_zone: ZoneInfo = Field(ZoneInfo("UTC"), description="time zone of the hours on the pages")
    refresh_s: float = Field(limits.REFRESH_S, gt=0)
    gap_s: float = Field(limits.GAP_S, ge=0)

    @field_validator("tokens")
    @classmethod
    def _tokens_differ(cls, tokens: dict[str, str]) -> dict[str, str]:
        if len(set(tokens.values())) != len(tokens):
            raise ValueError("two gateways share one token; give each its own")
        return tokens

    @property
    def is_secure(self) -> bool:
        """Whether people reach the desk over https, so that cookies may be `Secure`."""
        return self.public_url.startswith("https://")

    @property
    def all_hosts(self) -> frozenset[str]:
        """Host names under which the desk answers, that of the public address included."""
        public = urlsplit(self.public_url).hostname
        return frozenset({*self.hosts, *([public] if public else [])})

    def gateway_by_digest(self) -> dict[bytes, str]:
        """Gateway id by the digest of its token."""
        return {digest(token): gateway for gateway, token in self.tokens.items()}


def load_settings(store: StorePlace, token_file: Path, time_zone: str, **more: Any) -> Settings:
    """Settings from the program's options; `token_file` has lines `gateway-id token`, blank lines and lines with # are skipped.

    `more` are further fields of Settings. Raises SettingsError.
    """
    tokens, line_of = _read_tokens(token_file)
    given: dict[str, Any] = {"database_url": store.url, "tokens": tokens, "time_zone": time_zone, **more}
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = (_fault(dict(fault), token_file, line_of) for fault in error.errors(include_url=False))
        raise SettingsError("\n".join(dict.fromkeys(lines))) from None


def _read_tokens(file: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Tokens and line numbers by gateway id; the Settings check their form."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"--token-file {file}: {error.strerror}; name a file with lines `gateway-id token`") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"--token-file {file}: not UTF-8 text") from error
    tokens: dict[str, str] = {}
    line_of: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if len(fields) != 2:
            raise SettingsError(f"{file}:{number}: expected `gateway-id token`, found {len(fields)} fields")
        gateway, token = fields
        if gateway in tokens:
            raise SettingsError(f"{file}:{number}: gateway {gateway!r} is also in line {line_of[gateway]}; keep one of them")
        tokens[gateway] = token
        line_of[gateway] = number
    if not tokens:
        raise SettingsError(f"--token-file {file}: no gateway in it; write lines `gateway-id token`")
    return tokens, line_of


def _fault(fault: dict[str, Any], token_file: Path, line_of: Mapping[str, int]) -> str:
    """One line for a fault that pydantic found: the file and line, or the option, and the expected form."""
    field, *rest = fault["loc"]
    if field == "tokens" and rest:
        gateway = rest[0]
        return f"{token_file}:{line_of[gateway]}: {gateway!r}: {_ID_FORM if rest[-1] == '[key]' else _TOKEN_FORM}"
    if field == "public_url":
        return "--public-url: write an address such as https://desk.example, without a path"
    if field == "alarm_url":
        return "--alarm-url: write an address that begins with https:// or http://"
    if field == "time_zone":
        return f"--time-zone: there is no {fault['input']!r}{_nearest_zone(fault['input'])}"
    return f"{token_file}: {str(fault['msg']).removeprefix('Value error, ')}"


def _nearest_zone(name: str) -> str:
    close = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1)
    return f"; did you mean {close[0]!r}?" if close else "; write a name such as Europe/Berlin or UTC"
