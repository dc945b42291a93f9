"""Topic filters match as in the MQTT specification and in the reference client (paho)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from gateway.decoders.topics import is_filter, topic_matches

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
