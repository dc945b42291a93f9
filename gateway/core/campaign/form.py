"""A campaign as it is written by hand: a TOML file with dates, times of day, durations and money as text.

`compile.py` reads these types; deploy/campaign.schema.json (JSON Schema, for completion in editors) and the reference in
gateway/core/campaign/README.md are generated from the types.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.core import limits
from gateway.core.campaign.triggers import TIMES_MAX, EventText, Weekday
from gateway.core.creatives import CREATIVES_MAX, Language, PlacementName
from gateway.core.ids import Id
from gateway.core.offers import CAPS_MAX, HOLDOUT_MAX, CapGroup, OfferChannel, Weight
from gateway.core.types import Occasion

Currency = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z", description="ISO 4217, the currency of all amounts")]
Money = Annotated[str, Meta(pattern=r"\A[0-9]{1,8}(\.[0-9]{1,3})? [A-Z]{3}\Z", description='an amount, such as "1.90 EUR"')]
Duration = Annotated[str, Meta(pattern=r"\A[0-9]{1,6} (s|min|h|d)\Z", description='a duration, such as "10 min", "2 h" or "3 d"')]
TimeOfDay = Annotated[str, Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z", description='a local time of day, such as "22:00"')]
Day = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?\Z",
        description='a day, or a local date and time, such as "2026-09-01" or "2026-09-01T10:00"',
    ),
]
Cap = Annotated[int, Meta(ge=0, le=limits.CONTACTS_KEPT_MAX)]
RuleText = Annotated[str, Meta(max_length=limits.RULE_CHARS_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=80)]


class ThresholdForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound of a quantity, crossed upwards (`at_least`) or downwards (`at_most`)."""

    quantity: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="a quantity of readings, or one of people_per_hour, people_in_per_hour, people_out_per_hour and people_present",
        ),
    ]
    at_least: float | None = None
    at_most: float | None = None
    hysteresis: Annotated[float, Meta(ge=0, description="distance from the bound after which it can be crossed again")] = 0.0


class EventForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """External events that an offer answers; the campaign needs an approver (`sign_off`)."""

    type: Annotated[EventText, Meta(description="type of the event, such as org.example.train.delayed")]
    source: Annotated[EventText, Meta(description="source of the event, as it states itself")]
    expires: Annotated[Duration, Meta(description="time after the event in which the offer is proposed, at most 72 h")]


class CreativeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wording of an offer beside the default one; the language counts for more than the placement."""

    title: Name
    body: Annotated[str, Meta(max_length=240)] = ""
    placement: Annotated[PlacementName, Meta(description="where it is shown; default: anywhere")] | None = None
    language: Language | None = None


class OfferForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One offer, proposed in any of `zones` and redeemed in the zone `shop`."""

    id: Id
    category: Annotated[str, Meta(min_length=1, max_length=64, description="one of the categories of the schema")]
    title: Name
    zones: Annotated[tuple[Id, ...], Meta(min_length=1, description="zones in which it can be proposed")]
    shop: Annotated[Id, Meta(description="zone in which it is redeemed")]
    margin: Annotated[Money, Meta(description="expected margin of an accepted offer")]
    starts: Day
    ends: Annotated[Day, Meta(description="the last day, included; with a time, the end itself")]
    valid: Annotated[Duration, Meta(description="time in which an accepted offer is redeemed")]
    body: Annotated[str, Meta(max_length=240)] = ""
    occasions: Annotated[tuple[Occasion, ...], Meta(min_length=1, description="occasions at which it can be proposed")] = ("entered",)
    times: Annotated[
        tuple[TimeOfDay, ...], Meta(max_length=TIMES_MAX, description="times at which it is proposed to people present (scheduled)")
    ] = ()
    weekdays: Annotated[tuple[Weekday, ...], Meta(max_length=7, description="days of these times; empty: every day")] = ()
    threshold: Annotated[ThresholdForm, Meta(description="proposed to people present when it is crossed (reading)")] | None = None
    event: Annotated[EventForm, Meta(description="proposed to people present when it happens (event)")] | None = None
    per_person_day_max: Annotated[Cap, Meta(description="proposals of it to one person on one local day; 0 is none")] = 1
    price: Money | None = None
    discount: Annotated[float, Meta(ge=0, le=1, description="share of the price")] | None = None
    tags: Annotated[tuple[Id, ...], Meta(max_length=limits.VALUES_MAX)] = ()
    budget: Annotated[Money, Meta(description="bound of the costs of all acceptances together, on each gateway")] | None = None
    cost: Annotated[Money, Meta(description="cost of one acceptance to the budget")] | None = None
    eligible: Annotated[RuleText, Meta(description="rule on the person, such as `tea_month > 2`; empty: everyone")] = ""
    applicable: Annotated[RuleText, Meta(description="rule on place and time, such as `temperature > 20`; empty: always")] = ""
    suitable: Annotated[RuleText, Meta(description="rule on the interest of the person, such as `!has_season_ticket`; empty: always")] = ""
    kind: Annotated[Literal["offer", "service"], Meta(description="service: information or help, which needs no margin and no score")] = (
        "offer"
    )
    during_incident: Annotated[bool, Meta(description="a service message that is sent during an incident too")] = False
    channel: Annotated[OfferChannel, Meta(description="the app, the `webhook` of the config, or screens, for groups only")] = "phone"
    coupon: Annotated[bool, Meta(description="whether the person gets a code that the till of the shop redeems once")] = False
    creatives: Annotated[tuple[CreativeForm, ...], Meta(max_length=CREATIVES_MAX)] = ()
    urgency_reason: Annotated[str, Meta(max_length=240, description="the fact behind a wording of urgency or scarcity")] = ""
    horizon: Annotated[Duration, Meta(description="time after a proposal in which its outcome counts; default: `valid`")] | None = None


class CapForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cap over a rolling window."""

    per: Annotated[CapGroup, Meta(description="the proposals that count together: all to the person, or those of one group")]
    most: Annotated[Cap, Meta(description="proposals to one person; 0 is none")]
    within: Duration


class IgnoredForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Silence after unanswered proposals: neither accepted, redeemed nor dismissed."""

    per: CapGroup
    times: Annotated[int, Meta(ge=1, le=limits.CONTACTS_KEPT_MAX, description="unanswered proposals")]
    within: Duration
    silent: Annotated[Duration, Meta(description="time without a proposal of the group after the last of them")]


class RankingForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Compromise ranking (VIKOR) of the offers that are worth their cost; weights as those of `wayside-models ahp`."""

    propensity: Annotated[Weight, Meta(description="weight of the probability of acceptance")]
    margin: Annotated[Weight, Meta(description="weight of the margin of an accepted offer")]
    novelty: Annotated[Weight, Meta(description="weight of the rarity of the offer among the person's contacts")] = 0.0
    v: Annotated[Weight, Meta(description="weight of the sum of all criteria against the worst one")] = 0.5


class PolicyForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contact policy for all offers together. A cap of 0 allows no offer; a cap that is left out has its default."""

    contact_cost: Annotated[Money, Meta(description="cost of contacting a person: an offer needs a higher expected margin")]
    per_person_day_max: Annotated[Cap, Meta(description="offers to one person on one local day; 0 is none")] = 4
    gap: Annotated[Duration, Meta(description="least time between two offers to one person")] = "10 min"
    quiet_hours: Annotated[tuple[TimeOfDay, TimeOfDay], Meta(description="from and until; two equal times are no quiet hours")] = (
        "22:00",
        "07:00",
    )
    propensity_min: Annotated[float, Meta(ge=0, le=1, description="least probability of acceptance of an offer that is sent")] = 0.1
    trigger_expiry: Annotated[Duration, Meta(description="time after which an undelivered offer is dropped")] = "2 min"
    refusal: Annotated[Duration, Meta(description="time for which a dismissed offer is not proposed again")] = "30 d"
    caps: Annotated[tuple[CapForm, ...], Meta(max_length=CAPS_MAX)] = ()
    ignored: Annotated[tuple[IgnoredForm, ...], Meta(max_length=CAPS_MAX)] = ()
    holdout: Annotated[
        float, Meta(ge=0, le=HOLDOUT_MAX, description="share of people to whom nothing is sent, to measure the effect of the offers")
    ] = 0.05
    learn: Annotated[
        bool, Meta(description="choose by propensities learned from answers, with exploration; otherwise by score x margin")
    ] = False
    anyway: Annotated[Duration, Meta(description="with `learn`: time within which a visit would have come without an offer")] = "1 h"
    buying_share: Annotated[float, Meta(ge=0, le=10, description="with `learn`: purchases per visit of a shop")] = 0.6
    ranking: Annotated[RankingForm, Meta(description="rank by a compromise of criteria; without it by score x margin")] | None = None


class SignOffForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The approval. The three questions have no default answer; each yes needs a second approver."""

    approver: Name
    may_offend: Annotated[bool, Meta(description="can the campaign offend a group of people?")]
    may_harm: Annotated[bool, Meta(description="can it do physical, mental or financial harm?")]
    uses_misfortune: Annotated[bool, Meta(description="does it use a death, an injury or a disaster?")]
    second_approver: Annotated[str, Meta(max_length=80)] = ""


class CampaignForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A campaign file. Dates and times of day are local to `timezone`. Without `sign_off` it is a draft, which cannot be signed."""

    timezone: Annotated[str, Meta(description="name of a time zone, such as Europe/Berlin")]
    currency: Currency
    policy: PolicyForm
    offers: Annotated[tuple[OfferForm, ...], Meta(min_length=1, max_length=limits.OFFERS_MAX)]
    sign_off: SignOffForm | None = None
