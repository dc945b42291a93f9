"""The pages as they come from the server, before any script runs."""

from __future__ import annotations

import math
import re
import sqlite3
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from dashboard import formats, limits
from dashboard.app import create_app
from dashboard.estimates import Estimate, Share
from dashboard.figures import step_for
from dashboard.gateways import state_of
from dashboard.settings import Settings, sqlite_url
from tests.web.conftest import ManualClock, Post
from tests.web.markup import Markup
from tests.web.people import COOKIE, sign_in, sign_in_again
from tests.web.seed import (
    CLEAR,
    DAY_START_MS,
    HOUR_MS,
    START_MS,
    STREET_OFFERS,
    STREET_ZONES,
    TOKENS,
    Json,
    batch,
    bearer,
    health,
    hours,
    offers,
    packed,
    street_batches,
    street_outcomes,
)

PAGES = ("/", "/?span=week", "/?span=all", "/gateways/gw-a", "/gateways/gw-b?span=all", "/offers/espresso", "/gateways/nope", "/?span=year")


def total(*outcomes: str) -> int:
    """Sum of the counts of some outcomes over the whole street."""
    zones = sum(len(zones) for zones in STREET_ZONES.values())
    return zones * sum(street_outcomes(number)[outcome] for number in range(len(STREET_OFFERS)) for outcome in outcomes)


SENT = 4 * sum((window + 1) * 40 - 50 for window in range(5))


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_well_formed_and_protected(path: str, filled: bool, client: TestClient, post: Post) -> None:  # noqa: FBT001  a parameter
    for body in street_batches() if filled else []:
        assert post(body).status_code == 200
    answer = client.get(path)
    markup = Markup(answer.text)
    assert markup.faults == []
    assert "Counted, bounded, noised" in markup.text
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
    for body in street_batches(CLEAR):
        post(body)
    text = Markup(client.get("/").text).text
    accepted = total("accepted", "accepted_came", "redeemed")
    assert f"{SENT + 40:,} ± 2 offers sent." in text
    assert f"Accepted, redeemed included {accepted:,} ± 2" in text
    for word in (
        "Zones",
        "plaza",
        "Offers",
        "lunch-bowl",
        "Offers sent by hour",
        "What came of them",
        "Offers of 2 whole days of a gateway",
        "Came to the shop",
        "Dismissed, no visit",
        "gw-a",
        "on time",
    ):
        assert word in text
    assert f"No answer, no visit {total('ignored'):,} ± 1" in text


def test_figures_that_the_noise_hides_are_bounds_and_never_negative(client: TestClient, post: Post) -> None:
    for body in street_batches():
        post(body)
    text = Markup(client.get("/").text).text
    assert "espresso" in text
    assert "fewer than" in text
    post(batch("b9", [hours("low", {"plaza": -100, "cafe": 0}, window=5, variance=127.8)]))
    for path in PAGES:
        assert re.search(r" -[\d,]+ ", Markup(client.get(path).text).text) is None, path


