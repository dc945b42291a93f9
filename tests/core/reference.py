"""Decisions in the simplest form: offer by offer, value by value, by name. Slow; the gateway's own code must give equal decisions.

It shares only definitions with that code: the aggregators, the readings of a context, the rows of REASONS and the types.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.attributes.aggregators import Value, aggregator
from gateway.core.attributes.read import expanded, used_attributes
from gateway.core.attributes.schema import SEASONS, Attribute
from gateway.core.context import Contact, ZoneContext
from gateway.core.offers import Ignored, Offer
from gateway.core.policy.choose import Scorer
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import REASONS, Reason
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.types import Named

HOUR_MS = 3_600_000
ORDER = list(REASONS)


def decided(request: DecisionRequest, here: ZoneContext, scorer: Scorer, decision_id: str) -> Decision:
    """As `gateway.core.policy.choose.decide`."""
    offers = request.site.campaign.offers
    gates = {offer.id: closed_to_all(request) or closed_to(offer, request) for offer in offers}
    open_offers = [offer for offer in offers if gates[offer.id] is None]
    candidates = preferred(request, open_offers) or (ranked(request, here, scorer, open_offers) if open_offers else [])
    candidates += [Candidate(id_, Reason(reason)) for id_, reason in gates.items() if reason is not None]
    furthest = max(candidates, key=lambda one: ORDER.index(one.reason))
    return Decision(
        decision_id,
        request.subject.subject,
        request.zone,
        request.occasion,
        request.now_ms,
        furthest.offer if furthest.reason in {"chosen", "service"} else None,
        furthest.reason,
        tuple(candidates[: limits.CANDIDATES_KEPT_MAX]),
        model=scorer.version,
        left_out=Counter(one.reason for one in candidates[limits.CANDIDATES_KEPT_MAX :]),
        facts=request.subject.facts,
        columns=request.site.plan.digest,
        arm="sent" if furthest.reason == "chosen" else "held_out" if furthest.reason == "held_out" else "",
        intended=furthest.offer if furthest.reason in {"chosen", "held_out"} else None,
        policy=f"plain-1.{request.site.campaign.policy.digest}",
        seed=request.seed,
    )


# --- gates ---------------------------------------------------------------------------------------------------


def closed_to_all(request: DecisionRequest) -> str | None:
    """The first reason for which no offer is possible, or None."""
    policy, now_ms, subject = request.site.campaign.policy, request.now_ms, request.subject
    if now_ms < request.site.clock_floor_ms:
        return "clock_untrusted"
    if not contexts.allows(subject, "offers", now_ms):
        return "no_consent"
    if is_between(request, policy.quiet_from, policy.quiet_until):
        return "quiet_hours"
    if subject.wishes is not None and any(is_between(request, start, end) for start, end in subject.wishes.hours):
        return "blocked_hours"
    if any(now_ms - contact.at_ms < policy.gap_s_min * 1000 for contact in subject.reached):
        return "cool_down"
    return "cap_person_day" if len(today(request)) >= policy.per_person_day_max else None


def is_between(request: DecisionRequest, start: int, end: int) -> bool:
    """Whether the local minute of the day is in a span that may wrap around midnight."""
    clock = local(request, request.now_ms)
    minute = clock.hour * 60 + clock.minute
    return start <= minute < end if start <= end else minute >= start or minute < end


def is_named(offer: Offer, names: Named) -> bool:
    """Whether a wish is about an offer."""
    return offer.id in names.offers or offer.category in names.categories or offer.shop in names.shops


def closed_to(offer: Offer, request: DecisionRequest) -> str | None:
    """The first reason for which this offer is not possible, or None."""
    if request.zone not in offer.zones:
        return "not_here"
    if request.occasion not in offer.occasions:
        return "not_now"
    if request.is_silent and not offer.during_incident:
        return "incident"
    if not offer.starts_ms <= request.now_ms < offer.ends_ms:
        return "not_live"
    return closed_by_policy(offer, request)


def closed_by_policy(offer: Offer, request: DecisionRequest) -> str | None:
    """The first reason of the contact policy for which this offer is not possible, or None."""
    policy = request.site.campaign.policy
    if request.subject.wishes is not None and is_named(offer, request.subject.wishes.blocked):
        return "blocked"
    if any(one.offer == offer.id and one.answer == "dismissed" for one in recent(request, policy.refusal_s)):
        return "refused"
    if any(is_silent(offer, request, rule) for rule in policy.ignored):
        return "ignored"
    if len([contact for contact in today(request) if contact.offer == offer.id]) >= offer.per_person_day_max:
        return "cap_offer_day"
    for cap in policy.caps:
        if len([one for one in recent(request, cap.within_s) if is_of(offer, request, cap.per, one)]) >= cap.most:
            return "cap_window"
    used = request.used_minor.get(offer.id, 0)
    return "budget_spent" if offer.budget_minor is not None and used + offer.cost_minor > offer.budget_minor else None


def recent(request: DecisionRequest, seconds: int) -> list[Contact]:
    """The contacts of the last seconds, and those in the future."""
    return [contact for contact in request.subject.reached if contact.at_ms > request.now_ms - seconds * 1000]


def is_of(offer: Offer, request: DecisionRequest, per: str, contact: Contact) -> bool:
    """Whether a contact counts together with those of an offer."""
    other = next((one for one in request.site.campaign.offers if one.id == contact.offer), None)
    if per == "person":
        return True
    return other is not None and getattr(other, "id" if per == "offer" else per) == getattr(offer, "id" if per == "offer" else per)


def is_silent(offer: Offer, request: DecisionRequest, rule: Ignored) -> bool:
    """Whether proposals like this offer went unanswered too often."""
    over_ms = request.now_ms - request.site.campaign.policy.trigger_expiry_s * 1000
    contacts = [one for one in request.subject.reached if is_of(offer, request, rule.per, one) and one.at_ms <= over_ms]
    times = sorted(one.at_ms for one in contacts if one.answer in {None, "shown", "opened"})
    for last in times:
        together = [at for at in times if last - rule.within_s * 1000 <= at <= last]
        if len(together) >= rule.times and request.now_ms - last < rule.silent_s * 1000:
            return True
    return False


def today(request: DecisionRequest) -> list[Contact]:
    """The contacts whose local date is that of the request."""
    date = local(request, request.now_ms).date()
    return [contact for contact in request.subject.reached if local(request, contact.at_ms).date() == date]


def local(request: DecisionRequest, at_ms: int) -> datetime:
    """The local time at the site."""
    return datetime.fromtimestamp(at_ms / 1000, request.site.timezone)


# --- ranks ---------------------------------------------------------------------------------------------------


def preferred(request: DecisionRequest, offers: Sequence[Offer]) -> list[Candidate]:
    """If there are service messages or wanted offers: these, dearest first, then the others; otherwise nothing."""
    wanted = request.subject.wishes.wanted if request.subject.wishes is not None else Named()
    rank = {offer.id: 0 if offer.kind == "service" else 1 if is_named(offer, wanted) else 2 for offer in offers}
    if not any(place < 2 for place in rank.values()):
        return []
    first, *others = sorted(offers, key=lambda offer: (rank[offer.id], -offer.value_minor))
    chosen = "service" if first.kind == "service" else "held_out" if request.held_out else "chosen"
    reasons = [(first, chosen), *((offer, "lower_rank" if rank[offer.id] < 2 else "yields") for offer in others)]
    return [Candidate(offer.id, Reason(reason)) for offer, reason in reasons]


def ranked(request: DecisionRequest, here: ZoneContext, scorer: Scorer, offers: Sequence[Offer]) -> list[Candidate]:
    """Scored offers, best first, then those without a valid score."""
    policy = request.site.campaign.policy
    rows = [row(request, here, offer) for offer in offers]
    scores: list[float] = []
    for start in range(0, len(rows), limits.SCORE_ROWS_MAX):
        found = scorer.score(np.stack(rows[start : start + limits.SCORE_ROWS_MAX]))
        scores += [math.nan] * len(rows) if found is None else found.tolist()
    scored: list[Candidate] = []
    failed: list[Candidate] = []
    for offer, values, score in zip(offers, rows, scores, strict=False):
        if not 0.0 <= score <= 1.0:
            failed.append(Candidate(offer.id, Reason("no_model")))
            continue
        expected = score * offer.value_minor - policy.contact_cost_minor
        reason = "propensity_low" if score < policy.propensity_min else "not_worth_it" if expected <= 0.0 else "lower_rank"
        scored.append(Candidate(offer.id, Reason(reason), score, expected, values.tobytes()))
    scored.sort(key=lambda one: (one.reason != "lower_rank", -(one.expected_value_minor or 0.0)))
    if scored and scored[0].reason == "lower_rank":
        best = scored[0]
        chosen = Reason("held_out" if request.held_out else "chosen")
        scored[0] = Candidate(best.offer, chosen, best.propensity, best.expected_value_minor, best.features)
    return scored + failed


# --- values --------------------------------------------------------------------------------------------------


def row(request: DecisionRequest, here: ZoneContext, offer: Offer) -> NDArray[np.float32]:
    """The values of one offer in the order of the model's columns."""
    used = used_attributes(request.site.schema, request.site.columns)
    values = {one.name: clipped(one, value_of(one, request, here, used)) for one in used if one.about != "offer"}
    for one in used:
        if one.about == "offer":
            values[one.name] = clipped(one, offer_value(one, request, offer, values))
    numbers = dict(pair for one in used for pair in expanded(one, values[one.name]))
    return np.array([numbers[column] for column in request.site.columns], dtype=np.float32) + np.float32(0.0)


