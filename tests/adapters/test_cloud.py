"""One POST and every way in which it may end: only a receipt for our batch counts as taken."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from gateway.adapters.cloud import Cloud
from gateway.core import limits
from gateway.core.ports import CloudReply
from gateway.core.records import Batch, GatewayHealth
from tests.kit.broker import free_port
from tests.kit.cloud import FakeCloud, Response, receipt


def health(id_: str) -> GatewayHealth:
    """A record as the privacy door makes it."""
    return GatewayHealth(id=id_, gateway="gw-t", window_start_ms=0, window_ms=5_000, backlog=0, demonstration=False)


RECORDS = (health("gw-t.0.h"),)
BATCH = Batch("gw-t.0123", "gw-t", RECORDS)


def post(*answers: Response, batch: Batch = BATCH) -> CloudReply:
    with FakeCloud(*answers) as cloud:
        return Cloud(cloud.url, "secret-token").post(batch)


def test_a_receipt_is_the_only_yes() -> None:
    assert post() == CloudReply("taken", tuple(record.id for record in RECORDS))


def test_the_request_is_what_the_contract_says_and_the_same_bytes_at_each_try() -> None:
    with FakeCloud(Response(500), Response()) as cloud:
        router = Cloud(cloud.url + "/", "secret-token")
        assert router.post(BATCH).kind == "refused"
        assert router.post(BATCH).kind == "taken"
        first, second = cloud.requests
    assert first.path == "/v1/batches"
    assert first.headers["Authorization"] == "Bearer secret-token"
    assert (first.headers["Content-Encoding"], first.headers["Content-Type"]) == ("gzip", "application/json")
    assert first.body == second.body
    assert first.body[4:8] == bytes(4), "gzip wrote the time into it"
    assert json.loads(gzip.decompress(first.body))["batch"] == "gw-t.0123"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "expected_ms"), [("7", 7_000), ("0", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-3", None), ("9" * 12, None)]
)
def test_a_busy_cloud_says_how_long(status: int, value: str, expected_ms: int | None) -> None:
    reply = post(Response(status, lambda _asked: b"", {"Retry-After": value}))
    assert (reply.kind, reply.retry_after_ms) == ("busy", expected_ms)


@pytest.mark.parametrize(
    ("status", "kind"),
    [*((status, "refused") for status in (400, 401, 403, 404, 500, 502)), *((status, "never") for status in (409, 413, 422))],
)
def test_any_other_no_is_a_no_that_names_its_number(status: int, kind: str) -> None:
    reply = post(Response(status, lambda _asked: b"go away"))
    assert (reply.kind, reply.taken) == (kind, ())
    assert str(status) in reply.trouble


@pytest.mark.parametrize("status", [409, 413, 422])
def test_a_batch_that_will_never_be_taken_is_told_apart(status: int) -> None:
    reply = post(Response(status, lambda _asked: b"never"))
    assert (reply.kind, reply.taken) == ("never", ())
    assert str(status) in reply.trouble


def test_records_go_where_the_config_says_or_nowhere() -> None:
    with FakeCloud() as elsewhere:
        for status in (301, 302, 307, 308):
            reply = post(Response(status, lambda _asked: b"", {"Location": elsewhere.url + "/v1/batches"}))
            assert reply.kind == "refused"
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b"null",
        b'{"batch": "gw-t.0123"}',
        b'{"batch": "gw-t.0123", "taken": "all"}',
        b'{"batch": "another", "taken": []}',
        b"\xff\xfe",
        b'{"batch": "gw-t.0123", "taken": ["\xff"]}',
        b'{"more": ' + b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_yes_without_our_receipt_is_a_no(body: bytes) -> None:
    assert post(Response(200, lambda _asked: body)).kind == "refused"


def test_an_answer_that_is_too_large_is_no_receipt() -> None:
    reply = post(Response(200, lambda _asked: b'{"batch": "gw-t.0123", "taken": [' + b'"x",' * limits.BATCH_BYTES_MAX + b'"x"]}'))
    assert (reply.kind, "is larger than" in reply.trouble) == ("unreachable", True)


def test_part_of_a_batch_may_be_taken() -> None:
    two = (health("gw-t.0.h"), health("gw-t.1.h"))
    reply = post(Response(200, lambda asked: receipt(asked, 1)), batch=Batch("b", "gw-t", two))
    assert reply == CloudReply("taken", (two[0].id,))


def test_nobody_there_is_said_in_words() -> None:
    reply = Cloud(f"http://127.0.0.1:{free_port()}", "secret-token").post(BATCH)
    assert reply.kind == "unreachable"
    assert "does not answer" in reply.trouble
    assert "secret-token" not in reply.trouble


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_used_is_an_error_at_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(OSError):  # noqa: PT011 - of the TLS library
        Cloud("https://dashboard.example", "token", file)


def test_a_cloud_that_hangs_up_in_the_middle_is_unreachable() -> None:
    reply = post(Response(200, receipt, {"Transfer-Encoding": "chunked"}))
    assert reply.kind in {"unreachable", "refused"}
    assert reply.taken == ()
