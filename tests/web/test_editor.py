"""The editor: messages on the fields, further wordings, previews that fit their place, and rules with the position of a fault."""

from __future__ import annotations

import html
import re
import tomllib
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dashboard.app import create_app
from dashboard.settings import Settings
from dashboard.studio import fields
from dashboard.studio.preview import previews
from dashboard.studio.publisher import Publisher
from dashboard.studio.rules import rule_fault, vocabulary
from tests.web.conftest import WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, csrf, sign_in

TEXT = (WORLD / "campaign.toml").read_text("utf-8")
GERMAN = {"language": "de", "placement": "", "title": "Ein Euro weniger", "body": "Zwei Stunden im Café."}


@pytest.fixture
def app(settings: Settings, publisher: Publisher) -> FastAPI:
    return create_app(settings.model_copy(update={"campaign": TEXT}), publisher)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost", follow_redirects=False, cookies={COOKIE: sign_in(app)})


def save(client: TestClient, **changes: str) -> Any:
    token = csrf(client.app, str(client.cookies.get(COOKIE)))  # type: ignore[arg-type]
    return client.post("/campaign/save", data={"csrf": token, "base": "1"} | changes)


def wordings(text: str, offer: str = "flat-white") -> list[dict[str, str]]:
    found = next(one for one in tomllib.loads(text)["offers"] if one["id"] == offer)
    return list(found.get("creatives", []))


def test_a_fault_is_shown_on_its_field_and_only_its_offer_is_open(client: TestClient) -> None:
    answer = save(client, **{"offer.flat-white.margin": "much", "policy.gap": "soon"})
    assert answer.status_code == 422
    page = Markup(answer.text)
    assert page.faults == []
    assert 'aria-describedby="offer-flat-white-margin-fault"' in answer.text
    assert 'aria-describedby="policy-gap-fault"' in answer.text
    assert answer.text.count('class="offer"') == 8
    assert answer.text.count(" open>") == 1


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("line 13: policy.holdout: too much", "policy.holdout"),
        ("line 9: policy.quiet_hours[1]: no time", "quiet.from"),
        ("line 90: offers[1].eligible: at character 3: wrong", "offer.cake-and-coffee.eligible"),
        ("offers[0].creatives[0].title: too long", "offer.flat-white.creatives"),
        ("offers[99].title: of no offer", None),
        ("not valid TOML", None),
    ],
)
def test_a_fault_finds_its_field(line: str, name: str | None) -> None:
    assert list(fields.field_faults([line], fields.read(TEXT))) == ([] if name is None else [name])


def test_wordings_are_added_changed_and_removed() -> None:
    new = {f"offer.flat-white.wording.0.{key}": [text] for key, text in GERMAN.items()}
    added = fields.written(TEXT, TEXT, new)
    assert wordings(added) == [{key: text for key, text in GERMAN.items() if text}]
    changed = fields.written(
        added, added, new | {"offer.flat-white.wording.0.title": ["Ein Euro"], "offer.flat-white.wording.1.title": [""]}
    )
    assert wordings(changed) == [{"language": "de", "title": "Ein Euro", "body": GERMAN["body"]}]
    assert wordings(fields.written(added, added, new)) == wordings(added)
    assert wordings(fields.written(added, added, new | {"offer.flat-white.wording.0.title": [""]})) == []
    assert fields.written(TEXT, TEXT, {"offer.flat-white.wording.0.title": [""]}) == TEXT


def test_a_new_offer_has_an_id_from_its_title() -> None:
    assert fields.id_of("Grüner Tee, 2 für 1!", ()) == "gruner-tee-2-fur-1"
    assert fields.id_of("Spring tea", {"spring-tea", "spring-tea-2"}) == "spring-tea-3"
    assert fields.id_of("茶", ()) == "offer"
    made = tomllib.loads(fields.written(TEXT, TEXT, {"copy.of": ["first-pint"], "copy.title": ["Spring tea"]}))["offers"][-1]
    assert (made["id"], made["title"], made["shop"]) == ("spring-tea", "Spring tea", "pub")


def test_a_preview_has_the_wording_of_each_place_and_language() -> None:
    creatives = [
        {"title": "Kurz", "placement": "screen", "language": "de"},
        {"title": "Ein Euro weniger", "language": "de"},
        {"title": "Short", "placement": "screen"},
        {"title": "", "language": "fr"},  # not valid yet
    ]
    default, german = previews("One euro off", "At the cafe.", creatives)
    assert [sight.title for sight in default.sights] == ["One euro off", "Short", "One euro off"]
    assert (german.language, [sight.title for sight in german.sights]) == ("de", ["Ein Euro weniger", "Kurz", "Ein Euro weniger"])
    long = previews("x" * 50, "", ())[0]
    assert [bool(sight.fault) for sight in long.sights] == [False, True, False]


def test_a_rule_has_the_position_of_its_fault(publisher: Publisher, client: TestClient) -> None:
    schema = publisher.base.schema
    assert rule_fault('weather == "rainy" && hour > 9', schema) is None
    found = rule_fault("hour > 9 && wether == 1", schema)
    assert found is not None
    assert found.position == 12
    assert "weather" in found.text
    assert client.get("/campaign/rule", params={"text": "hour >"}).json()["fault"]
    assert client.get("/campaign/rule", params={"text": " "}).json() == {"fault": "", "position": 0}


def test_every_word_of_the_completion_is_right_in_a_rule(publisher: Publisher) -> None:
    found = vocabulary(publisher.base.schema)
    assert {"hour", "temperature", 'weather == "rainy"'} <= {one.text for one in found}
    assert all(rule_fault(one.text, publisher.base.schema) is None for one in found if "==" in one.text)
    assert not any(one.text == "discount" for one in found)  # differs by offer


def test_the_page_shows_previews_and_the_completion(client: TestClient) -> None:
    text = client.get("/campaign/edit").text
    assert Markup(text).faults == []
    assert text.count('class="sight phone"') == 8
    assert '<option value="temperature">' in text


def hidden(text: str, name: str) -> str:
    found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', text)
    return html.unescape(found[1]) if found else ""


def test_a_new_offer_survives_a_fault_a_second_save_and_another_editor(client: TestClient) -> None:
    answer = save(client, **{"copy.of": "flat-white", "copy.title": "Spring tea", "policy.gap": "soon"})
    assert answer.status_code == 422
    shown = hidden(answer.text, "shown")
    assert 'name="offer.spring-tea.title"' in answer.text
    changes = {"shown": shown, "policy.gap": "20 s", "offer.spring-tea.body": "Until the pot is empty."}
    other = save(client, **{"policy.contact_cost": "0.40 EUR"})
    assert other.status_code == 303
    clash = save(client, **changes)
    assert clash.status_code == 422
    assert "saved version 2 meanwhile" in clash.text
    done = save(client, **{**changes, "base": "2", "shown": hidden(clash.text, "shown")})
    assert done.status_code == 303, Markup(done.text).text
    page = Markup(client.get(done.headers["location"]).text).text
    assert "new offer Spring tea (spring-tea)" in page
    assert "Until the pot is empty." in page
    assert "0.40 EUR" in page
