"""The desired state of a gateway, as a desk states it, and the reported state that answers it.

A desired state is signed with a key that the gateway trusts for bundles, names its gateway, and counts up; an older or unsigned one, or one
of another gateway, changes nothing. It states the bundle to run, the offers to stop, and settings. A stopped offer has ended: no decision
chooses it, and triggers for it that still wait are dropped.

A gateway and a desk may be of different versions: fields that one side does not know are ignored, and the reported state shows the
result.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core import limits
from gateway.core.bundle import Bundle
from gateway.core.condition import Condition
from gateway.core.ids import Id

FAULT_CHARS_MAX = 400
DOMAIN = b"wayside desired state 1\n"
"""Prefix of the signed bytes, so that no signature of a manifest is one of a desired state."""
SETTINGS = ("zones", "sources", "devices", "presence", "screens", "holidays", "log_level", "status_interval_s")
"""Settings that a desk may state. It cannot change how the gateway reaches broker and desk, nor keys, its database, or terms of privacy."""
SETTINGS_FAULTS = ("the settings are refused", "the new settings were taken back")
"""Beginnings of faults that are about settings and not about the bundle."""
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Serial = Annotated[int, Meta(ge=0, le=2**53)]


class DesiredBundle(msgspec.Struct, frozen=True):
    """The bundle that the gateway is to run; its file has this SHA-256."""

    name: Id
    version: Annotated[int, Meta(ge=1)]
    sha256: Digest


class Desired(msgspec.Struct, frozen=True):
    """The desired state of one gateway; `serial` is higher than that of every earlier one. Without `bundle` the present one stays.

    `settings` is TOML with some of the tables in SETTINGS, which replace those of the gateway's file; None leaves them as they are.
    """

    gateway: Id
    serial: Serial
    bundle: DesiredBundle | None
    stopped: Annotated[tuple[Id, ...], Meta(max_length=limits.OFFERS_MAX)]
    settings: Annotated[str, Meta(max_length=131_072)] | None = None


class SignedDesired(msgspec.Struct, frozen=True):
    """The JSON of a `Desired`, and the Ed25519 signature of DOMAIN and it; both are base64 in JSON."""

    payload: Annotated[bytes, Meta(max_length=262_144)]
    signature: Annotated[bytes, Meta(max_length=64)]


class Reported(msgspec.Struct, frozen=True):
    """The state of a gateway: the serial that it has applied or refused (`fault` has the reason), its bundle and stopped offers.

    `settings` is the SHA-256 of the desk's settings in use; empty without any.
    """

    gateway: Id
    serial: Serial
    fault: Annotated[str, Meta(max_length=FAULT_CHARS_MAX)]
    bundle: Annotated[str, Meta(max_length=100)]
    sha256: Annotated[str, Meta(max_length=64)]
    stopped: Annotated[tuple[Id, ...], Meta(max_length=limits.OFFERS_MAX)]
    zones: Annotated[tuple[Id, ...], Meta(max_length=1_000)]
    condition: Condition | None = None
    settings: Annotated[str, Meta(max_length=64)] = ""


class SettingsTrial(msgspec.Struct, frozen=True):
    """New settings on trial: the former ones, and the number of starts with the new ones."""

    before: str
    starts: int = 0


class Applied(msgspec.Struct, frozen=True):
    """The part of desired states that a gateway keeps over a restart: `trial` is name-version of a new bundle on trial.

    `settings` are those of the desk in use, `settings_trial` is set until they have proven themselves.
    """

    serial: int = 0
    stopped: tuple[str, ...] = ()
    fault: str = ""
    trial: str = ""
    settings: str = ""
    settings_trial: SettingsTrial | None = None


def taken_back(applied: Applied, reason: str) -> Applied:
    """The state after settings on trial were taken back."""
    assert applied.settings_trial is not None
    fault = f"{SETTINGS_FAULTS[1]}: {reason}"[:FAULT_CHARS_MAX]
    return msgspec.structs.replace(applied, settings=applied.settings_trial.before, settings_trial=None, fault=fault)


def without_stopped(bundle: Bundle, stopped: Collection[str]) -> Bundle:
    """The bundle with each stopped offer ended at its start."""
    if not stopped:
        return bundle
    offers = tuple(
        msgspec.structs.replace(offer, ends_ms=offer.starts_ms + 1) if offer.id in stopped else offer for offer in bundle.campaign.offers
    )
    return msgspec.structs.replace(bundle, campaign=msgspec.structs.replace(bundle.campaign, offers=offers))