def test_the_summary_has_the_same_figures(client: TestClient, post: Post) -> None:
    batches = street_batches()
    for body in batches:
        post(body)
    found = client.get("/v1/summary").json()
    assert found["records"] == sum(len(body["records"]) for body in batches)
    assert found["sent"] == {"value": SENT, "plus_minus": math.ceil(1.96 * math.sqrt(4 * 5 * 127.83))}
    assert found["sent_by_zone"]["plaza"] == {"value": SENT // 4, "plus_minus": math.ceil(1.96 * math.sqrt(5 * 127.83))}
    for figure, outcomes in (("redeemed", ("redeemed",)), ("came", ("came", "accepted_came", "redeemed")), ("ignored", ("ignored",))):
        assert found["outcomes"][figure]["value"] == total(*outcomes)
    assert found["outcomes"]["redeemed"]["plus_minus"] == math.ceil(1.96 * math.sqrt(12 * 127.83))
    sent = total("ignored", "dismissed", "came", "accepted", "accepted_came", "redeemed")
    assert sum(one["value"] for one in found["sent_by_offer"].values()) == sent
    assert found["shares"]["ignored"]["value"] == pytest.approx(total("ignored") / sent, abs=1e-4)
    lift = total("came", "accepted_came", "redeemed") / sent - 12 / 102
    assert found["lift"]["value"] == pytest.approx(lift, abs=1e-4)
    assert sum(step["value"] for step in found["sent_by_step"]) == SENT
    assert [step["start_ms"] for step in found["sent_by_step"]] == [START_MS + hour * HOUR_MS for hour in range(5)]
    assert [gateway["gateway"] for gateway in found["gateways"]] == ["gw-a", "gw-b"]
    assert client.get("/v1/summary?span=year").status_code == 422
    assert client.get("/v1/health").json()["ok"] is True


def test_whole_days_combine_both_tables_and_days_with_a_missing_window_do_not(client: TestClient, post: Post) -> None:
    start = (DAY_START_MS - START_MS) // HOUR_MS  # the first window of the day
    day = [hours(f"r{hour}", {"plaza": 10}, window=start + hour, variance=100.0) for hour in range(24)]
    closed = offers("o", {"plaza": {"ignored": 300}}, variance=100.0)
    post(batch("b1", [*day, closed, health("h", window=start + 23)]))
    # The windows say 240 with a variance of 24 x 100, the outcomes 300 with 6 x 100.
    found = client.get("/v1/summary").json()["sent"]
    assert found == {"value": round(0.2 * 240 + 0.8 * 300), "plus_minus": math.ceil(1.96 * math.sqrt(480))}
    other = [{**record, "gateway": "gw-b"} for record in [*day[1:], closed]]
    post(batch("b1", other, "gw-b"))
    assert client.get("/v1/summary").json()["sent"]["value"] == 288 + 230


def test_an_empty_dashboard_explains_what_to_do(client: TestClient) -> None:
    text = Markup(client.get("/").text).text
    assert "No data yet" in text
    assert "no contact yet" in text
    assert "log of a silent gateway" in text
    assert client.get("/v1/summary").json()["sent"]["value"] == 0


def test_a_gateway_that_sends_but_counts_nothing_is_not_called_silent(client: TestClient, post: Post, clock: ManualClock) -> None:
    post(batch("b1", [hours("r1", {"plaza": 4}), health("h1")]))
    clock.advance(96 * HOUR_MS)
    sign_in_again(client)
    post(batch("b2", [health("h2", window=100)]))
    text = Markup(client.get("/").text).text
    assert "No counts in this period" in text
    assert "No data yet" not in text
    assert "4 ± 1 offers sent" in Markup(client.get("/?span=week").text).text


def test_windows_without_a_record_are_part_of_the_period(client: TestClient, post: Post) -> None:
    post(batch("b1", [health("h0"), hours("r3", {"plaza": 4}, window=3), health("h5", window=5)]))
    assert [step["value"] for step in client.get("/v1/summary").json()["sent_by_step"]] == [0, 0, 0, 4, 0, 0]
    assert Markup(client.get("/").text).faults == []


def test_a_demonstration_is_shown(client: TestClient, post: Post) -> None:
    post(batch("b1", [hours("r1"), health("h1")]))
    assert "Demonstration." not in client.get("/").text
    post(batch("b2", [health("h2", window=1, demonstration=True)]))
    for path in ("/", "/gateways/gw-a"):
        assert "Demonstration." in client.get(path).text


@pytest.mark.parametrize(
    ("path", "known"), [("/gateways/gw-z", "gw-b"), ("/offers/nope", "espresso"), ("/live?gateway=gw-z", "gw-a"), ("/x", "All gateways")]
)
def test_an_unknown_page_is_404_and_lists_the_known(path: str, known: str, client: TestClient, post: Post) -> None:
    post(batch("b1", [offers("r1", {"plaza": {}}), hours("r2")]))
    answer = client.get(path)
    assert answer.status_code == 404
    assert known in Markup(answer.text).text


def test_machines_receive_errors_as_json(client: TestClient) -> None:
    for method, path, status in (("GET", "/v1/nope", 404), ("GET", "/v1/batches", 405), ("POST", "/v1/summary", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert client.get("/v1/openapi.json").status_code == 200


def test_the_metrics_are_of_the_desk_and_parse(client: TestClient, post: Post, clock: ManualClock) -> None:
    post(batch("b1", [hours("r1"), health("h1", backlog=2_000_000), hours("r2", window=9)]))
    clock.advance(90_000)
    answer = client.get("/v1/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{gateway="[a-z0-9_-]+"\})? -?[0-9.e+-]+', line) for line in lines)
    for line in (
        "wayside_records_stored 3",
        "wayside_records_quarantined 1",
        'wayside_gateway_age_seconds{gateway="gw-a"} 90',
        'wayside_gateway_backlog_records{gateway="gw-a"} 2000000',
        'wayside_gateway_silent{gateway="gw-b"} 1',
    ):
        assert line in lines


def test_a_gateway_page_counts_its_own_only(client: TestClient, post: Post) -> None:
    post(batch("b1", [hours("r1", {"plaza": 5}), health("h1", backlog=4_321)]))
    post(batch("b1", [hours("r1", {"pub": 7}, gateway="gw-b")], "gw-b"))
    text = Markup(client.get("/gateways/gw-a").text).text
    assert "5 ± 1 offers sent" in text
    assert "4,321" in text
    assert "pub" not in text


def test_a_page_shows_a_bounded_number_of_rows(client: TestClient, post: Post) -> None:
    post(batch("b1", [hours("r1", {f"zone-{number}": number for number in range(limits.ROWS_MAX + 5)})]))
    text = Markup(client.get("/").text).text
    assert "And 5 more, sent less often." in text
    assert "zone-4 " not in text


def test_a_period_ends_with_the_newest_window(client: TestClient, post: Post, clock: ManualClock) -> None:
    clock.advance(236 * HOUR_MS)
    sign_in_again(client)
    windows = {"old": (0, 100), "new": (240, 1), "edge": (217, 10)}
    post(batch("b1", [hours(name, {"plaza": count}, window=window) for name, (window, count) in windows.items()]))
    assert [client.get(f"/v1/summary?span={span}").json()["sent"]["value"] for span in ("day", "week", "all")] == [11, 11, 111]


@pytest.mark.parametrize(("age_h", "state"), [(0, "fresh"), (2, "fresh"), (3, "late"), (6, "late"), (7, "silent")])
def test_a_gateway_ages_by_its_windows(age_h: int, state: str, client: TestClient, post: Post, clock: ManualClock) -> None:
    post(batch("b1", [health("h1")]))
    clock.advance(age_h * HOUR_MS)
    sign_in_again(client)
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
    clock.advance(28 * 24 * HOUR_MS)
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)}) as client:
        body: Json = batch("b1", [hours(f"r{day}", window=24 * day) for day in range(29)])
        assert client.post("/v1/batches", content=packed(body), headers=bearer()).status_code == 200
        found = client.get("/v1/summary").json()
        assert found["step_ms"] == 24 * HOUR_MS
        assert {(step["start_ms"] + 5.75 * HOUR_MS) % (24 * HOUR_MS) for step in found["sent_by_step"]} == {0}
        assert "Asia/Kathmandu" in client.get("/").text


def test_a_failing_store_is_503_so_that_the_gateway_comes_again(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "s.db"
    with TestClient(
        create_app(Settings(database_url=sqlite_url(file), tokens=TOKENS, now_ms=clock)), base_url="http://localhost"
    ) as client:
        other = sqlite3.connect(file)
        other.execute("DROP TABLE batches")
        other.close()
        answer = client.post("/v1/batches", content=packed(batch("b1", [hours("r1")])), headers=bearer())
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
    assert [formats.share(one) for one in (Share(1 / 3, 0.041), Share(0.5, 0.5), None)] == [
        "33 ±\N{NO-BREAK SPACE}5\N{NO-BREAK SPACE}%",
        "\N{EN DASH}",
        "\N{EN DASH}",
    ]
    assert formats.points(Share(-0.031, 0.012)) == "-3.1 ±\N{NO-BREAK SPACE}1.2 percentage points"
    found = [Estimate(1_284.2, 900.0), Estimate(-40.0, 900.0), Estimate(58.0, 900.0), Estimate(0.0, 1e-6)]
    assert [formats.estimate(one) for one in found] == ["1,284 ±\N{NO-BREAK SPACE}59", "fewer than 59", "fewer than 120", "fewer than 1"]
    assert formats.moment(HOUR_MS, HOUR_MS, UTC) == "01:00"
    assert formats.moment(5_000, 5_000, UTC) == "00:00:05"
    assert formats.moment(0, 86_400_000, UTC) == "1 Jan"
    assert formats.date_and_time(1_000, UTC) == "1 Jan 1970, 00:00:01"


def test_a_ranking_is_by_the_numbers_that_it_shows(client: TestClient, post: Post) -> None:
    """Windows of the period have most in the plaza, whole days in the pub: rows and bars follow the days, which the table shows."""
    post(
        batch("b1", [hours("h1", {"plaza": 900, "pub": 100}, window=0), offers("o1", {"plaza": {"ignored": 200}, "pub": {"ignored": 800}})])
    )
    section = client.get("/?span=all").text.partition('id="zones"')[2].partition("</section>")[0]
    shown = [int(number.replace(",", "")) for number in re.findall(r'<td class="n">([\d,]+) ±', section)]
    assert len(shown) > 1
    assert shown[0] == max(shown)
