"""The demonstration street's schema with the 25 columns of its model, and a schema with every aggregator and field of the clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from gateway.adapters.toml_files import load_schema
from gateway.core.attributes.aggregators import State, Value
from gateway.core.attributes.history import HistoryPlan, Stated
from gateway.core.attributes.schema import parse
from gateway.core.types import Purpose

SCHEMA = load_schema(Path(__file__).parents[2] / "deploy" / "worlds" / "street" / "schema.toml")
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
"""The demonstration's schema with every aggregator and every field of the clock."""
RICH_COLUMNS: tuple[str, ...] = (*COLUMNS, *RICH.columns[len(SCHEMA.columns) :])
