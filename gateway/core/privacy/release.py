"""Makes the records that leave the gateway; no other module constructs them.

Input are the frozen counts of one table and period. Each count of the table gets its own noise. Counts outside the public catalogue
cannot be expressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.privacy import laplace
from gateway.core.privacy.tables import Catalogue
from gateway.core.records import COUNT_MAX, OUTCOMES, ControlCounts, GatewayHealth, HourCounts, Noise, OfferCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.core.privacy.laplace import Entropy
    from gateway.core.privacy.tables import Period, TableName, Terms
    from gateway.core.site import Site


def catalogue(site: Site) -> Catalogue:
    """The catalogue of a site and its campaign."""
    offers = {offer.id: tuple(sorted({*offer.zones, offer.shop})) for offer in site.campaign.offers}
    return Catalogue(site.gateway, tuple(sorted(site.zones)), dict(sorted(offers.items())))


def hour_record(catalogue: Catalogue, period: Period, sent: Mapping[str, int], entropy: Entropy, name: str) -> HourCounts:
    """The record of a window that is over; `sent` has the exact counts by zone, and `name` makes its id unique.

    Raises ValueError for a negative count.
    """
    return HourCounts(
        id=f"{catalogue.gateway}.{name}.t",
        gateway=catalogue.gateway,
        window_start_ms=period.window_start_ms,
        window_ms=period.window_end_ms - period.window_start_ms,
        noise=noise(period.terms, "hours"),
        zones=catalogue.zones,
        counts=_noised([sent.get(zone, 0) for zone in catalogue.zones], period.terms, "hours", entropy),
    )


def offer_records(
    catalogue: Catalogue, period: Period, closed: Mapping[tuple[str, str, str], int], entropy: Entropy, name: str
) -> tuple[OfferCounts, ...]:
    """The records of a service day or week that is over, one for each offer; `closed` has the exact counts by (zone, offer, outcome).

    Raises ValueError for a negative count.
    """
    start_ms, end_ms = period.span("offers")
    made = []
    for index, (offer, zones) in enumerate(catalogue.offers.items()):
        rows = [[closed.get((zone, offer, outcome), 0) for outcome in OUTCOMES] for zone in zones]
        exact = [sum(cells) for cells in zip(*rows, strict=True)] if period.terms.sums_zones else [count for row in rows for count in row]
        made.append(
            OfferCounts(
                id=f"{catalogue.gateway}.{name}.o{index}",
                gateway=catalogue.gateway,
                window_start_ms=start_ms,
                window_ms=end_ms - start_ms,
                noise=noise(period.terms, "offers"),
                zones=zones,
                offer=offer,
                counts=_noised(exact, period.terms, "offers", entropy),
                sums_zones=period.terms.sums_zones,
            )
        )
    return tuple(made)


def control_record(catalogue: Catalogue, period: Period, distances: Sequence[int], entropy: Entropy, name: str) -> ControlCounts:
    """The record of the answers to the question of perceived control; `distances` has that of each person from the middle, -6 to 6."""
    start_ms, end_ms = period.span("control")
    number, total = (count + laplace.discrete_laplace(period.terms.scale("control"), entropy) for count in (len(distances), sum(distances)))
    return ControlCounts(
        id=f"{catalogue.gateway}.{name}.c",
        gateway=catalogue.gateway,
        window_start_ms=start_ms,
        window_ms=end_ms - start_ms,
        noise=noise(period.terms, "control"),
        counts=(_bounded(number), _bounded(total)),
    )


def health_record(catalogue: Catalogue, period: Period, backlog: int, name: str) -> GatewayHealth:
    """The state of the gateway at the end of a window."""
    return GatewayHealth(
        id=f"{catalogue.gateway}.{name}.h",
        gateway=catalogue.gateway,
        window_start_ms=period.window_start_ms,
        window_ms=period.window_end_ms - period.window_start_ms,
        backlog=backlog,
        demonstration=period.terms.demonstration,
    )


def noise(terms: Terms, table: TableName) -> Noise:
    """The statement of the noise in each record of a table."""
    return Noise(terms.share_millionths(table), terms.change_max(table), laplace.variance(terms.scale(table)))


def _noised(counts: Iterable[int], terms: Terms, table: TableName, entropy: Entropy) -> tuple[int, ...]:
    scale = terms.scale(table)
    return tuple(_bounded(_true(count) + laplace.discrete_laplace(scale, entropy)) for count in counts)


def _true(count: int) -> int:
    if count < 0:
        raise ValueError(f"{count} contacts cannot have been counted: nothing is released")
    return count


def _bounded(count: int) -> int:
    return max(-COUNT_MAX, min(COUNT_MAX, count))
