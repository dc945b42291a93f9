"""A small shop with every kind of group: its schema, definitions, patterns and the columns of a model that reads them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core import context as contexts
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.attributes.grouping import Mined
from gateway.core.attributes.groups import Groups
from gateway.core.attributes.schema import parse
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.learned import Pattern
from gateway.core.offers import Campaign
from gateway.core.policy.choose import Scorer, decide
from gateway.core.policy.decision import Decision
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.site import Site, Zone
from gateway.core.types import Purpose
from tests.kit.testbed import DAY_MS, HOUR_MS, NOON_MS, OneOutput, Phone, campaign, make_site, offer


def _person(name: str, dtype: str = "number", **source: object) -> dict[str, object]:
    number = {"unit": "1"} if dtype == "number" else {}
    return {"name": name, "about": "person", "dtype": dtype, "purposes": ["offers"], **number, **source}


def _offer(name: str, **source: object) -> dict[str, object]:
    return {"name": name, "about": "offer", "dtype": "number", "unit": "1", **source}


SCHEMA = parse(
    {
        "categories": ["tea", "cake"],
        "zone_kinds": ["shop", "hall"],
        "currency": "EUR",
        "attributes": [
            _person("buys", history={"of": "purchases", "fold": "count", "within_days": 90, "empty": 0.0}),
            _person("since", history={"of": "purchases", "fold": "recency"}),
            _person("tea", history={"of": "purchases", "fold": "count", "categories": ["tea"], "half_life_days": 30.0, "empty": 0.0}),
            _person("cake", history={"of": "purchases", "fold": "count", "categories": ["cake"], "half_life_days": 30.0, "empty": 0.0}),
            _person("cakes_seen", history={"of": "contacts", "fold": "count", "within_days": 7, "empty": 0.0}, tier_min=3),
            _person("segment", "category", values=["rare", "loyal"], segment={"name": "behaviour"}),
            _person("walker", "flag", cohort={"name": "shop_then_hall"}),
            _person("value", score={"name": "worth"}),
            _person("value_low", score={"name": "worth", "bound": "low"}),
            _person("habit", score={"name": "intensity"}),
            _offer("together", between={"field": "group", "group": "together"}),
            _offer("similar", between={"field": "group", "group": "similar"}),
            _offer("gain", pattern={"by_item": {"tea": "tea", "cake": "cake"}}),
            {"name": "offer", "about": "offer", "dtype": "category", "offer": {"field": "category"}},
        ],
    }
)
COLUMNS: tuple[str, ...] = tuple(
    column for one in SCHEMA.attributes for column in one.columns if one.name not in {"buys", "since", "tea", "cake"}
)
_INPUTS = [
    {"attribute": "buys", "quantiles": [0.0, 1.0, 2.0, 4.0, 12.0]},
    {"attribute": "since", "quantiles": [0.0, 24.0, 168.0, 400.0, 900.0]},
]
GROUPS: Groups = msgspec.convert(
    {
        "format": 1,
        "segmentations": [
            {
                "name": "behaviour",
                "inputs": _INPUTS,
                "segments": [
                    {"name": "rare", "centre": [0.2, 0.8], "people": 30},
                    {"name": "loyal", "centre": [0.9, 0.2], "people": 20, "discounts": False},
                ],
            }
        ],
        "tables": [
            {
                "name": "worth",
                "inputs": [{"attribute": "buys", "edges": [4.0]}, {"attribute": "since", "edges": [168.0]}],
                "cells": [[0, 400, 900], [0, 100, 300], [900, 2000, 4000], [200, 800, 1500]],
            }
        ],
        "associations": [
            {"name": "strength", "measure": "strength", "attributes": ["tea", "cake"]},
            {"name": "intensity", "measure": "intensity", "attributes": ["tea", "cake"]},
        ],
        "cohorts": [{"name": "shop_then_hall", "by": "zone_kind", "steps": ["shop", "hall"], "people": 20}],
        "baskets": [{"name": "together", "weights": {"cake": {"tea": 0.4}, "tea": {"cake": 0.4}}}],
        "neighbours": [
            {
                "name": "similar",
                "inputs": _INPUTS,
                "width": 0.25,
                "groups": [
                    {"centre": [0.95, 0.25], "people": 25, "rates": {"tea": 0.7, "cake": 0.6}},
                    {"centre": [0.1, 0.9], "people": 25, "rates": {"tea": 0.2, "cake": 0.1}},
                ],
            }
        ],
        "sure_thing": [{"column": "value", "edges": [1000.0], "chances": [0.3, 0.8]}],
        "variety": {"value": "worth", "edges": [300.0, 1500.0]},
        "velocity": {"strength": "strength", "shortest_h": 1.0, "longest_h": 169.0},
    },
    Groups,
)
PATTERNS = (Pattern(left=("tea",), right="cake", confidence=0.6, lift=3.0, reach=40, margin_minor=200.0, worth_minor=3_200.0),)


def changed(value: Any, path: str, new: object) -> Any:
    """A struct as tables and lists with the value at `path` (names and positions between dots) replaced; a new name is added."""
    whole = msgspec.json.decode(msgspec.json.encode(value))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at = whole
    for part in parents:
        at = at[part]
    at[last] = new
    return whole


# --- a site with these groups, people and scorers --------------------------------------------------------------

MINED = Mined(msgspec.structs.replace(GROUPS, velocity=None), PATTERNS)
"""Without velocity: groups are worked out at each decision."""
KEPT = Mined(GROUPS, PATTERNS)
"""With velocity: groups are kept until they are due."""
NO_SEGMENTS = msgspec.structs.replace(MINED, groups=msgspec.structs.replace(MINED.groups, segmentations=()))
ZONES = (Zone("shop", "shop", anchors=("scan-shop",)), Zone("hall", "hall", x_m=100.0, anchors=("scan-hall",)))
WEEK_MS = 7 * DAY_MS
ALL: tuple[Purpose, ...] = ("presence", "offers", "learning")


def site(mined: Mined = MINED, *, discount: float | None = None, **changes: Any) -> Site:
    """A shop and a hall with one offer of tea and one of cake, which are worth the same; `discount` is that of both."""
    offers = [
        offer(name, category=name, zones=("shop", "hall"), shop="shop", value_minor=500, discount=discount, per_person_day_max=60)
        for name in ("tea", "cake")
    ]
    rules = {"gap_s_min": 0, "per_person_day_max": 64, "quiet_from": 0, "quiet_until": 0, "contact_cost_minor": 0.0}
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "columns": COLUMNS,
        "mined": mined,
        "zones": {zone.id: zone for zone in ZONES},
        "anchors": {anchor: zone.id for zone in ZONES for anchor in zone.anchors},
        "devices": {"till-shop": "shop"},
        "campaign": campaign(*offers, **rules),
    }
    return make_site(**(fields | changes))


def bought(category: str, at_ms: int, times: int = 1) -> list[HistoryFact]:
    """Purchases of one category."""
    return [HistoryFact("purchases", at_ms, category, "shop", "shop", category, amount=400)] * times


def visited(kind: str, at_ms: int) -> HistoryFact:
    """A visit to the shop or the hall."""
    return HistoryFact("visits", at_ms, zone=kind, zone_kind=kind)


FACTS: dict[str, list[HistoryFact]] = {
    "new": [],
    "rare": bought("tea", NOON_MS - 20 * DAY_MS),
    "loyal": [*bought("tea", NOON_MS - 2 * WEEK_MS, 3), *bought("cake", NOON_MS - 9 * DAY_MS, 3)],
    "sure": [*bought("tea", NOON_MS - WEEK_MS // 2, 4), *bought("tea", NOON_MS - HOUR_MS, 1)],
    "walker": [visited("shop", NOON_MS - 2 * HOUR_MS), visited("hall", NOON_MS - HOUR_MS)],
    "stroller": [visited("hall", NOON_MS - 2 * HOUR_MS), visited("shop", NOON_MS - HOUR_MS)],
}
"""A person's facts: bought once and long ago; often, but not of late; often and just now; from the shop to the hall; the other way."""


