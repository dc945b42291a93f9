"""The schema of the coupon table with the 25 columns of its model, and a schema with every aggregator and field of the clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from gateway.adapters.toml_files import load_schema
from gateway.core.attributes.aggregators import State, Value
from gateway.core.attributes.grouping import Mined
from gateway.core.attributes.history import HistoryPlan, Stated
from gateway.core.attributes.schema import parse
from gateway.core.types import Purpose

SCHEMA = load_schema(Path(__file__).parents[2] / "models" / "tables" / "coupon_schema.toml")
COLUMNS: tuple[str, ...] = tuple(column for column in SCHEMA.columns if column != "offer_other" and not column.startswith("visits_month_"))
KINDS: tuple[str, ...] = SCHEMA.zone_kinds


def person_values(
    plan: HistoryPlan, history: Mapping[str, State], purposes: Collection[Purpose], now_ms: int, told: Mapping[str, Stated] | None = None
) -> dict[str, Value]:
    """Attribute -> value of a person, None where unknown."""
    values = plan.read(told or {}, history, purposes, now_ms)
    return {one.name: value for one, value in zip(plan.attributes, values, strict=True)}


def person(name: str, **source: object) -> dict[str, object]:
    """A history attribute about a person, as a table of a schema."""
    return {"name": name, "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "history": source}


LONG_ITEM = "x" * 500
MINED_SCHEMA = parse(
    msgspec.to_builtins(SCHEMA)
    | {
        "attributes": [
            *msgspec.to_builtins(SCHEMA.attributes),
            {"name": "gain", "about": "offer", "dtype": "number", "unit": "1"}
            | {"pattern": {"by_item": {"bar": "visits_bar", LONG_ITEM: "visits_bar"}}},
            {"name": "habit", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "score": {"name": "habit"}},
        ]
    }
)
"""The schema of the coupon table with an attribute that takes patterns, and one that takes an association."""

RICH = parse(
    msgspec.to_builtins(SCHEMA)
    | {
        "attributes": [
            *msgspec.to_builtins(SCHEMA.attributes),
            person("visits_week", of="visits", fold="count", within_days=7, empty=0.0),
            person("hours_since_visit", of="visits", fold="recency"),
            person("spent_month", of="purchases", fold="sum", within_days=30, empty=0.0),
            person("basket_mean", of="purchases", fold="mean", half_life_days=14.0),
            person("basket_last", of="purchases", fold="last"),
            person("zones_month", of="visits", fold="distinct", field="zone", within_days=30),
            person("accepted_share", of="answers", fold="share", answers=["accepted"], per="contacts", half_life_days=30.0),
            person("contacts_day", of="contacts", fold="count", within_days=1, empty=0.0) | {"purposes": ["offers", "learning"]},
            {"name": "weekday", "about": "moment", "dtype": "number", "unit": "d", "clock": {"field": "weekday"}},
            {"name": "season", "about": "moment", "dtype": "category", "clock": {"field": "season"}},
            {"name": "closes", "about": "moment", "dtype": "number", "unit": "min", "clock": {"field": "minutes_to_close"}},
            {"name": "holiday", "about": "moment", "dtype": "flag", "clock": {"field": "holiday"}},
            {"name": "value", "about": "offer", "dtype": "number", "unit": "1", "offer": {"field": "value"}},
            {"name": "left", "about": "offer", "dtype": "number", "unit": "h", "offer": {"field": "hours_left"}},
            {"name": "distance", "about": "offer", "dtype": "number", "unit": "m", "between": {"field": "distance_m"}},
        ]
    }
)
"""The schema of the coupon table with every aggregator and every field of the clock."""
RICH_COLUMNS: tuple[str, ...] = (*COLUMNS, *RICH.columns[len(SCHEMA.columns) :])

GROUPED = parse(
    msgspec.to_builtins(RICH)
    | {
        "attributes": [
            *msgspec.to_builtins(RICH.attributes),
            person("visit_days", of="visits", fold="days", empty=0.0),
            person("known_hours", of="visits", fold="tenure"),
            person("bar_purchases", of="purchases", fold="count", categories=["bar"], half_life_days=30.0, empty=0.0),
            person("coffee_purchases", of="purchases", fold="count", categories=["coffee_house"], half_life_days=30.0, empty=0.0),
            person("answers_week", of="answers", fold="count", within_days=7, empty=0.0) | {"tier_min": 2},
            {"name": "habit", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "score": {"name": "habit"}},
            {"name": "worth", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "score": {"name": "worth"}},
            {"name": "group", "about": "person", "dtype": "category", "values": ["few", "many"], "purposes": ["offers"]}
            | {"segment": {"name": "frequency"}},
            {"name": "crawler", "about": "person", "dtype": "flag", "purposes": ["offers"], "cohort": {"name": "crawl"}},
            {"name": "gain", "about": "offer", "dtype": "number", "unit": "1"}
            | {"pattern": {"by_item": {"bar": "bar_purchases", "coffee_house": "coffee_purchases"}}},
            {"name": "together", "about": "offer", "dtype": "number", "unit": "1", "between": {"field": "group", "group": "together"}},
            {"name": "similar", "about": "offer", "dtype": "number", "unit": "1", "between": {"field": "group", "group": "similar"}},
        ]
    }
)
"""RICH, the folds that value tables read, and a derived attribute of each kind."""
GROUPED_COLUMNS: tuple[str, ...] = (*RICH_COLUMNS, *GROUPED.columns[len(RICH.columns) :])
_RANKED = [
    {"attribute": "visit_days", "quantiles": [0.0, 2.0, 5.0, 9.0, 20.0]},
    {"attribute": "visits_week", "quantiles": [0.0, 1.0, 2.0, 4.0, 9.0]},
]
GROUPED_MINED: Mined = msgspec.convert(
    {
        "groups": {
            "format": 1,
            "segmentations": [
                {
                    "name": "frequency",
                    "inputs": _RANKED,
                    "segments": [
                        {"name": "few", "centre": [0.2, 0.2], "people": 20},
                        {"name": "many", "centre": [0.8, 0.8], "people": 20},
                    ],
                }
            ],
            "tables": [
                {
                    "name": "worth",
                    "inputs": [{"attribute": "visit_days", "edges": [3.5]}, {"attribute": "known_hours", "edges": [200.0]}],
                    "cells": [[0, 1, 2], [0, 2, 4], [3, 6, 9], [5, 10, 15]],
                }
            ],
            "associations": [
                {"name": name, "measure": measure, "attributes": ["bar_purchases", "coffee_purchases"]}
                for name, measure in (("strength", "strength"), ("habit", "intensity"))
            ],
            "cohorts": [{"name": "crawl", "by": "zone", "steps": ["cafe", "bar"], "people": 20, "gap_h": 6.0}],
            "baskets": [{"name": "together", "weights": {"bar": {"coffee_purchases": 0.3}, "coffee_house": {"bar_purchases": 0.3}}}],
            "neighbours": [
                {
                    "name": "similar",
                    "inputs": _RANKED,
                    "width": 0.2,
                    "groups": [
                        {"centre": [0.1, 0.2], "people": 20, "rates": {"bar": 0.1, "coffee_house": 0.3}},
                        {"centre": [0.9, 0.7], "people": 20, "rates": {"bar": 0.6, "coffee_house": 0.2}},
                    ],
                }
            ],
            "variety": {"value": "worth", "edges": [3.0]},
            "velocity": {"strength": "strength", "shortest_h": 2.0, "longest_h": 50.0},
        },
        "patterns": [
            {"left": ["coffee_house"], "right": "bar", "confidence": 0.4, "lift": 2.0, "reach": 9, "margin_minor": 1.0, "worth_minor": 1.0}
        ],
    },
    Mined,
)
