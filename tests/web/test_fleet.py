"""The fleet: ten thousand gateways on pages of a hundred, alarms from the stored state, their webhook and acknowledgement.

`python -m tests.web.test_fleet` prints the time of the page with 10,000 gateways.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from starlette.testclient import TestClient

from dashboard.app import create_app
from dashboard.fleet.alarms import AlarmWatch, evaluate, open_alarms
from dashboard.fleet.rows import flow_of
from dashboard.gateways import find_gateways, register
from dashboard.schema import reported
from dashboard.settings import Settings, sqlite_url
from dashboard.store import Store
from gateway.core.condition import Condition, SourceCondition
from tests.web.conftest import ManualClock, Post
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in, sign_in_again
from tests.web.seed import HOUR_MS, START_MS, batch, health, hours

MANY = {f"gw-{number:05}": f"token-of-gateway-{number:05}" for number in range(10_000)}
GOOD = Condition("0.1.0", connected=True, sources=(SourceCondition("ble", 0),), certificate_ends_ms=START_MS + 400 * 24 * HOUR_MS)


@pytest.fixture
def store(settings: Settings) -> Store:
    store = Store(settings.database_url)
    with store.writing() as connection:
        register(connection, settings.tokens)
    return store


def report(store: Store, gateway: str, condition: Condition | None, fault: str = "") -> None:
    texts = {"bundle": "street-1", "sha256": "0" * 64, "stopped": "[]", "zones": "[]", "fault": fault}
    stated = "" if condition is None else msgspec.json.encode(condition).decode()
    row = {"gateway": gateway, "serial": 0, "serial_at_ms": 0, "at_ms": START_MS, "condition": stated, "settings": "", **texts}
    with store.writing() as connection:
        connection.execute(insert(reported), [row])


def found(store: Store, now_ms: int) -> dict[tuple[str, str], str]:
    with store.writing() as connection:
        evaluate(connection, now_ms)
        return {(one.gateway, one.kind): one.text for one in open_alarms(connection)[0]}


def test_a_page_of_the_fleet_has_a_hundred_rows_and_the_ones_that_need_attention_first(settings: Settings, clock: ManualClock) -> None:
    app = create_app(settings.model_copy(update={"tokens": MANY}))
    client = TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)})
    with app.state.accounts._store.writing() as connection:
        rows, total = find_gateways(connection, clock(), most=100, skip=9_950)
    assert (len(rows), total) == (50, 10_000)
    page = Markup(client.get("/fleet?page=2").text)
    assert page.faults == []
    assert page.tags.count("tr") == 101
    assert "101 to 200 of 10,000" in page.text
    assert "gw-00100" in page.text
    assert "gw-00200" not in page.text
    assert "1 to 10 of 10" in Markup(client.get("/fleet?q=gw-0999&state=silent").text).text
    assert len(client.get("/fleet.json").json()) == 10_000
    overview = Markup(client.get("/").text)
    assert "0 on time, 0 late, 10,000 silent" in overview.text
    assert overview.tags.count("tr") == 21


def test_states_are_those_of_the_window_and_searches_are_literal(client: TestClient, post: Post, clock: ManualClock) -> None:
    assert post(batch("b1", [health("h1"), hours("r1")])).status_code == 200
    assert [row["state"] for row in client.get("/fleet.json").json()] == ["silent", "fresh"]
    clock.advance(2 * HOUR_MS + 16_000)
    sign_in_again(client)
    assert client.get("/fleet.json?q=gw-a").json()[0]["state"] == "late"
    assert client.get("/fleet.json?q=gw%25").json() == []
    assert "No gateway matches" in Markup(client.get("/fleet?q=nope").text).text
    for wrong in ("state=odd", "page=0", "page=x", "page=99999999"):
        assert client.get(f"/fleet?{wrong}").status_code == 422


def test_an_alarm_begins_with_its_cause_and_ends_with_it(client: TestClient, post: Post, clock: ManualClock, settings: Settings) -> None:
    store = Store(settings.database_url)
    assert post(batch("b1", [health("h1", window=4), hours("r1")])).status_code == 200
    assert found(store, clock()) == {}
    clock.advance(7 * HOUR_MS)
    sign_in_again(client)
    assert found(store, clock()) == {("gw-a", "silent"): "no batch since 7 hours"}
    assert "no batch since 7 hours" in Markup(client.get("/fleet").text).text
    assert post(batch("b2", [health("h2", window=11, backlog=2_000)])).status_code == 200
    assert found(store, clock()) == {("gw-a", "backlog"): "2,000 records wait on the gateway"}
    assert post(batch("b3", [hours("odd", {"harbour": 4}, window=11), health("h3", window=12)])).status_code == 200
    assert found(store, clock()) == {("gw-a", "quarantine"): "implausible records: 1"}


def test_the_condition_of_a_gateway_has_alarms(store: Store) -> None:
    assert flow_of(GOOD) == "flowing"
    report(store, "gw-a", GOOD)
    report(store, "gw-b", None, fault="bundle street-2 is refused")
    assert found(store, START_MS) == {("gw-b", "refused"): "bundle street-2 is refused"}
    bad = Condition("0.1.0", connected=False, sources=(SourceCondition("ble", 3),), certificate_ends_ms=START_MS + 5 * 24 * HOUR_MS)
    report(store, "gw-c", bad)
    assert {key: text for key, text in found(store, START_MS).items() if key[0] == "gw-c"} == {
        ("gw-c", "broker"): "not connected to its broker",
        ("gw-c", "source"): "sources are silent: ble for 3 days",
        ("gw-c", "certificate"): "a certificate ends in 5 days",
    }
    assert flow_of(bad) == "not connected"
    report(store, "gw-d", msgspec.structs.replace(GOOD, buffer_days=1, wear_percent=125))
    assert {key: text for key, text in found(store, START_MS).items() if key[0] == "gw-d"} == {
        ("gw-d", "buffer"): "without the desk its buffer is full within 2 days",
        ("gw-d", "wear"): "it writes 125 % of the budget of its disk",
    }
    assert flow_of(msgspec.structs.replace(bad, connected=True)) == "source silent"


def test_an_alarm_is_sent_until_the_webhook_takes_it_and_then_no_more(store: Store, settings: Settings) -> None:
    report(store, "gw-b", None, fault="refused")
    sent: list[bytes] = []
    answers = [500, 204]

    def post(url: str, body: bytes) -> int:
        assert url == "https://alarms.example/hook"
        sent.append(body)
        return answers.pop(0)

    watch = AlarmWatch(settings.model_copy(update={"alarm_url": "https://alarms.example/hook"}), store, post)
    with pytest.raises(OSError, match="answers 500"):
        watch.step()
    assert watch.step() == 1
    assert watch.step() == 0
    assert sent[0] == sent[1]
    (alarm,) = msgspec.json.decode(sent[0])["alarms"]
    assert (alarm["gateway"], alarm["kind"], alarm["text"]) == ("gw-b", "refused", "refused")


def test_an_alarm_is_acknowledged_once_and_only_by_those_who_may(settings: Settings) -> None:
    app: FastAPI = create_app(settings)
    store: Store = app.state.accounts._store
    report(store, "gw-b", None, fault="refused")
    found(store, settings.now_ms())
    operator, viewer = (sign_in(app, role) for role in ("operator", "viewer"))
    client = TestClient(app, base_url="http://localhost", follow_redirects=False)
    answers = []
    for token in (viewer, operator, operator):
        client.cookies = {COOKIE: token}
        answers.append(client.post("/fleet/acknowledge", data={"csrf": csrf(app, token), "gateway": "gw-b", "kind": "refused"}))
    assert [answer.status_code for answer in answers] == [403, 303, 409]
    assert "another account has acknowledged it meanwhile" in answers[-1].text
    text = Markup(client.get("/fleet").text).text
    assert "refused" in text
    assert "Acknowledge" not in text


def test_gateways_that_match_are_put_into_a_group(settings: Settings, clock: ManualClock) -> None:
    app = create_app(settings.model_copy(update={"tokens": MANY}))
    store: Store = app.state.accounts._store
    report(store, "gw-00007", msgspec.structs.replace(GOOD, buffer_days=60, wear_percent=0, epsilon_millionths=500_000))
    token = sign_in(app, "operator")
    client = TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: token})
    form = {"csrf": csrf(app, token), "q": "gw-000", "state": "silent", "group": ""}
    assert client.post("/fleet/group", data=form | {"to": "Not A Group"}).status_code == 409
    answer = client.post("/fleet/group", data=form | {"to": "west"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/fleet?group=west")
    page = Markup(client.get("/fleet?group=west&q=gw-00007").text)
    assert page.faults == []
    assert "1 to 1 of 1;" in page.text
    assert "over 60 days" in page.text
    assert "under 25 %" in page.text
    rows = client.get("/fleet.json?group=west").json()
    assert len(rows) == 100
    assert [row["epsilon_day"] for row in rows if row["gateway"] == "gw-00007"] == [0.5]
    assert client.post("/fleet/group", data=form | {"group": "west", "q": "gw-00007", "to": ""}).status_code == 303
    assert len(client.get("/fleet.json?group=west").json()) == 99
    with store.reading() as connection:
        assert find_gateways(connection, clock(), group="west")[1] == 99


def main() -> None:
    """Print the milliseconds of the fleet page with 10,000 gateways, the median of 9."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(database_url=sqlite_url(Path(folder) / "fleet.db"), tokens=MANY))
        client = TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)})
        for path in ("/fleet", "/fleet?page=100", "/fleet?q=gw-05", "/"):
            took = []
            for _ in range(9):
                begin = time.perf_counter()
                assert client.get(path).status_code == 200
                took.append(1_000 * (time.perf_counter() - begin))
            sys.stdout.write(f"{path}: {sorted(took)[4]:.0f} ms\n")


if __name__ == "__main__":
    main()
