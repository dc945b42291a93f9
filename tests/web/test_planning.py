"""The calendar and the programme: bars and clashes of known dates, the pace of a known spend, and faults of the form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import msgspec
import pytest
from starlette.testclient import TestClient

from dashboard.app import create_app
from dashboard.estimates import Estimate
from dashboard.refusals import Refused
from dashboard.settings import Settings
from dashboard.studio import programme
from dashboard.studio.calendar import calendar, parsed_month
from dashboard.studio.check import check
from dashboard.studio.programme import Programme, pace, parsed
from dashboard.studio.publisher import Publisher
from gateway.core.offers import Campaign
from tests.web.conftest import WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in
from tests.web.seed import START_MS, batch, bearer, offers, packed

TEXT = (WORLD / "campaign.toml").read_text("utf-8")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def campaign(publisher: Publisher) -> Campaign:
    found = check(TEXT, publisher.base.schema, None, START_MS).campaign
    assert found is not None
    dates = (("2026-11-10", "2026-12-01"), ("2027-01-01", "2027-02-01"), ("2020-01-01", "2030-01-01"), ("2027-06-01", "2027-07-01"))
    made = [
        msgspec.structs.replace(offer, starts_ms=ms(begin), ends_ms=ms(end))
        for offer, (begin, end) in zip(found.offers, dates, strict=False)
    ]
    return msgspec.structs.replace(found, offers=tuple(made))


@pytest.fixture
def client(settings: Settings, publisher: Publisher) -> Iterator[TestClient]:
    app = create_app(settings.model_copy(update={"campaign": TEXT}), publisher)
    with TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: sign_in(app)}) as client:
        yield client


def test_bars_have_the_place_of_their_dates(campaign: Campaign) -> None:
    shown = calendar(campaign, ["bistro-lunch"], date(2026, 11, 1), ms("2026-11-16"), UTC)
    assert [month.first.month for month in shown.months] == [11, 12, 1, 2, 3, 4]
    days = (date(2027, 5, 1) - date(2026, 11, 1)).days
    always, coffee, cake = shown.bars
    assert (always.left, always.width, always.state) == (0.0, 100.0, "stopped")
    assert (always.is_cut_before, always.is_cut_after) == (True, True)
    assert [coffee.left, coffee.width] == pytest.approx([100 * 9 / days, 100 * 21 / days], abs=0.01)
    assert (coffee.state, cake.state) == ("open", "planned")
    assert shown.today == pytest.approx(100 * 15 / days, abs=0.01)
    assert [event.text for event in shown.events] == [
        "A flat white, one euro off starts",
        "A flat white, one euro off ends",
        "Cake with your coffee starts",
        "Cake with your coffee ends",
    ]
    assert (shown.before, shown.after) == ("2026-05", "2027-05")
    assert shown.clashes == []


def test_offers_of_one_shop_at_one_time_are_named(campaign: Campaign) -> None:
    first, second = campaign.offers[:2]
    together = msgspec.structs.replace(campaign, offers=(first, msgspec.structs.replace(second, starts_ms=first.starts_ms)))
    shown = calendar(together, (), date(2026, 11, 1), ms("2026-11-16"), UTC)
    assert shown.clashes == ["A flat white, one euro off and Cake with your coffee both lead to cafe."]


def test_a_month_is_read_or_is_this_one() -> None:
    assert parsed_month("2027-03", START_MS, UTC) == date(2027, 3, 1)
    assert parsed_month("soon", START_MS, UTC) == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("spent", "now", "text", "is_off"),
    [
        (5_000, "2026-07-02", "keeps pace", False),
        (8_000, "2026-07-02", "45 more days of 183", True),
        (1_000, "2026-07-02", "behind the time", False),
        (10_000, "2026-07-02", "budget is spent", True),
        (0, "2025-07-02", "keeps pace", False),
    ],
)
def test_the_pace_of_a_known_spend(spent: int, now: str, text: str, is_off: bool) -> None:  # noqa: FBT001  a parameter
    of = Programme(0, "ines", "", 10_000, ms("2026-01-01"), ms("2027-01-01"))
    found = pace(of, Estimate(float(spent), 0.0), ms(now))
    assert found is not None
    assert text in found.text
    assert found.is_off is is_off
    assert pace(of._replace(budget_minor=None), Estimate(1.0, 0.0), ms(now)) is None


def test_a_programme_is_read_from_its_form() -> None:
    assert parsed("aim\r\nway", "5,000.5", "2026-01-01", " 2026-01-31", UTC) == ("aim\nway", 500_050, ms("2026-01-01"), ms("2026-02-01"))
    assert parsed("", "", "2026-01-01", "2026-01-01", UTC)[1] is None


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (("x" * 9_000, "", "2026-01-01", "2026-12-31"), "characters"),
        (("", "lots", "2026-01-01", "2026-12-31"), "5000.50"),
        (("", "-5", "2026-01-01", "2026-12-31"), "5000.50"),
        (("", "0", "2026-01-01", "2026-12-31"), "above 0"),
        (("", "5", "1 May", "2026-12-31"), "2026-12-31"),
        (("", "5", "2026-12-31", "2026-01-01"), "before the first"),
    ],
)
def test_a_wrong_programme_is_refused(fields: tuple[str, str, str, str], fault: str) -> None:
    with pytest.raises(Refused, match=fault):
        parsed(*fields, UTC)


def test_the_pages_show_what_was_planned_and_spent(client: TestClient) -> None:
    page = Markup(client.get("/campaign/calendar").text)
    assert page.faults == []
    assert "A table tonight and Two courses at the bistro both lead to bistro." in page.text
    assert Markup(client.get("/campaign/calendar?month=2099-12").text).faults == []
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    body = batch("b", [offers("o", {"plaza": {"ignored": 300, "accepted": 100, "held_out": 40}}, offer="flat-white")])
    assert client.post("/v1/batches", content=packed(body), headers=bearer()).status_code == 200
    form = {"csrf": token, "note": "More coffee.\nFewer messages.", "budget": "200", "from": "2026-01-01", "until": "2026-12-31"}
    assert client.post("/programme", data=form).status_code == 303
    page = Markup(client.get("/programme").text)
    assert page.faults == []
    assert "140.00 EUR of 200.00 EUR spent" in page.text  # 400 contacts of 0.35 EUR
    assert "More coffee." in page.text
    wrong = client.post("/programme", data=form | {"budget": "much", "note": "kept"})
    assert wrong.status_code == 422
    assert Markup(wrong.text).faults == []
    assert "kept" in wrong.text
    assert 'value="much"' in wrong.text


def test_older_states_of_the_programme_stay(client: TestClient) -> None:
    store = client.app.state.accounts._store  # type: ignore[attr-defined]
    for number in (1, 2):
        with store.writing() as connection:
            programme.keep(connection, Programme(number, "ines", f"note {number}", None, 0, 1))
            assert programme.newest(connection) == Programme(number, "ines", f"note {number}", None, 0, 1)