def clipped(one: Attribute, value: Value) -> Value:
    """A number within the attribute's bounds."""
    if not isinstance(value, float) or math.isnan(value):
        return value
    return min(max(value, -math.inf if one.low is None else one.low), math.inf if one.high is None else one.high)


def value_of(one: Attribute, request: DecisionRequest, here: ZoneContext, used: Sequence[Attribute]) -> Value:
    """The value of an attribute that does not depend on the offer; None where unknown."""
    if one.about == "person":
        return person_value(one, request) if set(one.purposes) <= set(request.subject.purposes) else None
    if one.occasion is not None:
        return request.occasion if one.occasion.field == "kind" else request.dwell_s
    return reading(one, here, request.now_ms, used) if one.clock is None else clock_value(one.clock.field, request)


def person_value(one: Attribute, request: DecisionRequest) -> Value:
    """The value of a stated or a history attribute."""
    if one.history is not None:
        state = request.subject.history.get(f"{one.name}:{one.digest}")
        value = None if state is None else aggregator(one.history).read(state, request.now_ms)
        return one.history.empty if value is None else value
    stated = request.subject.told.get(one.name)
    kinds: dict[str, type] = {"flag": bool, "category": str, "number": float}
    if type(stated) is not kinds[one.dtype] or (one.dtype == "category" and stated not in one.values):
        return None
    return stated if isinstance(stated, str | None) else float(stated)


