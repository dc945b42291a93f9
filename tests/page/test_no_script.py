"""The page without JavaScript, on a whole gateway: consent, offers, answers, wishes, export, erasure, and refusals in plain words."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.build_store import open_reader
from gateway.core import signed_codes
from gateway.core.claims import claim_code
from gateway.core.privacy.release import catalogue
from gateway.core.state import Closing
from gateway.core.state.counts import CountsChanges
from gateway.core.types import CheckIn
from gateway.page import export
from gateway.page.kept import TABLES, Kept
from gateway.page.newcomers import NEW_MAX
from tests.kit.gateways import settings_of, store_of
from tests.kit.pages import ServedPage, Visitor, page_campaign, page_config, text
from tests.kit.waiting import until

TAG = "e375cf00beef"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPage]:
    with ServedPage(page_config(tmp_path)) as made:
        yield made


def reader_rows(served: ServedPage, table: str) -> int:
    with closing(open_reader(settings_of(served.config))) as reader:
        return int(next(reader._rows(f"SELECT count(*) FROM {table}"))[0])  # noqa: S608 - a name of this file


def screen_code(served: ServedPage, zone: str = "plaza") -> str:
    """The code on the zone's screen."""
    actions = served.page._do
    key = signed_codes.issue(actions._secret, "screen", zone, actions.now_ms() + 600_000)
    shown = served.visitor().browser.get("/en/screen", params={"key": key})
    assert shown.status_code == 200
    assert shown.headers["refresh"] == "20"
    found = re.search(r"/in/([a-z0-9_.-]+)<", shown.text)
    assert found is not None
    return found[1]


def arrive(served: ServedPage, *purposes: str, language: str = "en") -> Visitor:
    """A person who scans the code of the plaza, agrees, and is checked in."""
    visitor = served.visitor(language)
    page = visitor.browser.get(f"/in/{screen_code(served)}")
    ticket = re.search(r'name="here" value="([^"]+)"', page.text)
    assert ticket is not None
    assert visitor.agree(*purposes, here=ticket[1]).status_code == 200
    return visitor


def test_nothing_is_kept_before_a_yes(served: ServedPage) -> None:
    visitor = served.visitor()
    page = visitor.open()
    assert "checked" not in page.text
    assert "a coffee" in text(page)
    assert not visitor.browser.cookies
    assert visitor.send("consent", days="365").url.path == "/en/consent"
    assert not visitor.browser.cookies
    assert [reader_rows(served, table) for table in ("contexts", "identities", "register", "facts", "withdrawals")] == [0] * 5


def test_new_people_of_one_address_are_bounded_and_the_others_go_on(served: ServedPage) -> None:
    known = arrive(served)
    served.page._newcomers._new["127.0.0.1"] = NEW_MAX
    refused = served.visitor().agree("presence")
    assert (refused.status_code, "Nothing was kept of you" in text(refused)) == (429, True)
    assert known.agree("presence", "offers").status_code == 200, "a change of an own consent is always taken"
    assert reader_rows(served, "contexts") == 1


def test_each_purpose_is_a_choice_of_its_own_with_a_receipt(served: ServedPage) -> None:
    visitor = served.visitor("de")
    visitor.agree("presence", "offers")
    page = visitor.open("choices")
    assert re.findall(r'value="(\w+)" checked', page.text) == ["presence", "offers"]
    assert "page-1-de" in page.text
    assert "Nummer der Änderung 1" in text(page)
    visitor.agree("measurement")
    page = visitor.open("choices")
    assert re.findall(r'value="(\w+)" checked', page.text) == ["measurement"]
    assert "Nummer der Änderung 2" in text(page)
    with closing(open_reader(settings_of(served.config))) as reader:
        (subject,) = reader.subjects(10)
        (grant,) = reader.grants(subject)
    assert (grant.purpose, grant.source, grant.wording, grant.version) == ("measurement", "page", "page-1-de", 1)


