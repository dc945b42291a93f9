"""Fairness by segment, as a gate: no segment is left out of offers, and none has systematically wrong forecasts.

A segment is refused if it gets offers less than four fifths as often as the segment that gets most (the rule of the US Uniform
Guidelines of 1978), or if its forecasts are off by more than GAP_MAX, each by more than chance: the whole 95 %
interval lies beyond the bound.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.core.measure.lift import PEOPLE_MIN, lift
from gateway.core.measure.rates import Interval, Sums

FOUR_FIFTHS = 0.8
GAP_MAX = 0.1
TAKEN_MIN = 5  # acceptances of a segment before its forecasts are judged


class Segment(msgspec.Struct, frozen=True):
    """One segment: people, share of its decisions with an offer, that share over the one of the segment with most, gap of the forecasts.

    `gap` is mean forecast less share accepted. None stands for too few people or acceptances. `refused` names the bounds that are broken.
    """

    name: str
    people: int
    offered: float
    against_most: Interval | None
    gap: Interval | None
    refused: tuple[str, ...]


def fairness(offered: Mapping[str, Sums], gaps: Mapping[str, Sums], accepted: Mapping[str, int]) -> tuple[Segment, ...]:
    """The segments, by name.

    `offered` are by segment the decisions of a person and those with an offer; `gaps` the sent offers and the sum of forecast less outcome;
    `accepted` the number of acceptances.
    """
    judged = {name: sums.rate for name, sums in offered.items() if _people(sums) >= PEOPLE_MIN}
    most = max(judged, key=lambda name: judged[name].value, default=None)
    found = []
    for name in sorted(offered):
        against = gap = None
        if most is not None and name in judged and judged[most].value:
            ratio = lift(judged[name], judged[most]).ratio
            against = Interval(1.0, 1.0, 1.0) if name == most else Interval(1.0 + ratio.value, 1.0 + ratio.low, 1.0 + ratio.high)
        own = gaps.get(name)
        if own is not None and _people(own) >= PEOPLE_MIN and accepted.get(name, 0) >= TAKEN_MIN:
            gap = own.rate.interval
        found.append(Segment(name, _people(offered[name]), offered[name].rate.value, against, gap, _refused(against, gap)))
    return tuple(found)


def _people(sums: Sums) -> int:
    return int((sums.rows > 0).sum())


def _refused(against: Interval | None, gap: Interval | None) -> tuple[str, ...]:
    broken = []
    if against is not None and against.high < FOUR_FIFTHS:
        broken.append(f"gets offers {against.value:.0%} as often as the segment that gets most, below four fifths")
    if gap is not None and (gap.low > GAP_MAX or gap.high < -GAP_MAX):
        broken.append(f"forecasts are {abs(gap.value):.2f} too {'high' if gap.value > 0 else 'low'}, above {GAP_MAX}")
    return tuple(broken)
