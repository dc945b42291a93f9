"""Derived attributes: the value of every group definition for one person, from the values of the person's history.

Pure functions, called by the gateway for a decision and by the workstation in a replay.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from gateway.core.attributes.aggregators import Value
from gateway.core.attributes.groups import (
    Association,
    Basket,
    Binned,
    Customers,
    Estimate,
    Neighbours,
    Ranked,
    Segment,
    Segmentation,
    ValueTable,
    Variety,
    Velocity,
)
from gateway.core.learned import Pattern
from gateway.core.types import Purpose

HOUR_MS = 3_600_000
KNOWN_SHARE_MIN = 0.5  # of a centre's coordinates; with fewer the distance is unknown
Values = Mapping[str, Value]


def rank(quantiles: Sequence[float], value: float) -> float:
    """Percentile rank of a value, 0 to 1: linear between quantiles, and the middle of those that equal it."""
    steps = len(quantiles) - 1
    left, right = bisect_left(quantiles, value), bisect_right(quantiles, value)
    if right > left:
        return (left + right - 1) / (2 * steps)
    if left in (0, len(quantiles)):
        return float(left > 0)
    below, above = quantiles[left - 1], quantiles[left]
    return (left - 1 + (value - below) / (above - below)) / steps


def ranks(inputs: Sequence[Ranked], values: Values) -> list[float | None]:
    """The rank of each input; None where unknown."""
    numbers = [_number(values.get(one.attribute)) for one in inputs]
    return [None if value is None else rank(one.quantiles, value) for one, value in zip(inputs, numbers, strict=True)]


def distance(centre: Sequence[float | None], at: Sequence[float | None]) -> float | None:
    """Mean distance over the coordinates that are known of both; None if these are fewer than half of the centre's."""
    stated = [(one, of) for one, of in zip(centre, at, strict=True) if one is not None]
    gaps = [abs(one - of) for one, of in stated if of is not None]
    return math.fsum(gaps) / len(gaps) if gaps and len(gaps) >= KNOWN_SHARE_MIN * len(stated) else None


def segment_of(segmentation: Segmentation, values: Values) -> Segment | None:
    """The segment of the nearest centre, the first of equally near ones; None if too little is known for all."""
    at = ranks(segmentation.inputs, values)
    near = [(away, one) for one in segmentation.segments if (away := distance(one.centre, at)) is not None]
    return min(near, key=lambda pair: pair[0])[1] if near else None


def estimate(table: ValueTable, values: Values) -> Estimate | None:
    """The cell of a person; None if an input is unknown."""
    place = 0
    for one in table.inputs:
        number = _number(values.get(one.attribute))
        if number is None:
            return None
        place = place * (len(one.edges) + 1) + _bin(one, number)
    return table.cells[place]


def association(of: Association, values: Values) -> float | None:
    """Strength (SBA) or intensity (IBA) of a person's association, 0 to 1; None without any choice."""
    numbers = [max(0.0, _number(values.get(name)) or 0.0) for name in of.attributes]
    total = math.fsum(numbers)
    if total <= 0.0:
        return None
    shares = [number / total for number in numbers]
    if of.measure == "strength":
        return max(shares)
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0.0)
    return min(1.0, max(0.0, 1.0 - entropy / math.log(len(shares))))


def basket_score(basket: Basket, category: str, values: Values) -> float | None:
    """Similarity-weighted purchases of other categories for an offer category; None if none is known, or without similar ones."""
    known = [
        (weight, number) for name, weight in basket.weights.get(category, {}).items() if (number := _number(values.get(name))) is not None
    ]
    return math.fsum(weight * number for weight, number in known) if known else None


def neighbour_rates(neighbours: Neighbours, values: Values) -> dict[str, float]:
    """Rate of purchase by category of the customers most similar to a person; empty if too little is known of the person."""
    at = ranks(neighbours.inputs, values)
    near: list[tuple[float, Customers]] = []
    for group in neighbours.groups:
        away = distance(group.centre, at)
        if away is not None:
            near.append((math.exp(-((away / neighbours.width) ** 2)), group))
    total = math.fsum(weight for weight, _ in near)
    if total <= 0.0:
        return {}
    categories = dict.fromkeys(category for _, group in near for category in group.rates)
    return {name: math.fsum(weight * group.rates.get(name, 0.0) for weight, group in near) / total for name in categories}


class Gain(NamedTuple):
    """The gain of proposing the right side of a pattern, its confidence less the base rate, and the items of its left side."""

    gain: float
    left: frozenset[str]


def gains_by_category(patterns: Sequence[Pattern]) -> dict[str, list[Gain]]:
    """Patterns with a gain by right side, the largest gain first."""
    found: dict[str, list[Gain]] = {}
    for one in patterns:
        gain = one.confidence - one.confidence / one.lift if one.lift > 0 else 0.0
        if gain > 0:
            found.setdefault(one.right, []).append(Gain(gain, frozenset(one.left)))
    for gains in found.values():
        gains.sort(key=lambda one: -one.gain)
    return found


def held_items(by_item: Mapping[str, str], values: Values) -> frozenset[str]:
    """The items of patterns with an attribute above 0."""
    return frozenset(item for item, name in by_item.items() if (_number(values.get(name)) or 0.0) > 0.0)


def best_gain(gains: Sequence[Gain], held: frozenset[str]) -> float:
    """The largest gain of a pattern with its whole left side among the items held, 0 if there is none."""
    return next((one.gain for one in gains if one.left <= held), 0.0)


def tier_of(variety: Variety, worth: float | None, purposes: Collection[Purpose]) -> int:
    """Variety: tier of a person of this value; 0 without the purpose that tiers need, however high the value; 1 if it is unknown."""
    if variety.purpose not in purposes:
        return 0
    return 1 if worth is None else 1 + sum(worth > edge for edge in variety.edges)


def refresh_ms(velocity: Velocity, strength: float | None) -> int:
    """Velocity: milliseconds until the groups of a person with an association of this strength are worked out anew."""
    return round(HOUR_MS * (velocity.shortest_h + (velocity.longest_h - velocity.shortest_h) * (strength or 0.0)))


def _bin(one: Binned, number: float) -> int:
    return bisect_right(one.edges, number)


def _number(value: Value) -> float | None:
    """The value as a number; None if unknown."""
    return value if isinstance(value, float) and not math.isnan(value) else None
