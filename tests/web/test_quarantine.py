"""Records out of their gateway's bounds are stored aside: no figure counts them until an operator decides."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from dashboard import limits, quarantine
from dashboard.settings import Settings
from dashboard.store import Store
from tests.web.conftest import Post
from tests.web.people import COOKIE, csrf
from tests.web.seed import CLEAR, DAY_MS, HOUR_MS, Json, batch, bearer, health, hours, noise, offers, packed
from tests.web.server import LiveServer

LATE = -(limits.BEHIND_MS_MAX // HOUR_MS) - 1


def sent(client: TestClient) -> int:
    return int(client.get("/v1/summary?span=all").json()["sent"]["value"])


def reasons(settings: Settings) -> list[str]:
    store = Store(settings.database_url)
    with store.reading() as connection:
        found = [one.reason for one in quarantine.held(connection)]
    store.close()
    return list(found)


def decide(client: TestClient, path: str, **form: str) -> int:
    token = str(client.cookies.get(COOKIE))
    form["csrf"] = csrf(client.app, token)  # type: ignore[arg-type]
    return int(client.post(path, data=form, follow_redirects=False).status_code)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (hours("x", window=7), "window in the future"),
        (hours("x", window=LATE), "window too old"),
        (hours("x", {"harbour": 1}, window=1), "zone of no catalogue"),
        (hours("x", {"plaza": 1, "harbour": 1}, window=1), "zone of no catalogue"),
        (hours("x", {"plaza": 1}), "window counted twice"),
        (hours("x", window=1, noise=noise() | {"variance": 1.0}), "noise misstated"),
        (hours("x", {"plaza": limits.PEOPLE_MAX + 9}, window=1), "count out of bounds"),
        (hours("x", {"plaza": -9}, window=1), "count out of bounds"),
        (offers("x", {"plaza": {}}, offer="unknown", day=-1), "offer of no catalogue"),
        (offers("x", {"plaza": {"redeemed": limits.PEOPLE_MAX + 9}}, offer="espresso", day=-1), "count out of bounds"),
        (health("x", window=7), "window in the future"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_implausible_record_is_acknowledged_shown_and_not_counted(
    record: Json, reason: str, client: TestClient, post: Post, settings: Settings
) -> None:
    assert post(batch("b1", [hours("r1", {"plaza": 42}), offers("o1", {"plaza": {}})])).status_code == 200
    answer = post(batch("b2", [record]))
    assert (answer.status_code, answer.json()["taken"]) == (200, ["x"])
    assert post(batch("b3", [record])).status_code == 200  # a replay under another batch
    assert reasons(settings) == [reason]
    assert sent(client) == 42
    assert client.get("/v1/summary").json()["quarantined"] == 1
    assert reason in client.get("/quarantine").text


def test_one_gateway_cannot_move_the_period_or_the_zones_of_another(client: TestClient, post: Post) -> None:
    post(batch("b1", [hours("r1", {"plaza": 42})]))
    post(batch("b1", [hours("r1", {"pub": 1}, gateway="gw-b")], "gw-b"))
    for number, record in enumerate(
        (hours("f", {"pub": 1}, gateway="gw-b", window=400_000), hours("g", {"plaza": 5_000}, gateway="gw-b", window=1))
    ):
        post(batch(f"f{number}", [record], "gw-b"))
    found = client.get("/v1/summary?span=day").json()
    assert found["sent"]["value"] == 43
    assert found["sent_by_zone"]["plaza"]["value"] == 42


def test_a_learned_zone_or_offer_is_accepted_once_the_operator_says_so(client: TestClient, post: Post, settings: Settings) -> None:
    post(batch("b1", [hours("r1", {"plaza": 42})]))
    post(batch("b2", [hours("x", {"harbour": 5}, window=1), hours("y", {"harbour": 6}, window=2)]))
    assert decide(client, "/quarantine/accept", gateway="gw-a", id="x") == 303
    assert (sent(client), len(reasons(settings))) == (47, 1)
    post(batch("b3", [hours("z", {"harbour": 7}, window=3)]))
    assert sent(client) == 54
    assert decide(client, "/quarantine/discard", gateway="gw-a", id="y") == 303
    post(batch("b4", [hours("y", {"harbour": 6}, window=2)]))  # the id stays known
    assert (sent(client), reasons(settings)) == (54, [])
    assert decide(client, "/quarantine/accept", gateway="gw-a", id="y") == 422


def test_counts_can_be_retracted_and_accepted_again(client: TestClient, post: Post, settings: Settings) -> None:
    post(batch("b1", [hours("r1", {"plaza": 42}), hours("r2", {"plaza": 1_000}, window=1), offers("o1", {"plaza": {"ignored": 7}})]))
    before = client.get("/v1/summary?span=all").json()
    form = {"gateway": "gw-a", "from": "2026-11-06T22:00", "until": "2026-11-06T23:00"}
    assert decide(client, "/quarantine/retract", **form) == 303
    assert (sent(client), reasons(settings)) == (42, ["retracted"])
    assert decide(client, "/quarantine/retract", **form) == 422
    assert decide(client, "/quarantine/retract", **form | {"from": "yesterday"}) == 422
    post(batch("b2", [hours("r2", {"plaza": 1_000}, window=1)]))  # a replay does not bring it back
    assert sent(client) == 42
    assert decide(client, "/quarantine/accept", gateway="gw-a", id="r2") == 303
    after = client.get("/v1/summary?span=all").json()
    assert {**after, "now_ms": 0} == {**before, "now_ms": 0}


def test_a_new_offer_of_the_first_service_day_is_learned_and_later_ones_wait(client: TestClient, post: Post, settings: Settings) -> None:
    post(batch("b1", [offers("o1", {"plaza": {}}, day=-2)]))
    post(batch("b2", [offers("o2", {"plaza": {}}, offer="lunch", day=-2)]))
    post(batch("b3", [offers("o3", {"plaza": {}}, offer="dinner", day=-1), offers("o4", {"plaza": {}}, offer="lunch", day=-1)]))
    assert reasons(settings) == ["offer of no catalogue"]
    assert set(client.get("/v1/summary?span=all").json()["sent_by_offer"]) == {"espresso", "lunch"}
    assert DAY_MS > HOUR_MS
    assert CLEAR > 0


def test_files_of_the_store_are_private(tmp_path: Path) -> None:
    (tmp_path / "old.db").touch(mode=0o644)
    for name in ("old.db", "new.db"):
        store = Store(f"sqlite:///{tmp_path / name}")
        with store.writing() as connection:
            quarantine.learn(connection, "gw-a", ["plaza"], [])
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.glob(f"{name}*")}
        assert set(modes.values()) == {"0o600"}, modes
        assert len(modes) == 3
        store.close()


def test_half_open_requests_take_no_place_from_gateways(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HALF_OPEN_MAX", 8)
    with LiveServer(settings) as server:
        port = int(server.address.rpartition(":")[2])
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        for one in idle:
            one.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nX: ")
        body = packed(batch("b1", [hours("r1")]))
        assert httpx.post(f"{server.address}/v1/batches", content=body, headers=bearer()).status_code == 200
        ended = 0
        for one in idle[:30]:
            one.settimeout(10)
            try:
                ended += one.recv(1) == b""
            except ConnectionResetError:
                ended += 1
        assert ended == 30
        for one in idle:
            one.close()


def test_a_header_has_a_deadline_also_after_a_response(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEADER_S_MAX", 0.2)
    with LiveServer(settings) as server, socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))) as one:
        one.settimeout(10)
        one.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in one.recv(65_536)
        one.sendall(b"GET /v1/health HTTP/1.1\r\nX: ")
        while True:
            try:
                if one.recv(65_536) == b"":
                    break
            except ConnectionResetError:
                break
