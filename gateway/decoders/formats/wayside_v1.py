"""Wayside's own messages: `wayside/v1/{site}/up/{device}/{kind}`.

The format of phone apps, tills, counters and sensors built for Wayside. The device is the one in the topic, because the
broker's access list has checked it; no field of a payload names a device. Every payload holds the envelope (`v`,
`boot`, `seq`, `at_ms`), by which a repeated fact is recognised. Unknown fields are ignored, so a newer device can send
to an older gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec

from gateway.core import limits, quantities
from gateway.core.coupons import Coupon, CouponError, read
from gateway.core.strangers import Concern
from gateway.core.types import (
    Answer,
    AnswerKind,
    Consent,
    Count,
    CountKind,
    Direction,
    Envelope,
    Incident,
    Item,
    Message,
    Named,
    NeighbourContact,
    NeighbourWithdrawal,
    Observation,
    OfferRequest,
    Played,
    Position,
    ProofOfPlay,
    Purchase,
    Purpose,
    Reading,
    Redeemed,
    Redemption,
    Sighting,
    Status,
    WishList,
)
from gateway.decoders.contract import Decoder, Kind, parse_json, refuse, rssi_or_none, text, tx_power_or_none
from gateway.decoders.values.radio_ids import canonical_id

_LEVELS = 6  # wayside/v1/{site}/up/{device}/{kind}
_CODE_CHARS_MAX = 64  # of a code, a region, a kind of thing

_Integer = Annotated[int, msgspec.Meta(ge=0, le=limits.INTEGER_MAX)]
_Code = Annotated[str, msgspec.Meta(min_length=1, max_length=_CODE_CHARS_MAX)]
_Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{32}$", max_length=32)]  # `$` alone allows a line end
_Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$", min_length=1, max_length=_CODE_CHARS_MAX)]
_Stated = bool | Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)] | _Code
_Names = Annotated[list[_Code], msgspec.Meta(max_length=limits.VALUES_MAX)]
_Time = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
_VISITS_MAX = 120.0


class _Sent(msgspec.Struct, gc=False):
    """The envelope that every payload carries."""

    v: Literal[1]
    boot: _Code
    seq: _Integer
    at_ms: _Integer | None = None


class _Tag(msgspec.Struct, gc=False):
    id: str
    rssi: float
    tx: float | None = None


class _Sightings(_Sent, kw_only=True, gc=False):
    heard: Annotated[list[_Tag], msgspec.Meta(max_length=limits.OBSERVATIONS_PER_MESSAGE_MAX)]


class _Position(_Sent, kw_only=True, gc=False):
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    acc: Annotated[float, msgspec.Meta(ge=0, le=1e7)] | None = None
    region: _Code | None = None
    crossing: Literal["entered", "left"] | None = None


class _Readings(_Sent, kw_only=True, gc=False):
    readings: dict[str, float]


class _Count(_Sent, kw_only=True, gc=False):
    what: _Code
    count: _Integer
    kind: CountKind = "passed"
    direction: Direction | None = None


class _Item(msgspec.Struct, gc=False):
    code: _Code
    quantity: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 1.0
    amount_minor: _Integer | None = None


class _Purchase(_Sent, kw_only=True, gc=False):
    amount_minor: _Integer
    category: _Code | None = None
    kind: _Code | None = None
    decision: _Code | None = None
    items: Annotated[list[_Item], msgspec.Meta(max_length=limits.ITEMS_MAX)] = []
    coupon: Annotated[str, msgspec.Meta(max_length=limits.COUPON_CHARS_MAX)] | None = None


class _Redemption(msgspec.Struct, gc=False):
    decision: _Code
    till: _Code
    sale: _Code
    at_ms: _Integer
    expires_at_ms: _Integer


class _Redeemed(_Sent, kw_only=True, gc=False):
    redeemed: Annotated[list[_Redemption], msgspec.Meta(max_length=limits.REDEMPTIONS_PER_MESSAGE_MAX)]


class _Contact(_Sent, kw_only=True, gc=False):
    person: _Code
    decision: _Code
    offer: _Code
    sent: bool = True


class _Withdrawn(_Sent, kw_only=True, gc=False):
    person: _Code
    change: _Integer


class _Answer(_Sent, kw_only=True, gc=False):
    decision: _Code
    answer: AnswerKind


class _Consent(_Sent, kw_only=True, gc=False):
    purposes: Annotated[list[Purpose], msgspec.Meta(max_length=16)]
    version: _Integer
    expires_at_ms: _Integer | None = None
    tags: Annotated[list[str], msgspec.Meta(max_length=limits.TAGS_PER_SUBJECT_MAX)] = []
    told: Annotated[dict[_Name, _Stated], msgspec.Meta(max_length=limits.STATED_VALUES_MAX)] = {}
    visits_month: Annotated[
        dict[_Name, Annotated[float, msgspec.Meta(ge=0, le=_VISITS_MAX)]], msgspec.Meta(max_length=limits.VALUES_MAX)
    ] = {}
    irks: Annotated[list[_Key], msgspec.Meta(max_length=limits.KEYS_PER_SUBJECT_MAX)] = []
    codes: Annotated[
        dict[str, Annotated[str, msgspec.Meta(max_length=limits.CODE_CHARS_MAX)]], msgspec.Meta(max_length=limits.TAGS_PER_SUBJECT_MAX)
    ] = {}
    eid_keys: Annotated[list[_Key], msgspec.Meta(max_length=limits.KEYS_PER_SUBJECT_MAX)] = []
    change: _Integer | None = None
    wording: _Code | None = None


class _Request(_Sent, kw_only=True, gc=False):
    person: _Code | None = None
    zone: _Code | None = None
    most: Annotated[int, msgspec.Meta(ge=1, le=limits.SLATE_ITEMS_MAX)] = 1


class _Named(msgspec.Struct, gc=False):
    offers: _Names = []
    categories: _Names = []
    shops: _Names = []


class _Wishes(_Sent, kw_only=True, gc=False):
    change: _Integer
    blocked: _Named = msgspec.field(default_factory=_Named)
    wanted: _Named = msgspec.field(default_factory=_Named)
    hours: Annotated[list[tuple[_Time, _Time]], msgspec.Meta(max_length=limits.BLOCKED_HOURS_MAX)] = []
    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}$", max_length=3)] | None = None


class _Incident(_Sent, kw_only=True, gc=False):
    zone: _Code | None = None
    state: Literal["began", "ended"]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=limits.INCIDENT_S_MAX // 60)] = 60


class _Play(msgspec.Struct, gc=False):
    slot: _Code
    plays: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class _PlayedSlots(_Sent, kw_only=True, gc=False):
    played: Annotated[list[_Play], msgspec.Meta(min_length=1, max_length=limits.PLAYED_ROWS_MAX)]


class _Status(_Sent, kw_only=True, gc=False):
    state: _Code = "online"
    battery: _Percent | None = None
    uptime_s: _Integer | None = None


@lru_cache(maxsize=4_096)
def _heard_id(stated: str) -> str:
    return canonical_id(text(stated, "heard.id"))


def _sightings(device: str, sent: _Sightings) -> list[Observation]:
    observations: list[Observation] = [
        Sighting(
            device,
            _heard_id(tag.id),
            tag.rssi,
            sent.at_ms,
            tx_power_dbm=tx_power_or_none(tag.tx),
            sent=(sent.boot, sent.seq),
        )
        for tag in sent.heard
        if rssi_or_none(tag.rssi) is not None
    ]
    if sent.heard and not observations:
        refuse("out_of_range", "the rssi of at least one heard id must be within -127..-1")
    return observations


def _position(device: str, sent: _Position) -> list[Observation]:
    region = None if sent.region is None else text(sent.region, "region")
    return [Position(device, sent.lat, sent.lon, sent.acc, sent.at_ms, region, sent.crossing)]


def _readings(device: str, sent: _Readings) -> list[Observation]:
    known = [(name, value) for name, value in sent.readings.items() if name in quantities.QUANTITIES]
    observations: list[Observation] = [
        Reading(device, name, value, sent.at_ms) for name, value in known if quantities.in_range(name, value)
    ]
    if known and not observations:
        refuse("out_of_range", "every reading is out of the range of its quantity")
    return observations


def _count(device: str, sent: _Count) -> list[Observation]:
    return [Count(device, text(sent.what, "what"), sent.count, sent.at_ms, sent.kind, sent.direction)]


def _purchase(device: str, sent: _Purchase) -> list[Observation]:
    decision = None if sent.decision is None else text(sent.decision, "decision")
    stated = sent.category or sent.kind  # `kind` is what tills sent before there were categories
    category = None if stated is None else text(stated, "category")
    items = tuple(Item(text(line.code, "items"), line.quantity, line.amount_minor) for line in sent.items)
    coupon = None if sent.coupon is None else _coupon(sent.coupon)
    if coupon is not None:
        decision = coupon.decision
    return [Purchase(_envelope(device, sent), sent.amount_minor, category, decision, sent.at_ms, items, coupon)]


def _coupon(code: str) -> Coupon:
    try:
        return read(code).coupon
    except CouponError:
        refuse("wrong_shape", "coupon must be the complete code of a coupon")


def _redeemed(device: str, sent: _Redeemed) -> list[Observation]:
    redemptions = [
        Redemption(one.at_ms, text(one.till, "till"), text(one.sale, "sale"), text(one.decision, "decision"), device, one.expires_at_ms)
        for one in sent.redeemed
    ]
    return [Redeemed(device, tuple(redemptions))]


def _contact(device: str, sent: _Contact) -> list[Observation]:
    person, decision, offer = text(sent.person, "person"), text(sent.decision, "decision"), text(sent.offer, "offer")
    return [NeighbourContact(device, person, decision, offer, sent.sent)]


def _withdrawn(device: str, sent: _Withdrawn) -> list[Observation]:
    return [NeighbourWithdrawal(device, text(sent.person, "person"), sent.boot, sent.change)]


def _answer(device: str, sent: _Answer) -> list[Observation]:
    return [Answer(_envelope(device, sent), text(sent.decision, "decision"), sent.answer, sent.at_ms)]


def _consent(device: str, sent: _Consent) -> list[Observation]:
    tags = tuple(dict.fromkeys(canonical_id(text(tag, "tags")) for tag in sent.tags))
    purposes = tuple(dict.fromkeys(sent.purposes))
    keys = tuple(dict.fromkeys(key.lower() for key in sent.irks))
    habits = {f"visits_month_{kind}": rate for kind, rate in sent.visits_month.items()}
    told = habits | sent.told
    codes = {canonical_id(text(tag, "codes")): code for tag, code in sent.codes.items()}
    eid_keys = tuple(dict.fromkeys(key.lower() for key in sent.eid_keys))
    wording = None if sent.wording is None else text(sent.wording, "wording")
    return [
        Consent(
            _envelope(device, sent),
            purposes,
            sent.version,
            sent.at_ms,
            sent.expires_at_ms,
            tags,
            told,
            keys,
            codes,
            eid_keys,
            sent.change,
            wording,
        )
    ]


def _request(device: str, sent: _Request) -> list[Observation]:
    person = None if sent.person is None else canonical_id(text(sent.person, "person"))
    zone = None if sent.zone is None else text(sent.zone, "zone")
    return [OfferRequest(_envelope(device, sent), person, zone, sent.at_ms, sent.most)]


def _wishes(device: str, sent: _Wishes) -> list[Observation]:
    hours = tuple((_minute(start), _minute(end)) for start, end in sent.hours)
    blocked, wanted = _named(sent.blocked, "blocked"), _named(sent.wanted, "wanted")
    return [WishList(_envelope(device, sent), sent.change, blocked, wanted, hours, sent.language, sent.at_ms)]


def _named(sent: _Named, name: str) -> Named:
    return Named(*[tuple(dict.fromkeys(text(one, name) for one in names)) for names in (sent.offers, sent.categories, sent.shops)])


def _minute(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


def _incident(device: str, sent: _Incident) -> list[Observation]:
    zone = None if sent.zone is None else text(sent.zone, "zone")
    return [Incident(_envelope(device, sent), zone, sent.minutes if sent.state == "began" else None, sent.at_ms)]


def _played(device: str, sent: _PlayedSlots) -> list[Observation]:
    slots = tuple(Played(text(one.slot, "played.slot"), one.plays, one.seconds) for one in sent.played)
    return [ProofOfPlay(_envelope(device, sent), slots, sent.at_ms)]


def _status(device: str, sent: _Status) -> list[Observation]:
    return [Status(device, text(sent.state, "state"), sent.at_ms, sent.battery, sent.uptime_s)]


def _envelope(device: str, sent: _Sent) -> Envelope:
    return Envelope(device, sent.boot, sent.seq)


class _Kind(NamedTuple):
    shape: msgspec.json.Decoder[Any]
    observe: Callable[[str, Any], list[Observation]]


_KINDS: dict[str, _Kind] = {
    "sighting": _Kind(msgspec.json.Decoder(_Sightings), _sightings),
    "position": _Kind(msgspec.json.Decoder(_Position), _position),
    "reading": _Kind(msgspec.json.Decoder(_Readings), _readings),
    "count": _Kind(msgspec.json.Decoder(_Count), _count),
    "purchase": _Kind(msgspec.json.Decoder(_Purchase), _purchase),
    "answer": _Kind(msgspec.json.Decoder(_Answer), _answer),
    "redeemed": _Kind(msgspec.json.Decoder(_Redeemed), _redeemed),
    "contact": _Kind(msgspec.json.Decoder(_Contact), _contact),
    "withdrawn": _Kind(msgspec.json.Decoder(_Withdrawn), _withdrawn),
    "consent": _Kind(msgspec.json.Decoder(_Consent), _consent),
    "request": _Kind(msgspec.json.Decoder(_Request), _request),
    "wishes": _Kind(msgspec.json.Decoder(_Wishes), _wishes),
    "incident": _Kind(msgspec.json.Decoder(_Incident), _incident),
    "played": _Kind(msgspec.json.Decoder(_PlayedSlots), _played),
    "status": _Kind(msgspec.json.Decoder(_Status), _status),
}


def json_schema() -> dict[str, Any]:
    """JSON Schema of the payloads of all kinds: the content of `wayside_v1.schema.json` beside this file."""
    shapes = [kind.shape.type for kind in _KINDS.values()]
    references, definitions = msgspec.json.schema_components(shapes, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wayside v1: payloads on wayside/v1/{site}/up/{device}/{kind}, by kind",
        "properties": dict(zip(_KINDS, references, strict=True)),
        "$defs": definitions,
    }


def decode(message: Message) -> list[Observation]:
    """The observations of one `up` message.

    Raises DecodeError: "wrong_topic" for another topic, "unknown_kind" for another kind, "missing_field",
    "wrong_shape", "out_of_range" or "too_large" for the payload.
    """
    return at(message.topic)(message.payload)


def at(topic: str) -> Callable[[bytes], list[Observation]]:
    """Decodes the payloads of one topic, as `decode` does.

    Raises DecodeError: "wrong_topic", "unknown_kind", and as `text()` does for the device.
    """
    levels = topic.split("/")
    if len(levels) != _LEVELS or levels[:2] != ["wayside", "v1"] or levels[3] != "up":
        refuse("wrong_topic", "the topic must be wayside/v1/{site}/up/{device}/{kind}")
    kind = _KINDS.get(levels[5])
    if kind is None:
        refuse("unknown_kind", f"the kind in the topic must be one of {', '.join(_KINDS)}")
    return partial(_sent, kind, text(levels[4], "device"))


def concern(levels: Sequence[str]) -> Concern | None:
    """The device that states where it is, by a sighting or a position."""
    return (levels[4], None) if len(levels) == _LEVELS and levels[5] in ("sighting", "position") else None


def _sent(kind: _Kind, device: str, payload: bytes) -> list[Observation]:
    sent = parse_json(payload, kind.shape)
    text(sent.boot, "boot")
    return kind.observe(device, sent)


DECODER = Decoder(
    "wayside_v1",
    ("wayside/v1/+/up/+/+",),
    decode,
    speakers=("wayside/v1/+/up/{device}/+",),
    role="device",
    kinds=frozenset(get_args(Kind)) - {"event"},
    concern=concern,
    at=at,
)
