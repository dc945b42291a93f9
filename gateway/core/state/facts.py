"""Facts (purchases, answers, consents), once each, and the last withdrawal of each boot of a device."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gateway.core.state.slices import SliceChanges
from gateway.core.types import Envelope, Item


class FactRow(msgspec.Struct, frozen=True):
    """A fact as it is stored. The device is not stored; the envelope is stored as a keyed hash (see the store)."""

    envelope: Envelope
    kind: str
    at_ms: int
    subject: str | None = None
    zone: str | None = None
    decision: str | None = None
    detail: str | None = None
    amount_minor: int | None = None
    items: tuple[Item, ...] = ()
    reason: str | None = None


class FactsChanges(SliceChanges):
    """`rows` by envelope; `withdrawals` by (device, boot): sequence number and time of the last withdrawal."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"rows", "withdrawals"})

    rows: dict[Envelope, FactRow] = msgspec.field(default_factory=dict)
    withdrawals: dict[tuple[str, str], tuple[int, int]] = msgspec.field(default_factory=dict)
