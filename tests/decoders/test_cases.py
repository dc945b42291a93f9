"""Every hand-made case gives exactly the observations, or exactly the refusal, that it states."""

from __future__ import annotations

import pytest

from gateway.decoders.conformance.checks import Case, parse_cases
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import load
from tests.decoders.formats import FORMATS, cases_of

CASES = [pytest.param(form, case, id=f"{form}: {case.name}") for form in FORMATS for case in cases_of(form)]
CASES_PER_FORMAT_MIN = 12


@pytest.mark.parametrize(("form", "case"), CASES)
def test_case(form: str, case: Case) -> None:
    decoder = load(form)
    if isinstance(case.expected, list):
        assert decoder.decode(case.message) == case.expected
        return
    with pytest.raises(DecodeError) as refusal:
        decoder.decode(case.message)
    assert refusal.value.reason == case.expected
    assert 0 < len(refusal.value.detail) <= 300


@pytest.mark.parametrize("form", FORMATS)
def test_formats_have_cases_of_both_kinds(form: str) -> None:
    cases = cases_of(form)
    names = [case.name for case in cases]
    assert len(cases) >= CASES_PER_FORMAT_MIN
    assert len(set(names)) == len(names), "two cases of one name"
    assert any(isinstance(case.expected, list) for case in cases)
    assert any(isinstance(case.expected, str) for case in cases)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: "),
        ('{"name":"a","payload":{}}', "either observations or refused"),
        ('{"name":"a","observations":[]}', "needs one payload"),
        ('{"name":"a","payload":{},"payload_text":"x","observations":[]}', "needs one payload"),
        ('{"name":"a","payload":{},"refused":"not_json","observations":[]}', "either observations or refused"),
        ('{"name":"a","payload":{},"refused":"bad mood"}', "line 1: "),
        ('{"name":"a","payload":{},"observations":[{"type":"rumour"}]}', "line 1: "),
        ('{"name":"a","payload":{},"observation":[]}', "line 1: "),
    ],
)
def test_a_line_that_is_no_case_is_named(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_cases([line])


@pytest.mark.parametrize("form", FORMATS)
def test_a_refusal_never_quotes_what_was_sent(form: str) -> None:
    """Details go to logs and dead letters: the field and the rule, never a value that was sent."""
    secret = "Zaphod-4711"
    decoder = load(form)
    details: list[str] = []
    for case in cases_of(form):
        for payload in _with_secret(case.message.payload, secret):
            message = type(case.message)(case.message.topic, payload, 0)
            try:
                decoder.decode(message)
            except DecodeError as error:
                details.append(error.detail)
    assert details
    assert not [detail for detail in details if secret in detail]


def _with_secret(payload: bytes, secret: str) -> list[bytes]:
    """`payload` with each of its JSON texts replaced by `secret`, one after the other."""
    parts = payload.split(b'"')
    places = range(1, len(parts), 2)
    return [b'"'.join([*parts[:place], secret.encode(), *parts[place + 1 :]]) for place in places]
