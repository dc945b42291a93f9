"""A second fact for an offer: an advertisement alone proves little, because everybody can record a tag's bytes and send them again.

- Level: no receiver hears a tag at more than IMPLAUSIBLE_DBM.
- Envelope: a sighting in a message that was delivered before changes nothing.
- Movement: two levels give two circles, and a tag that is heard in two zones whose circles do not meet is there twice.
- App: with `presence.app_within_s` the person's own device must have sent a message within that time; a phone that hears a beacon has.

While the second fact is missing, visits are counted and no offer is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.core.presence import Presence, strongest
from gateway.core.radio import distance_m
from gateway.core.state.claims import Sent

if TYPE_CHECKING:
    from gateway.core.types import Sighting
    from gateway.core.unit_of_work import UnitOfWork

IMPLAUSIBLE_DBM = -10.0  # a tag at 10 dBm, a hand's breadth away, arrives with -10
CIRCLE = 2.0  # levels are 6 dB uncertain, which doubles a distance
PLACE_M = 15.0  # from the centre of a zone to its anchors, at both ends
WALK_M_S = 3.0
DOUBT_MS = 600_000  # after a tag was in two places
NOTHING_SENT = Sent()


def is_replayed(work: UnitOfWork, sighting: Sighting) -> bool:
    """Whether this sighting arrived before, by boot and sequence number of its message."""
    if sighting.sent is None:
        return False
    key, changed = (sighting.hearer, sighting.heard), work.out.claims.sent
    after = (changed.get(key) or work.state.claims.sent.get(key) or NOTHING_SENT).with_message(*sighting.sent)
    if after is None:
        return True
    changed[key] = after
    return False


def note_movement(work: UnitOfWork, here: Presence, others: Iterable[Presence]) -> None:
    """Doubt a person who is heard here and in a zone out of reach at the same time."""
    zone, rules = work.site.zones[here.zone], work.site.presence
    level, _, at_ms = strongest(here, work.now_ms)
    for other in others:
        there = work.site.zones.get(other.zone)
        other_level, _, other_ms = strongest(other, work.now_ms)
        if there is None or math.isinf(other_level):
            continue
        reach_m = CIRCLE * sum(distance_m(one, rules.reference_dbm, rules.exponent) for one in (level, other_level))
        apart_m = math.hypot(zone.x_m - there.x_m, zone.y_m - there.y_m)
        if apart_m > reach_m + PLACE_M + WALK_M_S * abs(at_ms - other_ms) / 1000:
            work.out.claims.doubted[here.subject] = work.now_ms


def is_missing(work: UnitOfWork, subject: str) -> bool:
    """Whether there is no second fact for an offer to this person."""
    claims = work.state.claims
    doubted_ms = work.out.claims.doubted.get(subject) or claims.doubted.get(subject)
    if doubted_ms is not None and work.now_ms - doubted_ms < DOUBT_MS:
        return True
    within_ms = work.site.presence.app_within_ms
    if within_ms is None:
        return False
    spoke_ms = work.out.claims.spoke.get(subject) or claims.spoke.get(subject, claims.since_ms)
    return work.now_ms - spoke_ms > within_ms


def note_app(work: UnitOfWork, subject: str | None) -> None:
    """The person's own device has sent a message."""
    if subject is not None and work.site.presence.app_within_ms is not None:
        work.out.claims.spoke[subject] = work.now_ms
