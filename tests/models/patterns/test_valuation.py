"""Patterns without a value are never published."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.learned import Pattern, PatternFile
from models.patterns.journeys import Journey
from models.patterns.valuation import encode_pattern_file, value_journeys, value_rules
from tests.models.patterns.toy import rule


def _journey(state: str = "journey", steps: tuple[str, ...] = ("plaza", "cafe"), confidence: float = 0.5) -> Journey:
    return Journey(
        steps,
        "journey" if state == "journey" else "candidate",
        "",
        3,
        0.3,
        0.3,
        100,
        round(100 * confidence),
        confidence,
        0.2,
        frozenset({1}),
    )


def test_the_value_of_a_rule_by_hand() -> None:
    # 60 baskets hold a and not b; b follows a in 40 % and stands in 20 % of all; 500 a sale, 30 a contact.
    (valued,) = value_rules([rule()], {"b": 500.0}, contact_cost_minor=30.0).kept
    assert valued.reach == 60
    assert valued.worth_minor == pytest.approx(60 * (0.2 * 500 - 30))


def test_a_pattern_without_value_never_reaches_the_bundle() -> None:
    rules = [rule("a"), rule("x", "unpriced"), rule("y", "cheap"), rule("z", "b", baskets=100)]
    valued = value_rules(rules, {"b": 500.0, "cheap": 0.0})
    assert [pattern.left for pattern in valued.kept] == [("a",)]
    assert valued.dropped == {"no_margin": 1, "no_reach": 1, "not_worth_it": 1}
    assert len(valued.kept) + sum(valued.dropped.values()) == len(rules)
    written = msgspec.json.decode(encode_pattern_file(valued.kept), type=PatternFile)
    assert written.patterns == valued.kept


@pytest.mark.parametrize("worth", [0.0, -1.0, float("nan")])
def test_the_pattern_file_refuses_what_has_no_value(worth: float) -> None:
    with pytest.raises(ValueError, match="without value"):
        encode_pattern_file([Pattern(("a",), "b", 0.5, 2.0, 10, 100.0, worth)])


def test_the_number_of_published_patterns_is_bounded() -> None:
    with pytest.raises(ValueError, match="more than the"):
        encode_pattern_file([Pattern(("a",), "b", 0.5, 2.0, 10, 100.0, 1.0)] * 10_001)


def test_a_candidate_has_no_value_yet() -> None:
    valued = value_journeys([_journey(), _journey("candidate"), _journey(confidence=0.1)], {"cafe": 300.0})
    assert [pattern.right for pattern in valued.kept] == ["cafe"]
    assert valued.kept[0].worth_minor == pytest.approx(50 * 0.3 * 300)
    assert valued.dropped == {"candidate": 1, "not_worth_it": 1}


def test_the_most_valuable_comes_first() -> None:
    valued = value_rules([rule("a", "b"), rule("a", "c")], {"b": 100.0, "c": 200.0})
    assert [pattern.right for pattern in valued.kept] == ["c", "b"]
