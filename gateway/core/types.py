"""Messages and observations: the values that pass between decoders, engine and adapters.

A message is bytes on a topic; a decoder turns it into observations; the engine folds observations into context and decisions.
All values are frozen structs, comparable and safe between threads. Times are integer milliseconds since 1970-01-01 UTC
and end in `_ms`; None means "not stated".
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.coupons import Coupon

Purpose = Literal["presence", "offers", "learning", "measurement"]
"""The purposes of a consent; a person consents to each one separately."""

ConsentSource = Literal["device", "page", "desk"]
"""Where a consent was given: by the person's app, on the person's page, or at the operator's desk."""

AnswerKind = Literal["shown", "opened", "accepted", "dismissed", "redeemed"]

RefusalReason = Literal["not_interested", "too_far", "too_expensive", "not_now", "too_many"]
AcceptanceReply = Literal["on_my_way", "later_today", "keep_for_me"]
AnswerReason = RefusalReason | AcceptanceReply
"""The reason of a refusal, or the reply with an acceptance: closed lists, because a free text could hold anything."""

Occasion = Literal["entered", "dwelled", "left", "purchased", "scheduled", "reading", "event", "requested"]
"""The moments at which an offer may be chosen for a person.

A transition of a visit, a purchase that redeemed an offer, a time of day, a threshold of a quantity and an external event (these three for
all people present), and a request.
"""


class Message(msgspec.Struct, frozen=True, gc=False):
    """Bytes on a topic, not interpreted yet.

    `ticket` identifies the message to the adapter that delivered it, for the acknowledgement. `retained` is MQTT's retain flag: the
    broker stored the message before we subscribed, so it may be of any age.
    """

    topic: str
    payload: bytes
    received_at_ms: int
    qos: int = 0
    ticket: int = 0
    retained: bool = False


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Identifies a fact: device, boot (a new random text at every start of the device) and sequence number, which rises within a boot.

    A fact with an envelope that was stored before is a repetition and is discarded.
    """

    device: str
    boot: str
    seq: int


class Sighting(msgspec.Struct, frozen=True, tag="sighting", gc=False):
    """The radio `hearer` received an advertisement of the radio `heard`: a fixed scanner that of a tag, or a phone that of a fixed beacon.

    Ids are canonical across formats: `iBeacon:{uuid}-{major}-{minor}` in lower case for an iBeacon,
    12 lower-case hex digits for a MAC address, otherwise the id as the source states it. `sent` are boot and sequence number of the
    message, by which a repetition is recognised.
    """

    hearer: str
    heard: str
    rssi_dbm: float
    at_ms: int | None = None
    distance_m: float | None = None
    tx_power_dbm: float | None = None
    sent: tuple[str, int] | None = None


class Position(msgspec.Struct, frozen=True, tag="position", gc=False):
    """A position that a device states (WGS 84), with `region` and `crossing` if it states that it entered or left a region."""

    device: str
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float | None = None
    at_ms: int | None = None
    region: str | None = None
    crossing: Literal["entered", "left"] | None = None


class CheckIn(msgspec.Struct, frozen=True, tag="check_in", gc=False):
    """A page states its zone: the person scanned the zone's code, which the page has verified."""

    device: str
    zone: str


class PageLink(msgspec.Struct, frozen=True, tag="page_link", gc=False):
    """A page states the number of the app that is to be linked with it; None ends the links of all pages of its person."""

    device: str
    number: str | None


class Reading(msgspec.Struct, frozen=True, tag="reading", gc=False):
    """A measured quantity in its canonical unit; `quantity` is a row of `gateway.core.quantities`."""

    device: str
    quantity: str
    value: float
    at_ms: int | None = None


CountKind = Literal["passed", "total", "present"]
"""The kinds of counts: passages since the device's last report, all passages since its start, and those in view now."""

Direction = Literal["in", "out"]


class Count(msgspec.Struct, frozen=True, tag="count", gc=False):
    """A number of `what` (people, vehicles) of one `kind`, in one `direction` where the device knows it.

    The name of people (`what`) is `people`, `people_in` or `people_out`, with `_total` for running totals.
    """

    device: str
    what: str
    count: int
    at_ms: int | None = None
    kind: CountKind = "passed"
    direction: Direction | None = None


class Status(msgspec.Struct, frozen=True, tag="status", gc=False):
    """State of a device, with battery and uptime where stated."""

    device: str
    state: str = "online"
    at_ms: int | None = None
    battery_pct: float | None = None
    uptime_s: int | None = None


class Item(msgspec.Struct, frozen=True, gc=False):
    """One line of a purchase: the till's own code of the item, pieces, and the amount of the line in minor units, if stated."""

    code: str
    quantity: float = 1.0
    amount_minor: int | None = None


class Purchase(msgspec.Struct, frozen=True, tag="purchase", gc=False):
    """A sale at a till. `decision` is the id of the decision whose offer was redeemed; `category` and `items` are the till's own.

    `coupon` is the code that was redeemed, as the till has checked it; its decision is then the purchase's.
    """

    envelope: Envelope
    amount_minor: int
    category: str | None = None
    decision: str | None = None
    at_ms: int | None = None
    items: tuple[Item, ...] = ()
    coupon: Coupon | None = None


class Redemption(msgspec.Struct, frozen=True, order=True):
    """A coupon that a till redeemed; earlier ones sort first. `sale` names the sale at the till (boot and sequence number).

    `gateway` is the gateway that received the sale from the till, `expires_at_ms` the end of the coupon.
    """

    at_ms: int
    till: str
    sale: str
    decision: str
    gateway: str
    expires_at_ms: int

    @property
    def place(self) -> tuple[str, str]:
        """Identifies the redemption of a decision; gateways may differ by clock in the time of one sale."""
        return self.till, self.sale


