"""The pages as they come from the server, before any script runs."""

from __future__ import annotations

import sqlite3
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from dashboard import formats, limits
from dashboard.app import create_app
from dashboard.figures import step_for
from dashboard.gateways import state_of
from dashboard.settings import Settings, sqlite_url
from tests.web.conftest import ManualClock, Post
from tests.web.markup import Markup
from tests.web.seed import HOUR_MS, START_MS, TOKENS, Json, batch, bearer, cell, health, packed, street_batches

PAGES = ("/", "/?span=week", "/?span=all", "/gateways/gw-a", "/gateways/gw-b?span=all", "/offers/espresso", "/gateways/nope", "/?span=year")


def total(kind: str) -> int:
    """Sum of the counts of a kind over all batches of the street."""
    return sum(record["count"] for body in street_batches() for record in body["records"] if record.get("kind") == kind)


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_well_formed_and_protected(path: str, filled: bool, client: TestClient, post: Post) -> None:  # noqa: FBT001  a parameter
    for body in street_batches() if filled else []:
        assert post(body).status_code == 200
    answer = client.get(path)
    markup = Markup(answer.text)
    assert markup.faults == []
    assert "Counts only, no names" in markup.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_malformed_page_is_caught() -> None:
    page = "<title>t</title><main><h1 id=a>x</h1><table><tr><th id=a>y</table>"
    page += '<p style="x" aria-labelledby=b><script>z</script><img src=//e>'
    found = " ".join(Markup(page).faults)
    for fault in ("closes what", "no caption", "is inline", "something is inline", "stands twice", "nothing has", "no scope", "no alt"):
        assert fault in found


def test_the_overview_shows_the_figures(client: TestClient, post: Post) -> None:
    for body in street_batches():
        post(body)
    text = Markup(client.get("/").text).text
    assert f"{total('trigger'):,} offers triggered, {total('accepted'):,} accepted, {total('redeemed'):,} redeemed." in text
    for word in (
        "Zones",
        "plaza",
        "Offers",
        "lunch-bowl",
        "Offers triggered by hour",
        "Responses",
        "Shown",
        "Opened",
        "Dismissed",
        "gw-a",
        "on time",
    ):
        assert word in text
    assert f"Shown {total('shown'):,} {100 * total('shown') / total('trigger'):.0f} %" in text


def test_the_summary_has_the_same_figures(client: TestClient, post: Post) -> None:
    batches = street_batches()
    for body in batches:
        post(body)
    found = client.get("/v1/summary").json()
    cells = [record for body in batches for record in body["records"] if record["type"] == "cell"]
    assert found["records"] == sum(len(body["records"]) for body in batches)
    assert found["triggers"] == total("trigger")
    for kind, count in found["counts_by_kind"].items():
        assert count == total(kind)
        assert found["cells_by_kind"][kind] == sum(record["kind"] == kind for record in cells)
    for key, field in (("triggers_by_zone", "zone"), ("triggers_by_offer", "offer")):
        for name, count in found[key].items():
            assert count == sum(record["count"] for record in cells if record["kind"] == "trigger" and record[field] == name)
    assert sum(step["triggers"] for step in found["triggers_by_step"]) == total("trigger")
    assert [step["start_ms"] for step in found["triggers_by_step"]] == [START_MS + hour * HOUR_MS for hour in range(5)]
    assert [gateway["gateway"] for gateway in found["gateways"]] == ["gw-a", "gw-b"]
    assert client.get("/v1/summary?span=year").status_code == 422
    assert client.get("/v1/health").json()["ok"] is True


def test_an_empty_dashboard_explains_what_to_do(client: TestClient) -> None:
    text = Markup(client.get("/").text).text
    assert "No data yet" in text
    assert "no contact yet" in text
    assert "log of a silent gateway" in text
    assert client.get("/v1/summary").json()["triggers"] == 0


def test_a_gateway_that_sends_but_triggers_nothing_is_not_called_silent(client: TestClient, post: Post) -> None:
    post(batch("b1", [cell("r1", count=4), health("h1")]))
    post(batch("b2", [health("h2", window=100)]))
    text = Markup(client.get("/").text).text
    assert "No offers in this period" in text
    assert "No data yet" not in text
    assert "4 offers triggered" in Markup(client.get("/?span=week").text).text
    assert client.get("/v1/summary?span=day").json()["triggers_by_step"] == [{"start_ms": START_MS + 100 * HOUR_MS, "triggers": 0}]


def test_quiet_hours_are_part_of_the_period(client: TestClient, post: Post) -> None:
    post(batch("b1", [health("h0"), cell("r3", window=3, count=4), health("h5", window=5)]))
    assert [step["triggers"] for step in client.get("/v1/summary").json()["triggers_by_step"]] == [0, 0, 0, 4, 0, 0]
    assert Markup(client.get("/").text).faults == []


def test_a_period_of_zeros_is_explained(client: TestClient, post: Post) -> None:
    post(batch("b1", [cell(f"r{window}", window=window, count=0) for window in range(3)]))
    text = Markup(client.get("/").text).text
    assert "All counts of this period are zero" in text
    assert "0 offers triggered, 0 accepted, 0 redeemed." in text
    post(batch("b2", [cell("r9", window=3, count=1)]))
    text = Markup(client.get("/").text).text
    assert "All counts of this period are zero" not in text
    assert "1 offer triggered, 0 accepted" in text