def clock_value(field: str, request: DecisionRequest) -> Value:
    """The value of a clock field."""
    clock = local(request, request.now_ms)
    hour = clock.hour + clock.minute / 60
    match field:
        case "hour":
            return hour
        case "weekday":
            return float(clock.weekday())
        case "season":
            return SEASONS[clock.month % 12 // 3]
        case _:
            if not request.site.zones[request.zone].transit or 11 <= hour < 16:
                return "nowhere_urgent"
            return "work" if hour < 11 else "home"


def reading(one: Attribute, here: ZoneContext, now_ms: int, used: Sequence[Attribute]) -> Value:
    """The value of a reading."""
    assert one.reading is not None
    quantity, max_age_ms = one.reading.quantity, int(one.reading.max_age_min * 60_000)
    if quantity == "weather":
        return contexts.weather(here, now_ms, max_age_ms)
    if quantity == "context_age":
        read = {other.reading.quantity for other in used if other.reading is not None} - {"context_age"}
        return contexts.age_min(here, now_ms, read - {"weather"} | ({"precipitation", "temperature"} if "weather" in read else set()))
    return contexts.latest(here, quantity, now_ms, max_age_ms)


def offer_value(one: Attribute, request: DecisionRequest, offer: Offer, values: dict[str, Value]) -> Value:
    """The value of an attribute of the offer, or between person, zone and offer."""
    if one.between is not None:
        if one.between.field == "by_category":
            return values.get(one.between.by_category.get(offer.category, ""))
        here, shop = request.site.zones.get(request.zone), request.site.zones.get(offer.shop)
        if here is None or shop is None:
            return None
        metres = math.hypot(here.x_m - shop.x_m, here.y_m - shop.y_m)
        return metres / 80.0 if one.between.field == "walk_min" else metres
    assert one.offer is not None
    values_of_field: dict[str, Value] = {
        "tag": float(one.offer.tag in offer.tags),
        "category": offer.category,
        "hours_left": (offer.ends_ms - request.now_ms) / HOUR_MS,
        "value": float(offer.value_minor),
        "expiry_hours": offer.expiry_hours,
        "price": None if offer.price_minor is None else float(offer.price_minor),
        "discount": offer.discount,
    }
    return values_of_field[one.offer.field]
