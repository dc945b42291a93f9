"""An app and the page of its person are linked by a code in each direction; neither a picture of the code nor a guess links them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from gateway.core import limits
from gateway.core.channels import PAGE_PREFIX
from gateway.core.claims import names_radio
from gateway.core.discards import Discard
from gateway.core.page_links import page_code
from gateway.core.types import Consent, Envelope, PageLink
from tests.kit.pages import ALL, ServedPage, Visitor, page_config, text
from tests.kit.testbed import CLAIM_SECRET, Gateway, Phone

APP = "phone-7"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPage]:
    with ServedPage(page_config(tmp_path)) as made:
        yield made


def shown(visitor: Visitor) -> dict[str, Any]:
    """The fields in the code of a page."""
    page = visitor.open("app")
    assert page.text.count("<svg") == 1
    found = re.search(r'class="code">([^<]+)<', page.text)
    assert found is not None
    fields: dict[str, Any] = json.loads(unescape(found[1]))
    return fields


def told(served: ServedPage, device: str, kind: str) -> list[dict[str, Any]]:
    """The replies of a kind to a device, oldest first."""
    topic = f"/reply/{device}/{kind}"
    return [json.loads(one.payload) for one in served.broker.published if one.topic.endswith(topic)]


def claim(served: ServedPage, fields: dict[str, Any], device: str = APP, change: int = 1) -> list[str]:
    """The outcomes of an app's consent with these fields."""
    stated = Consent(Envelope(device, f"b{change}", 1), ALL, 1, tags=tuple(fields["tags"]), codes=fields["codes"], change=change)  # type: ignore[arg-type]  # names of purposes
    served.app.ask([stated], "").result(10)
    claims = told(served, device, "receipt")[-1]["claims"]
    assert isinstance(claims, list)
    return claims


def number(served: ServedPage, device: str = APP) -> str:
    """The number that an app shows."""
    found = [one["number"] for one in told(served, device, "claim") if one["outcome"] == "confirm"][-1]
    assert re.fullmatch(r"\d{6}", found)
    return str(found)


def wrong(right: str) -> str:
    return f"{(int(right) + 1) % 10**6:06}"


def link(served: ServedPage, visitor: Visitor) -> dict[str, Any]:
    """Link the page of a visitor with the app, as its owner does."""
    fields = shown(visitor)
    assert claim(served, fields) == ["waiting"]
    typed = number(served)
    assert visitor.send("app", number=f" {typed[:3]} {typed[3:]}").url.path == "/en/choices"
    assert told(served, APP, "claim")[-1]["outcome"] == "page_linked"
    return fields


def test_the_page_of_an_app_shows_and_changes_the_app_s_person(served: ServedPage) -> None:
    visitor = served.visitor()
    assert "I use the app of this place already" in text(visitor.open())
    fields = link(served, visitor)
    assert visitor.open("app").url.path == "/en/offers"
    choices = visitor.open("choices")
    assert re.findall(r'value="(\w+)" checked', choices.text) == list(ALL)
    assert fields["tags"][0] not in text(choices)
    visitor.agree("offers", "measurement")
    kept = visitor.open("export.json").json()
    assert [one["purpose"] for one in kept["consents"]] == ["measurement", "offers"]
    assert kept["identifiers"] == fields["tags"], "a change on the page keeps the link, without presence too"
    assert "Everything that was kept of you is deleted" in text(visitor.send("stop"))
    assert claim(served, {"tags": [], "codes": {}}, change=9) == [], "the app's consent was withdrawn with it, and may be given anew"


def test_a_code_on_a_wall_links_nothing(served: ServedPage) -> None:
    """A stranger posts the code of an own page; apps scan it, and the stranger knows neither their numbers nor anything else."""
    stranger = served.visitor()
    poster = shown(stranger)
    assert claim(served, poster) == ["waiting"]
    for path in ("offers", "choices", "kept", "export.json"):
        assert stranger.open(path).status_code == 403
    right = number(served)
    for _ in range(3):
        assert stranger.send("app", number=wrong(right)).status_code == 403
    assert stranger.send("app", number=right).status_code == 403, "after three tries the number has ended"
    assert list(served.app.state.people.identities) == [APP]


def test_a_number_that_the_page_of_another_person_has_not_links_nothing(served: ServedPage) -> None:
    """An app that took the code from a screen shows a number that the owner of the screen does not type."""
    owner, stranger = served.visitor(), served.visitor()
    shown(stranger)
    assert claim(served, shown(owner)) == ["waiting"]
    assert stranger.send("app", number=number(served)).status_code == 403
    assert owner.send("app", number="").status_code == 403
    assert owner.send("app", number=number(served)).status_code == 200


