"""Results: known answers for effect, funnel and money, the three file formats, and the limits that the page states.

`python -m tests.web.test_results` prints the coverage of the return's interval.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dashboard.app import create_app
from dashboard.estimates import Estimate, Share
from dashboard.figures import CELLS
from dashboard.joining import SENT
from dashboard.parquet import parquet
from dashboard.results.effect import Cells, attributable, lift_of, more_days, ratio_is_off
from dashboard.results.money import Terms, money_of, pace_of
from dashboard.settings import Settings
from dashboard.studio.publisher import Publisher
from gateway.core.records import OUTCOMES, OutcomeCell
from tests.web.conftest import WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import batch, bearer, hours, offers, packed
from tests.web.test_lift import FLEETS, fleet

SEED = 20_261_130
TEXT = (WORLD / "campaign.toml").read_text("utf-8")
TERMS = Terms("Coffee", value=200.0, usual=300.0, cost=50.0, contact=10.0, budget=100_000, starts_ms=0, ends_ms=1_000)
COUNTS = {"held_out": 900, "held_out_came": 100, "ignored": 6_000, "dismissed": 0, "came": 1_000, "redeemed": 2_000}


@pytest.fixture
def app(settings: Settings, publisher: Publisher) -> FastAPI:
    return create_app(settings.model_copy(update={"campaign": TEXT}), publisher)


@pytest.fixture
def desk(app: FastAPI) -> TestClient:
    """A signed-in marketer, with a clear offer in two zones and one with too few people; the other offers of the campaign were not sent."""
    client = TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app, "marketer")}, follow_redirects=False)
    clear = offers(
        "o1", {"plaza": COUNTS, "pub": {"held_out": 90, "held_out_came": 10, "ignored": 900}}, offer="flat-white", day=-1, variance=8.0
    )
    few = offers("o2", {"plaza": {"held_out": 9, "ignored": 60}}, offer="first-pint", day=-1, variance=8.0)
    records = [hours("r1", {"plaza": 700, "pub": 0}, window=-40), hours("r2", {"plaza": 50, "pub": 0}, window=-17), clear, few]
    assert client.post("/v1/batches", content=packed(batch("b1", records)), headers=bearer()).status_code == 200
    return client


def exact(counts: Mapping[str, int]) -> dict[tuple[str, OutcomeCell], Estimate]:
    return {("coffee", outcome): Estimate(float(counts[outcome]), 0.0) for outcome in OUTCOMES if outcome in counts}


def read_back(content: bytes, file: Path) -> list[tuple[Any, ...]]:
    file.write_bytes(content)
    return duckdb.read_parquet(str(file)).fetchall()


def test_money_of_exact_counts_is_that_of_the_definitions() -> None:
    found = money_of(exact(COUNTS), {"coffee": TERMS}, Share(0.75, 0.0))
    assert found is not None
    spend = 9_000 * 10 + 2_000 * 50
    gain = 2_000 * 200 - 0.25 * 2_000 * 300 - spend
    assert found.spend == Estimate(spend, 0.0)
    assert found.margin.value == 2_000 * 200
    assert found.per_lead == Estimate(spend / 2_000, 0.0)
    assert found.gain == Estimate(gain, 0.0)
    assert found.returned == Estimate(gain / spend, 0.0)


def test_money_is_left_out_where_it_is_not_known() -> None:
    assert money_of(exact(COUNTS), {}, None) is None
    without_effect = money_of(exact(COUNTS), {"coffee": TERMS}, None)
    assert without_effect is not None
    assert (without_effect.gain, without_effect.returned) == (None, None)
    hidden = money_of({("coffee", "accepted"): Estimate(3.0, 100.0)}, {"coffee": TERMS}, None)
    assert hidden is not None
    assert hidden.per_lead is None


def test_a_visit_is_attributable_beyond_the_share_that_comes_anyway() -> None:
    assert attributable(Share(0.4, 0.0), Share(0.1, 0.0)).value == pytest.approx(0.75)
    assert attributable(Share(0.1, 0.0), Share(0.4, 0.0)).value == 0.0
    assert attributable(Share(0.0, 0.0), Share(0.4, 0.0)) == Share(0.0, 1.0)


def test_the_pace_of_a_budget() -> None:
    found = pace_of(TERMS, Estimate(600.0, 0.0), 2, 250)
    assert found is not None
    assert (found.budget, round(found.spent.value, 9), found.time) == (200_000, 0.15, 0.25)
    assert pace_of(TERMS._replace(budget=None), Estimate(600.0, 0.0), 2, 250) is None


def test_an_odd_share_of_people_held_out_is_noticed() -> None:
    assert not ratio_is_off(Share(0.12, 0.01), (0.1, 0.1))
    assert ratio_is_off(Share(0.2, 0.01), (0.1, 0.1))
    assert not ratio_is_off(Share(0.2, 0.01), (0.1, 0.2))
    assert ratio_is_off(Share(0.03, 0.01), (0.1, 0.2))
    assert not ratio_is_off(None, (0.1, 0.1))


def returns(fleets: int, seed: int, share_of: Callable[[Cells], Share]) -> tuple[int, int]:
    """Simulated fleets with a stated return, and those whose interval holds the true one."""
    random = np.random.default_rng(seed)
    stated = covered = 0
    while stated < fleets:
        one = fleet(random)
        lift = lift_of(one.cells)[2]
        if lift is None or more_days(one.cells, lift, 1) != 0:
            continue
        money = money_of({("coffee", outcome): count for outcome, count in one.cells.items()}, {"coffee": TERMS}, share_of(one.cells))
        if money is None or money.returned is None:
            continue
        stated += 1
        anyway = min(1.0, one.base / (one.base + one.lift))
        spend = TERMS.contact * sum(one.true[name] for name in SENT) + TERMS.cost * sum(one.true[name] for name in CELLS["accepted"])
        true = (one.true["redeemed"] * (TERMS.value - anyway * TERMS.usual) - spend) / spend
        covered += abs(money.returned.value - true) <= money.returned.margin
    return stated, covered


def of_effect(cells: Cells) -> Share:
    came, base, _ = lift_of(cells)
    assert came is not None
    assert base is not None
    return attributable(came, base)


def test_the_interval_of_the_return_covers_the_truth_and_needs_that_of_the_effect() -> None:
    stated, covered = returns(FLEETS, SEED, of_effect)
    assert covered >= 0.9 * stated
    _, bare = returns(FLEETS, SEED, lambda cells: Share(of_effect(cells).value, 0.0))
    assert bare < 0.9 * stated


def test_the_page_states_effect_funnel_and_money(desk: TestClient) -> None:
    page = Markup(desk.get("/results").text)
    assert page.faults == []
    for text in (
        "A flat white, one euro off",
        "not enough yet: about",
        "more visits",
        "Cost of a lead",
        "3,840.00 ±",  # 2,000 x 1.92
        "Not in these figures",
        "no decile of the score",
    ):
        assert text in page.text, text
    row = desk.get("/results.json").json()[0]
    assert row["name"] == "flat-white"
    assert row["lift"] == pytest.approx(3_000 / 9_900 - 110 / 1_100, abs=1e-4)
    assert row["spend"] == pytest.approx(9_900 * 35)
    assert row["cost_per_lead"] == pytest.approx(9_900 * 35 / 2_000, abs=0.01)
    anyway = 1 - row["lift"] / row["came"]
    assert row["gain"] == pytest.approx(2_000 * (192 - anyway * (192 + 0.2 * 480)) - 9_900 * 35, rel=1e-3)


def test_offers_that_were_not_sent_have_their_reason(desk: TestClient, app: FastAPI) -> None:
    form = {"csrf": csrf(app, desk.cookies[COOKIE]), "offer": "bistro-lunch"}
    assert desk.post("/campaign/stop", data=form).status_code == 303
    text = Markup(desk.get("/results").text).text
    assert "Why nothing was sent" in text
    assert "stopped by marketer on 7 Nov 2026" in text
    assert "no clear count: sent too rarely, or held back by its rules and limits" in text


@pytest.mark.parametrize(("by", "names"), [("offer", {"flat-white", "first-pint"}), ("zone", {"plaza", "pub"}), ("day", {"2026-11-05"})])
def test_every_table_is_a_file_in_three_formats(by: str, names: set[str], desk: TestClient, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = desk.get(f"/results.json?by={by}").json()
    assert {row["name"] for row in rows} == names
    for row in csv.DictReader(io.StringIO(desk.get(f"/results.csv?by={by}").text)):
        assert math.isclose(float(row["sent"]), next(one["sent"] for one in rows if one["name"] == row["name"]))
    read = read_back(desk.get(f"/results.parquet?by={by}").content, tmp_path / "results.parquet")
    assert read == [tuple(row.values()) for row in rows]


def test_hours_and_offers_of_zones_have_tables(desk: TestClient) -> None:
    assert [row["sent"] for row in desk.get("/results.json?by=hour").json()] == [50.0, 700.0]
    assert {row["name"] for row in desk.get("/results.json?by=both").json()} == {"flat-white/plaza", "flat-white/pub", "first-pint/plaza"}
    page = Markup(desk.get("/results?by=hour").text)
    assert page.faults == []
    assert "05:00" in page.text
    assert "so there are none by hour" in page.text
    assert desk.get("/results?by=person").status_code == 422


def test_parquet_holds_every_type_and_missing_cells(tmp_path: Path) -> None:
    columns = {"text": str, "number": int, "real": float}
    rows = [
        {"text": f"ä{at}" if at % 3 else None, "number": at if at % 2 else None, "real": at / 7 if at % 5 else None} for at in range(300)
    ]
    for some in (rows, rows[:1], []):
        assert read_back(parquet(columns, some), tmp_path / "t.parquet") == [tuple(row.values()) for row in some]


def test_a_formula_in_a_title_is_text_in_a_spreadsheet(app: FastAPI, desk: TestClient) -> None:
    form = {"csrf": csrf(app, desk.cookies[COOKIE]), "base": "1", "text": TEXT.replace("A flat white, one euro off", "=HYPERLINK(1)")}
    assert desk.post("/campaign/save", data=form).status_code == 303
    assert "'=HYPERLINK(1)" in desk.get("/results.csv").text
    assert any(row["title"] == "=HYPERLINK(1)" for row in desk.get("/results.json").json())


if __name__ == "__main__":
    sys.stdout.write(f"{returns(FLEETS, SEED, of_effect)[1]} of {FLEETS}\n")
