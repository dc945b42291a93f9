"""Incidents: a zone is silent while one lasts, except for service messages that the campaign allows then (`during_incident`).

Declared desks state an incident's beginning and end. It ends by itself after the stated time, so a lost message silences no zone for
ever. Triggers of the zone that are still waiting are dropped.
"""

from __future__ import annotations

from gateway.core.discards import Discard
from gateway.core.offers import Campaign
from gateway.core.site import EVERYWHERE
from gateway.core.state import FactRow, State
from gateway.core.state.replies import Reply
from gateway.core.types import Incident
from gateway.core.unit_of_work import UnitOfWork


def apply_incident(work: UnitOfWork, incident: Incident) -> FactRow | Discard:
    """Silence the zone of an incident, or end the silence. A desk of one zone speaks for that zone alone."""
    own_zone = work.site.devices.get(incident.envelope.device)
    if own_zone is None:
        return Discard.UNMAPPED_DEVICE
    zone = incident.zone if own_zone == EVERYWHERE and incident.zone is not None else own_zone
    if zone != EVERYWHERE and zone not in work.site.zones:
        return Discard.UNMAPPED_DEVICE
    until_ms = None if incident.minutes is None else work.moment(incident.envelope.device, incident.at_ms) + incident.minutes * 60_000
    work.out.incidents.until_ms[zone] = until_ms
    _reply(work, incident, zone, until_ms)
    kept = work.out.decisions.triggers
    work.out.decisions.triggers = [one for one in kept if passes(work.site.campaign, one.offer) or not is_silent(work, one.zone)]
    return FactRow(incident.envelope, "incident", work.now_ms, zone=zone, detail="began" if until_ms is not None else "ended")


def _reply(work: UnitOfWork, incident: Incident, zone: str, until_ms: int | None) -> None:
    """Confirm the incident to its desk: the operator must know that the zone is silent."""
    envelope = incident.envelope
    body = {"boot": envelope.boot, "seq": envelope.seq, "gateway": work.site.gateway, "zone": zone, "until_ms": until_ms}
    work.out.replies.messages.append(Reply(envelope.device, "incident", body))


def is_silent(work: UnitOfWork, zone: str) -> bool:
    """Whether an incident silences a zone, by this batch and the state before it."""
    changed = work.out.incidents.until_ms
    ends_ms = (changed[one] if one in changed else work.state.incidents.until_ms.get(one) for one in (zone, EVERYWHERE))
    return any(end_ms is not None and end_ms > work.now_ms for end_ms in ends_ms)


def silences(state: State, campaign: Campaign, zone: str, offer: str, now_ms: int) -> bool:
    """Whether a trigger of this offer must not be sent in a zone now."""
    ends_ms = [state.incidents.until_ms.get(one, 0) for one in (zone, EVERYWHERE)]
    return max(ends_ms) > now_ms and not passes(campaign, offer)


def passes(campaign: Campaign, offer: str) -> bool:
    """Whether an offer may be sent during an incident."""
    known = campaign.offer(offer)
    return known is not None and known.during_incident


def end_incidents(work: UnitOfWork) -> None:
    """Forget the incidents that are over."""
    for zone, end_ms in work.state.incidents.until_ms.items():
        if end_ms <= work.now_ms and zone not in work.out.incidents.until_ms:
            work.out.incidents.until_ms[zone] = None
