"""What a sender can do wrong or on purpose: each wrong has its number and one line, and no line quotes it."""

from __future__ import annotations

import asyncio
import gzip
import json
import string
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Message

from dashboard import limits
from dashboard.app import create_app
from dashboard.intake import Inflater
from dashboard.refusals import Refused
from dashboard.settings import Settings
from tests.web.conftest import Post
from tests.web.seed import HOUR_MS, START_MS, TOKENS, Json, batch, bearer, hours, noise, offers, packed

CANARY = "jane.doe@example.org"


def bomb(megabytes: int) -> bytes:
    """Gzip that inflates to so many megabytes of blanks."""
    deflate = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    return b"".join(deflate.compress(b" " * 1_000_000) for _ in range(megabytes)) + deflate.flush()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKENS["gw-a"]},
        {"Authorization": f"Basic {TOKENS['gw-a']}"},
        {"Authorization": f"Bearer {TOKENS['gw-a']}x"},
        {"Authorization": b"Bearer \xff\xfe".decode("latin-1")},
    ],
)
def test_an_unknown_token_is_401(headers: dict[str, str], client: TestClient) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.post("/v1/batches", content=packed(batch("b1", [hours("r1")])), headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/v1/summary").json()["records"] == 0


@pytest.mark.parametrize(
    "body",
    [
        batch("b1", [hours("r1", gateway="gw-b")], "gw-b"),
        batch("b1", [hours("r1", gateway="gw-b")], "gw-a"),
        batch("b1", [hours("r0"), hours("r1", gateway="gw-c")], "gw-a"),
    ],
)
def test_a_gateway_speaks_only_for_itself(body: Json, client: TestClient) -> None:
    assert client.post("/v1/batches", content=packed(body), headers=bearer("gw-a")).status_code == 403
    assert client.get("/v1/summary").json()["records"] == 0


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (hours("r1", zones=[CANARY]), "$.records[0].zones[0] is not a valid id"),
        (offers("r1", {"plaza": {}}, offer=CANARY), "$.records[0].offer is not a valid id"),
        (hours(CANARY), "$.records[0].id is not a valid id"),
        (hours("r1", type=CANARY), "$.records[0].type is not one of the allowed values"),
        (hours("r1", counts=[10**6 + 1]), "$.records[0].counts[0] has a wrong type"),
        (hours("r1", counts=[-(10**6) - 1]), "$.records[0].counts[0] has a wrong type"),
        (hours("r1", counts=[2**80]), "$.records[0].counts[0] has a wrong type"),
        (hours("r1", counts=[0.5]), "$.records[0].counts[0] has a wrong type"),
        (hours("r1", counts=[CANARY]), "$.records[0].counts[0] has a wrong type"),
        (hours("r1", counts=[1, 2]), "$.records[0].counts does not have 1 for each of its zones"),
        (hours("r1", zones=["plaza", "plaza"], counts=[1, 2]), "$.records[0].zones has a zone twice"),
        (hours("r1", zones=[], counts=[]), "$.records[0].zones has a wrong type"),
        (offers("r1", {"plaza": {}}, counts=[0] * 16), "$.records[0].counts does not have 8 for each of its zones"),
        (offers("r1", {"plaza": {}}, counts=[0] * 7), "$.records[0].counts has a wrong type"),
        (
            hours("r1", noise={"epsilon_millionths": 5_000_001, "contacts_max": 4, "variance": 1.0}),
            "$.records[0].noise.epsilon_millionths has",
        ),
        (hours("r1", noise={"epsilon_millionths": 500_000, "contacts_max": 0, "variance": 1.0}), "$.records[0].noise.contacts_max has"),
        (hours("r1", noise=noise() | {"variance": 0.0}), "$.records[0].noise.variance has a wrong type"),
        (hours("r1", noise=noise() | {"variance": 1e9}), "$.records[0].noise.variance has a wrong type"),
        (hours("r1", noise=None), "$.records[0].noise has a wrong type"),
        (hours("r1", window_ms=0), "$.records[0].window_ms has a wrong type"),
        (hours("r1", window_start_ms=START_MS + 1), "$.records[0].window_start_ms is not at a whole window_ms after a midnight"),
        (hours("r1", window_start_ms=2**62 // HOUR_MS * HOUR_MS), "$.records[0].window_start_ms is after the year 2100"),
        (hours("r1") | {CANARY: 1}, "$.records[0] has a field that is not in the schema"),
        (hours("r1") | {f"x` - at `$.{CANARY}": 1}, "$.records[0] has a field that is not in the schema"),
        ({"type": "hours", "id": "r1"}, "$.records[0] lacks the field gateway"),
        ([CANARY], "$.records[0] has a wrong type"),
        (None, "$.records[0] has a wrong type"),
    ],
)
def test_a_wrong_shape_is_422_and_one_line_names_the_place_but_not_the_value(record: Any, place: str, client: TestClient) -> None:
    answer = client.post("/v1/batches", content=packed({"batch": "b1", "gateway": "gw-a", "records": [record]}), headers=bearer())
    assert answer.status_code == 422
    assert place in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert CANARY not in answer.text
    assert client.get("/v1/summary").json()["records"] == 0


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"nan", b'"\xff"', b"{}x", b'{"batch":"\\ud800","gateway":"gw-a","records":[]}', b"\xef\xbb\xbf{}"],
)
def test_what_is_not_a_batch_is_422(text: bytes, client: TestClient) -> None:
    assert client.post("/v1/batches", content=gzip.compress(text), headers=bearer()).status_code == 422


