"""Any request is answered without a server error, with a status that the OpenAPI document declares; and the document is complete."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.http import TITLES
from gateway.runtime.api import ROUTES
from gateway.runtime.openapi import document
from tests.kit.http import HttpClient
from tests.runtime.test_api import CENTRE, KIOSK, TILL, Served, configured

DOCUMENT = document(ROUTES)
PATHS = [route.path for route in ROUTES]
POSTED = [route.path for route in ROUTES if route.method == "POST"]
FIELDS = ["person", "zone", "decision", "answer", "kind", "v", "specversion", "id", "source", "type", "data", "time"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80) | st.sampled_from(["phone-0001", "plaza", "accepted"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
BODIES = (
    st.binary(max_size=200)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6).map(lambda value: json.dumps(value).encode())
)
TOKENS = st.sampled_from([KIOSK, KIOSK, CENTRE, TILL, "x"])
HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
TYPES = st.sampled_from(
    [
        *["application/json"] * 4,
        "application/cloudevents+json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/cloudevents-batch+json",
    ]
)
seen: Counter[int] = Counter()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(configured(tmp_path_factory.mktemp("fuzz")))
    made.walk_in()
    yield made
    made.close()


REQUESTS = {
    "method": st.sampled_from(["POST"] * 16 + ["GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    "path": st.sampled_from(POSTED * 8 + PATHS + ["/", "/v1", "/v1/decide/", "/%2e%2e/v1/decide", "//v1/decide", "/v1/decide?x=1"]),
    "body": BODIES,
    "token": TOKENS,
    "key": HEADER,
    "media": TYPES,
    "more": st.dictionaries(st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "X-Any"]), HEADER, max_size=4),
}
FUZZ = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_answer(served: Served, method: str, path: str, body: bytes, token: str, key: str, media: str, more: dict[str, str]) -> None:
    """Send one request, and hold its status against the document."""
    with HttpClient(served.app.services[0].port) as client:  # type: ignore[attr-defined]
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Content-Type": media} | more
        reply = client.send(method, path, body, **headers)
    seen[reply.status] += 1
    assert reply.status < 500, (method, path, body, headers, reply)
    operation = DOCUMENT["paths"].get(path.partition("?")[0], {}).get(method.lower())
    if operation is not None:
        assert str(reply.status) in operation["responses"], (method, path, body, reply)
    else:
        assert reply.status in (404, 405)


@given(**REQUESTS)
@FUZZ
def test_no_request_makes_a_server_error(served: Served, **request: Any) -> None:
    check_answer(served, **request)


@pytest.mark.soak
@given(**REQUESTS)
@settings(FUZZ, max_examples=10_000)
def test_none_of_many_requests_makes_a_server_error(served: Served, **request: Any) -> None:
    check_answer(served, **request)


def test_the_fuzz_has_reached_the_gateway(served: Served) -> None:
    """Requests got through as well as being refused, so the test above has tested something."""
    assert {400, 401, 404, 405, 415, 422} <= seen.keys(), seen
    assert sum(seen.values()) >= 400
    assert seen[422] + seen[400] >= 50, "requests of known clients with a body that is looked at"


def test_the_document_names_each_resource_and_each_type() -> None:
    assert set(DOCUMENT["paths"]) == set(PATHS)
    known = set(DOCUMENT["components"]["schemas"])
    text = json.dumps(DOCUMENT)
    assert {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]} <= known
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert operation["summary"]
        assert ("security" in operation) == bool(route.kinds)
        assert {int(status) for status in operation["responses"]} <= {200, *TITLES}
    assert len({operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()}) == len(ROUTES)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body is not None], ids=lambda route: route.path)
def test_the_schema_of_a_body_is_that_of_its_type(route: Any) -> None:
    schema = DOCUMENT["components"]["schemas"][route.body.__name__]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(route.body.__struct_fields__)
    assert set(schema["required"]) == {field.name for field in msgspec.structs.fields(route.body) if field.required}
