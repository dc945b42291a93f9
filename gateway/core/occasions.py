"""Occasions of a zone, for all people present: a time of day, a crossed threshold, an external event.

`fire` notes the occasion in the commit of its cause; the people are decided for at the next steps of time, at most
FIRING_SUBJECTS_MAX at a step, so that a crowd delays no message. How far it went is kept with the firing, in the same commit as the
decisions: a restart repeats none and loses none. People that have left meanwhile are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.campaign import triggers
from gateway.core.campaign.triggers import Threshold
from gateway.core.context import SubjectContext
from gateway.core.discards import Discard
from gateway.core.offers import Offer
from gateway.core.site import EVERYWHERE, Site
from gateway.core.state import FactRow, State
from gateway.core.state.occasions import Firing
from gateway.core.types import Event, Occasion
from gateway.core.unit_of_work import UnitOfWork

SCHEDULE_LATE_MS_MAX = 600_000  # a time of day that passed while the gateway was off is made up for within ten minutes
PREFIX_CHARS = 8  # of a subject id, in the mark of a firing: 4 billion values, so parts of a crowd are cut between any two people
Decide = Callable[[SubjectContext, str, Occasion, frozenset[str]], object]
"""Decides for a person in a zone, among some offers."""


def due_ms(site: Site, state: State, now_ms: int) -> int | None:
    """When the next step of time is needed: at once for open firings, otherwise at the next time of day; None without either."""
    occasions, schedules = state.occasions, site.campaign.table.schedules
    if occasions.firings:
        return min(one.at_ms for one in occasions.firings.values())
    if not schedules:
        return None
    handled_ms = occasions.scheduled_ms
    if handled_ms is None or handled_ms > now_ms + limits.CLOCK_BACK_MS_MAX:
        return site.clock_floor_ms
    return site.campaign.table.next_time_ms(site.timezone, handled_ms)


def fire(work: UnitOfWork, zone: str, occasion: Occasion, offers: Iterable[str]) -> None:
    """Note an occasion for all people in `zone`; one that is still open for the same offers is not begun again."""
    firing = Firing(zone, occasion, tuple(sorted(offers)), work.now_ms)
    open_ = work.out.occasions.firings.get(firing.key) or work.state.occasions.firings.get(firing.key)
    if open_ is None and firing.offers and any(True for _ in work.present(zone)):
        work.out.occasions.firings[firing.key] = firing


def measured(work: UnitOfWork, zone: str, quantity: str) -> None:
    """Compare the newest value of a quantity with the thresholds of the offers, in `zone` or, for EVERYWHERE, in each zone."""
    for threshold, offers in work.site.campaign.table.thresholds.get(quantity, {}).items():
        for place in work.site.zones if zone == EVERYWHERE else (zone,):
            ids = [offer.id for offer in offers if place in offer.zones]
            if ids and _crossed(work, place, threshold):
                fire(work, place, "reading", ids)


def happened(work: UnitOfWork, event: Event) -> FactRow | Discard:
    """Fire an external event in its zone, and let its offers be proposed at each entry until it expires.

    The zone is the one that the event names, if it is ours, otherwise that of its device.
    """
    own_zone = work.site.devices.get(event.device)
    if own_zone is None:
        return Discard.UNMAPPED_DEVICE
    at_ms = work.now_ms if event.at_ms is None else min(work.now_ms, event.at_ms)
    answering = work.site.campaign.table.events.get((event.source, event.kind), ())
    offers = [offer for offer in answering if _event_end_ms(offer, event, at_ms) > work.now_ms]
    if answering and not offers:
        return Discard.LATE
    place = event.zone if event.zone is not None and event.zone in work.site.zones else own_zone
    for zone in work.site.zones if place == EVERYWHERE else (place,):
        here = [offer for offer in offers if zone in offer.zones]
        work.out.occasions.live.update({(zone, offer.id): _event_end_ms(offer, event, at_ms) for offer in here})
        fire(work, zone, "event", [offer.id for offer in here])
    return FactRow(event.envelope, "event", work.now_ms, zone=place, detail=event.kind)


def live(work: UnitOfWork, zone: str) -> frozenset[str]:
    """The offers that an external event lets be proposed in a zone."""
    kept, changed = work.state.occasions.live, work.out.occasions.live
    if not kept and not changed:
        return frozenset()
    ends_ms: dict[tuple[str, str], int | None] = {**kept, **changed}
    return frozenset(offer for (place, offer), end_ms in ends_ms.items() if place == zone and end_ms is not None and end_ms > work.now_ms)


def end_events(work: UnitOfWork) -> None:
    """Forget the ends of events that are over."""
    for place, end_ms in work.state.occasions.live.items():
        if end_ms <= work.now_ms and place not in work.out.occasions.live:
            work.out.occasions.live[place] = None


def _event_end_ms(offer: Offer, event: Event, at_ms: int) -> int:
    assert offer.event is not None
    end_ms = at_ms + offer.event.expires_s * 1000
    return end_ms if event.expires_at_ms is None else min(end_ms, event.expires_at_ms)


def pass_times(work: UnitOfWork) -> None:
    """Fire the times of day since the last look. The first look, and one after the clock was years ahead, only sets the mark."""
    table, handled_ms = work.site.campaign.table, work.state.occasions.scheduled_ms
    if not table.schedules or work.now_ms < work.site.clock_floor_ms:
        return
    if handled_ms is None or handled_ms > work.now_ms + limits.CLOCK_BACK_MS_MAX:
        work.out.occasions.scheduled_ms = work.now_ms
        return
    next_ms = table.next_time_ms(work.site.timezone, handled_ms)
    if next_ms is None or next_ms > work.now_ms:
        return
    work.out.occasions.scheduled_ms = work.now_ms
    from_ms = max(handled_ms, work.now_ms - SCHEDULE_LATE_MS_MAX)
    due = triggers.due_between(table.schedules, work.site.timezone, from_ms, work.now_ms)
    for zone in work.site.zones:
        fire(work, zone, "scheduled", [offer.id for one in due for offer in table.schedules[one] if zone in offer.zones])


def decide_waiting(work: UnitOfWork, decide: Decide) -> None:
    """Decide for the next people of the open firings, at most FIRING_SUBJECTS_MAX in all."""
    room = limits.FIRING_SUBJECTS_MAX
    for firing in [one for one in {**work.state.occasions.firings, **work.out.occasions.firings}.values() if one is not None]:
        if room <= 0:
            return
        offers = frozenset(firing.offers)
        waiting = sorted(one for one in work.present(firing.zone, firing.at_ms) if one[:PREFIX_CHARS] > firing.after)
        part = waiting[:room]
        part += [one for one in waiting[room:] if part and one[:PREFIX_CHARS] == part[-1][:PREFIX_CHARS]]
        for subject in part:
            person = work.context(subject)
            if person is not None and work.may_see(subject):
                decide(person, firing.zone, firing.occasion, offers)
        is_over = len(part) == len(waiting)
        after = None if is_over else msgspec.structs.replace(firing, after=part[-1][:PREFIX_CHARS])
        work.out.occasions.firings[firing.key] = after
        room -= len(part)


def _crossed(work: UnitOfWork, zone: str, threshold: Threshold) -> bool:
    """Whether the value in a zone has crossed a threshold. The first value that is known only sets the side."""
    value = contexts.latest(work.here(zone), threshold.quantity, work.now_ms)
    if value is None:
        return False
    key, changed = (zone, threshold.name), work.out.occasions.over
    before = changed[key] if key in changed else work.state.occasions.over.get(key)
    after = threshold.is_over(value, was_over=before or False)
    if after != before:
        changed[key] = after
    return before is False and after
