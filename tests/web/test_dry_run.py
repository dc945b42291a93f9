"""Dry runs of drafts: known answers in words, the past as the draft would have changed it, progress, deadline and refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import msgspec
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dashboard import limits
from dashboard.app import create_app
from dashboard.results.rows import results
from dashboard.settings import Settings
from dashboard.sources import View
from dashboard.studio import dry_runs
from dashboard.studio.check import check
from dashboard.studio.dry_runs import CampaignFigures, OfferFigures, Simulated
from dashboard.studio.history import history
from dashboard.studio.outlook import CAPS, REASONS, outlook
from dashboard.studio.publisher import Publisher
from dashboard.studio.words import money
from gateway.core.offers import Campaign
from gateway.core.policy import gates
from tests.web.conftest import WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import START_MS, VARIANCE, batch, bearer, offers, packed

TEXT = (WORLD / "campaign.toml").read_text("utf-8")
WAIT_S = 60.0
COUNTS = {"held_out": 100, "ignored": 300, "accepted": 100}


def euros(minor: float) -> str:
    return money(minor, "EUR")


@pytest.fixture(scope="module")
def campaign(publisher: Publisher) -> Campaign:
    found = check(TEXT, publisher.base.schema, None, START_MS).campaign
    assert found is not None
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("DAYS", 1), ("PEOPLE", 12), ("CITIES", 1)):
        monkeypatch.setattr(dry_runs, name, size)


@pytest.fixture
def app(settings: Settings, publisher: Publisher) -> FastAPI:
    return create_app(settings.model_copy(update={"campaign": TEXT, "world": "street"}), publisher)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: sign_in(app)}) as client:
        yield client


def attempt(client: TestClient, text: str = TEXT, **more: str) -> str:
    """Try a text out; the path of its page."""
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    answer = client.post("/campaign/try", data={"csrf": token, "base": "1", "text": text, "note": "a try", **more})
    assert answer.status_code == 303, Markup(answer.text).text
    return str(answer.headers["location"])


def finished(client: TestClient, path: str) -> str:
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        page = Markup(client.get(path).text)
        assert page.faults == []
        if "is at work" not in page.text:
            return page.text
    pytest.fail("the dry run has no end")


def test_every_reason_of_a_decision_has_words() -> None:
    assert set(REASONS) | {"chosen"} == set(gates.REASONS)
    assert set(CAPS) <= set(REASONS)


def test_the_outlook_is_for_a_hundred_people_and_a_day(campaign: Campaign) -> None:
    first, second = campaign.offers[:2]
    draft = msgspec.structs.replace(campaign, offers=(msgspec.structs.replace(first, budget_minor=10_000, cost_minor=200), second))
    silent = OfferFigures(0, 0, 0.0, {"cap_offer_day": 30, "refused": 10})
    now = {first.id: OfferFigures(40, 20, 10.0, {"chosen": 40, "cap_person_day": 60, "refused": 20}), second.id: silent}
    before = {first.id: OfferFigures(20, 15, 8.0, {"chosen": 20})}
    found = outlook(Simulated(2, 50, 1, {second.id: first.id}, [CampaignFigures(100, before), CampaignFigures(100, now)]), draft, euros)
    row = found.rows[0]
    assert (row.reached, row.messages, row.before, row.accepted) == (0.4, 40.0, 20.0, 10.0)
    assert row.spend == pytest.approx(40 * draft.policy.contact_cost_minor + 10 * 200)
    assert found.margin == pytest.approx(10 * first.value_minor)
    assert row.held_back == "the person had dismissed it before (17 % of the moments)"
    assert found.rows[1].before is None
    assert found.never == [
        f"{second.title}: not sent once. Held back most by: the person already had it as often as a day allows (75 % of the moments)."
    ]
    assert found.caps[0] == "All offers: the person already had as many offers as a day allows, in 50 % of the moments."
    assert found.budgets == [
        f"{first.title}: 100.00 EUR on each gateway cover 50 acceptances. With 100 people a day at a gateway that is 5 days."
    ]
    assert found.notes == [f"The city does not know {second.title}; its people answer it as they answer {first.title}."]


def test_the_past_is_counted_again_with_the_zones_and_the_holdout_of_the_draft(client: TestClient, publisher: Publisher) -> None:
    by_zone = {"plaza": COUNTS, "pub": {"held_out": 100, "ignored": 100}}
    body = batch("b", [offers("o", by_zone, offer="flat-white", variance=VARIANCE)])
    assert client.post("/v1/batches", content=packed(body), headers=bearer()).status_code == 200
    text = TEXT.replace("holdout = 0.1", "holdout = 0.46").replace(
        '"noodle-bar", "pub", "station", "market"]\nshop = "cafe"', '"market"]\nshop = "cafe"'
    )
    page = Markup(client.get(attempt(client, text)).text).text
    with client.app.state.accounts._store.reading() as connection:  # type: ignore[attr-defined]
        rows = results(connection, View(span="all"), "both", {}, UTC).rows
    before, draft = (check(one, publisher.base.schema, None, START_MS).campaign for one in (TEXT, text))
    assert before is not None
    assert draft is not None
    found = next(row for row in history(rows, before, draft, euros).rows if row.title.startswith("A flat white"))
    assert found.sent.value == 500
    assert found.with_draft.value == pytest.approx(240)
    assert found.with_draft.variance == pytest.approx(6 * VARIANCE * 0.36, rel=0.01)
    assert found.spend.value == pytest.approx(240 * draft.policy.contact_cost_minor)
    assert "no longer in pub" in page
    assert "46 % of the people are held out instead of 10 %" in page
    assert "no count of it" in page  # the others


@pytest.mark.usefixtures("small")
def test_a_draft_runs_in_the_city_and_is_saved_afterwards(client: TestClient) -> None:
    text = TEXT.replace('id = "flat-white"', 'id = "spring-tea"').replace("A flat white, one euro off", "Spring tea")
    path = attempt(client, text)
    page = finished(client, path)
    assert "In the simulated city" in page
    assert "Spring tea; its people answer it as they answer" in page
    assert "new offer Spring tea" in page
    assert "Nothing was sent and nothing is saved yet." in page
    assert 'value="1"' in client.get("/campaign/edit").text  # still version 1
    edited = client.get("/campaign/edit?draft=" + path.rpartition("/")[2]).text
    assert "Spring tea" in edited
    assert "a try" in edited
    assert client.get("/campaign/try/none").status_code == 404
    assert client.get(path + "?gateway=nope").status_code == 404


def test_a_fault_is_shown_in_the_editor_and_nothing_runs(client: TestClient) -> None:
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    answer = client.post("/campaign/try", data={"csrf": token, "base": "1", "text": TEXT.replace('margin = "1.92 EUR"', 'margin = "much"')})
    assert answer.status_code == 422
    assert "much" in Markup(answer.text).text


def test_a_run_that_is_too_slow_is_ended_and_a_second_one_waits(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "wayside-sim"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(dry_runs, "PROGRAM", program)
    monkeypatch.setattr(limits, "DRY_RUN_S_MAX", 0.5)
    path = attempt(client)
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    second = client.post("/campaign/try", data={"csrf": token, "base": "1", "text": TEXT, "note": "kept"})
    assert second.status_code == 422
    assert "Another dry run is under way" in second.text
    assert "kept" in second.text
    assert "The simulation was stopped" in finished(client, path)


def test_an_error_of_the_simulator_is_shown(client: TestClient) -> None:
    text = TEXT.replace('shop = "cafe"', 'shop = "station"', 1)
    assert "which has no offer in the city" in finished(client, attempt(client, text))


def test_without_a_city_the_past_alone_is_shown(settings: Settings, publisher: Publisher) -> None:
    app = create_app(settings.model_copy(update={"campaign": TEXT}), publisher)
    with TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: sign_in(app)}) as client:
        page = Markup(client.get(attempt(client)).text).text
    assert "start it with --world" in page
    assert "no counts of whole days yet" in page