@pytest.mark.parametrize(
    ("path", "known"), [("/gateways/gw-z", "gw-b"), ("/offers/nope", "espresso"), ("/live?gateway=gw-z", "gw-a"), ("/x", "gw-a")]
)
def test_an_unknown_page_is_404_and_lists_the_known(path: str, known: str, client: TestClient, post: Post) -> None:
    post(batch("b1", [cell("r1")]))
    answer = client.get(path)
    assert answer.status_code == 404
    assert known in Markup(answer.text).text


def test_machines_receive_errors_as_json(client: TestClient) -> None:
    for method, path, status in (("GET", "/v1/nope", 404), ("GET", "/v1/batches", 405), ("POST", "/v1/summary", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert client.get("/v1/openapi.json").status_code == 200


def test_a_gateway_page_counts_its_own_only(client: TestClient, post: Post) -> None:
    post(batch("b1", [cell("r1", count=5), health("h1", messages=4_321)]))
    post(batch("b1", [cell("r1", gateway="gw-b", count=7, zone="pub")], "gw-b"))
    text = Markup(client.get("/gateways/gw-a").text).text
    assert "5 offers triggered" in text
    assert "4,321" in text
    assert "pub" not in text


def test_a_page_shows_a_bounded_number_of_rows(client: TestClient, post: Post) -> None:
    post(batch("b1", [cell(f"r{number}", zone=f"zone-{number}", count=number) for number in range(limits.ROWS_MAX + 5)]))
    text = Markup(client.get("/").text).text
    assert "And 5 more, triggered less often." in text
    assert "zone-4 " not in text


def test_a_period_ends_with_the_newest_window(client: TestClient, post: Post) -> None:
    post(batch("b1", [cell("old", window=0, count=100), cell("new", window=240, count=1), cell("edge", window=217, count=10)]))
    assert [client.get(f"/v1/summary?span={span}").json()["triggers"] for span in ("day", "week", "all")] == [11, 11, 111]


@pytest.mark.parametrize(("age_h", "state"), [(0, "fresh"), (2, "fresh"), (3, "late"), (6, "late"), (7, "silent")])
def test_a_gateway_ages_by_its_windows(age_h: int, state: str, client: TestClient, post: Post, clock: ManualClock) -> None:
    post(batch("b1", [health("h1")]))
    clock.advance(age_h * HOUR_MS)
    gateways = {row["gateway"]: row["state"] for row in client.get("/v1/summary").json()["gateways"]}
    assert gateways == {"gw-a": state, "gw-b": "silent"}


def test_short_windows_age_faster() -> None:
    assert [state_of(age_ms, 5_000) for age_ms in (0, 25_000, 25_001, 45_000, 45_001)] == ["fresh", "fresh", "late", "late", "silent"]
    assert state_of(None, HOUR_MS) == "silent"


def test_a_step_is_round_and_the_columns_fit() -> None:
    assert step_for(24 * HOUR_MS, HOUR_MS) == HOUR_MS
    assert step_for(7 * 24 * HOUR_MS, HOUR_MS) == 6 * HOUR_MS
    assert step_for(120_000, 5_000) == 5_000
    assert step_for(0, 7_000) == 10_000
    for days in (1, 20, 400, 30_000):
        length_ms = days * 24 * HOUR_MS
        assert length_ms / step_for(length_ms, HOUR_MS) <= limits.BARS_MAX - 1


def test_days_begin_at_the_streets_midnight(tmp_path: Path, clock: ManualClock) -> None:
    settings = Settings(
        database_url=sqlite_url(tmp_path / "s.db"), tokens=TOKENS, now_ms=clock, time_zone=ZoneInfo("Asia/Kathmandu")
    )  # UTC+5:45
    with TestClient(create_app(settings)) as client:
        body: Json = batch("b1", [cell(f"r{day}", window=24 * day) for day in range(29)])
        assert client.post("/v1/batches", content=packed(body), headers=bearer()).status_code == 200
        found = client.get("/v1/summary").json()
        assert found["step_ms"] == 24 * HOUR_MS
        assert {(step["start_ms"] + 5.75 * HOUR_MS) % (24 * HOUR_MS) for step in found["triggers_by_step"]} == {0}
        assert "Asia/Kathmandu" in client.get("/").text


def test_a_failing_store_is_503_so_that_the_gateway_comes_again(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "s.db"
    with TestClient(create_app(Settings(database_url=sqlite_url(file), tokens=TOKENS, now_ms=clock))) as client:
        other = sqlite3.connect(file)
        other.execute("DROP TABLE batches")
        other.close()
        answer = client.post("/v1/batches", content=packed(batch("b1", [cell("r1")])), headers=bearer())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_words_for_numbers_ages_and_moments() -> None:
    assert [formats.age(age) for age in (None, 0, 1_000, 59_999, 119_999, 120_000, 7_200_000, 3 * 86_400_000)] == [
        "never",
        "just now",
        "1 second ago",
        "59 seconds ago",
        "1 minute ago",
        "2 minutes ago",
        "2 hours ago",
        "3 days ago",
    ]
    assert [formats.duration(length) for length in (HOUR_MS, 10_000, 7 * 86_400_000, 1)] == ["1 hour", "10 seconds", "7 days", "1 ms"]
    assert [formats.width(value, 200) for value in (0, 1, 100, 200, 900)] == [0, 0.6, 50, 100, 100]
    assert (formats.share(1, 3), formats.share(1, 0)) == ("33 %", "\N{EN DASH}")
    assert formats.moment(HOUR_MS, HOUR_MS, UTC) == "01:00"
    assert formats.moment(5_000, 5_000, UTC) == "00:00:05"
    assert formats.moment(0, 86_400_000, UTC) == "1 Jan"
    assert formats.date_and_time(1_000, UTC) == "1 Jan 1970, 00:00:01"
