"""The privacy page: every field that leaves has a meaning, epsilon by day is that of the records, and audits are kept by their shape."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from starlette.testclient import TestClient

from dashboard.privacy.example import TRUE, WITHOUT_EXAMPLE, example
from dashboard.privacy.fields import KINDS, TEXTS, kinds
from dashboard.privacy.noises import Noises, Stated, epsilon_of, stated
from gateway.core import records
from gateway.core.privacy.tables import Terms
from tests.web.conftest import Post
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import DAY_START_MS, VARIANCE, batch, health, hours, offers

CHECKS = [{"check": "noise", "asked": "at most 4", "found": "0.3", "passed": True}]


def keep(client: TestClient, content: str, gateway: str = "gw-a") -> str:
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    answer = client.post("/privacy/audit", data={"csrf": token, "gateway": gateway, "content": content})
    page = Markup(answer.text)
    assert page.faults == []
    return page.text


def page(client: TestClient, gateway: str = "gw-a") -> str:
    found = Markup(client.get(f"/privacy?gateway={gateway}").text)
    assert found.faults == []
    return found.text


def test_every_record_and_every_field_that_leaves_is_on_the_page() -> None:
    listed = {of for of, _, _ in KINDS}
    assert set(records.Record.__args__) <= listed
    assert {name for of in listed for name in of.__struct_fields__} == set(TEXTS)
    assert len(kinds()) == len(KINDS)


def test_an_example_is_the_same_again_and_has_noise_of_the_stated_scale() -> None:
    found = example(("a", "b", "c"), WITHOUT_EXAMPLE, "gw-a")
    assert found == example(("a", "b", "c"), WITHOUT_EXAMPLE, "gw-a")
    assert [row[:3] for row in found.rows] == [("a", TRUE[0], TRUE[0] - 1), ("b", 0, 0), ("c", 41, 41)]
    moves = [row[3] - row[1] for seed in range(400) for row in example(("a", "b", "c"), WITHOUT_EXAMPLE, str(seed)).rows]
    scale = Terms().scale("hours")
    assert sum(map(abs, moves)) / len(moves) == pytest.approx(float(scale), rel=0.1)


def test_a_statement_is_kept_once_and_gives_counts_their_epsilon(client: TestClient) -> None:
    store = client.app.state.accounts._store  # type: ignore[attr-defined]
    first, second = (msgspec.convert(batch(name, [hours("a", variance=VARIANCE)]), records.Batch) for name in "bc")
    for _ in range(2):  # a second desk has another memory
        noises = Noises(store)
        noises.note(first, 7)
        noises.note(second, 8)
    with store.reading() as connection:
        found = stated(connection, "gw-a")
    assert [one._replace(epsilon=round(one.epsilon, 3)) for one in found] == [Stated("hours", 0.5, 4, VARIANCE, 7)]
    assert epsilon_of(found, "hours", VARIANCE) == pytest.approx(0.5, abs=0.001)
    assert epsilon_of(found, "hours", 2 * VARIANCE) == 0.0
    assert epsilon_of(found, "offers", VARIANCE) == 0.0


def test_the_days_of_a_gateway_have_the_epsilon_of_their_records(client: TestClient, post: Post) -> None:
    outcomes = offers("o", {"plaza": {"ignored": 5}}, variance=VARIANCE, window_start_ms=DAY_START_MS)
    records_of_day = [hours("h", {"plaza": 3}, variance=VARIANCE), outcomes]
    later = hours("l", {"plaza": 1}, variance=VARIANCE, window=5)
    assert post(batch("b", [*records_of_day, later, health("x")])).status_code == 200
    text = page(client).replace("\N{EN DASH}", "none")
    ledger = text[text.index("Together") : text.index("Bounds and noise")]
    assert re.findall(r"0\.5 0\.5 none none 1(?!\d)", ledger), ledger  # the closed day: both tables
    assert re.findall(r"0\.5 none none none 0\.5", ledger), ledger  # the open day: windows only
    assert "± 22" in text
    assert "plaza 1." in text
    assert "gw-a 0.5 none none none 0.5 none kept" in Markup(client.get("/privacy").text).text.replace("\N{EN DASH}", "none")


def test_an_audit_is_kept_and_shown(client: TestClient, post: Post) -> None:
    assert post(batch("b", [health("x")])).status_code == 200
    assert "passed on" in keep(client, json.dumps(CHECKS))
    assert "noise: asked at most 4, found 0.3" in page(client)
    assert "failed on" in keep(client, json.dumps([CHECKS[0] | {"passed": False}]))
    assert "passed on" not in page(client)


@pytest.mark.parametrize(
    "content", ["", "passed", "[]", "{}", json.dumps([CHECKS[0] | {"more": 1}]), json.dumps([CHECKS[0] | {"check": "x" * 999}])]
)
def test_another_text_is_refused_and_shown_again(content: str, client: TestClient, post: Post) -> None:
    assert post(batch("b", [health("x")])).status_code == 200
    assert "This is no result of an audit" in keep(client, content)
    assert "Audit The audit checks" in page(client)


def test_an_unknown_gateway_is_refused(client: TestClient) -> None:
    assert client.get("/privacy?gateway=nope").status_code == 404
    assert "Choose the gateway" in keep(client, json.dumps(CHECKS), "nope")


def test_a_viewer_keeps_no_audit(client: TestClient) -> None:
    viewer = TestClient(client.app, base_url="http://localhost", cookies={COOKIE: sign_in(client.app, "viewer")})  # type: ignore[arg-type]
    assert "Keep the result" not in viewer.get("/privacy").text
