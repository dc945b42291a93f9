"""Requests for an offer: the decision goes back to the device as a reply, and no trigger is sent.

A request with room for several offers (`most`) has a slate (`gateway.core.policy.slate`).
A phone asks for its own person, in a zone where the person is present. A till or kiosk asks for the person of the device or tag that it
names, in its own zone. All gates apply, and a request that was answered before has the same answer, by its envelope. The reply
states no reason of a silence, because a till must not learn which of the person's limits or wishes is behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.core import context as contexts
from gateway.core.channels import coupon_code, offer_message
from gateway.core.context import SubjectContext
from gateway.core.creatives import choose_creative
from gateway.core.discards import Discard
from gateway.core.policy.decision import Decision
from gateway.core.policy.slate import item_draw
from gateway.core.presence import Presence
from gateway.core.site import EVERYWHERE
from gateway.core.state import FactRow
from gateway.core.state.replies import Reply
from gateway.core.types import OfferRequest
from gateway.core.unit_of_work import UnitOfWork

REQUEST_AGE_MS_MAX = 10_000  # the person at a counter does not wait longer
Decide = Callable[[SubjectContext, str, int], Sequence[Decision]]
"""The decisions for a person in a zone, at most the given number."""


def answer_request(work: UnitOfWork, request: OfferRequest, decide: Decide) -> FactRow | Discard:
    """Decide and reply; a request that cannot be answered has a reply with the reason of its discard."""
    found = _asked(work, request)
    if isinstance(found, Discard):
        _reply(work, request, {"outcome": "refused", "reason": found})
        return found
    person, zone = found
    made = decide(person, zone, request.most)
    _reply_decisions(work, request, made)
    return FactRow(request.envelope, "request", work.now_ms, person.subject, zone, made[0].id)


def repeat_answer(work: UnitOfWork, request: OfferRequest) -> None:
    """The reply to a request that was answered before; it is refused if its decision was deleted with the person's consent."""
    row = work.out.facts.rows.get(request.envelope)
    decision = work.repository.requested(request.envelope)
    if row is not None:
        decision = next((one for one in work.out.decisions.made if one.id == row.decision), None)
    if decision is None:
        _reply(work, request, {"outcome": "refused", "reason": Discard.NOT_CONSENTED})
    else:
        _reply_decisions(work, request, _slate(work, decision, request.most))


def _slate(work: UnitOfWork, first: Decision, most: int) -> list[Decision]:
    """The decisions of a slate that was answered before."""
    found = [first]
    made = {one.id: one for one in work.out.decisions.made}
    gateway, _, drawn = first.id.rpartition(".")
    for position in range(1, most):
        id_ = f"{gateway}.{item_draw(drawn, position)}"
        item = made.get(id_) or work.repository.decision(id_)
        if item is None:
            break
        found.append(item)
    return found


def _asked(work: UnitOfWork, request: OfferRequest) -> tuple[SubjectContext, str] | Discard:
    """The person and the zone of a request."""
    device = request.envelope.device
    if request.at_ms is not None and work.now_ms - work.moment(device, request.at_ms) > REQUEST_AGE_MS_MAX:
        return Discard.LATE
    own_zone = work.site.devices.get(device)
    if own_zone is None and request.person not in (None, device):
        return Discard.OTHER_SPEAKER
    subject = work.subject_heard(request.person or device)
    person = work.context(subject) if subject else None
    if person is None or not work.may_see(person.subject):
        return Discard.NOT_CONSENTED
    zone = _zone(work, request, person) if own_zone is None else _counter_zone(work, request, own_zone)
    return Discard.UNMAPPED_DEVICE if zone is None else (person, zone)


def _counter_zone(work: UnitOfWork, request: OfferRequest, own_zone: str) -> str | None:
    """The zone of an installed device; one of the whole site states a zone."""
    zone = request.zone if own_zone == EVERYWHERE else own_zone
    return zone if zone in work.site.zones else None


def _zone(work: UnitOfWork, request: OfferRequest, person: SubjectContext) -> str | None:
    """The stated zone, or the one entered last, of those in which the person is present."""
    present = [one for zone in work.site.zones if (one := work.presence((person.subject, zone))) and one.entered_ms is not None]
    if request.zone is not None:
        return request.zone if any(one.zone == request.zone for one in present) else None
    return max(present, key=_entered_ms).zone if present else None


def _entered_ms(present: Presence) -> int:
    return present.entered_ms or 0


def _reply_decisions(work: UnitOfWork, request: OfferRequest, made: Sequence[Decision]) -> None:
    """Reply with an offer or none, or with a slate if the request has room for more than one offer."""
    items = [(one.position, item) for one in made if (item := _item(work, one)) is not None]
    body: dict[str, object] = {"outcome": "none", "decision": made[0].id}
    if items and request.most == 1:
        body = {"outcome": "offer", **items[0][1]}
    elif items:
        body = {"outcome": "slate", "decision": made[0].id, "offers": [{"position": position, **item} for position, item in items]}
    _reply(work, request, body, made[0].subject)


def _item(work: UnitOfWork, decision: Decision) -> dict[str, object] | None:
    """The offer of a decision as it is shown; None for silence, and after a withdrawal."""
    offer = work.site.campaign.offer(decision.offer) if decision.offer else None
    person = work.context(decision.subject)
    if offer is None or person is None:
        return None
    expires_at_ms, site = work.offer_expires_at_ms(person, decision.at_ms), work.site
    coupon = coupon_code(site.coupons, decision.id, offer, site.campaign.policy, expires_at_ms)
    creative = choose_creative(offer.creatives, "reply", contexts.language(person))
    return offer_message(decision.id, offer, creative, decision.zone, expires_at_ms, coupon)


def _reply(work: UnitOfWork, request: OfferRequest, body: dict[str, object], subject: str | None = None) -> None:
    envelope = request.envelope
    body = {"boot": envelope.boot, "seq": envelope.seq, **body}
    work.out.replies.messages.append(Reply(envelope.device, "offer", body, subject, work.site.campaign.policy.trigger_expiry_s))
