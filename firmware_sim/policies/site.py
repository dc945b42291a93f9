"""The gateway's side of a comparison: site, campaign and model of a world, and the context of each person.

The campaign is that of the bundle if the world has its shops; otherwise it is made from the true offers of the scenario, with the margin
that a shop knows: `value = amount * (margin share - discount)`. Schema and model are those of the bundle. Its offers end with the run, as
each campaign has an end that a policy knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from firmware_sim.people.walker import Walker
from firmware_sim.policies.city import City, begins_ms
from firmware_sim.scenario import Scenario
from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core.bundle import Bundle
from gateway.core.campaign.rules import NoRules
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.offers import Campaign, Offer
from gateway.core.presence import PresenceRules
from gateway.core.site import Site, Zone
from gateway.core.types import Purpose

DAY_MS = 86_400_000
EXPIRY_HOURS = 2.0
VERSION = "bundle"
FOREVER_MS = 2**53


class Model:
    """The bundle's model as the scorer of a decision."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the model. Raises ScorerError if it is not allowed."""
        self._scorer = OnnxScorer(bundle.model.onnx, bundle.manifest.model)
        self.score, self.untreated = self._scorer.score, self._scorer.untreated
        self.version = VERSION


class Shop(NamedTuple):
    """Site and model of a world; `positives` are the accepted offers that the model was trained on."""

    site: Site
    model: Model
    positives: float


def open_shop(scenario: Scenario, bundle: Path, key: Path, days: int, contact_cost_minor: float | None = None) -> Shop:
    """Site and model for a scenario, whose campaign has this cost of a contact, or its own.

    Raises BundleError, ScorerError, ValueError or OSError for a bundle that cannot be used.
    """
    opened = open_bundle(bundle, read_public_keys(key), None)
    zones = {
        zone.id: Zone(zone.id, zone.kind, transit=any(line.zone == zone.id for line in scenario.trains), x_m=zone.x_m, y_m=zone.y_m)
        for zone in scenario.zones
    }
    fits = all({offer.shop, *offer.zones} <= zones.keys() for offer in opened.campaign.offers)
    campaign = _ended(opened.campaign if fits else made_campaign(scenario), begins_ms(scenario) + days * DAY_MS)
    if contact_cost_minor is not None:
        policy = msgspec.structs.replace(campaign.policy, contact_cost_minor=contact_cost_minor)
        campaign = msgspec.structs.replace(campaign, policy=policy)
    for offer in campaign.offers:
        if offer.category not in opened.schema.categories:
            raise ValueError(f"the schema of the bundle has no category {offer.category!r}; state the bundle of the world with --bundle")
    site = Site(
        name=scenario.site,
        gateway="gw-lab",
        timezone=ZoneInfo(f"Etc/GMT{-scenario.clock_offset_min // 60:+d}"),
        zones=zones,
        anchors={},
        devices={},
        presence=PresenceRules(),
        campaign=campaign,
        rules=opened.rules if fits else NoRules(),
        schema=opened.schema,
        columns=opened.manifest.model.columns,
    )
    return Shop(site, Model(opened), opened.positives)


def made_campaign(scenario: Scenario) -> Campaign:
    """The scenario's offers as a campaign: each may be sent in every zone, at both occasions, once a day to a person."""
    everywhere = tuple(zone.id for zone in scenario.zones)
    offers = []
    for offer in scenario.offers:
        kind = scenario.zone(offer.shop).kind
        assert kind is not None  # a scenario is checked for this
        taste = scenario.tastes[kind]
        offers.append(
            Offer(
                id=offer.id,
                category=kind,
                zones=everywhere,
                shop=offer.shop,
                value_minor=max(0, round(taste.amount_minor * (taste.margin_share - offer.discount))),
                starts_ms=scenario.start_ms - DAY_MS,
                ends_ms=FOREVER_MS,
                expiry_hours=EXPIRY_HOURS,
                title=offer.id,
                occasions=("entered", "dwelled"),
                price_minor=taste.amount_minor,
                discount=offer.discount,
            )
        )
    return Campaign(tuple(offers))


def _ended(campaign: Campaign, ends_ms: int) -> Campaign:
    offers = tuple(msgspec.structs.replace(offer, ends_ms=min(offer.ends_ms, ends_ms)) for offer in campaign.offers)
    return msgspec.structs.replace(campaign, offers=offers)


def subject(shop: Shop, city: City, walker: Walker) -> SubjectContext:
    """The context of a person at the first consent."""
    purposes = msgspec.convert(walker.purposes, tuple[Purpose, ...])
    history = shop.site.plan.history
    visits = {f"visits_month_{kind}": float(count) for kind, count in walker.visits_month.items()}
    told = history.stated(visits | walker.loyalty.stated(0.0), purposes)
    start_ms = city.world.start_ms
    return SubjectContext(
        subject=f"s{walker.number}",
        device=f"phone-{walker.number:04d}",
        purposes=purposes,
        consent_boot="",
        consent_seq=0,
        told=told,
        history=history.renewed({}, purposes, told, start_ms),
    )


def readings(city: City, street_s: float, now_ms: int) -> ZoneContext:
    """The weather as the site's sensors report it."""
    weather = city.world.weather(street_s)
    return ZoneContext({"precipitation": (weather.precipitation, now_ms), "temperature": (weather.temperature, now_ms)})
