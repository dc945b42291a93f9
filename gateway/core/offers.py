"""Campaigns: offers and contact policy, the campaign part of a bundle.

Amounts are in minor units of one currency (cents); local times are minutes since midnight in the
site's time zone. All values are checked once, when the bundle is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from gateway.core import limits
from gateway.core.campaign import triggers
from gateway.core.campaign.triggers import EventFilter, Schedule, Threshold
from gateway.core.creatives import CREATIVES_MAX, Creative
from gateway.core.ids import Id
from gateway.core.types import Occasion

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

InstantMs = Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)]
MinuteOfDay = Annotated[int, Meta(ge=0, lt=1440)]
RuleText = Annotated[str, Meta(max_length=limits.RULE_CHARS_MAX)]
VALID_HOURS_MAX = 24 * 31
GAP_S_MAX = 86_400
CAPS_MAX = 16
HOLDOUT_MAX = 0.5


OfferChannel = Literal["phone", "webhook", "screen"]
"""How an offer reaches a person, unless a device asked for it: by the app, by a system that passes it on, or on screens only."""


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One offer: proposed in any of `zones`, redeemable in the zone `shop` within `expiry_hours`.

    `category` is one of the schema's. `value_minor` is the margin that an accepted offer is expected to bring; `price_minor`, `discount`
    (a share of the price) and `tags` are for attributes of the offer.
    `per_person_day_max` is the maximum number of proposals of it to one person on one local day.
    `budget_minor` bounds the cost of all its acceptances, `cost_minor` each (see `gateway.core.state.budgets`); None is no bound.
    With `coupon` the person gets a signed code that a till redeems once (see `gateway.core.coupons`).
    `eligible`, `applicable` and `suitable` are rules (see `gateway.core.campaign.rules`); an empty one holds.
    `horizon_s` is the time after a proposal in which its outcome counts; None is the validity.
    `title` and `body` are the default wording, `creatives` those by placement and language.
    A `service` message (information, help) needs no margin and no score, and may be sent in a silent zone if it is `during_incident`.
    `schedule`, `threshold` and `event` are the triggers of the occasions `scheduled`, `reading` and `event`.
    """

    id: Id
    category: Annotated[str, Meta(min_length=1, max_length=64)]
    zones: tuple[Id, ...]
    shop: Id
    value_minor: Annotated[int, Meta(ge=0, le=10_000_000)]
    starts_ms: InstantMs
    ends_ms: InstantMs
    expiry_hours: Annotated[float, Meta(gt=0, le=VALID_HOURS_MAX)]
    title: Annotated[str, Meta(min_length=1, max_length=80)]
    body: Annotated[str, Meta(max_length=240)] = ""
    occasions: tuple[Occasion, ...] = ("entered",)
    per_person_day_max: Annotated[int, Meta(ge=0, le=limits.CONTACTS_KEPT_MAX)] = 1
    price_minor: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    discount: Annotated[float, Meta(ge=0, le=1)] | None = None
    tags: Annotated[tuple[Id, ...], Meta(max_length=limits.VALUES_MAX)] = ()
    budget_minor: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    cost_minor: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    eligible: RuleText = ""
    applicable: RuleText = ""
    suitable: RuleText = ""
    horizon_s: Annotated[int, Meta(ge=1, le=VALID_HOURS_MAX * 3_600)] | None = None
    coupon: bool = False
    channel: OfferChannel = "phone"
    schedule: Schedule | None = None
    threshold: Threshold | None = None
    event: EventFilter | None = None
    kind: Literal["offer", "service"] = "offer"
    during_incident: bool = False
    creatives: Annotated[tuple[Creative, ...], Meta(max_length=CREATIVES_MAX)] = ()

    @property
    def usual_minor(self) -> float:
        """Margin of a purchase without the offer."""
        return self.value_minor + (self.discount or 0.0) * (self.price_minor or 0)

    @property
    def horizon_ms(self) -> int:
        """Time after a proposal in which its outcome counts."""
        return int(self.expiry_hours * 3_600_000) if self.horizon_s is None else self.horizon_s * 1_000


TRIGGER_FIELDS: Mapping[Occasion, str] = {"scheduled": "schedule", "reading": "threshold", "event": "event"}
"""Occasion -> the field of the offer that it needs."""
RULE_FIELDS = ("eligible", "applicable", "suitable")


WindowSeconds = Annotated[int, Meta(gt=0, le=limits.CONTACT_DAYS_MAX * 86_400)]


CapGroup = Literal["person", "category", "shop", "offer"]
"""The proposals that count together for a cap: all to a person, or those of a category, shop or offer."""


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most `most` proposals to one person within any `within_s` seconds: in all, or of one category, shop or offer."""

    per: CapGroup
    most: Annotated[int, Meta(ge=0, le=limits.CONTACTS_KEPT_MAX)]
    within_s: WindowSeconds


class Ignored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After `times` unanswered proposals of one group within `within_s` seconds, the group is silent for `silent_s` seconds."""

    per: CapGroup
    times: Annotated[int, Meta(ge=1, le=limits.CONTACTS_KEPT_MAX)]
    within_s: WindowSeconds
    silent_s: WindowSeconds


