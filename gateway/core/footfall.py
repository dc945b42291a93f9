"""Reports of people counters, folded into the zones that the config gives to the counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import context as contexts
from gateway.core import occasions
from gateway.core.counting import OPPOSITE
from gateway.core.discards import Discard
from gateway.core.site import Door, last_ms

if TYPE_CHECKING:
    from gateway.core.types import Count
    from gateway.core.unit_of_work import UnitOfWork

PEOPLE = "people"


def fold_count(work: UnitOfWork, count: Count) -> Discard | None:
    """Fold a report at the time of its arrival; the reason if it is discarded.

    A line or region of a counter, `{device}/{part}`, belongs to the zone of its device unless it has one of its own.
    """
    device = count.device if count.device in work.site.devices else count.device.rpartition("/")[0]
    zone = work.site.devices.get(device)
    if zone is None:
        return Discard.UNMAPPED_DEVICE
    if count.what.partition("_")[0] != PEOPLE:
        return Discard.UNUSED_COUNT  # no feature reads other counts, and a device may report any number of kinds
    door = work.site.doors.get(device, Door())
    direction = OPPOSITE[count.direction] if door.inverted and count.direction else count.direction
    places = [(zone, direction)]
    if door.from_zone is not None and direction is not None and count.kind != "present":
        places.append((door.from_zone, OPPOSITE[direction]))
    for place, way in places:
        known = work.site.zones.get(place)
        empty_ms = None if known is None or known.empty_at_min is None else last_ms(work.now_ms, work.site.timezone, known.empty_at_min)
        after = contexts.with_count(work.zone_context(place), count, work.now_ms, way, empty_ms)
        work.out.sensors.zones[place] = after
        if count.kind == "total" or (way is not None and count.kind == "passed"):
            work.out.sensors.counted[place] = after.counting
        for quantity in contexts.PEOPLE:
            occasions.measured(work, place, quantity)
    return None
