"""The desired state of a gateway, as a desk states it, and the reported state that answers it.

A desired state is signed with a key that the gateway trusts for bundles, names its gateway, and counts up; an older or unsigned one, or one
of another gateway, changes nothing. It states the bundle to run and the offers to stop. A stopped offer has ended: no decision chooses it,
and triggers for it that still wait are dropped.
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

DOMAIN = b"wayside desired state 1\n"
"""Prefix of the signed bytes, so that no signature of a manifest is one of a desired state."""
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Serial = Annotated[int, Meta(ge=0, le=2**53)]


class DesiredBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bundle that the gateway is to run; its file has this SHA-256."""

    name: Id
    version: Annotated[int, Meta(ge=1)]
    sha256: Digest


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The desired state of one gateway; `serial` is higher than that of every earlier one. Without `bundle` the present one stays."""

    gateway: Id
    serial: Serial
    bundle: DesiredBundle | None
    stopped: Annotated[tuple[Id, ...], Meta(max_length=limits.OFFERS_MAX)]


class SignedDesired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON of a `Desired`, and the Ed25519 signature of DOMAIN and it; both are base64 in JSON."""

    payload: Annotated[bytes, Meta(max_length=262_144)]
    signature: Annotated[bytes, Meta(max_length=64)]


class Reported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of a gateway: the serial that it has applied or refused (`fault` has the reason), and its bundle and stopped offers."""

    gateway: Id
    serial: Serial
    fault: Annotated[str, Meta(max_length=400)]
    bundle: Annotated[str, Meta(max_length=100)]
    sha256: Annotated[str, Meta(max_length=64)]
    stopped: Annotated[tuple[Id, ...], Meta(max_length=limits.OFFERS_MAX)]
    zones: Annotated[tuple[Id, ...], Meta(max_length=1_000)]
    condition: Condition | None = None


class Applied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway keeps of desired states over a restart: `trial` is name-version of a new bundle on trial."""

    serial: int = 0
    stopped: tuple[str, ...] = ()
    fault: str = ""
    trial: str = ""


def without_stopped(bundle: Bundle, stopped: Collection[str]) -> Bundle:
    """The bundle with each stopped offer ended at its start."""
    if not stopped:
        return bundle
    offers = tuple(
        msgspec.structs.replace(offer, ends_ms=offer.starts_ms + 1) if offer.id in stopped else offer for offer in bundle.campaign.offers
    )
    return msgspec.structs.replace(bundle, campaign=msgspec.structs.replace(bundle.campaign, offers=offers))
