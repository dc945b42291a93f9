"""The three content modes of CloudEvents over HTTP; examples of the specification, and everything else is refused."""

from __future__ import annotations

import json

import pytest

from gateway.core.http import Request
from gateway.decoders.contract import DecodeError
from gateway.runtime.cloud_bodies import BATCH, STRUCTURED, envelopes

ENVELOPE = {"specversion": "1.0", "type": "com.example.someevent", "id": "1234-1234-1234", "source": "/mycontext/subcontext"}


def request(media: str, body: bytes, **attributes: str) -> Request:
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return Request("POST", "/v1/events", headers | ({"content-type": media} if media else {}), body)


def test_structured_and_batched_bodies_are_read_as_they_are() -> None:
    one, many = json.dumps(ENVELOPE).encode(), json.dumps([ENVELOPE, ENVELOPE]).encode()
    assert envelopes(request(f"{STRUCTURED}; charset=utf-8", one)) == one
    assert envelopes(request(BATCH, many)) == many
    for media, body in ((STRUCTURED, many), (BATCH, one)):
        with pytest.raises(DecodeError, match="an array only as"):
            envelopes(request(media, body))


def test_headers_of_the_binary_mode_become_attributes() -> None:
    """As in the specification: values are percent-encoded, here a euro sign and an emoji."""
    found = envelopes(request("application/json; charset=utf-8", b'{"line": "S1"}', **ENVELOPE, subject="Euro%20%E2%82%AC%20%F0%9F%98%80"))
    assert json.loads(found or b"") == {
        **ENVELOPE,
        "subject": "Euro € 😀",
        "datacontenttype": "application/json",
        "data": {"line": "S1"},
    }


def test_content_that_is_no_json_is_kept_as_bytes_and_none_is_left_out() -> None:
    assert json.loads(envelopes(request("text/xml", b"<much/>", **ENVELOPE)) or b"")["data_base64"] == "PG11Y2gvPg=="
    assert json.loads(envelopes(request("", b"", **ENVELOPE)) or b"") == ENVELOPE


def test_another_request_is_none_of_the_modes() -> None:
    assert envelopes(request("application/json", b"{}")) is None
    assert envelopes(request("text/plain", b"x", id="1")) is None


@pytest.mark.parametrize(
    ("media", "body", "attributes"),
    [
        ("application/json", b"{", ENVELOPE),
        ("application/json", b"[" * 10_000, ENVELOPE),
        ("application/json", b"{}", ENVELOPE | {"Not-A-Name": "x"}),
        ("application/json", b"{}", ENVELOPE | {f"a{number}": "x" for number in range(64)}),
        (STRUCTURED, b"\xff", {}),
        (STRUCTURED, b"", {}),
    ],
)
def test_a_bad_body_is_refused(media: str, body: bytes, attributes: dict[str, str]) -> None:
    with pytest.raises(DecodeError):
        envelopes(request(media, body, **attributes))
