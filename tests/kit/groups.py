"""A small shop with every kind of group: its schema, definitions, patterns and the columns of a model that reads them all."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.attributes.groups import Groups
from gateway.core.attributes.schema import parse
from gateway.core.learned import Pattern


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
    whole = msgspec.to_builtins(value)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at = whole
    for part in parents:
        at = at[part]
    at[last] = new
    return whole
