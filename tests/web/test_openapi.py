"""The OpenAPI document states each address for programs, and requests made from it, or spoiled, get no 5xx and reveal nothing.

Long form: `pytest -m soak tests/web/test_openapi.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dashboard import limits
from dashboard.app import create_app
from dashboard.openapi import document
from dashboard.people.access import FILES
from dashboard.people.roles import PAGES
from dashboard.settings import Settings
from dashboard.studio.publisher import Publisher
from tests.web.conftest import WORLD
from tests.web.people import sign_in
from tests.web.seed import TOKENS, packed

CANARY = "canary-of-the-fuzz"
LEAKS = re.compile(rf"{CANARY}|Traceback|sqlite|SELECT |site-packages|\.py\b|{'|'.join(TOKENS.values())}")
SHORT, LONG = 40, 3_000
DOCUMENT = document(has_campaigns=True)
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]
Json = dict[str, Any]


def made(schema: Json) -> st.SearchStrategy[Any]:  # noqa: PLR0911  one return for each kind of schema
    """Values of a JSON schema as far as the document uses it."""
    if "$ref" in schema:
        return st.deferred(lambda: made(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([made(one) for one in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "object":
        required = set(schema.get("required", ()))
        fields = {name: made(one) for name, one in schema.get("properties", {}).items()}
        return st.fixed_dictionaries(
            {name: one for name, one in fields.items() if name in required},
            optional={name: one for name, one in fields.items() if name not in required},
        )
    if kind == "array":
        if "prefixItems" in schema:
            return st.tuples(*(made(one) for one in schema["prefixItems"])).map(list)
        least = schema.get("minItems", 0)
        return st.lists(made(schema["items"]), min_size=least, max_size=least + 3)
    if kind == "string":
        pattern = schema.get("pattern")
        return st.from_regex(pattern.replace("\\A", "^").replace("\\Z", "$"), fullmatch=True) if pattern else st.text(max_size=20)
    if kind == "integer":
        return st.integers(schema.get("minimum", -(2**53)), schema.get("maximum", 2**53))
    if kind == "number":
        return st.floats(schema.get("exclusiveMinimum", -1e9), schema.get("maximum", 1e9), exclude_min="exclusiveMinimum" in schema)
    return st.booleans() if kind == "boolean" else st.none()


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(CANARY) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just(CANARY) | st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """A value with one part replaced by anything, or with one more field."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: draw(spoiled(value[key]))}
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(spoiled(value[at])), *value[at + 1 :]]
    if isinstance(value, dict) and draw(st.booleans()):
        return value | {CANARY: draw(ANY)}
    return draw(ANY)


@st.composite
def requests(draw: st.DrawFn, method: str, path: str) -> Json:
    """Keyword arguments of a request: by the document, or with a wrong parameter, token or body."""
    operation = DOCUMENT["paths"][path][method]
    query: dict[str, str] = {}
    for one in operation.get("parameters", []):
        value = draw(made(one["schema"]) | st.text(max_size=80) | st.just(CANARY))
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", re.sub(r"[^a-z0-9-]", "x", value) or "x")
        elif one["in"] == "query" and draw(st.booleans()):
            query[one["name"]] = value
    token = draw(st.sampled_from(["right", "right", "right", "wrong", "none"]))
    sent: Json = {"method": method.upper(), "url": path, "params": query, "token": token}
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]["schema"]
        body = draw(made(content))
        kind = draw(st.sampled_from(["made", "own", "spoiled", "bytes"]))
        if kind != "made" and isinstance(body, dict):
            body = own(body)
        sent["body"] = draw(st.binary(max_size=60)) if kind == "bytes" else draw(spoiled(body)) if kind == "spoiled" else body
    return sent