def test_an_offer_comes_with_its_reason_is_taken_and_its_coupon_lives_on_the_page(served: ServedPage) -> None:
    visitor = arrive(served)
    page = visitor.open("offers")
    assert "A flat white, one euro off" in text(page)
    assert "because you came to plaza" in text(page)
    decision = re.search(r'name="decision" value="([^"]+)"', page.text)
    assert decision is not None
    taken = visitor.send("answer", decision=decision[1], answer="accepted", reason="on_my_way")
    assert "Show this code at the till" in text(taken)
    assert "<svg" in taken.text
    assert "redeemed" not in text(taken)
    kept = visitor.open("kept")
    assert "Your answer taken" in text(kept)
    assert "Nothing is kept under: Tags and phones, Wishes, Visits, Purchases with an offer of yours" in text(kept)
    assert "False" not in text(kept)
    assert "because you came to plaza" in text(kept)
    answers = [fact for fact in visitor.open("export.json").json()["facts"] if fact["kind"] == "answer"]
    assert [(fact["detail"], fact["reason"]) for fact in answers] == [("shown", None), ("accepted", "on_my_way")]


def test_a_refusal_has_a_reason_and_takes_the_offer_away(served: ServedPage) -> None:
    visitor = arrive(served)
    decision = re.search(r'name="decision" value="([^"]+)"', visitor.open("offers").text)
    assert decision is not None
    page = visitor.send("answer", decision=decision[1], answer="dismissed", reason="too_far")
    assert "There is no offer for you at this moment." in text(page)
    facts = visitor.open("export.json").json()["facts"]
    assert [fact["reason"] for fact in facts if fact["detail"] == "dismissed"] == ["too_far"]
    for answer, reason in (("dismissed", "a text"), ("dismissed", "on_my_way"), ("accepted", "too_far"), ("redeemed", "none")):
        assert visitor.send("answer", decision=decision[1], answer=answer, reason=reason).status_code == 422
    again = visitor.send("answer", decision=decision[1], answer="dismissed")
    assert again.status_code == 409
    assert "answered already" in text(again)


def test_without_the_purpose_of_offers_none_is_made(served: ServedPage) -> None:
    visitor = arrive(served, "presence", "learning")
    assert "You did not agree to offers" in text(visitor.open("offers"))
    assert visitor.open("export.json").json()["decisions"] == [], "where the person came is not kept as a decision either"


def test_a_choice_without_an_offer_is_shown_with_place_and_time(served: ServedPage) -> None:
    visitor = arrive(served, "presence", "offers")
    assert "Choices without an offer" not in text(visitor.open("kept"))
    (device,) = served.app.state.people.identities
    served.app.ask([CheckIn(device, "cafe")], device).result(20)
    page = text(visitor.open("kept"))
    silent = [row for row in visitor.open("export.json").json()["decisions"] if row["offer"] is None]
    assert [(row["zone"], row["reason"]) for row in silent] == [("cafe", "not_here")]
    (sent,) = [row for row in visitor.open("export.json").json()["decisions"] if row["offer"]]
    assert [(one["offer"], one["reason"]) for one in sent["considered"]] == [(sent["offer"], "chosen")]
    assert 0.0 < sent["considered"][0]["propensity"] < 1.0, "the score is personal data as well"
    assert re.search(r"Choices without an offer .* cafe, \d{4}-\d\d-\d\d \d\d:\d\d", page)


@pytest.mark.parametrize(
    ("policy", "stated"),
    [
        ({"per_person_day_max": 7, "quiet_from": 1320, "quiet_until": 450}, "At most 7 a day, none between 22:00 and 07:30."),
        ({"per_person_day_max": 1, "quiet_from": 60, "quiet_until": 60}, "At most 1 a day. When"),
    ],
)
def test_the_purpose_of_offers_states_the_caps_of_the_campaign(tmp_path: Path, policy: dict[str, int], stated: str) -> None:
    with ServedPage(page_config(tmp_path, page_campaign(**policy))) as made:
        assert stated in text(made.visitor().open())


