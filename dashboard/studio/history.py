"""A draft against noised counts of the past: the offers that gateways sent, as changed by the draft.

Counts have no persons, so neither caps of a person nor rules can be replayed: these are the simulated city's part. Zones, dates, the share
held out and money can, and an offer without any count in its zones was sent rarely or never.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dashboard.estimates import Estimate, total
from dashboard.results.rows import Result
from dashboard.schema import ALL_ZONES
from gateway.core.offers import Campaign, Offer

Money = Callable[[float], str]
Counts = Mapping[str, Mapping[str, Result]]
"""Offer -> zone -> its counts."""


class Past(NamedTuple):
    """An offer of the draft in the days of the past: offers sent then and with the draft, spend in minor units, and remarks."""

    title: str
    sent: Estimate
    with_draft: Estimate
    spend: Estimate
    remarks: list[str]


class History(NamedTuple):
    """The offers of the draft; `days` are those of all gateways together. `gone` are offers that the draft lacks, with their counts."""

    days: int
    rows: list[Past]
    gone: list[tuple[str, Estimate]]
    remarks: list[str]


def history(found: Sequence[Result], before: Campaign, draft: Campaign, money: Money) -> History:
    """The draft in the days of `found`, which has a row for each offer and zone."""
    counts: dict[str, dict[str, Result]] = {}
    for row in found:
        offer, _, zone = row.name.partition("/")
        counts.setdefault(offer, {})[zone] = row
    share = (1 - draft.policy.holdout) / max(0.01, 1 - before.policy.holdout)
    known = {offer.id: offer for offer in before.offers}
    rows = [_past(offer, known.get(offer.id), counts, share, draft, money) for offer in draft.offers]
    kept = {offer.id for offer in draft.offers}
    gone = [(known[name].title if name in known else name, _sent(of)) for name, of in counts.items() if name not in kept]
    remarks = []
    if draft.policy.holdout != before.policy.holdout:
        remarks.append(f"{100 * draft.policy.holdout:g} % of the people are held out instead of {100 * before.policy.holdout:g} %.")
    if draft.policy.per_person_day_max != before.policy.per_person_day_max or draft.policy.gap_s_min != before.policy.gap_s_min:
        remarks.append("Limits of a person are changed; counts hold no persons, so only the simulated city shows the effect.")
    return History(max((row.days for row in found), default=0), rows, gone, remarks)


def _past(offer: Offer, before: Offer | None, counts: Counts, share: float, draft: Campaign, money: Money) -> Past:
    of = counts.get(offer.id, {})
    zones = {*offer.zones, ALL_ZONES}
    sent = _sent(of)
    kept = [row for zone, row in of.items() if zone in zones]
    then = _scaled(total(row.sent for row in kept), share)
    leads = _scaled(total(row.accepted for row in kept), share)
    spend = total((_scaled(then, draft.policy.contact_cost_minor), _scaled(leads, float(offer.cost_minor))))
    remarks = list[str]()
    if lost := [zone for zone in of if zone not in zones]:
        remarks.append(f"no longer in {', '.join(sorted(lost))}")
    new = sorted(set(offer.zones) - set(before.zones if before else ()))
    if new:
        others = total(row.sent for name, by_zone in counts.items() if name != offer.id for zone, row in by_zone.items() if zone in new)
        came = f"{round(others.value):,} other offers were sent there" if others.is_clear else "hardly any offer was sent there"
        remarks.append(f"{'now also ' if before else ''}in {', '.join(new)}: {came}")
    if before and not of:
        remarks.append("no count of it, so it was sent rarely or never")
    if offer.budget_minor is not None and offer.cost_minor:
        used = leads.value * offer.cost_minor
        remarks.append(f"acceptances cost {money(max(0.0, used))} of its budget of {money(offer.budget_minor)} on each gateway")
    if before and offer.per_person_day_max < before.per_person_day_max:
        remarks.append("a lower limit of a person: at most as many as here")
    return Past(offer.title, sent, then, spend, remarks)


def _sent(of: Mapping[str, Result]) -> Estimate:
    return total(row.sent for row in of.values())


def _scaled(one: Estimate, factor: float) -> Estimate:
    return Estimate(one.value * factor, one.variance * factor**2)