def own(body: Json) -> Json:
    """The body as one of gw-a, so that it passes the check of the sender."""
    records = [one | {"gateway": "gw-a"} if isinstance(one, dict) else one for one in body.get("records", ())]
    return body | {"gateway": "gw-a"} | ({"records": records} if "records" in body else {})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, publisher: Publisher) -> Iterator[tuple[TestClient, str]]:
    text = (WORLD / "campaign.toml").read_text("utf-8")
    file = tmp_path_factory.mktemp("fuzz") / "fuzz.db"
    app: FastAPI = create_app(Settings(database_url=f"sqlite:///{file}", tokens=TOKENS, campaign=text), publisher)
    sign_in(app, "viewer")
    patch = pytest.MonkeyPatch()
    patch.setattr(limits, "HELD_S", 0.0)
    yield TestClient(app, base_url="http://localhost", raise_server_exceptions=False), app.state.accounts.program_token("viewer")
    patch.undo()
    app.state.accounts._store.close()


def check(desk: tuple[TestClient, str], sent: Json, operation: Json) -> None:
    client, reader = desk
    security = operation["security"]
    right = (TOKENS["gw-a"] if "gateway" in security[0] else reader) if security else ""
    token = {"right": right, "wrong": CANARY, "none": ""}[sent["token"]]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = sent.get("body")
    if body is not None:
        is_batch = sent["url"].endswith("/batches")
        body = body if isinstance(body, bytes) else packed(body) if is_batch else json.dumps(body).encode()
        headers |= {"Content-Encoding": "gzip"} if is_batch else {}
    answer = client.request(sent["method"], sent["url"], params=sent["params"], content=body, headers=headers, follow_redirects=False)
    is_login = answer.status_code == 303 and not token and sent["url"].endswith(FILES)  # for a browser
    assert is_login or str(answer.status_code) in operation["responses"], (answer.status_code, answer.text)
    assert answer.status_code < 500, answer.text
    assert not LEAKS.search(answer.text), answer.text
    assert is_login or not LEAKS.search(str(answer.headers)), answer.headers  # the login leads back to the address


def run(desk: tuple[TestClient, str], method: str, path: str, most: int) -> None:
    @examples(max_examples=most, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(requests(method, path))
    def each(sent: Json) -> None:
        check(desk, sent, DOCUMENT["paths"][path][method])

    each()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_gets_a_5xx_or_a_leak(method: str, path: str, desk: tuple[TestClient, str]) -> None:
    run(desk, method, path, SHORT if "requestBody" in DOCUMENT["paths"][path][method] else 12)


@pytest.mark.soak
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_of_many_gets_a_5xx_or_a_leak(method: str, path: str, desk: tuple[TestClient, str]) -> None:
    run(desk, method, path, LONG)


def test_the_document_has_each_address_for_programs_and_no_other() -> None:
    stated = {f"{method.upper()} {path}" for method, path in OPERATIONS}
    asked = {key for key in PAGES if " /v1/" in key or key.endswith(FILES)}
    assert stated == asked
    assert "/v1/desired" not in document(has_campaigns=False)["paths"]


def test_the_desk_serves_the_document_and_tables_to_a_program(desk: tuple[TestClient, str]) -> None:
    client, reader = desk
    headers = {"Authorization": f"Bearer {reader}"}
    assert client.get("/v1/openapi.json", headers=headers).json() == json.loads(json.dumps(DOCUMENT))
    assert client.get("/fleet.json?q=gw-a", headers=headers).json()[0]["gateway"] == "gw-a"
    assert client.get("/fleet.json", headers={"Authorization": "Bearer no"}).status_code == 401
    assert client.get("/fleet", headers=headers, follow_redirects=False).status_code == 303  # a page needs a session


def test_a_leak_and_a_5xx_are_found(desk: tuple[TestClient, str]) -> None:
    operation: Json = {"security": [], "responses": {"404": {}}}
    sent: Json = {"method": "GET", "url": "/nothing", "params": {}, "token": "none"}
    with pytest.raises(AssertionError, match="404"):
        check(desk, sent, operation | {"responses": {}})
    with pytest.raises(AssertionError, match=CANARY):
        check(desk, sent | {"url": "/login", "params": {"next": f"/{CANARY}"}}, operation | {"responses": {"200": {}}})
