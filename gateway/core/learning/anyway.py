"""Purchases without an offer: the probability that a person visits a shop soon, from visits that followed a silent decision.

A purchase at a till has no person, but a visit has one. So P(purchase without the offer) = P(visit within the horizon) x purchases per
visit of the shop. Only decisions without a message count, or the effect of the offers would be taken for the people's own habit.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PRIOR_ROWS = 20.0  # weight of 0 in the rate of a shop, and of that in the rate of one place


class Visits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Decisions without a message, and those after which the person visited the shop within the horizon."""

    decisions: float = 0.0
    visited: float = 0.0

    def plus(self, *, visited: bool) -> Visits:
        """With one more decision."""
        return Visits(self.decisions + 1.0, self.visited + visited)


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
