"""The door: the only place where a record that may leave the gateway is made.

What goes in are counts gathered inside one window; what comes out are records of a closed set of types
whose every field is an enumerated word, a bounded number, or an id from the public catalogue of zones and
offers. A count for anything outside that catalogue cannot be expressed, so it cannot leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.core.records import CellCount, CellKind, GatewayHealth, Record
from gateway.core.site import Site


class CounterKey(NamedTuple):
    """One counter: what happened to which offer in which zone."""

    zone: str
    offer: str
    kind: CellKind


class GatewayCounters(NamedTuple):
    """What the gateway did within one window; numbers about the machine, not about anybody."""

    messages: int = 0
    refused: int = 0
    facts: int = 0
    decisions: int = 0
    triggers: int = 0


def window_start_ms(now_ms: int, window_ms: int) -> int:
    """The start of the window that a moment falls into."""
    return now_ms - now_ms % window_ms


def close_window(
    site: Site, start_ms: int, cells: Mapping[CounterKey, int], activity: GatewayCounters, backlog: int, name: str
) -> tuple[Record, ...]:
    """Make the records of one closed window, from frozen counts, in a fixed order.

    `name` is drawn for this window and begins the ids of its records: a gateway whose database was lost must not
    name different counts alike.
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
