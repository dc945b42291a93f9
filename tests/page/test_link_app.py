"""An app claims the page of its person: the same choices and offers on both, and nothing without the page's own code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from gateway.core.claims import names_radio
from gateway.core.types import Consent, Envelope
from tests.kit.pages import ALL, ServedPage, Visitor, page_config, text

APP = "phone-7"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPage]:
    with ServedPage(page_config(tmp_path)) as made:
        yield made


def shown(visitor: Visitor) -> dict[str, Any]:
    """The fields in the code of a page."""
    page = visitor.open("app")
    assert page.headers["refresh"] == "5"
    assert page.text.count("<svg") == 1
    found = re.search(r'class="code">([^<]+)<', page.text)
    assert found is not None
    fields: dict[str, Any] = json.loads(unescape(found[1]))
    return fields


def claim(served: ServedPage, fields: dict[str, Any], device: str = APP, change: int = 1) -> list[str]:
    """The outcomes of an app's consent with these fields."""
    stated = Consent(Envelope(device, f"b{change}", 1), ALL, 1, tags=tuple(fields["tags"]), codes=fields["codes"], change=change)  # type: ignore[arg-type]  # names of purposes
    reply = served.app.ask([stated], device).result(10).reply
    claims = reply["claims"]
    assert isinstance(claims, list)
    return claims


def test_the_page_of_an_app_shows_and_changes_the_app_s_person(served: ServedPage) -> None:
    visitor = served.visitor()
    assert "I use the app of this place already" in text(visitor.open())
    fields = shown(visitor)
    assert claim(served, fields) == ["linked"]
    assert visitor.open("app").url.path == "/en/offers", "the page goes on by itself"
    assert re.findall(r'value="(\w+)" checked', visitor.open("choices").text) == list(ALL)
    assert fields["tags"][0] not in text(visitor.open("choices"))
    visitor.agree("presence", "offers")
    kept = visitor.open("export.json").json()
    assert [one["purpose"] for one in kept["consents"]] == ["offers", "presence"]
    assert kept["identifiers"] == fields["tags"], "a change on the page keeps the link"
    assert "Everything that was kept of you is deleted" in text(visitor.send("stop"))
    assert claim(served, {"tags": [], "codes": {}}, change=2) == [], "the app's consent was withdrawn with it, and may be given anew"


def test_a_site_without_codes_for_tags_links_no_app(tmp_path: Path) -> None:
    config = page_config(tmp_path)
    config.write_text(config.read_text().replace('secret_file = "tags.secret"', ""))
    with ServedPage(config) as plain:
        start = plain.visitor().open()
        assert "app" not in text(start)
        assert "False" not in text(start)
        assert plain.visitor().open("app").status_code == 404


def test_nothing_is_kept_of_a_page_that_waits_for_an_app(served: ServedPage) -> None:
    visitor = served.visitor()
    assert shown(visitor) == shown(visitor), "the same code until the cookie is gone"
    assert served.app.state.people.identities == {}


def test_a_page_is_claimed_with_its_own_code_only_and_by_one_person(served: ServedPage) -> None:
    visitor, other = served.visitor(), served.visitor()
    fields, foreign = shown(visitor), shown(other)
    (page,) = fields["tags"]
    assert not names_radio(page)
    for codes in ({}, {page: foreign["codes"][foreign["tags"][0]]}, {page: "A" * 16}):
        assert claim(served, {"tags": [page], "codes": codes}, change=len(str(codes))) == ["unproven"]
    assert visitor.open("offers").status_code == 403, "the page is still of nobody"
    assert claim(served, fields, change=500) == ["linked"]
    assert claim(served, fields, device="phone-8") == ["contested"]


def test_a_page_with_a_consent_of_its_own_is_not_taken_over(served: ServedPage) -> None:
    visitor = served.visitor()
    fields = shown(visitor)
    visitor.agree("presence", "offers")
    assert claim(served, fields) == ["linked"], "the id that waited has no cookie any more"
    kept = visitor.open("export.json").json()
    assert sorted(one["purpose"] for one in kept["consents"]) == ["offers", "presence"]