def test_wishes_hold_at_once_and_hide_what_they_block(served: ServedPage) -> None:
    visitor = arrive(served)
    assert "A flat white" in text(visitor.open("offers"))
    fields: dict[str, Any] = {"blocked.shops": ["cafe"], "from": ["22:00", ""], "to": ["07:30", ""]}
    assert "Your wishes hold from now on." in text(visitor.send("wishes", **fields))
    assert "A flat white" not in text(visitor.open("offers"))
    page = visitor.open("wishes")
    assert 'name="blocked.shops" value="cafe" checked' in page.text
    assert 'value="07:30"' in page.text
    wishes = visitor.open("export.json").json()["wishes"]
    assert (wishes["blocked"]["shops"], wishes["hours"], wishes["language"]) == (["cafe"], [[1320, 450]], "en")
    for wrong in ({"blocked.shops": "nowhere"}, {"from": "25:00", "to": "07:00"}, {"wanted.offers": "<script>"}):
        assert visitor.send("wishes", **wrong).status_code == 422


def test_a_no_is_taken_with_a_receipt_whatever_comes_with_it(served: ServedPage) -> None:
    visitor = arrive(served)
    visitor.open("offers")
    question = visitor.open("stop")
    assert question.text.count("<form") == 1, "the second tap"
    gone = visitor.browser.post("/en/stop", content=b"\xff not a form", headers={"Content-Type": "text/plain"})
    assert gone.status_code == 200
    assert "It is deleted" in text(gone)
    assert "Decisions about offers: 1" in text(gone)
    assert re.search(r"Number of the receipt [0-9a-f]{12}", text(gone))
    assert [reader_rows(served, table) for table in ("contexts", "identities", "register", "decisions", "presences", "history")] == [0] * 6
    assert not visitor.browser.cookies
    assert text(visitor.send("stop")).count("Nothing was kept of you") == 1, "also if nothing is kept"


def test_an_export_during_an_erasure_is_refused_and_a_no_that_waits_is_still_taken(served: ServedPage) -> None:
    visitor = arrive(served)
    assert "A flat white" in text(visitor.open("offers"))
    served.page._do._wait_s = 0.1
    is_blocked, go_on = threading.Event(), threading.Event()

    def block(_: object) -> None:
        is_blocked.set()
        go_on.wait(60)

    served.app.mailbox.call(block)
    assert is_blocked.wait(60)
    waiting = visitor.send("stop")
    assert (waiting.status_code, "your no is not stored yet" in text(waiting)) == (503, True)
    for name in ("export.json", "export.sqlite"):
        refused = visitor.open(name)
        assert (refused.status_code, "being deleted at this moment" in text(refused)) == (409, True)
    assert "A flat white" not in text(visitor.open("offers")), "no offer is shown meanwhile"
    go_on.set()
    until(lambda: reader_rows(served, "contexts") == 0)
    assert visitor.open("export.json").status_code == 403, "and nothing is left to take along"


def test_the_counts_that_left_are_shown_with_their_error(served: ServedPage) -> None:
    visitor = arrive(served)
    assert "Of your offers, 1 are in counts that have not left yet. At most 4 a day count." in text(visitor.open("kept"))
    store = store_of(served.app)
    period = served.app.state.counts.period
    assert period is not None
    closing = Closing(period, ended=("hours", "offers"), catalogue=catalogue(served.app.site), name="t")
    served.app.mailbox.call(lambda _: store.counts.save(CountsChanges(closing=closing))).result(20)
    page = text(visitor.open("kept"))
    assert re.search(r"Offers sent, plaza: \d+ ± 22 \(", page), page  # 1.96 x the deviation of scale 8
    assert re.search(r"A flat white, one euro off, plaza: \d+ ± 63 \(", page), page  # of eight cells


def test_a_page_opened_by_another_phone_is_refused_in_plain_words(served: ServedPage) -> None:
    owner = arrive(served)
    decision = re.search(r'name="decision" value="([^"]+)"', owner.open("offers").text)
    assert decision is not None
    stranger = served.visitor()
    assert stranger.open("kept").url.path == "/en/", "without a page of one's own: the start"
    assert stranger.open("export.json").url.path == "/en/"
    refused = stranger.send("answer", decision=decision[1], answer="accepted")
    assert refused.status_code == 403
    assert "belongs to another phone" in text(refused)
    other = arrive(served)
    stolen = other.send("answer", decision=decision[1], answer="accepted")
    assert stolen.status_code == 409
    other.browser.cookies.clear()
    other.browser.cookies.set("wayside", "x" * 43)
    forged = other.open("kept")
    assert forged.status_code == 403
    assert "belongs to another phone" in text(forged)
    assert "A flat white" in text(owner.open("offers")), "nothing of the owner's changed"


