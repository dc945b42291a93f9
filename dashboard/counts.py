"""Records as rows of the tables of counts, with the values in the order of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from dashboard.bulk import Row
from dashboard.schema import ALL_ZONES, CONTROL_ITEMS, contacts, control, health, hours, visitors
from gateway.core.records import OUTCOMES, ControlCounts, GatewayHealth, HourCounts, OfferCounts, Record, VisitorCounts

COUNTS: Mapping[str, Table] = {"hours": hours, "contacts": contacts, "control": control, "visitors": visitors}
TABLE_OF: Mapping[type[Record], str] = {
    HourCounts: "hours",
    OfferCounts: "contacts",
    ControlCounts: "control",
    VisitorCounts: "visitors",
    GatewayHealth: "health",
}
HEALTH_COLUMNS = tuple(column.name for column in health.columns)


def rows_of(record: Record) -> list[Row]:
    """The rows of a record for the table TABLE_OF its type."""
    if isinstance(record, GatewayHealth):
        return [tuple(getattr(record, name) for name in HEALTH_COLUMNS)]
    gateway, start_ms, key, length_ms, variance = (
        record.gateway,
        record.window_start_ms,
        record.id,
        record.window_ms,
        record.noise.variance,
    )
    if isinstance(record, OfferCounts):
        zones = (ALL_ZONES,) if record.sums_zones else record.zones
        cells = [(zone, outcome) for zone in zones for outcome in OUTCOMES]
        return [
            (gateway, start_ms, record.offer, zone, outcome, key, length_ms, count, variance)
            for (zone, outcome), count in zip(cells, record.counts, strict=True)
        ]
    names: Sequence[str] = CONTROL_ITEMS if isinstance(record, ControlCounts) else record.zones
    return [(gateway, start_ms, name, key, length_ms, count, variance) for name, count in zip(names, record.counts, strict=True)]


def named(table: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows with the names of the columns."""
    names = [column.name for column in COUNTS[table].columns]
    return [dict(zip(names, row, strict=True)) for row in rows]


def unnamed(table: str, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of `named` again in the form of the table."""
    names = [column.name for column in COUNTS[table].columns]
    return [tuple(row[name] for name in names) for row in rows]
