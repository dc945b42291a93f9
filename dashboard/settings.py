"""What a dashboard is started with: its database, the gateways it believes, its clock.

A gateway is known by its token, so two gateways may not share one. Only digests of the tokens are
kept: comparing digests takes the same time whatever was guessed.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from dashboard import limits

_GATEWAY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class SettingsError(ValueError):
    """One line that names the fault and the way out; never the token."""


def wall_clock_ms() -> int:
    """Now, by the machine's clock: the one place that asks it."""
    return time.time_ns() // 1_000_000


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def sqlite_url(path: Path) -> str:
    """The address of a database in one file."""
    return f"sqlite:///{path}"


@dataclass(frozen=True)
class Settings:
    """`tokens` maps each gateway's id to its bearer token; hours on the pages are of `time_zone`."""

    database_url: str
    tokens: Mapping[str, str] = field(repr=False)
    now_ms: Callable[[], int] = wall_clock_ms
    time_zone: tzinfo = UTC
    refresh_s: float = limits.REFRESH_S
    gap_s: float = limits.GAP_S

    def __post_init__(self) -> None:
        for gateway in self.tokens:
            if not _GATEWAY.fullmatch(gateway):
                raise SettingsError(f"gateway id {gateway!r} must be lower-case letters, digits, '-' or '_', at most 64")
        if not all(self.tokens.values()):
            raise SettingsError("a token must not be empty")
        if len({digest(token) for token in self.tokens.values()}) != len(self.tokens):
            raise SettingsError("two gateways share one token: give each its own")

    def gateway_by_digest(self) -> dict[bytes, str]:
        """Who speaks, by the digest of the token it shows."""
        return {digest(token): gateway for gateway, token in self.tokens.items()}


def read_tokens(path: Path) -> dict[str, str]:
    """Tokens by gateway, from lines `gateway-id token`; empty lines and lines that begin with # are skipped."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as fault:
        raise SettingsError(f"cannot read the token file {path}: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise SettingsError(f"the token file {path} is not UTF-8 text") from fault
    tokens: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        gateway, token = _token_line(line, f"{path}:{number}")
        if gateway in tokens:
            raise SettingsError(f"{path}:{number}: gateway {gateway!r} stands twice")
        tokens[gateway] = token
    if not tokens:
        raise SettingsError(f"the token file {path} names no gateway: write lines `gateway-id token`")
    return tokens


def _token_line(line: str, where: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise SettingsError(f"{where}: expected `gateway-id token`, found {len(words)} words")
    gateway, token = words
    if not _GATEWAY.fullmatch(gateway):
        raise SettingsError(f"{where}: a gateway id is lower-case letters, digits, '-' or '_', at most 64")
    if not (limits.TOKEN_CHARS_MIN <= len(token) <= limits.TOKEN_CHARS_MAX and _TOKEN.fullmatch(token)):
        raise SettingsError(f"{where}: a token has {limits.TOKEN_CHARS_MIN} to {limits.TOKEN_CHARS_MAX} printable ASCII characters")
    return gateway, token
