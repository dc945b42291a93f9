"""For any input a decoder returns observations or refuses (hypothesis generates what the mutations leave out)."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.types import Message
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError, parse_json
from gateway.decoders.registry import load
from tests.decoders.expected import message_of
from tests.decoders.formats import FORMATS, UNCOLLECTED, cases_messages, cases_of
from tests.decoders.fuzz import MUTATIONS_MIN, fuzzed
from tests.kit.shared import shared_messages

SLICE_MIN = 100
EXAMPLES = 500

_WORDS = sorted(
    {
        word
        for form in FORMATS
        for case in cases_of(form)
        for word in case.message.payload.decode(errors="ignore").split('"')[1::2]
        if word.isascii() and len(word) < 40
    }
)
_TOPICS = sorted({case.message.topic for form in FORMATS for case in cases_of(form)})
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-130, 10)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(_WORDS)
)
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=8)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_KEYS, inner, max_size=8), max_leaves=25)


def _known(form: str) -> list[Message]:
    """The real messages of a format, and those of its cases."""
    real = [] if form in UNCOLLECTED else [message_of(line) for line in shared_messages(form)]
    return real + cases_messages(form)


_DECODERS = {form: load(form) for form in FORMATS}


def _documents(form: str) -> list[tuple[str, dict[str, Any]]]:
    """Topic and payload of the format's cases whose payload is a JSON object with fields."""
    found: list[tuple[str, dict[str, Any]]] = []
    for case in cases_of(form):
        with suppress(ValueError):
            document = json.loads(case.message.payload)
            if isinstance(document, dict) and document:
                found.append((case.message.topic, document))
    return found


_DOCUMENTS = {form: documents for form in FORMATS if (documents := _documents(form))}


def _check(form: str, topic: str, payload: bytes) -> None:
    try:
        observations = _DECODERS[form].decode(Message(topic, payload, 0))
    except DecodeError:
        return
    assert [fault_of(one) for one in observations] == [None] * len(observations), form


# Drawing a document costs more than decoding it, so each example goes through every decoder.


@settings(max_examples=EXAMPLES)
@given(topic=st.sampled_from(_TOPICS) | st.text(max_size=40), payload=st.binary(max_size=200))
def test_any_bytes(topic: str, payload: bytes) -> None:
    for form in FORMATS:
        _check(form, topic, payload)


@settings(max_examples=EXAMPLES)
@given(topic=st.sampled_from(_TOPICS), document=_JSON)
def test_any_json_of_known_words(topic: str, document: Any) -> None:
    payload = json.dumps(document).encode()
    for form in FORMATS:
        _check(form, topic, payload)


@settings(max_examples=EXAMPLES)
@given(case=st.integers(0, 9_999), field=st.integers(0, 9_999), value=_JSON)
def test_a_case_with_fields_replaced(case: int, field: int, value: Any) -> None:
    for form, documents in _DOCUMENTS.items():
        topic, document = documents[case % len(documents)]
        replaced = sorted(document)[field % len(document)]
        _check(form, topic, json.dumps({**document, replaced: value}).encode())


def test_most_formats_have_a_case_with_fields() -> None:
    assert len(_DOCUMENTS) > len(FORMATS) / 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[" * 33 + b"]" * 33, "too_large"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "too_large"),
        (b'"' + b"x" * 70_000 + b'"', "too_large"),
        (b"[" * 30_000, "too_large"),
        (b'"' + b'\\"' * 30_000, "not_json"),
        (b"NaN", "not_json"),
        (b"1 2", "not_json"),
        (b'"\\ud800"', "not_json"),
        (b'"\xff"', "not_text"),
        (b"1e999", "out_of_range"),
        (b"9" * 5_000, "out_of_range"),
    ],
)
def test_json_that_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        parse_json(payload)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "payload", [b"[" * 32 + b"]" * 32, b'["' + b"[" * 100 + b'"]', b'["\\"' + b"{" * 100 + b'"]', b"[" + b"{}," * 99 + b"{}]"]
)
def test_json_that_is_not_too_deep(payload: bytes) -> None:
    assert parse_json(payload) == json.loads(payload)


@pytest.mark.parametrize("form", FORMATS)
def test_a_slice_of_the_fuzzed_messages(form: str) -> None:
    """The soak test runs all of them, and `python -m tests.decoders.fuzz` prints the counts."""
    found = fuzzed(form, _known(form), messages_max=8, every=7)
    assert found.faults == []
    assert found.truncations + found.mutated >= SLICE_MIN
    assert 0 < found.refused < found.truncations + found.mutated


@pytest.mark.soak
def test_a_hundred_thousand_messages_that_nobody_sent() -> None:
    found = [fuzzed(form, _known(form)) for form in FORMATS]
    assert [fault for one in found for fault in one.faults] == []
    assert all(one.truncations >= one.messages for one in found)
    assert sum(one.truncations + one.mutated for one in found) >= MUTATIONS_MIN
