"""Topic filters match as in the MQTT specification and in the reference client (paho)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from gateway.decoders.topics import covers, is_filter, meet, topic_matches

LEVELS = st.sampled_from(["a", "b", "", "$a", "plaza"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=5).map("/".join)
FILTERS = st.tuples(st.lists(st.one_of(LEVELS, st.just("+")), max_size=5), st.booleans()).map(
    lambda parts: "/".join([*parts[0], "#"] if parts[1] or not parts[0] else parts[0])
)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking/x", True),
        ("sport/tennis/player1/#", "sport/tennis", False),
        ("#", "a/b", True),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker", True),
        ("$SYS/#", "$SYS", True),
        ("a/$b", "a/$b", True),
        ("/gw/+/status", "/gw/ac233f00a001/status", True),
        ("/gw/+/status", "gw/ac233f00a001/status", False),
        ("#", "", False),
        ("a/#/b", "a/x/b", False),
        ("a+/b", "a+/b", False),
        ("", "", False),
    ],
)
def test_the_rules(topic_filter: str, topic: str, matches: bool) -> None:  # noqa: FBT001 - a column of the table
    assert topic_matches(topic_filter, topic) is matches


@pytest.mark.parametrize(
    ("text", "well_formed"),
    [("#", True), ("+", True), ("a/+/b/#", True), ("/", True), ("", False), ("a#", False), ("a/#/b", False), ("a+", False), ("a\0", False)],
)
def test_well_formed_filters(text: str, well_formed: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_filter(text) is well_formed


@given(FILTERS, TOPICS)
def test_agrees_with_paho(topic_filter: str, topic: str) -> None:
    if topic and topic_filter:
        assert topic_matches(topic_filter, topic) == topic_matches_sub(topic_filter, topic)


@given(st.text(), st.text())
def test_any_two_texts_have_an_answer(topic_filter: str, topic: str) -> None:
    assert topic_matches(topic_filter, topic) in (True, False)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/#", "a/#", True),
        ("a/#", "a", True),
        ("a/#", "a/+/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("#", "$SYS/#", False),
        ("$share/g/a/#", "a/b", False),
        ("a/#", "$share/g/a/b", False),
    ],
)
def test_one_filter_covers_another(wide: str, narrow: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    assert covers(wide, narrow) is expected


def test_filters_that_share_only_some_topics_meet() -> None:
    assert [meet("a/+/x", other) for other in ("a/b/+", "a/b/#", "+/#", "a/b/y", "a/+", "a/b/x/y", "$share/g/a/b/x")] == [True] * 3 + [
        False
    ] * 4


def _witness(one: str, other: str) -> str:
    """A topic of two filters that meet: the more exact level of both, and below a `#` the levels of the other one."""
    first, second = one.split("/"), other.split("/")
    cut = min(levels.index("#") if "#" in levels else len(levels) for levels in (first, second))
    both = [there if here == "+" else here for here, there in zip(first[:cut], second[:cut], strict=True)]
    below = next((levels[cut:] for levels in (first, second) if levels[cut:] not in ([], ["#"])), [])
    return "/".join("b" if level == "+" else level for level in [*both, *below] if level != "#") or "b"


@given(FILTERS, FILTERS, TOPICS)
def test_covering_and_meeting_agree_with_matching(one: str, other: str, topic: str) -> None:
    if not (one and other and topic):
        return
    if topic_matches(one, topic) and topic_matches(other, topic):
        assert meet(one, other)
    if covers(one, other):
        assert topic_matches(one, topic) or not topic_matches(other, topic)
    if meet(one, other) and "" not in (one + "/" + other).split("/"):
        assert topic_matches(one, _witness(one, other))
        assert topic_matches(other, _witness(one, other))
