"""The loyalty app: purchases before a run, and the values that a person states with the consent.

The shops' own records hold every purchase with the loyalty card. A gateway receives no such purchase: the app states counts by category.
Purchases before a run are a Poisson process per kind of place, with the rate of the person's visits times the true probability
of buying there, so it follows the hidden tastes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from firmware_sim.draws import generator
from firmware_sim.people import tastes
from firmware_sim.people.baskets import Basket, fill

if TYPE_CHECKING:
    from firmware_sim.people.tastes import Person
    from firmware_sim.scenario import Kind
    from firmware_sim.world.world import World

DAY_S = 86_400.0
MONTH_DAYS = 30.0
RATE_MONTH_MAX = 30.0  # purchases of one kind in a month
INTEREST_NOISE = 0.7  # standard deviation, in steps of the scale, of a stated interest around the taste
INTEREST_LOW, INTEREST_MIDDLE, INTEREST_HIGH = 1, 3, 5


class CardPurchase(NamedTuple):
    """A purchase with the loyalty card: street time (negative before the run), shop and its kind."""

    at_s: float
    shop: str
    kind: Kind
    basket: Basket


class Loyalty:
    """One person's past in the shops, and the stated values that follow from it; nothing without `[loyalty]` in the scenario."""

    def __init__(self, world: World, number: int, person: Person, visits_month: float) -> None:
        """`visits_month` is the factor of the person's segment on visits."""
        self._world, self._number, self._person, self._visits = world, number, person, visits_month
        self._rules = world.scenario.loyalty

    def past(self) -> list[CardPurchase]:
        """All purchases before the run, by kind of place and then newest first."""
        return [purchase for kind in self._world.scenario.tastes for purchase in self._of(kind)]

    def stated(self, street_s: float, since: Iterable[tuple[float, Kind]] = ()) -> dict[str, float]:
        """Stated values at a moment, `bought_<kind>` and `interest_<kind>`; `since` are purchases in the run, as time and kind."""
        if self._rules is None:
            return {}
        from_s = street_s - self._rules.days * DAY_S
        recent = Counter(purchase.kind for purchase in self.past() if purchase.at_s > from_s)
        recent.update(kind for at_s, kind in since if from_s < at_s <= street_s)
        return {f"bought_{kind}": float(recent[kind]) for kind in self._world.scenario.tastes} | self._interests()

    def _of(self, kind: Kind) -> list[CardPurchase]:
        shops = [zone for zone in self._world.scenario.zones if zone.kind == kind]
        if self._rules is None or not shops:
            return []
        draws, taste = generator(self._world.seed, "past", self._number, kind), self._world.scenario.tastes[kind]
        often = taste.visits * self._visits * math.exp(tastes.TASTE_IN_VISITS * self._person.tastes[kind])
        at_s, found = 0.0, list[CardPurchase]()
        while True:
            shop = draws.choices(shops, [zone.attraction for zone in shops])[0]
            rate = min(often * tastes.buying(self._world.scenario, self._person, shop), RATE_MONTH_MAX) / (MONTH_DAYS * DAY_S)
            at_s -= draws.expovariate(rate) if rate > 0 else math.inf
            if at_s < -self._rules.past_days * DAY_S:
                return found
            found.append(CardPurchase(at_s, shop.id, kind, fill(taste, draws)))

    def _interests(self) -> dict[str, float]:
        assert self._rules is not None
        draws = generator(self._world.seed, "interests", self._number)
        if draws.random() >= self._rules.stating_share:
            return {}
        drawn = {kind: INTEREST_MIDDLE + taste + draws.gauss(0.0, INTEREST_NOISE) for kind, taste in self._person.tastes.items()}
        return {f"interest_{kind}": float(min(max(round(value), INTEREST_LOW), INTEREST_HIGH)) for kind, value in drawn.items()}
