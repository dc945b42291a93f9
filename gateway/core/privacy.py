"""Makes the records that may leave the gateway; no other module constructs them.

Input are the counts of one window. Output are records of a closed set of types; each field is an enumerated value, a bounded number, or
an id from the public catalogue of zones and offers. A count of anything outside the catalogue cannot be expressed, so it cannot leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.core.records import CellCount, CellKind, GatewayHealth, Record
from gateway.core.site import Site


class CounterKey(NamedTuple):
    """Key of one count: zone, offer and kind of event."""

    zone: str
    offer: str
    kind: CellKind


class GatewayCounters(NamedTuple):
    """Totals of the gateway's activity within one window."""

    messages: int = 0
    refused: int = 0
    facts: int = 0
    decisions: int = 0
    triggers: int = 0


def window_start_ms(now_ms: int, window_ms: int) -> int:
    """The start of the window that contains `now_ms`."""
    return now_ms - now_ms % window_ms


def close_window(
    site: Site, start_ms: int, cells: Mapping[CounterKey, int], activity: GatewayCounters, backlog: int, name: str
) -> tuple[Record, ...]:
    """The records of one closed window, in a fixed order.

    `name` is a random text for this window, part of the ids of its records, because ids must stay unique after the database was lost.
    """
    catalogue = {(zone, offer.id) for offer in site.campaign.offers for zone in (*offer.zones, offer.shop)}
    rows = [(cell, count) for cell, count in sorted(cells.items()) if (cell.zone, cell.offer) in catalogue and count > 0]
    name = f"{site.gateway}.{name}"
    health = GatewayHealth(
        id=f"{name}.h",
        gateway=site.gateway,
        window_start_ms=start_ms,
        window_ms=site.window_ms,
        backlog=backlog,
        **activity._asdict(),
    )
    counts = (
        CellCount(
            id=f"{name}.{index}",
            gateway=site.gateway,
            window_start_ms=start_ms,
            window_ms=site.window_ms,
            zone=cell.zone,
            offer=cell.offer,
            kind=cell.kind,
            count=count,
        )
        for index, (cell, count) in enumerate(rows)
    )
    return (health, *counts)