def test_two_apps_at_one_page_end_the_wait(served: ServedPage) -> None:
    visitor = served.visitor()
    fields = shown(visitor)
    assert claim(served, fields) == ["waiting"]
    first = number(served)
    assert claim(served, fields, device="phone-8") == ["contested"]
    assert told(served, APP, "claim")[-1]["outcome"] == "contested"
    assert visitor.send("app", number=first).status_code == 403


def test_one_tap_ends_the_links_of_all_pages(served: ServedPage) -> None:
    visitor, forgotten = served.visitor(), served.visitor()
    fields = link(served, visitor)
    other = shown(forgotten)
    both = {"tags": fields["tags"] + other["tags"], "codes": other["codes"]}
    assert claim(served, both, change=2) == ["linked", "waiting"]
    assert forgotten.send("app", number=number(served)).status_code == 200
    assert "show everything that is kept of you: 2" in text(visitor.open("choices"))
    assert visitor.send("unlink").url.path == "/en/"
    assert told(served, APP, "claim")[-1]["outcome"] == "page_unlinked"
    assert forgotten.open("offers").status_code == 403
    assert list(served.app.state.people.identities) == [APP]
    assert not visitor.browser.cookies, "the browser keeps no cookie"


def test_a_page_of_its_own_has_no_link_to_end(served: ServedPage) -> None:
    visitor = served.visitor()
    visitor.agree("presence", "offers")
    assert "unlink" not in visitor.open("choices").text
    assert visitor.send("unlink").url.path == "/en/choices"
    assert visitor.open("offers").status_code == 200


def test_a_code_and_a_number_end(tmp_path: Path) -> None:
    gateway, app, page = Gateway(tmp_path, synced=False), Phone(), f"{PAGE_PREFIX}0"

    def claimed(at_ms: int) -> object:
        code = page_code(CLAIM_SECRET, page, at_ms)
        return gateway.apply(app.consent(tags=(page,), codes={page: code})).replies.messages[-1].body["claims"]

    now_ms = gateway.clock.now_ms
    assert claimed(now_ms() - 2 * limits.PAGE_CODE_MS) == ["unproven"]
    assert claimed(now_ms() - limits.PAGE_CODE_MS) == ["waiting"]
    known = gateway.state.claims.pages[page].number
    gateway.clock.advance(limits.PAGE_LINK_MS)
    assert gateway.apply(PageLink(page, known)).discarded == {Discard.NOT_CONSENTED: 1}
    assert claimed(now_ms()) == ["waiting"]
    known = gateway.state.claims.pages[page].number
    gateway.apply(app.withdrawal())
    assert gateway.apply(PageLink(page, known)).discarded == {Discard.NOT_CONSENTED: 1}, "the app has withdrawn meanwhile"
    assert page not in gateway.dump()
    gateway.close()


def test_a_linked_page_outlasts_a_restart(tmp_path: Path) -> None:
    gateway, app, page = Gateway(tmp_path, synced=False), Phone(), f"{PAGE_PREFIX}0"
    gateway.apply(app.consent(tags=(page,), codes={page: page_code(CLAIM_SECRET, page, gateway.clock.now_ms())}))
    gateway.apply(PageLink(page, gateway.state.claims.pages[page].number))
    gateway.restart()
    assert gateway.state.people.identities[page] == gateway.state.people.identities[app.device]
    gateway.close()


def test_a_page_that_waits_has_a_cookie_of_ten_minutes(served: ServedPage) -> None:
    visitor = served.visitor()
    assert "Max-Age=600" in visitor.open("app").headers["set-cookie"]
    assert "set-cookie" not in served.visitor().open().headers


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
    assert shown(visitor)["tags"] == shown(visitor)["tags"], "the same page while the cookie lasts"
    assert served.app.state.people.identities == {}


def test_a_page_is_claimed_with_its_own_code_only_and_by_one_person(served: ServedPage) -> None:
    visitor, other = served.visitor(), served.visitor()
    fields, foreign = shown(visitor), shown(other)
    (page,) = fields["tags"]
    assert not names_radio(page)
    for codes in ({}, {page: foreign["codes"][foreign["tags"][0]]}, {page: "A" * 16}):
        assert claim(served, {"tags": [page], "codes": codes}, change=len(str(codes))) == ["unproven"]
    assert visitor.open("offers").status_code == 403, "the page is still of nobody"
    assert claim(served, fields, change=500) == ["waiting"]
    assert visitor.send("app", number=number(served)).status_code == 200
    assert claim(served, fields, device="phone-8") == ["contested"]


def test_a_page_with_a_consent_of_its_own_is_not_taken_over(served: ServedPage) -> None:
    visitor = served.visitor()
    fields = shown(visitor)
    visitor.agree("presence", "offers")
    assert claim(served, fields) == ["waiting"]
    assert visitor.send("app", number=number(served)).url.path == "/en/offers"
    kept = visitor.open("export.json").json()
    assert sorted(one["purpose"] for one in kept["consents"]) == ["offers", "presence"]
