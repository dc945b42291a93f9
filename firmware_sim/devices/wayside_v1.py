"""Wayside v1: the format of Wayside's own devices, `wayside/v1/{site}/up/{device}/{kind}`.

Every payload carries an envelope: the version, the device's present life (`boot`), the number of the
saying within that life (`seq`) and the time the device believes it is, or null. Facts go at QoS 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from firmware_sim.message import Message

FORMAT = "wayside_v1"
FACTS = frozenset({"purchase", "answer", "consent"})


class Encoder:
    """One life of one device: stamps what it says with the next number."""

    def __init__(self, site: str, device: str, boot: str) -> None:
        self._prefix = f"wayside/v1/{site}/up/{device}"
        self._boot = boot
        self._seq = 0

    def encode(self, kind: str, at_ms: int | None, fields: Mapping[str, object]) -> Message:
        """One message of any kind."""
        envelope = {"v": 1, "boot": self._boot, "seq": self._seq, "at_ms": at_ms}
        self._seq += 1
        payload = msgspec.json.encode({**envelope, **fields})
        return Message(f"{self._prefix}/{kind}", payload, FORMAT, kind, qos=1 if kind in FACTS else 0)

    def restart(self, boot: str) -> None:
        """Another life."""
        self._boot, self._seq = boot, 0

    def sighting(self, at_ms: int | None, heard: Iterable[tuple[str, float, int]]) -> Message:
        """The device heard these ids, each with RSSI and the power that it claims at one metre."""
        return self.encode("sighting", at_ms, {"heard": [{"id": name, "rssi": round(rssi, 1), "tx": tx} for name, rssi, tx in heard]})

    def reading(self, at_ms: int | None, readings: Mapping[str, float]) -> Message:
        """Measured quantities by name, in Wayside's canonical units."""
        return self.encode("reading", at_ms, {"readings": {name: round(value, 2) for name, value in readings.items()}})

    def count(self, at_ms: int | None, what: str, count: int) -> Message:
        """How many came by since the last count."""
        return self.encode("count", at_ms, {"what": what, "count": count})

    def status(self, at_ms: int | None, *, uptime_s: int, battery: int | None = None) -> Message:
        """A sign of life."""
        fields: dict[str, object] = {"state": "online", "uptime_s": uptime_s}
        return self.encode("status", at_ms, fields if battery is None else {**fields, "battery": battery})

    def purchase(self, at_ms: int | None, amount_minor: int, kind: str, decision: str | None) -> Message:
        """A till sold something, perhaps on an offer."""
        return self.encode("purchase", at_ms, {"amount_minor": amount_minor, "kind": kind, "decision": decision})

    def answer(self, at_ms: int | None, decision: str, answer: str) -> Message:
        """What became of an offer."""
        return self.encode("answer", at_ms, {"decision": decision, "answer": answer})

    def consent(
        self, at_ms: int | None, purposes: Iterable[str], tags: Iterable[str] = (), visits: Mapping[str, float] | None = None
    ) -> Message:
        """What a person agrees to; no purposes at all withdraws everything, and then nothing else is told either."""
        fields: dict[str, object] = {"purposes": list(purposes), "version": 1, "expires_at_ms": None}
        if fields["purposes"]:
            fields |= {"tags": list(tags), "visits_month": dict(visits or {})}
        return self.encode("consent", at_ms, fields)


class Offer(msgspec.Struct, frozen=True):
    """What a phone understands of an offer that comes down to it."""

    decision: str
    shop: str
    expires_at_ms: int
    offer: str = ""
    zone: str = ""


def read_offer(payload: bytes) -> Offer | None:
    """The offer in a payload, or None when the phone cannot make sense of it."""
    try:
        return msgspec.json.decode(payload, type=Offer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def offers_filter(site: str) -> str:
    """The topic filter under which all phones of a site receive offers."""
    return f"wayside/v1/{site}/down/+/offer"


def offered_device(topic: str) -> str:
    """The device named in an offer's topic."""
    return topic.split("/")[-2]
