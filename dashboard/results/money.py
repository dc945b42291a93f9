"""Money of the results: spend, cost of a lead, and the return of the visits that would not have been without the offer.

Spend is the cost of a contact for each offer sent, and the cost of an acceptance for each one accepted. The gain counts the margin of
redeemed offers, minus the usual margin of those buyers that would have come anyway (`attributable` of the effect), minus the spend.
Intervals hold the noise of the counts; those of gain and return also the interval of the effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from dashboard.estimates import Estimate, Share, Z
from dashboard.figures import CELLS
from dashboard.joining import SENT
from gateway.core.records import OutcomeCell

Key = tuple[str, OutcomeCell]
Counts = Mapping[Key, Estimate]
"""Offer and outcome -> count."""


class Terms(NamedTuple):
    """Title and money of an offer in minor units: `usual` is the margin of a purchase without it, `contact` the cost of sending it.

    `budget` bounds the cost of the acceptances on each gateway (None: no bound); it runs from `starts_ms` to `ends_ms`.
    """

    title: str
    value: float
    usual: float
    cost: float
    contact: float
    budget: int | None
    starts_ms: int
    ends_ms: int


class Money(NamedTuple):
    """Amounts in minor units. `per_lead` is None if acceptances are hidden by the noise, `gain` and `returned` without a clear effect.

    `returned` is the gain for each unit spent.
    """

    spend: Estimate
    margin: Estimate
    per_lead: Estimate | None
    gain: Estimate | None
    returned: Estimate | None


def money_of(counts: Counts, terms: Mapping[str, Terms], attributable: Share | None) -> Money | None:
    """Money of the counts of some offers; None if the terms of one are unknown. `attributable` is None without a clear effect."""
    if not counts or any(offer not in terms for offer, _ in counts):
        return None
    spend = {key: _spend(terms[key[0]], key[1]) for key in counts}
    leads = {key: float(key[1] in CELLS["accepted"]) for key in counts}
    value = {key: terms[key[0]].value * (key[1] in CELLS["redeemed"]) for key in counts}
    spent = _sum(counts, spend)
    gain, returned = None, None
    if attributable is not None:
        anyway = {key: terms[key[0]].usual * (key[1] in CELLS["redeemed"]) for key in counts}
        weights = {key: value[key] - (1 - attributable.value) * anyway[key] - spend[key] for key in counts}
        spread = (_sum(counts, anyway).value * attributable.margin / Z) ** 2
        of_noise = _sum(counts, weights)
        gain = Estimate(of_noise.value, of_noise.variance + spread)
        returned = _ratio(counts, weights, spend, spread)
    return Money(spent, _sum(counts, value), _ratio(counts, spend, leads), gain, returned)


def _spend(terms: Terms, outcome: OutcomeCell) -> float:
    return terms.contact * (outcome in SENT) + terms.cost * (outcome in CELLS["accepted"])


def _sum(counts: Counts, weights: Mapping[Key, float]) -> Estimate:
    value = sum(weights[key] * one.value for key, one in counts.items())
    return Estimate(value, sum(weights[key] ** 2 * one.variance for key, one in counts.items()))


def _ratio(counts: Counts, above: Mapping[Key, float], below: Mapping[Key, float], spread: float = 0.0) -> Estimate | None:
    """Ratio of two weighted sums of the same counts (delta method); None if the lower is hidden by the noise.

    `spread` is more variance of the upper sum.
    """
    whole = _sum(counts, below)
    if not whole.is_clear:
        return None
    value = _sum(counts, above).value / whole.value
    noise = _sum(counts, {key: above[key] - value * below[key] for key in counts}).variance
    return Estimate(value, (noise + spread) / whole.value**2)


class Pace(NamedTuple):
    """Budget of an offer in minor units over `gateways`, and the shares of it and of the offer's time that are spent."""

    title: str
    gateways: int
    budget: int
    spent: Share
    time: float


def pace_of(terms: Terms, accepted: Estimate, gateways: int, now_ms: int) -> Pace | None:
    """The pace at which an offer spends its budget; None without a budget or a cost."""
    if not terms.budget or not terms.cost or not gateways:
        return None
    budget = terms.budget * gateways
    time = (now_ms - terms.starts_ms) / max(1, terms.ends_ms - terms.starts_ms)
    spent = Share(max(0.0, accepted.value) * terms.cost / budget, Z * math.sqrt(accepted.variance) * terms.cost / budget)
    return Pace(terms.title, gateways, budget, spent, min(1.0, max(0.0, time)))
