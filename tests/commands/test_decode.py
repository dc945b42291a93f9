"""`wayside decode`: every line gives exactly one line, and never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.decode import decode_line
from tests.commands.terminal import wayside

TOPIC = "wayside/v1/street/up/till-cafe/purchase"
PURCHASE = {"v": 1, "boot": "b", "seq": 1, "amount_minor": 450, "kind": "coffee_house"}


def decoded(line: bytes | dict[str, Any]) -> dict[str, Any]:
    answer = decode_line(line if isinstance(line, bytes) else json.dumps(line).encode())
    assert b"\n" not in answer
    return dict(json.loads(answer))


@pytest.mark.parametrize(
    "payload",
    [{"payload": PURCHASE}, {"payload": json.dumps(PURCHASE)}, {"payload_hex": json.dumps(PURCHASE).encode().hex()}],
    ids=["object", "text", "hex"],
)
@pytest.mark.parametrize("more", [{}, {"decoder": "wayside_v1"}, {"decoder": None}, {"received_at_ms": 7}])
def test_a_message_is_decoded(payload: dict[str, Any], more: dict[str, Any]) -> None:
    answer = decoded({"topic": TOPIC, **payload, **more})
    assert answer["decoder"] == "wayside_v1"
    (observation,) = answer["observations"]
    assert observation["type"] == "purchase"
    assert observation["amount_minor"] == 450
    assert observation["envelope"] == {"device": "till-cafe", "boot": "b", "seq": 1}


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b"", "not_json", "a line must be a JSON object"),
        (b"hello", "not_json", "a line must be a JSON object"),
        (b"[1]", "not_json", "a line must be a JSON object"),
        (b"null", "not_json", "a line must be a JSON object"),
        (b"\xff", "not_json", "a line must be a JSON object"),
        (b"[" * 100_000, "not_json", "a line must be a JSON object"),
        (b'{"topic":"a","payload":' + b"[" * 100_000, "not_json", "a line must be a JSON object"),
        ({}, "wrong_line", "payload or payload_hex is missing"),
        ({"topic": TOPIC}, "wrong_line", "payload or payload_hex is missing"),
        ({"topic": 5, "payload": "x"}, "wrong_line", "topic must be a string"),
        ({"topic": TOPIC, "payload_hex": "xyz"}, "wrong_line", "payload_hex must be hex digits"),
        ({"topic": TOPIC, "payload_hex": 12}, "wrong_line", "payload_hex must be hex digits"),
        ({"topic": TOPIC, "payload": "x", "received_at_ms": "now"}, "wrong_line", "received_at_ms must be an integer"),
        ({"topic": "nobody/knows", "payload": "x"}, "wrong_line", 'name one with "decoder"'),
        ({"payload": "x"}, "wrong_line", 'name one with "decoder"'),
        ({"topic": TOPIC, "payload": "x", "decoder": "wayside_v2"}, "unknown_decoder", "did you mean wayside_v1?"),
        ({"topic": TOPIC, "payload": "x", "decoder": 7}, "unknown_decoder", "no decoder is called '7'"),
        ({"topic": TOPIC, "payload": "x"}, "not_json", ""),
        ({"topic": TOPIC, "payload": {"v": 1}}, "missing_field", "boot"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_line_is_an_answer_too(line: bytes | dict[str, Any], reason: str, detail: str) -> None:
    error = decoded(line)["error"]
    assert error["reason"] == reason
    assert detail in error["detail"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["topic", "payload", "payload_hex", "received_at_ms", "decoder", "more"]),
        json_values | st.sampled_from([TOPIC, "wayside_v1", "espresense", PURCHASE, "espresense/devices/x/plaza"]),
    )
)
def test_no_object_breaks_it(captured: dict[str, Any]) -> None:
    assert set(decoded(captured)) in ({"error"}, {"decoder", "observations"})


@given(st.binary(max_size=200))
def test_no_bytes_break_it(line: bytes) -> None:
    assert set(decoded(line)) in ({"error"}, {"decoder", "observations"})


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 30, "1e400", "1" * 5_000], ids=lambda number: number[:12])
def test_numbers_beyond_any_machine_are_answered(number: str) -> None:
    assert decoded(b'{"topic": "%b", "payload": {"seq": %b}}' % (TOPIC.encode(), number.encode()))
    assert decoded(b'{"topic": "%b", "payload": "x", "received_at_ms": %b}' % (TOPIC.encode(), number.encode()))


def test_one_line_out_for_each_line_in() -> None:
    good = json.dumps({"topic": TOPIC, "payload": PURCHASE})
    result = wayside("decode", typed=f"{good}\nnonsense\n\n   \n{good}\n{good}".encode())
    assert (result.code, result.err) == (0, "")
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert ["error" in answer for answer in answers] == [False, True, False, False]


def test_nothing_in_is_nothing_out() -> None:
    assert wayside("decode", typed=b"") == (0, "", "")
