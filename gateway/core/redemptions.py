"""Redeeming coupons: each counts once, at any till and gateway, in any order of arrival.

A till of this gateway states the code with its purchase; another gateway passes on the redemptions of its tills. The first redemption
of an own decision counts as the answer `redeemed`. A further one is a clash: it is reported with both places and counts as no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import context as contexts
from gateway.core import outcomes
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.state.coupons import Clash
from gateway.core.state.replies import Reply
from gateway.core.types import Redemption

if TYPE_CHECKING:
    from gateway.core.types import Purchase, Redeemed
    from gateway.core.unit_of_work import UnitOfWork


def redeem_purchase(work: UnitOfWork, purchase: Purchase) -> bool:
    """Redeem the coupon of a purchase at an own till; False if it clashes, so that the sale is no redemption."""
    coupon, envelope = purchase.coupon, purchase.envelope
    assert coupon is not None
    at_ms = work.now_ms if purchase.at_ms is None else purchase.at_ms
    sale = f"{envelope.boot}.{envelope.seq}"
    one = Redemption(at_ms, envelope.device, sale, coupon.decision, work.site.gateway, coupon.expires_s * 1000)
    clash = _redeem(work, one)
    work.out.coupons.heard.append(one)
    return clash is None


def fold_redeemed(work: UnitOfWork, redeemed: Redeemed) -> None:
    """Fold the redemptions that another gateway passes on."""
    for one in redeemed.redemptions:
        if one.gateway != work.site.gateway and _redeem(work, one) is not None:
            known = work.repository.redemptions(one.decision)  # the other gateway may not know of the clash yet
            work.out.coupons.heard += [mine for mine in known if mine.gateway == work.site.gateway]


def _redeem(work: UnitOfWork, one: Redemption) -> Clash | None:
    """Note a redemption; the clash if it is a further one of its code. One that is known already changes nothing."""
    known: list[Redemption] = [*work.repository.redemptions(one.decision), *work.out.coupons.redeemed.get(one.decision, ())]
    if any(other.place == one.place for other in known):
        return None
    work.out.coupons.redeemed.setdefault(one.decision, []).append(one)
    if not known:
        _count(work, one)
        return None
    first, second = sorted((min(known), one))
    clash = Clash(first, second)
    work.out.coupons.clashes.append(clash)
    work.out.totals["coupons_clashed"] += 1
    for till in {first.till, second.till} & work.site.devices.keys():
        places = [{"till": place.till, "gateway": place.gateway, "at_ms": place.at_ms} for place in (first, second)]
        work.out.replies.messages.append(Reply(till, "coupon", {"outcome": "clash", "decision": one.decision, "places": places}))
    return clash


def _count(work: UnitOfWork, one: Redemption) -> None:
    """Count the first redemption of an own decision as its answer."""
    proposed = work.repository.proposed(one.decision)
    person = work.context(proposed.subject) if proposed else None
    if proposed is None or person is None or contexts.has_expired(person.consent_expires_at_ms, work.now_ms):
        return
    work.out.people.contexts[person.subject] = contexts.with_answer(person, one.decision, "redeemed")
    work.out.decisions.answers[one.decision] = "redeemed"
    work.settle(one.decision, "redeemed")
    outcomes.fold_answer(work, one.decision, "redeemed")
    work.out.totals["redeemed"] += 1
    offer, zone = work.site.campaign.offer(proposed.offer), work.site.zones.get(proposed.zone)
    category, kind = offer.category if offer else None, zone.kind if zone else None
    fact = HistoryFact("answers", work.now_ms, category, proposed.zone, kind, proposed.offer, answer="redeemed")
    work.fold_history(person.subject, fact)
