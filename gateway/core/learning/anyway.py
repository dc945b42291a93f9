"""Purchases without an offer: the probability that a person visits a shop soon, from visits that followed a silent decision.

A purchase at a till has no person, but a visit has one. So P(purchase without the offer) = P(visit within the horizon) x purchases per
visit of the shop. Only decisions without a message count, or the effect of the offers would be taken for the people's own habit.

P(visit) = rate of the place x habit of the person x visits of the hour, each as far as it is known.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PRIOR_ROWS = 20.0  # weight of 0 in the rate of a shop, and of that in the rate of one place
PRIOR_VISITS = 3.0  # of a person, as often as expected
EXPECTED_MAX = 60.0  # visits that a habit remembers
HABITS_MAX = 64  # shops of one person
HOUR_POWER = 0.5  # of the visits of the hour: half of the logarithm, or a closed shop would be known too surely


class Visits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Decisions without a message, and those after which the person visited the shop within the horizon."""

    decisions: float = 0.0
    visited: float = 0.0

    def plus(self, *, visited: bool) -> Visits:
        """With one more decision."""
        return Visits(self.decisions + 1.0, self.visited + visited)


class Habit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Visits of one person to one shop that were expected from the rates of the places, and those that were made."""

    expected: float = 0.0
    visited: float = 0.0

    @property
    def factor(self) -> float:
        """Visits made over visits expected, drawn to 1."""
        return (self.visited + PRIOR_VISITS) / (self.expected + PRIOR_VISITS)

    def plus(self, expected: float, *, visited: bool) -> Habit:
        """With one more decision."""
        keep = min(1.0, EXPECTED_MAX / (self.expected + expected)) if self.expected + expected > 0.0 else 1.0
        return Habit((self.expected + expected) * keep, (self.visited + visited) * keep)


def bounded(habits: Mapping[str, Habit]) -> Mapping[str, Habit]:
    """The habits; of more than HABITS_MAX shops those with the most visits, expected or made."""
    if len(habits) <= HABITS_MAX:
        return habits
    most = sorted(habits, key=lambda shop: (-habits[shop].expected - habits[shop].visited, shop))[:HABITS_MAX]
    return {shop: habits[shop] for shop in most}


def place(shop: str, zone: str, occasion: str) -> str:
    """The key of a shop as seen from a zone at an occasion; the key of the shop from everywhere is its id."""
    return f"{shop}|{zone}|{occasion}"


def rate(visits: Mapping[str, Visits], shop: str, zone: str, occasion: str) -> float:
    """Probability of a visit within the horizon: that of the place, drawn to that of the shop, which is drawn to 0.

    Without support the effect of an offer is its propensity, and with it the change that the offer makes.
    """
    here, everywhere = visits.get(place(shop, zone, occasion), Visits()), visits.get(shop, Visits())
    overall = everywhere.visited / (everywhere.decisions + PRIOR_ROWS)
    return (here.visited + PRIOR_ROWS * overall) / (here.decisions + PRIOR_ROWS)
