"""Campaigns in the same days of the same simulated people, offer by offer.

The shipped policy decides, and each reason for which an offer was held back is counted. An offer that the city does not know has the
effect of the known one of its shop with the nearest discount: its own title and text move nobody here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from firmware_sim.policies.baselines import Shipped
from firmware_sim.policies.city import City
from firmware_sim.policies.run import run
from firmware_sim.policies.site import Shop
from firmware_sim.scenario import Scenario
from firmware_sim.wire.broker import UsageError
from gateway.core.policy.decision import Decision

ELSEWHERE = ("not_here", "not_now")  # reasons of nearly every moment, which show nothing about an offer


class TrialError(UsageError):
    """The city cannot hold the campaign; the text names the offer and the shops that there are."""


class _Counted(Shipped):
    """The shipped policy; `reasons` are moments by offer and reason."""

    def __init__(self) -> None:
        self.moments = 0
        self.reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def seen(self, made: Decision) -> None:
        """Count a decision."""
        self.moments += 1
        for one in made.candidates:
            if one.reason not in ELSEWHERE:
                self.reasons[one.offer][one.reason] += 1


class _Tally:
    """One campaign, and the messages of the shipped policy in all cities."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._policy = shop, _Counted()
        self._messages: Counter[str] = Counter()
        self._people: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
        self._accepted: defaultdict[str, float] = defaultdict(float)

    def run(self, city: City, seed: int) -> None:
        """Add the messages of a city."""
        offers = self._shop.site.campaign.offers
        for message in run(city, self._shop, self._policy):
            offer = offers[message.position].id
            self._messages[offer] += 1
            self._people[offer].add((seed, message.person))
            self._accepted[offer] += message.acceptance

    def facts(self) -> dict[str, Any]:
        """Moments, and by offer: messages, people, expected acceptances, and moments by reason."""
        offers = {
            offer.id: {
                "messages": self._messages[offer.id],
                "people": len(self._people[offer.id]),
                "accepted": round(self._accepted[offer.id], 3),
                "reasons": dict(self._policy.reasons[offer.id].most_common()),
            }
            for offer in self._shop.site.campaign.offers
        }
        return {"moments": self._policy.moments, "offers": offers}


def trial(plan: Scenario, shops: Sequence[Shop], *, days: int, people: int, seeds: int) -> Iterator[dict[str, Any]]:
    """The number of cities after each of them, and at last the figures of all campaigns. Raises TrialError."""
    known, stands_for = _with_effects(plan, shops)
    tallies, met = [_Tally(shop) for shop in shops], 0
    for seed in range(seeds):
        city = City(known, seed=seed, days=days, people=people, dwelled_s=shops[0].site.presence.dwell_ms / 1000)
        met += len(city.walkers)
        for tally in tallies:
            tally.run(city, seed)
        yield {"done": seed + 1, "of": seeds}
    facts = {"world": plan.site, "days": days, "people": met, "cities": seeds, "stands_for": stands_for}
    yield {**facts, "campaigns": [tally.facts() for tally in tallies]}


def _with_effects(plan: Scenario, shops: Sequence[Shop]) -> tuple[Scenario, dict[str, str]]:
    """The scenario with an effect for every offer of the campaigns, and the known offer that stands for each new one."""
    effects, stands_for = {one.id: one for one in plan.offers}, dict[str, str]()
    for offer in (offer for shop in shops for offer in shop.site.campaign.offers):
        alike = [one for one in plan.offers if one.shop == offer.shop]
        if not alike:
            shown = ", ".join(sorted({one.shop for one in plan.offers}))
            raise TrialError(f"the offer {offer.id!r} leads to {offer.shop!r}, which has no offer in the city; its shops are {shown}")
        if offer.id not in effects:
            discount = offer.discount or 0.0
            nearest = min(alike, key=lambda one: abs(one.discount - discount))
            stands_for[offer.id] = nearest.id
            effects[offer.id] = nearest.changed(id=offer.id, discount=discount)
    return plan.changed(offers=tuple(effects.values())), stands_for
