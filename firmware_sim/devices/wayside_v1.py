"""Wayside v1: the format of Wayside's own devices, `wayside/v1/{site}/up/{device}/{kind}`.

Every payload has an envelope: the version, the boot id of the device (`boot`), the sequence number within that boot (`seq`) and
the device's own time, or null. Facts have QoS 1.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from firmware_sim.message import Message

FORMAT = "wayside_v1"
FACTS = frozenset({"purchase", "answer", "consent", "played"})
TAG_SECRET = "the tags of a simulated street"  # noqa: S105 - of a simulation
"""The secret of the issuer of the simulated tags, from which the code of each tag follows."""


def claim_code(tag: str, secret: str = TAG_SECRET) -> str:
    """The code issued with a tag: base32 of 10 bytes of BLAKE2b of its id, keyed with the issuer's secret."""
    digest = hashlib.blake2b(tag.encode(), key=secret.encode(), digest_size=10, person=b"wayside-tag").digest()
    return base64.b32encode(digest).decode()


class Encoder:
    """Encodes the messages of one boot of one device, with consecutive sequence numbers."""

    def __init__(self, site: str, device: str, boot: str) -> None:
        self._prefix = f"wayside/v1/{site}/up/{device}"
        self._boot = boot
        self._seq = 0

    def encode(self, kind: str, at_ms: int | None, fields: Mapping[str, object]) -> Message:
        """Message of any kind; increments the sequence number."""
        envelope = {"v": 1, "boot": self._boot, "seq": self._seq, "at_ms": at_ms}
        self._seq += 1
        payload = msgspec.json.encode({**envelope, **fields})
        return Message(f"{self._prefix}/{kind}", payload, FORMAT, kind, qos=1 if kind in FACTS else 0)

    def restart(self, boot: str) -> None:
        """Begin a new boot, with sequence numbers from 0."""
        self._boot, self._seq = boot, 0

    def sighting(self, at_ms: int | None, heard: Iterable[tuple[str, float, int]]) -> Message:
        """Received ids, each with RSSI and the advertised power at one metre, both in dBm."""
        return self.encode("sighting", at_ms, {"heard": [{"id": name, "rssi": round(rssi, 1), "tx": tx} for name, rssi, tx in heard]})

    def reading(self, at_ms: int | None, readings: Mapping[str, float]) -> Message:
        """Measured quantities by name, in Wayside's canonical units."""
        return self.encode("reading", at_ms, {"readings": {name: round(value, 2) for name, value in readings.items()}})

    def count(self, at_ms: int | None, what: str, count: int) -> Message:
        """How many people, or other things named `what`, passed since the last count."""
        return self.encode("count", at_ms, {"what": what, "count": count})

    def status(self, at_ms: int | None, *, uptime_s: int, battery: int | None = None) -> Message:
        """Periodic status: uptime in seconds, battery in %."""
        fields: dict[str, object] = {"state": "online", "uptime_s": uptime_s}
        return self.encode("status", at_ms, fields if battery is None else {**fields, "battery": battery})

    def purchase(
        self, at_ms: int | None, amount_minor: int, category: str, decision: str | None, lines: Iterable[tuple[str, int, int]] = ()
    ) -> Message:
        """A sale in minor units; `decision` is the id of a redeemed offer, or None; `lines` are code, pieces and amount of each article."""
        items = [{"code": code, "quantity": quantity, "amount_minor": amount} for code, quantity, amount in lines]
        fields: dict[str, object] = {"amount_minor": amount_minor, "category": category, "decision": decision}
        return self.encode("purchase", at_ms, {**fields, "items": items} if items else fields)

    def answer(self, at_ms: int | None, decision: str, answer: str) -> Message:
        """Answer to an offer: shown, opened, accepted, dismissed or redeemed."""
        return self.encode("answer", at_ms, {"decision": decision, "answer": answer})

    def consent(
        self,
        at_ms: int | None,
        purposes: Iterable[str],
        tags: Iterable[str] = (),
        visits: Mapping[str, float] | None = None,
        told: Mapping[str, float] | None = None,
        change: int | None = None,
        *,
        has_codes: bool = True,
        eid_keys: Iterable[str] = (),
    ) -> Message:
        """Purposes to which a person consents, with monthly visits by kind of place and other stated values by attribute.

        No purposes means withdrawal, which carries neither tags nor values. Each tag is claimed, with its code if there is one. `change` is
        the number of this change of the consent, `eid_keys` the keys (32 hex digits) of ephemeral ids.
        """
        fields: dict[str, object] = {"purposes": list(purposes), "version": 1, "expires_at_ms": None}
        if change is not None:
            fields["change"] = change
        if fields["purposes"]:
            claimed = list(tags)
            codes = {tag: claim_code(tag) for tag in claimed if has_codes}
            fields |= {"tags": claimed, "codes": codes, "visits_month": dict(visits or {})} | ({"told": dict(told)} if told else {})
            if keys := list(eid_keys):
                fields["eid_keys"] = keys
        return self.encode("consent", at_ms, fields)


class Offer(msgspec.Struct, frozen=True):
    """The fields of an offer that a phone uses."""

    decision: str
    shop: str
    expires_at_ms: int
    offer: str = ""
    zone: str = ""


def read_offer(payload: bytes) -> Offer | None:
    """The offer in a payload, or None if the payload is invalid."""
    try:
        return msgspec.json.decode(payload, type=Offer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Receipt(msgspec.Struct, frozen=True):
    """The fields of a receipt for a consent that a phone uses: the envelope of the consent, and the newest number that is known."""

    boot: str
    seq: int
    outcome: str
    change: int = 0
    claims: tuple[str, ...] = ()


def read_receipt(payload: bytes) -> Receipt | None:
    """The receipt in a payload, or None if the payload is invalid."""
    try:
        return msgspec.json.decode(payload, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def phone_filters(site: str) -> tuple[str, ...]:
    """Topic filters of the messages to all phones of a site: offers, and replies to consents."""
    return f"wayside/v1/{site}/down/+/offer", f"wayside/v1/{site}/reply/+/+"


def addressed(topic: str) -> tuple[str, str]:
    """The device in the topic of a message to a phone, and the kind of message."""
    *_, device, kind = topic.split("/")
    return device, kind