def person(name: str, of: Site | None = None, purposes: tuple[Purpose, ...] = ALL) -> SubjectContext:
    """A person with these facts."""
    return with_facts(FACTS[name], of, purposes)


def with_facts(facts: Sequence[HistoryFact], of: Site | None = None, purposes: tuple[Purpose, ...] = ALL) -> SubjectContext:
    """A person with these facts, each folded at its own time."""
    plan = (of or site()).plan.history
    made = contexts.with_consent(None, "s1", Phone().consent(purposes), (), NOON_MS - 30 * DAY_MS, plan)
    history = made.history
    for fact in facts:
        history = plan.fold(history, purposes, fact, fact.at_ms)
    return msgspec.structs.replace(made, history=history)


class ConstantScorer(OneOutput):
    """The same propensity for every offer."""

    version = "constant-1"

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        return np.full(len(rows), 0.5, dtype=np.float32)


class ColumnScorer(OneOutput):
    """0.2, and up to 0.6 more in proportion to one column, which counts as 0 where unknown."""

    version = "column-1"

    def __init__(self, column: str, highest: float = 1.0) -> None:
        self._at, self._highest = COLUMNS.index(column), highest

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        share = np.nan_to_num(rows[:, self._at]) / self._highest
        scores: NDArray[np.float32] = (0.2 + 0.6 * np.clip(share, 0.0, 1.0)).astype(np.float32)
        return scores


def decided(
    subject: SubjectContext, scorer: Scorer, of: Site | None = None, *, discount: float | None = None, now_ms: int = NOON_MS, **policy: Any
) -> Decision:
    """The decision for a person who enters the shop; `policy` are fields of the contact policy."""
    where = of or site(discount=discount)
    offers = where.campaign
    changed_site = msgspec.structs.replace(where, campaign=Campaign(offers.offers, msgspec.structs.replace(offers.policy, **policy)))
    return decide(DecisionRequest(subject, "shop", "entered", now_ms, changed_site), ZoneContext(), scorer, "gw-t.1")


def row(subject: SubjectContext, of: Site | None = None, now_ms: int = NOON_MS, offer_at: int = 0) -> dict[str, float]:
    """Column -> value for one offer of the campaign."""
    where = of or site()
    reading = Prepared(DecisionRequest(subject, "shop", "entered", now_ms, where)).reading
    return dict(zip(COLUMNS, where.plan.matrix(reading, [offer_at])[0].tolist(), strict=True))
