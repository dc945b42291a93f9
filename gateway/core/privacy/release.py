"""Makes the records that leave the gateway; no other module constructs them.

Input are the frozen counts of one table and period. Each count of the table gets its own noise. Counts outside the public catalogue
cannot be expressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.privacy import laplace
from gateway.core.privacy.tables import Catalogue
from gateway.core.records import COUNT_MAX, OUTCOMES, GatewayHealth, HourCounts, Noise, OfferCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.privacy.laplace import Entropy
    from gateway.core.privacy.tables import Period, Terms
    from gateway.core.site import Site


def catalogue(site: Site) -> Catalogue:
    """The catalogue of a site and its campaign."""
    offers = {offer.id: tuple(sorted({*offer.zones, offer.shop})) for offer in site.campaign.offers}
    return Catalogue(site.gateway, tuple(sorted(site.zones)), dict(sorted(offers.items())))


def hour_record(catalogue: Catalogue, period: Period, sent: Mapping[str, int], entropy: Entropy, name: str) -> HourCounts:
    """The record of a window that is over; `sent` has the exact counts by zone, and `name` makes its id unique."""
    return HourCounts(
        id=f"{catalogue.gateway}.{name}.t",
        gateway=catalogue.gateway,
        window_start_ms=period.window_start_ms,
        window_ms=period.window_end_ms - period.window_start_ms,
        noise=noise(period.terms),
        zones=catalogue.zones,
        counts=tuple(_noised(sent.get(zone, 0), period.terms, entropy) for zone in catalogue.zones),
    )


def offer_records(
    catalogue: Catalogue, period: Period, closed: Mapping[tuple[str, str, str], int], entropy: Entropy, name: str
) -> tuple[OfferCounts, ...]:
    """The records of a service day that is over, one for each offer; `closed` has the exact counts by (zone, offer, outcome)."""
    return tuple(
        OfferCounts(
            id=f"{catalogue.gateway}.{name}.o{index}",
            gateway=catalogue.gateway,
            window_start_ms=period.day_start_ms,
            window_ms=period.day_end_ms - period.day_start_ms,
            noise=noise(period.terms),
            zones=zones,
            offer=offer,
            counts=tuple(_noised(closed.get((zone, offer, outcome), 0), period.terms, entropy) for zone in zones for outcome in OUTCOMES),
        )
        for index, (offer, zones) in enumerate(catalogue.offers.items())
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


def noise(terms: Terms) -> Noise:
    """The statement of the noise in each record."""
    return Noise(terms.share_millionths, terms.contacts_max, laplace.variance(terms.scale))


def _noised(count: int, terms: Terms, entropy: Entropy) -> int:
    return max(-COUNT_MAX, min(COUNT_MAX, count + laplace.discrete_laplace(terms.scale, entropy)))
