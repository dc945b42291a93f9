"""The figures of a replay: offers by count, money, differences by reason, and an off-policy estimate of the effect or the refusal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gateway.commands.results.rows import TAKEN, amounts, numbered
from gateway.core.measure import off_policy, overlap
from gateway.core.measure.rates import Interval, sums
from gateway.core.policy.gates import REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.commands.what_if.replay import Moment, Replayed
    from gateway.core.measure.rates import Floats
    from gateway.core.offers import Campaign
    from gateway.core.policy.decision import Decision

CAPS = ("cool_down", "cap_person_day", "cap_offer_day", "cap_window", "budget_spent", "refused", "ignored")
STRENGTH = 20.0  # rows with the overall mean that the forecast of each offer starts with


class OfferCount(msgspec.Struct, frozen=True):
    """Intended offers of one id, in the log and in this replay; number of people, and acceptances that the model expects of those sent."""

    offer: str
    logged: int
    now: int
    people: int
    expected_accepted: float


class Difference(msgspec.Struct, frozen=True):
    """Moments with these two results; a result is `offer` or the reason of the silence, `another offer` for a different one."""

    logged: str
    now: str
    moments: int


class Silenced(msgspec.Struct, frozen=True):
    """Decisions without an offer for one reason, in the log and in this replay."""

    reason: str
    meaning: str
    logged: int
    now: int


class Effect(msgspec.Struct, frozen=True):
    """Margin less the cost of contacts in minor units a moment: of the log, and estimates of the campaign.

    `refused` has the reasons why the log supports no estimate; `estimates` is None then.
    """

    logged: Interval | None
    estimates: off_policy.Estimates | None
    refused: tuple[str, ...]


class WhatIf(msgspec.Struct, frozen=True):
    """The result; amounts in minor units of `currency`, and `expected_cost` of accepted offers as the model expects these.

    `policies` are the versions that made the logged decisions, `policy` is that of the replay.
    """

    moments: int
    people: int
    left_out: dict[str, int]
    policies: tuple[str, ...]
    policy: str
    moved: tuple[str, ...]
    currency: str
    contact_cost: float
    expected_cost: float
    offers: tuple[OfferCount, ...]
    caps: tuple[Silenced, ...]
    silence: tuple[Silenced, ...]
    differences: tuple[Difference, ...]
    same: float
    effect: Effect


def figures(replayed: Replayed, campaign: Campaign, moved: Sequence[str], currency: str) -> WhatIf:
    """The figures of a replay under `campaign`; `moved` are offers with dates outside the days of the log."""
    moments = replayed.moments
    offers = _offers(moments)
    costs = {offer.id: offer.cost_minor for offer in campaign.offers}
    silence = _silence(moments)
    sent = sum(moment.after.arm == "sent" for moment in moments)
    return WhatIf(
        moments=len(moments),
        people=len({moment.person for moment in moments}),
        left_out=dict(replayed.left_out),
        policies=tuple(sorted({_version(moment.before) for moment in moments})),
        policy=", ".join(sorted({_version(moment.after) for moment in moments})),
        moved=tuple(moved),
        currency=currency,
        contact_cost=campaign.policy.contact_cost_minor * sent,
        expected_cost=sum(one.expected_accepted * costs.get(one.offer, 0) for one in offers),
        offers=offers,
        caps=tuple(one for one in silence if one.reason in CAPS),
        silence=silence,
        differences=_differences(moments),
        same=float(np.mean([moment.before.intended == moment.after.intended for moment in moments])) if moments else 0.0,
        effect=effect(moments, campaign),
    )


def _version(decision: Decision) -> str:
    """The version of the policy that made a decision, without the digest of its parameters."""
    return decision.policy.partition(".")[0]


def _offers(moments: Sequence[Moment]) -> tuple[OfferCount, ...]:
    logged = Counter(moment.before.intended for moment in moments if moment.before.intended)
    now = Counter(moment.after.intended for moment in moments if moment.after.intended)
    people = Counter(offer for _, offer in {(moment.person, moment.after.intended) for moment in moments if moment.after.intended})
    expected: Counter[str] = Counter()
    for moment in moments:
        if moment.after.intended and moment.after.arm == "sent":
            expected[moment.after.intended] += moment.after.candidates[0].propensity or 0.0  # type: ignore[assignment]  # a sum of chances
    return tuple(OfferCount(offer, logged[offer], now[offer], people[offer], float(expected[offer])) for offer in sorted({*logged, *now}))


def _silence(moments: Sequence[Moment]) -> tuple[Silenced, ...]:
    logged = Counter(moment.before.reason for moment in moments if moment.before.intended is None)
    now = Counter(moment.after.reason for moment in moments if moment.after.intended is None)
    return tuple(Silenced(reason, REASONS[reason], logged[reason], now[reason]) for reason in REASONS if logged[reason] or now[reason])


def _differences(moments: Sequence[Moment]) -> tuple[Difference, ...]:
    found: Counter[tuple[str, str]] = Counter()
    for moment in moments:
        before, after = moment.before.intended, moment.after.intended
        if before == after and before is None and moment.before.reason == moment.after.reason:
            continue
        if before == after and before is not None:
            continue
        now = moment.after.reason if after is None else "offer" if before is None else "another offer"
        found[moment.before.reason if before is None else "offer", now] += 1
    return tuple(Difference(*pair, count) for pair, count in found.most_common())


def effect(moments: Sequence[Moment], campaign: Campaign) -> Effect:
    """The earnings of a campaign by its logged moments, or why these do not support an estimate.

    Moments of the holdout and with an open window are left out. Silence earns 0 with certainty, so moments in which the campaign is silent
    need no support.
    """
    judged = [one for one in moments if one.before.arm != "held_out" and (one.before.intended is None or one.is_closed)]
    offered = [one for one in judged if one.after.intended is not None]
    if not offered:
        return Effect(_logged(judged, campaign), None, ("the campaign makes no offer in a moment whose outcome is known",))
    if all(one.before.p_select == 1.0 for one in judged if one.before.intended is not None):
        cause = "no exploration in the log: p_select is 1 in every decision, so nothing is known of other choices in the same situation"
        return Effect(_logged(judged, campaign), None, (cause,))
    p_select = amounts(one.before.p_select for one in offered)
    weights = off_policy.weights_of(amounts(one.after.intended == one.before.intended for one in offered), p_select)
    shown = Counter((one.before.zone, one.before.intended) for one in judged)
    unseen = float(np.mean([shown[one.before.zone, one.after.intended] < overlap.THIN_COUNT for one in offered]))
    refused = overlap.overlap(weights, p_select, unseen).refused
    return Effect(_logged(judged, campaign), None if refused else _estimated(judged, campaign), refused)


def _logged(judged: Sequence[Moment], campaign: Campaign) -> Interval | None:
    if not judged:
        return None
    return sums(numbered(one.person for one in judged), _earned(judged, campaign)).rate.interval


def _earned(judged: Sequence[Moment], campaign: Campaign) -> Floats:
    """Margin of accepted offers less the cost of contacts, by moment."""
    values = {offer.id: offer.value_minor - offer.cost_minor for offer in campaign.offers}
    cost = campaign.policy.contact_cost_minor
    return amounts(
        0.0 if one.before.intended is None else (values.get(one.before.intended, 0) if one.answer in TAKEN else 0.0) - cost
        for one in judged
    )


def _estimated(judged: Sequence[Moment], campaign: Campaign) -> off_policy.Estimates:
    """Each offer's forecast is the mean of the other half of the people."""
    names = {
        name: at
        for at, name in enumerate(sorted({one.before.intended or "" for one in judged} | {one.after.intended or "" for one in judged}))
    }
    logged = numbered(names[one.before.intended or ""] for one in judged)
    chosen = numbered(names[one.after.intended or ""] for one in judged)
    silent = np.array([one.after.intended is None for one in judged])
    earned, people = _earned(judged, campaign), numbered(one.person for one in judged)
    weights = off_policy.weights_of((logged == chosen).astype(np.float64), amounts(one.before.p_select for one in judged))
    of_logged, of_chosen = np.zeros(len(judged)), np.zeros(len(judged))
    for half in (0, 1):
        own = people % 2 == half
        means = off_policy.smoothed_rates(logged, earned, np.flatnonzero(~own), len(names), STRENGTH)
        of_logged[own], of_chosen[own] = means[logged[own]], means[chosen[own]]
    return off_policy.estimated(
        np.where(silent, 1.0, weights),
        np.where(silent, 0.0, earned),
        np.where(silent, 0.0, of_logged),
        np.where(silent, 0.0, of_chosen),
        people,
    )
