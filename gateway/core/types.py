"""The values that cross Wayside's inner borders.

A message is bytes; a decoder turns it into observations; the engine folds observations into context
and, now and then, into a decision. Everything here is a frozen struct: whoever holds one may keep it,
compare it, send it to another thread or write it to disk, and nobody can change it behind their back.
Times are integer milliseconds since 1970-01-01 UTC and end in `_ms`; `None` means "not stated".
"""

from __future__ import annotations

from typing import Literal

import msgspec

Purpose = Literal["presence", "offers", "learning", "measurement"]
"""What a person can say yes to, one by one (trust: consent by purpose)."""

AnswerKind = Literal["shown", "opened", "accepted", "dismissed", "redeemed"]

OfferKind = Literal["coffee_house", "restaurant_cheap", "restaurant_dear", "carry_away", "bar", "other"]
"""Kinds of place an offer invites to; also the kinds of place whose visits a context counts."""

Occasion = Literal["entered", "dwelled"]
"""The two moments at which an offer may be chosen."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """Bytes on a topic, nothing interpreted.

    `ticket` belongs to the adapter that delivered the message: handing it back is the acknowledgement.
    `retained` says that the broker kept it from before we asked: it may be from any time.
    """

    topic: str
    payload: bytes
    received_at_ms: int
    qos: int = 0
    ticket: int = 0
    retained: bool = False


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Who says it and which of its sayings it is: the key by which a repeated fact is known.

    `boot` is drawn anew at every start of the device, `seq` counts up within it.
    """

    device: str
    boot: str
    seq: int


class Sighting(msgspec.Struct, frozen=True, tag="sighting", gc=False):
    """One radio heard another. Either end may be the fixed one: a scanner hears a tag, a phone a beacon.

    Ids are canonical across formats: `iBeacon:{uuid}-{major}-{minor}` in lower case for an iBeacon,
    12 lower-case hex digits for a MAC address, otherwise the id as the source states it.
    """

    hearer: str
    heard: str
    rssi_dbm: float
    at_ms: int | None = None
    distance_m: float | None = None
    tx_power_dbm: float | None = None


class Position(msgspec.Struct, frozen=True, tag="position", gc=False):
    """Where a device says it is (WGS 84); `region`/`crossing` when it tells of entering or leaving one."""

    device: str
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float | None = None
    at_ms: int | None = None
    region: str | None = None
    crossing: Literal["entered", "left"] | None = None


class Reading(msgspec.Struct, frozen=True, tag="reading", gc=False):
    """A measured quantity in its canonical unit; `quantity` is a row of `gateway.core.quantities`."""

    device: str
    quantity: str
    value: float
    at_ms: int | None = None


class Count(msgspec.Struct, frozen=True, tag="count", gc=False):
    """How many of something (people, vehicles) a device counted since its last report."""

    device: str
    what: str
    count: int
    at_ms: int | None = None


class Status(msgspec.Struct, frozen=True, tag="status", gc=False):
    """A device's sign of life."""

    device: str
    state: str = "online"
    at_ms: int | None = None
    battery_pct: float | None = None
    uptime_s: int | None = None


class Purchase(msgspec.Struct, frozen=True, tag="purchase", gc=False):
    """A till sold something; `decision` is the code of the offer that was handed in, if any."""

    envelope: Envelope
    amount_minor: int
    kind: OfferKind = "other"
    decision: str | None = None
    at_ms: int | None = None


class Answer(msgspec.Struct, frozen=True, tag="answer", gc=False):
    """What came back to a trigger."""

    envelope: Envelope
    decision: str
    kind: AnswerKind
    at_ms: int | None = None


class Consent(msgspec.Struct, frozen=True, tag="consent", gc=False):
    """A person's word. Empty `purposes` withdraws all of them and erases what was kept.

    `tags` are radio ids that the person says are theirs; `visits_month` is what they tell of their
    habits: visits a month by kind of place. `irks` are the identity resolving keys of their devices, 32 lower-case
    hex digits each: with them the gateway knows their changing private addresses.
    """

    envelope: Envelope
    purposes: tuple[Purpose, ...]
    version: int
    at_ms: int | None = None
    expires_at_ms: int | None = None
    tags: tuple[str, ...] = ()
    visits_month: dict[OfferKind, float] = {}
    irks: tuple[str, ...] = ()


class TimePassed(msgspec.Struct, frozen=True, tag="time_passed", gc=False):
    """Nothing arrived until now. Leaving is an absence, so time itself has to speak."""


Fact = Purchase | Answer | Consent
Observation = Sighting | Position | Reading | Count | Status | Purchase | Answer | Consent | TimePassed
