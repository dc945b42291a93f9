"""What a pattern is worth, and the gate through which nothing passes that is worth nothing.

A pattern earns only where it changes something: with the left side in the basket and the right one not yet, proposing the
right one may bring its margin, as often as the rule beats the item's plain popularity. From that, times how many such
baskets there will be, go the contacts made on the way. A rule over an item of unknown margin has no value that anybody could
check, so it is treated as worthless. `published` takes valued patterns only and is the only writer of the pattern file
that travels with a bundle.
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
    """What passed, most valuable first, and how many patterns did not, by reason."""

    kept: tuple[Pattern, ...]
    dropped: dict[DropReason, int]


def value_rules(rules: Iterable[Rule], margins_minor: Mapping[str, float], contact_cost_minor: float = 0.0) -> ValuedPatterns:
    """Value each rule by expected margin; `margins_minor` is what one more basket with the item brings."""
    gate = _Gate(margins_minor, contact_cost_minor)
    for rule in rules:
        gate.judge(rule.left, rule.right, rule.left_baskets - rule.baskets, rule.confidence, rule.right_baskets / rule.total)
    return gate.result()


def value_journeys(journeys: Iterable[Journey], margins_minor: Mapping[str, float], contact_cost_minor: float = 0.0) -> ValuedPatterns:
    """Value each journey by what its last step brings to those who have walked the steps before; a candidate has no value yet."""
    gate = _Gate(margins_minor, contact_cost_minor)
    for journey in journeys:
        if journey.state == "journey":
            gate.judge(journey.steps[:-1], journey.steps[-1], journey.started - journey.completed, journey.confidence, journey.base_rate)
        else:
            gate.dropped["candidate"] += 1
    return gate.result()


def encode_pattern_file(patterns: Sequence[Pattern]) -> bytes:
    """The pattern file as JSON. `ValueError` for a pattern without value: the gate was gone around."""
    for pattern in patterns:
        if not pattern.worth_minor > 0:  # also catches NaN
            raise ValueError(f"a pattern without value does not travel: {pattern!r}")
    if len(patterns) > PATTERNS_MAX:
        raise ValueError(f"{len(patterns)} patterns are more than the {PATTERNS_MAX} that travel; raise the support or the lift")
    return msgspec.json.format(msgspec.json.encode(PatternFile(PATTERNS_FORMAT, tuple(patterns))), indent=1) + b"\n"


class _Gate:
    """Values patterns one by one; what has no value is counted and forgotten."""

    def __init__(self, margins_minor: Mapping[str, float], contact_cost_minor: float) -> None:
        self._margins = margins_minor
        self._cost = contact_cost_minor
        self._kept: list[Pattern] = []
        self.dropped: Counter[DropReason] = Counter()

    def judge(self, left: tuple[str, ...], right: str, reach: int, chance: float, base: float) -> None:
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
        """What passed and what did not."""
        self._kept.sort(key=lambda pattern: (-pattern.worth_minor, pattern.left, pattern.right))
        return ValuedPatterns(tuple(self._kept), dict(sorted(self.dropped.items())))
