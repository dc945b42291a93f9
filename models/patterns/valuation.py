"""Expected value of patterns; patterns without a value are dropped.

A pattern earns only where it changes something: with the left side in the basket and the right side not yet, a proposal of the right side
brings its margin as often as the confidence exceeds the base rate of the item. The contact cost is subtracted, and the result multiplied
by the number of such baskets. A pattern for an item of unknown margin cannot be valued and is dropped as worthless. `encode_pattern_file`
accepts only patterns with a value and is the only writer of the pattern file of a bundle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.core.learned import PATTERNS_FORMAT, PATTERNS_MAX, Pattern, PatternFile
from models.patterns.journeys import Journey
from models.patterns.rules import Rule

DropReason = Literal["no_margin", "no_reach", "not_worth_it", "candidate"]


class ValuedPatterns(NamedTuple):
    """Patterns with a value, highest first, and the number of patterns dropped, by reason."""

    kept: tuple[Pattern, ...]
    dropped: dict[DropReason, int]


def value_rules(rules: Iterable[Rule], margins_minor: Mapping[str, float], contact_cost_minor: float = 0.0) -> ValuedPatterns:
    """Value of each rule by expected margin; `margins_minor` is the margin of one more basket with the item, in minor units."""
    collector = _Collector(margins_minor, contact_cost_minor)
    for rule in rules:
        collector.add(rule.left, rule.right, rule.left_baskets - rule.baskets, rule.confidence, rule.right_baskets / rule.total)
    return collector.result()


def value_journeys(journeys: Iterable[Journey], margins_minor: Mapping[str, float], contact_cost_minor: float = 0.0) -> ValuedPatterns:
    """Value of each journey: margin of the last step for subjects with all steps before it; a candidate has no value yet."""
    collector = _Collector(margins_minor, contact_cost_minor)
    for journey in journeys:
        if journey.state == "journey":
            collector.add(journey.steps[:-1], journey.steps[-1], journey.started - journey.completed, journey.confidence, journey.base_rate)
        else:
            collector.dropped["candidate"] += 1
    return collector.result()


def encode_pattern_file(patterns: Sequence[Pattern]) -> bytes:
    """Pattern file as JSON. Raises ValueError for a pattern without positive value, or for more than PATTERNS_MAX patterns."""
    for pattern in patterns:
        if not pattern.worth_minor > 0:  # also catches NaN
            raise ValueError(f"a pattern without value must not be published: {pattern!r}")
    if len(patterns) > PATTERNS_MAX:
        raise ValueError(
            f"{len(patterns)} patterns are more than the {PATTERNS_MAX} that a bundle may carry; raise the support or the lift"
        )
    return msgspec.json.format(msgspec.json.encode(PatternFile(PATTERNS_FORMAT, tuple(patterns))), indent=1) + b"\n"


class _Collector:
    """Collects patterns with a value and counts the others by reason."""

    def __init__(self, margins_minor: Mapping[str, float], contact_cost_minor: float) -> None:
        self._margins = margins_minor
        self._cost = contact_cost_minor
        self._kept: list[Pattern] = []
        self.dropped: Counter[DropReason] = Counter()

    def add(self, left: tuple[str, ...], right: str, reach: int, chance: float, base: float) -> None:
        """Keep the pattern if proposing `right` after `left` to `reach` more earns more than the contacts cost."""
        margin = self._margins.get(right)
        if margin is None:
            self.dropped["no_margin"] += 1
            return
        worth = ((chance - base) * margin - self._cost) * reach
        if reach <= 0:
            self.dropped["no_reach"] += 1
        elif worth <= 0:
            self.dropped["not_worth_it"] += 1
        else:
            self._kept.append(Pattern(left, right, chance, chance / base if base else 1.0, reach, margin, worth))

    def result(self) -> ValuedPatterns:
        """Patterns collected and counts of those dropped."""
        self._kept.sort(key=lambda pattern: (-pattern.worth_minor, pattern.left, pattern.right))
        return ValuedPatterns(tuple(self._kept), dict(sorted(self.dropped.items())))