def test_deep_nesting_is_422(client: TestClient) -> None:
    for text in (b"[" * 100_000, b'{"batch":"b","gateway":"gw-a","records":[{"x":' + b"[" * 100_000):
        assert client.post("/v1/batches", content=gzip.compress(text), headers=bearer()).status_code == 422


def test_what_is_not_exactly_one_gzip_member_is_422(client: TestClient) -> None:
    whole = packed(batch("b1", [hours("r1")]))
    for body in (b"", b"{}", whole[:-1], whole[:20], whole + b"x", whole + whole, b"\x1f\x8b" + b"\0" * 40):
        assert client.post("/v1/batches", content=body, headers=bearer()).status_code == 422
    assert client.post("/v1/batches", content=b"{}", headers=bearer() | {"Content-Encoding": "br"}).status_code == 415


def test_a_body_over_one_megabyte_is_413(client: TestClient) -> None:
    body = bytes(limits.BODY_BYTES_MAX + 1)
    assert client.post("/v1/batches", content=body, headers=bearer()).status_code == 413
    inflater = Inflater()  # the same without a declared length, and piece by piece
    deflate = zlib.compressobj(0, wbits=16 + zlib.MAX_WBITS)
    whole = deflate.compress(bytes(limits.BODY_BYTES_MAX)) + deflate.flush()
    inflater.feed(whole[: limits.BODY_BYTES_MAX])
    with pytest.raises(Refused, match="larger than 1000000 bytes"):
        inflater.feed(whole[limits.BODY_BYTES_MAX :])


def test_a_declared_length_over_the_bound_is_refused_before_a_byte_is_read(settings: Settings) -> None:
    answers: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/batches",
        "raw_path": b"/v1/batches",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"authorization", f"Bearer {TOKENS['gw-a']}".encode()),
            (b"content-length", b"1" + b"0" * 30),
        ],
    }
    asyncio.run(create_app(settings)(scope, receive, send))
    assert answers[0]["status"] == 413


def test_a_zip_bomb_is_413_and_costs_little_memory(client: TestClient) -> None:
    body = bomb(300)
    assert len(body) < limits.BODY_BYTES_MAX
    assert client.post("/v1/batches", content=body, headers=bearer()).status_code == 413
    tracemalloc.start()
    with pytest.raises(Refused, match="decompressed"):
        Inflater().feed(body)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * limits.TEXT_BYTES_MAX


def test_the_longest_batch_fits_and_one_record_more_does_not(post: Post) -> None:
    ids = [f"{number:0>128}" for number in range(limits.RECORDS_PER_BATCH_MAX)]
    longest = [hours(record_id, {f"{zone}" + "z" * 63: -(10**6) for zone in range(9)}) for record_id in ids]
    assert len(json.dumps(batch("b1", longest))) < limits.TEXT_BYTES_MAX
    answer = post(batch("b1", longest))
    assert answer.status_code == 200
    assert len(answer.json()["taken"]) == limits.RECORDS_PER_BATCH_MAX
    assert post(batch("b2", [*longest, hours("one-more")])).status_code == 413


json_leaves = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20) | st.just(CANARY)
json_names = st.text(max_size=12) | st.sampled_from(sorted(hours("r")))
json_values = st.recursive(
    json_leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(json_names, inner, max_size=5), max_leaves=12
)


@st.composite
def spoiled_batches(draw: st.DrawFn) -> Json:
    """A good batch with one thing in it exchanged for anything."""
    body = batch("b1", [hours("r1"), hours("r2")])
    target = draw(st.sampled_from([body, body["records"][0], body["records"][1]]))
    target[draw(st.sampled_from(sorted(target)) | st.text(max_size=12))] = draw(json_values)
    return body


fuzz = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(body=json_values | spoiled_batches())
def test_no_json_makes_a_5xx_or_is_quoted(body: Any, client: TestClient) -> None:
    answer = client.post("/v1/batches", content=packed(body), headers=bearer())
    assert answer.status_code in {200, 403, 409, 422}
    assert CANARY not in answer.text


@fuzz
@given(noise=st.binary(max_size=300), cut=st.integers(0, 400), wrapped=st.booleans())
def test_no_bytes_make_a_5xx(noise: bytes, cut: int, *, wrapped: bool, client: TestClient) -> None:
    body = gzip.compress(noise) if wrapped else packed(batch("b1", [hours("r1")]))[:cut] + noise
    assert client.post("/v1/batches", content=body, headers=bearer()).status_code in {200, 413, 422}


def test_without_the_guard_of_the_inflater_bytes_make_a_5xx(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unguarded(Inflater):
        def feed(self, piece: bytes) -> None:
            self._text += self._gzip.decompress(piece)

    monkeypatch.setattr("dashboard.intake.Inflater", Unguarded)
    with TestClient(create_app(settings), base_url="http://localhost", raise_server_exceptions=False) as client:
        assert client.post("/v1/batches", content=b"no gzip", headers=bearer()).status_code == 500


paths = st.text(string.ascii_letters + string.digits + "/.-_%?=&<>'\"", max_size=30)


@fuzz
@given(path=st.sampled_from(["/", "/gateways/", "/offers/", "/v1/", "/static/", "/static/../"]), rest=paths, query=paths)
def test_no_address_makes_a_5xx_or_is_quoted(path: str, rest: str, query: str, client: TestClient) -> None:
    answer = client.get(f"{path}{rest}", params={"span": query + CANARY})
    assert 200 <= answer.status_code < 500
    assert CANARY not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