def test_a_form_of_another_website_is_not_done(served: ServedPage) -> None:
    visitor = arrive(served)
    for headers in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = visitor.browser.post("/en/stop", data={"x": "1"}, headers=headers)
        assert refused.status_code == 403
        assert "another website" in text(refused)
    assert reader_rows(served, "contexts") == 1


def test_codes_of_a_zone_expire_and_cannot_be_made(served: ServedPage) -> None:
    code = screen_code(served)
    visitor = served.visitor()
    for wrong in (code[:-1] + "?", "plaza.9999999999.aaaaaaaaaaaaaaaa", "nonsense"):
        refused = visitor.browser.get(f"/in/{wrong}")
        assert refused.status_code == 403
        assert "no code of this place" in text(refused)
    actions = served.page._do
    old = signed_codes.issue(actions._secret, "zone", "plaza", actions.now_ms() - 1_000)
    refused = visitor.browser.get(f"/in/{old}")
    assert refused.status_code == 410
    assert "The code has expired" in text(refused)
    assert visitor.browser.get("/en/screen", params={"key": code}).status_code == 403, "a code is no key of a screen"


def test_a_tag_is_linked_with_its_code_only(served: ServedPage) -> None:
    visitor = arrive(served)
    claims = served.app.site.claims
    assert claims.secret is not None
    assert "We cannot see that the tag is yours" in text(visitor.send("tag", tag="E3:75:CF:00:BE:EF", code="WRONG"))
    assert "not the number of a tag" in text(visitor.send("tag", tag="my tag"))
    page = visitor.send("tag", tag="E3:75:CF:00:BE:EF", code=claim_code(claims.secret, TAG))
    assert "The tag is linked." in text(page)
    assert TAG in text(page)
    assert visitor.open("export.json").json()["identifiers"] == [TAG]
    visitor.agree()
    assert visitor.open("export.json").json()["identifiers"] == [TAG], "a change of purposes keeps it"


def test_the_export_is_valid_and_both_forms_hold_the_same(served: ServedPage, tmp_path: Path) -> None:
    visitor = arrive(served)
    visitor.open("offers")
    as_json = visitor.open("export.json")
    kept = msgspec.json.decode(as_json.content, type=Kept)
    assert kept.rows.keys() >= {"consents", "decisions", "facts", "presences", "history", "contacts_waiting"}
    assert "attachment" in as_json.headers["content-disposition"]
    (tmp_path / "me.sqlite").write_bytes(visitor.open("export.sqlite").content)
    with closing(sqlite3.connect(tmp_path / "me.sqlite")) as file:
        found = {name: file.execute(f"SELECT * FROM {name}").fetchall() for name in ("person", *TABLES)}  # noqa: S608 - names of tables
    expected = {name: [tuple(row.values()) for row in rows] for name, rows in export.tables(kept).items()}
    assert {name: rows for name, rows in found.items() if name != "person"} == {
        name: rows for name, rows in expected.items() if name != "person"
    }
    assert len(found["person"]) == 1


def test_every_page_has_the_strict_policy_and_asks_nobody_else(served: ServedPage) -> None:
    visitor = arrive(served)
    for path in ("", "offers", "choices", "wishes", "kept", "stop", "nowhere"):
        page = visitor.open(path)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert not re.findall(r'(?:src|href|action)="(?:[a-z]+:)?//', page.text), path
        assert "style=" not in page.text
        assert re.search(r'<html lang="en">', page.text)


def test_methods_and_paths_that_there_are_not(served: ServedPage) -> None:
    visitor = served.visitor("fr")
    assert visitor.open("nowhere").status_code == 404
    assert "Cette page n'existe pas" in visitor.open("nowhere").text.replace("&#x27;", "'")
    assert visitor.browser.put("/fr/stop").status_code == 405
    assert visitor.browser.get("/xx/offers").status_code == 404
    assert visitor.browser.get("/", headers={"Accept-Language": "xx, de;q=0.5, fr;q=0.9"}).url.path == "/fr/"
