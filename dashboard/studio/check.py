"""The text of a campaign as a campaign, by the same checks as `wayside check`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.adapters.toml_files import TomlFileError, checked_campaign, toml_text
from gateway.core.attributes.schema import Schema
from gateway.core.offers import Campaign, SignOff

NAME = Path("campaign.toml")
PENDING = {"approver": "pending", "may_offend": False, "may_harm": False, "uses_misfortune": False}
"""Stands for the sign-off, which is made at the desk and not in the text."""


class Checked(NamedTuple):
    """The campaign, None with faults, each with its line in the text.

    `silent` are the offers that can never be sent, with the reason. Dates of the text are local to `time_zone`.
    """

    campaign: Campaign | None
    faults: tuple[str, ...]
    silent: tuple[str, ...] = ()
    time_zone: ZoneInfo = ZoneInfo("UTC")


def check(text: str, schema: Schema, zones: Collection[str] | None, now_ms: int) -> Checked:
    """Check `text` against the schema, the zones of the fleet (None: unknown) and the clock."""
    try:
        file = toml_text(NAME, text)
        found = checked_campaign(file._replace(table={**file.table, "sign_off": PENDING}), schema)
    except TomlFileError as error:
        return Checked(None, tuple(_short(line) for line in str(error).splitlines()))
    silent = found.never_sent(zones, now_ms).lines
    return Checked(
        msgspec.structs.replace(found.campaign, sign_off=None), (), tuple(_short(line) for line in silent), ZoneInfo(file.table["timezone"])
    )


def signed_off(campaign: Campaign, sign_off: SignOff) -> Campaign:
    """The campaign with its sign-off."""
    return msgspec.structs.replace(campaign, sign_off=sign_off)


def _short(line: str) -> str:
    return line.removeprefix(f"{NAME}:").strip() if line.startswith(f"{NAME}: ") else line.replace(f"{NAME}:", "line ", 1)