class Redeemed(msgspec.Struct, frozen=True, tag="redeemed", gc=False):
    """Redemptions at the tills of the gateway `device`, which passes them on to the other gateways of the site."""

    device: str
    redemptions: tuple[Redemption, ...]


class Answer(msgspec.Struct, frozen=True, tag="answer", gc=False):
    """The reaction of a person to a trigger, with a `reason` if the person states one."""

    envelope: Envelope
    decision: str
    kind: AnswerKind
    at_ms: int | None = None
    reason: AnswerReason | None = None


class Consent(msgspec.Struct, frozen=True, tag="consent", gc=False):
    """A person's consent. Without `purposes` it is a withdrawal: all purposes end and the person's rows are deleted.

    `tags` are radio ids that the person claims, `codes` the codes issued with these. `told` are stated values by attribute name. `irks`
    are identity resolving keys of the person's devices, 32 lower-case hex digits each; they resolve changing private addresses.
    `eid_keys` are keys of ephemeral ids. `change` is the app's number of this change of the person's consent, `wording` the text shown,
    `source` where it was given.
    """

    envelope: Envelope
    purposes: tuple[Purpose, ...]
    version: int
    at_ms: int | None = None
    expires_at_ms: int | None = None
    tags: tuple[str, ...] = ()
    told: dict[str, float | str | bool] = {}
    irks: tuple[str, ...] = ()
    codes: dict[str, str] = {}
    eid_keys: tuple[str, ...] = ()
    change: int | None = None
    wording: str | None = None
    source: ConsentSource = "device"


class OfferRequest(msgspec.Struct, frozen=True, tag="request", gc=False):
    """A device asks for an offer: a phone for its own person, a till or kiosk for the owner of the device or tag `person`.

    `zone` is where the offer is shown; None is the zone of a till or kiosk, or the one that the person entered last. `most` is the number
    of offers that have room; above 1 the answer is a slate.
    """

    envelope: Envelope
    person: str | None = None
    zone: str | None = None
    at_ms: int | None = None
    most: int = 1


class Named(msgspec.Struct, frozen=True, gc=False):
    """Offers, categories and shops by name."""

    offers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    shops: tuple[str, ...] = ()


class WishList(msgspec.Struct, frozen=True, tag="wishes", gc=False):
    """All wishes of a person at one time: `blocked` is never proposed, `wanted` is preferred.

    `hours` are spans of local minutes of the day without offers; a span may wrap around midnight. `language` is a code such as `de`,
    `change` is the app's number of this
    statement, across boots and installations.
    """

    envelope: Envelope
    change: int
    blocked: Named = Named()
    wanted: Named = Named()
    hours: tuple[tuple[int, int], ...] = ()
    language: str | None = None
    at_ms: int | None = None


class Control(msgspec.Struct, frozen=True, tag="control", gc=False):
    """A person's answers to the two statements on perceived control, 1 (not at all) to 7."""

    envelope: Envelope
    items: tuple[int, int]


class Incident(msgspec.Struct, frozen=True, tag="incident", gc=False):
    """An incident in a zone begins and lasts for `minutes`, or has ended (None)."""

    envelope: Envelope
    zone: str | None = None
    minutes: int | None = None
    at_ms: int | None = None


class Event(msgspec.Struct, frozen=True, tag="event", gc=False):
    """Something that happened outside: a train is late, a heat warning. `source` and `id` identify it, `device` states it.

    `zone` is the place that the event names, which need not be one of ours. `expires_at_ms` is the end that it states itself.
    """

    device: str
    source: str
    id: str
    kind: str
    zone: str | None = None
    at_ms: int | None = None
    expires_at_ms: int | None = None

    @property
    def envelope(self) -> Envelope:
        """Identifies the event by its source and id, whichever device states it; no device can state such a name."""
        return Envelope(f"\0event:{self.source}", self.id, 0)


class Played(msgspec.Struct, frozen=True, gc=False):
    """How often a screen has shown a slot since its last report, and for how many seconds in all."""

    slot: str
    plays: int
    seconds: float


class ProofOfPlay(msgspec.Struct, frozen=True, tag="played", gc=False):
    """The report of a screen on the slots of its programmes."""

    envelope: Envelope
    slots: tuple[Played, ...]
    at_ms: int | None = None


class NeighbourContact(msgspec.Struct, frozen=True, tag="contact", gc=False):
    """The gateway `device` states that its `decision` reached the person with the phone `person`; `is_sent` is false for the holdout."""

    device: str
    person: str
    decision: str
    offer: str
    is_sent: bool = True

    @property
    def envelope(self) -> Envelope:
        """Identifies the contact by its decision, however often it is stated; no device can state such a name."""
        return Envelope("\0contact", self.decision, 0)


class Undelivered(msgspec.Struct, frozen=True, tag="undelivered", gc=False):
    """The offers of these decisions did not leave the gateway, or were refused by the system that passes them on."""

    decisions: tuple[str, ...]


class TimePassed(msgspec.Struct, frozen=True, tag="time_passed", gc=False):
    """Time has passed. It ends visits and closes windows, for which no message arrives."""


Fact = Purchase | Answer | Consent | OfferRequest | WishList | Control | Incident | ProofOfPlay
Measured = Sighting | Position | CheckIn | PageLink | Reading | Count | Status
Observation = Measured | Fact | Redeemed | NeighbourContact | Event | Undelivered | TimePassed
