"""A finding of the diagnosis, and the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.config import Config
from gateway.core.bundle import Bundle
from gateway.runtime.report import Report

Level = Literal["fault", "hold", "warning"]
"""A fault stops the flow or loses data; a hold is a rule of the campaign or a lack of visitors; a warning will be a fault one day."""


class Finding(msgspec.Struct, frozen=True):
    """`code` names the cause for programs; `text` is the cause, `way_out` the next step."""

    level: Level
    code: str
    text: str
    way_out: str = ""


class Certificate(NamedTuple):
    """A certificate file of the config, the moments between which it holds, and the fault of reading it (empty: none)."""

    setting: str
    path: str
    starts_ms: int
    ends_ms: int
    fault: str = ""


class Heard(NamedTuple):
    """Messages by shape of topic, of topics that no source matches, heard in `seconds` with the gateway's login; or the fault."""

    seconds: float
    topics: Mapping[str, int]
    code: str = ""
    fault: str = ""


class Evidence(NamedTuple):
    """The state of a gateway. None stands for a part that was not examined, because an earlier fault made it pointless.

    `setup` are (code, text) of the settings that cannot work. `absence` is the reason for which there is no report, and `is_running`
    whether a process holds the database or the socket.
    """

    now_ms: int
    config_error: str = ""
    config: Config | None = None
    free_bytes: int | None = None
    disk_bytes: int | None = None
    store_bytes: int | None = None
    certificates: Sequence[Certificate] = ()
    setup: Sequence[tuple[str, str]] = ()
    bundle: Bundle | None = None
    report: Report | None = None
    absence: str = ""
    is_running: bool = False
    heard: Heard | None = None