Weight = Annotated[float, Meta(ge=0, le=1)]


class Ranking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of the criteria of a compromise ranking (`gateway.core.compromise`), and its `v`.

    `margin` is that of an accepted offer, `novelty` the rarity of the offer among the contacts of the person.
    """

    propensity: Weight
    margin: Weight
    novelty: Weight = 0.0
    v: Weight = 0.5


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Contact policy for all offers together.

    The value of silence is 0, so an offer needs an expected margin above `contact_cost_minor`.
    Quiet hours wrap around midnight if `quiet_from` is later than `quiet_until`; equal values mean no quiet hours.
    Caps are counted on the stored contacts of a person, so no cap may exceed CONTACTS_KEPT_MAX.
    An offer that a person dismissed is not proposed again for `refusal_s` seconds.
    `holdout` is the share of people to whom nothing is sent, for comparison. With `learn` the propensities are learned from answers; then
    a purchase would have come without an offer in `buying_share` of the visits within `anyway_s` seconds. With a `ranking`, offers above
    their cost are ranked by a compromise of criteria in place of the expected value.
    """

    per_person_day_max: Annotated[int, Meta(ge=0, le=limits.CONTACTS_KEPT_MAX)] = 4
    gap_s_min: Annotated[int, Meta(ge=0, le=GAP_S_MAX)] = 600
    quiet_from: MinuteOfDay = 22 * 60
    quiet_until: MinuteOfDay = 7 * 60
    contact_cost_minor: Annotated[float, Meta(ge=0)] = 20.0
    propensity_min: Annotated[float, Meta(ge=0, le=1)] = 0.1
    trigger_expiry_s: Annotated[int, Meta(gt=0, le=limits.TRIGGER_EXPIRY_MS_MAX // 1000)] = 120
    refusal_s: WindowSeconds = 30 * 86_400
    caps: Annotated[tuple[Cap, ...], Meta(max_length=CAPS_MAX)] = ()
    ignored: Annotated[tuple[Ignored, ...], Meta(max_length=CAPS_MAX)] = ()
    holdout: Annotated[float, Meta(ge=0, le=HOLDOUT_MAX)] = 0.05
    learn: bool = False
    anyway_s: Annotated[int, Meta(ge=1, le=86_400)] = 3_600
    buying_share: Annotated[float, Meta(ge=0, le=10)] = 0.6
    ranking: Ranking | None = None

    @property
    def days_back(self) -> int:
        """Days of contacts that the caps, refusals and silences look back."""
        spans = (self.refusal_s, *(cap.within_s for cap in self.caps), *(one.within_s + one.silent_s for one in self.ignored))
        return -(-max(spans) // 86_400)

    @cached_property
    def digest(self) -> str:
        """Eight hex digits that identify the values of these fields."""
        return blake2b(msgspec.msgpack.encode(self), digest_size=4).hexdigest()


class SignOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The approval of a campaign: the approvers, and the answers to the three questions on sensitivity."""

    approver: str
    may_offend: bool
    may_harm: bool
    uses_misfortune: bool
    second_approver: str = ""


class Gated(NamedTuple):
    """Offers of a campaign after some gates, as positions in the campaign, rising.

    `possible` are open; `closed` are at most the first CANDIDATES_KEPT_MAX of the others, each with the step of its reason in `steps`;
    `counts` is the number of all closed offers by step.
    """

    possible: NDArray[np.intp]
    closed: NDArray[np.intp]
    steps: NDArray[np.intp]
    counts: NDArray[np.intp]


class OfferTable:
    """The offers of a campaign as columns, in the campaign's order; `position` is that of an id.

    `budgets` and `rules` (eligible, applicable, suitable) have the positions of those offers that state any. `groups` numbers the
    proposals that count together for a cap.

    `schedules`, `thresholds` (by quantity) and `events` (by source and type) have the offers by trigger. `placed` keeps the offers
    after those gates that depend on zone, occasion and trigger only (`gateway.core.policy.gates`).
    """

    def __init__(self, offers: tuple[Offer, ...]) -> None:
        """Make the columns."""
        self.ids = tuple(offer.id for offer in offers)
        self.position = {id_: at for at, id_ in enumerate(self.ids)}
        self.zones = tuple(offer.zones for offer in offers)
        self.occasions = tuple(offer.occasions for offer in offers)
        self.occasions_used = frozenset(occasion for occasions in self.occasions for occasion in occasions)
        self.starts_ms = np.array([offer.starts_ms for offer in offers], dtype=np.int64)
        self.ends_ms = np.array([offer.ends_ms for offer in offers], dtype=np.int64)
        self.per_person_day_max = np.array([offer.per_person_day_max for offer in offers], dtype=np.int64)
        self.is_discount = np.array([bool(offer.discount) for offer in offers], dtype=np.bool_)
        self.categories = tuple(offer.category for offer in offers)
        self.shops = tuple(offer.shop for offer in offers)
        self.is_screen = np.array([offer.channel == "screen" for offer in offers], dtype=np.bool_)
        self.is_service = np.array([offer.kind == "service" for offer in offers], dtype=np.bool_)
        self.during_incident = np.array([offer.during_incident for offer in offers], dtype=np.bool_)
        self.value_minor = np.array([offer.value_minor for offer in offers], dtype=np.float64)
        self.usual_minor = np.array([offer.usual_minor for offer in offers], dtype=np.float64)
        self.cost_minor = np.array([offer.cost_minor for offer in offers], dtype=np.int64)
        self.budgets = {at: offer.budget_minor for at, offer in enumerate(offers) if offer.budget_minor is not None}
        self.budgeted = tuple(self.ids[at] for at in self.budgets)
        self.rules = {at: rules for at, offer in enumerate(offers) if any(rules := (offer.eligible, offer.applicable, offer.suitable))}
        self.groups: Mapping[CapGroup, NDArray[np.intp]] = {
            "person": np.zeros(len(offers), dtype=np.intp),
            "category": _codes([offer.category for offer in offers]),
            "shop": _codes([offer.shop for offer in offers]),
            "offer": np.arange(len(offers), dtype=np.intp),
        }
        self.schedules: dict[Schedule, list[Offer]] = {}
        self.thresholds: dict[str, dict[Threshold, list[Offer]]] = {}
        self.events: dict[tuple[str, str], list[Offer]] = {}
        for offer in offers:
            if offer.schedule is not None:
                self.schedules.setdefault(offer.schedule, []).append(offer)
            if offer.threshold is not None:
                self.thresholds.setdefault(offer.threshold.quantity, {}).setdefault(offer.threshold, []).append(offer)
            if offer.event is not None:
                self.events.setdefault((offer.event.source, offer.event.type), []).append(offer)
        self.placed: dict[tuple[str, Occasion, frozenset[str]], Gated] = {}
        self._next_time: tuple[ZoneInfo, int, int | None] | None = None

    def next_time_ms(self, timezone: ZoneInfo, after_ms: int) -> int | None:
        """The first instant of any schedule after `after_ms`, kept until it is asked for another one; None without schedules."""
        if self._next_time is None or self._next_time[:2] != (timezone, after_ms):
            self._next_time = timezone, after_ms, triggers.next_ms(self.schedules, timezone, after_ms)
        return self._next_time[2]

    def positions(self, ids: Iterable[str]) -> list[int]:
        """The positions of those ids that the campaign has."""
        return [self.position[id_] for id_ in ids if id_ in self.position]


class Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Offers and their contact policy; without `sign_off` it is a draft.

    Raises ValueError for duplicate ids, reversed dates, offers without zones, budgets without a cost, occasions without a trigger,
    offers on screens with a coupon or a budget, and offers during incidents that are no service messages.
    """

    offers: Annotated[tuple[Offer, ...], Meta(min_length=1, max_length=limits.OFFERS_MAX)]
    policy: Policy = Policy()
    sign_off: SignOff | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for offer in self.offers:
            if offer.id in seen:
                raise ValueError(f"offer {offer.id!r} occurs twice")
            if offer.ends_ms <= offer.starts_ms:
                raise ValueError(f"offer {offer.id!r} ends before it starts")
            if not offer.zones:
                raise ValueError(f"offer {offer.id!r} has no zones")
            if offer.budget_minor is not None and not offer.cost_minor:
                raise ValueError(f"offer {offer.id!r} has a budget, but its acceptances cost nothing")
            if offer.channel == "screen" and (offer.coupon or offer.budget_minor is not None):
                raise ValueError(f"offer {offer.id!r} is shown on screens, to everyone, so it has neither coupon nor budget")
            if offer.during_incident and offer.kind != "service":
                raise ValueError(f"offer {offer.id!r} is no service message, so it cannot be sent during an incident")
            for occasion, field in TRIGGER_FIELDS.items():
                if (occasion in offer.occasions) != (getattr(offer, field) is not None):
                    raise ValueError(f"offer {offer.id!r}: the occasion {occasion!r} and the field {field} go together")
            seen.add(offer.id)

    @property
    def days_back(self) -> int:
        """Days for which decisions are needed: by the contact policy, and until the outcome of an offer is known."""
        return max(self.policy.days_back, -(-max(offer.horizon_ms for offer in self.offers) // 86_400_000))

    @cached_property
    def table(self) -> OfferTable:
        """The offers as columns."""
        return OfferTable(self.offers)

    def offer(self, id_: str) -> Offer | None:
        """The offer of this id, or None."""
        position = self.table.position.get(id_)
        return None if position is None else self.offers[position]


def _codes(names: Sequence[str]) -> NDArray[np.intp]:
    """A number for each name, the same for equal names."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)
