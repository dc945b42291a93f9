"""Parts of the page: texts, markup, codes, cookies, forms, check-in and the yearly question, without a server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import limits
from gateway.core.channels import is_page
from gateway.core.claims import names_radio
from gateway.core.discards import Discard
from gateway.core.http import Request
from gateway.core.signed_codes import ExpiredCodeError, WrongCodeError, issue, read
from gateway.core.types import CheckIn, Consent, Control, Envelope
from gateway.page.kept import TABLES
from gateway.page.markup import Html, el, join
from gateway.page.newcomers import NEW_MAX, Newcomers
from gateway.page.owners import Owners, draw, is_own
from gateway.page.streams import STREAMS_MAX, STREAMS_PERSON_MAX, Shown, Streams
from gateway.page.texts import all_texts, preferred
from tests.kit.testbed import DAY_MS, EVERYTHING, HOUR_MS, Gateway

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
PAGE = "#page.00112233445566778899aabbccddeeff"


def test_every_language_has_the_same_texts_and_placeholders() -> None:
    english, *others = all_texts().values()
    assert (english.language, len(others)) == ("en", 2)
    for other in others:
        assert other.by_key.keys() == english.by_key.keys()
        for key, text in english.by_key.items():
            assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", other.by_key[key])), (other.language, key)
    assert all(f"tables.{name}" in english.by_key for name in TABLES)


@pytest.mark.parametrize(
    ("accepted", "language"), [("", "en"), ("de-AT,de;q=0.9", "de"), ("xx, fr;q=0.2, de;q=0.1", "fr"), ("de;q=x", "en")]
)
def test_the_language_is_the_browser_s(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


@given(st.text(max_size=40))
def test_no_text_becomes_markup(text: str) -> None:
    made = el("p", text, title=text)
    assert made.count("<") == 2
    assert made.count(">") == 2
    assert made.count('"') == 2
    assert join(Html("<b>"), text).startswith("<b>")


@given(st.text(alphabet="abcdefgh-_09", min_size=1, max_size=20), st.integers(1, 10**12))
def test_a_code_is_good_for_one_use_one_text_and_its_time(text: str, until_ms: int) -> None:
    code = issue(SECRET, "zone", text, until_ms)
    assert read(SECRET, "zone", code, until_ms - 1) == text
    with pytest.raises(ExpiredCodeError):
        read(SECRET, "zone", code, until_ms + 1_000)
    for secret, use, wrong in ((OTHER, "zone", code), (SECRET, "here", code), (SECRET, "zone", "x" + code), (SECRET, "zone", code + "x")):
        with pytest.raises(WrongCodeError) as refused:
            read(secret, use, wrong, until_ms - 1)  # type: ignore[arg-type]  # uses of the table
        assert not isinstance(refused.value, ExpiredCodeError)


@pytest.mark.parametrize("code", ["", "..", "a.b.c", "a.1", "a.-1.x", "a.٣.x", "a." + "9" * 400 + ".x", "\ud800.1.x"])
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(WrongCodeError):
        read(SECRET, "zone", code, 0)


def test_a_page_s_id_is_no_radio_and_follows_from_the_cookie_alone() -> None:
    owners, token = Owners(SECRET, is_secure=True), draw().token
    device = owners.device(token)
    assert is_page(device)
    assert not names_radio(device)
    assert token not in device
    assert owners.device(token) == device != Owners(OTHER, is_secure=True).device(token)
    name, value = owners.set_cookie(token)
    assert name == "Set-Cookie"
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= {part.strip() for part in value.split(";")}
    request = Request("GET", "/", {"cookie": f"other=1; {value.partition(';')[0]}"})
    assert owners.token(request) == token
    for cookie in ("", "__Host-wayside=short", "__Host-wayside=" + "é" * 43, "=;=", "wayside=" + token):
        assert owners.token(Request("GET", "/", {"cookie": cookie})) is None


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"origin": "https://page.example", "host": "page.example"}, True),
        ({"origin": "https://page.example", "host": "other.example"}, False),
        ({"origin": "null", "host": "page.example"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://page.example", "host": "page.example"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_forms_of_other_sites_are_told_apart(headers: dict[str, str], own: bool) -> None:  # noqa: FBT001 - a table
    assert is_own(Request("POST", "/", headers)) is own


# --- in the engine -------------------------------------------------------------------------------------------


def consent(*purposes: str, seq: int = 1) -> Consent:
    return Consent(Envelope(PAGE, f"b{seq}", 1), purposes, 1, change=seq, source="page")  # type: ignore[arg-type]  # names of purposes


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.store.close()


def entered(gateway: Gateway) -> list[str]:
    """The zones in which the page's person is."""
    return sorted(zone for (_, zone), one in gateway.state.visits.presences.items() if one.entered_ms is not None)


def test_one_person_opens_eight_streams_and_all_together_128() -> None:
    async def render() -> Shown | None:
        return Shown("a", None)

    async def play() -> None:
        streams = Streams()
        opened = []
        for at in range(STREAMS_MAX):
            subject = f"p{at // STREAMS_PERSON_MAX}"
            assert streams.has_room(subject)
            opened.append(streams.serve(subject, render))
            await anext(opened[-1])
            if at == STREAMS_PERSON_MAX - 1:
                assert not streams.has_room("p0")
        assert not streams.has_room("new")
        for one in opened:
            await one.aclose()
        assert streams.has_room("p0")

    asyncio.run(play())


def test_one_network_takes_no_room_of_the_others() -> None:
    newcomers, now_ms = Newcomers(), 5 * DAY_MS
    flood = [newcomers.may_enter(f"fd00::1:{at}", now_ms + at) for at in range(NEW_MAX + 5)]
    assert flood == [True] * NEW_MAX + [False] * 5, "addresses of one /64 are one"
    for other in ("fd00:0:0:1::1", "192.0.2.7", ""):
        assert newcomers.may_enter(other, now_ms + 1_000)
    assert newcomers.may_enter("fd00::1:7", now_ms + HOUR_MS), "for an hour"
    assert newcomers.may_enter("fd00::1:7", now_ms - DAY_MS), "a clock that was set back ends the hour too"


def test_a_check_in_enters_one_zone_and_makes_an_offer_for_the_page(gateway: Gateway) -> None:
    assert gateway.apply(CheckIn(PAGE, "cafe")).discarded == {Discard.NOT_CONSENTED: 1}
    gateway.apply(consent(*EVERYTHING))
    changes = gateway.apply(CheckIn(PAGE, "station"))
    (decision,) = changes.decisions.made
    assert (decision.occasion, decision.zone, bool(decision.offer)) == ("entered", "station", True)
    assert not changes.decisions.triggers, "the page reads the log: nothing waits for a broker"
    assert changes.totals["triggers"] == 1, "and it is counted like every other offer"
    gateway.apply(CheckIn(PAGE, "bar"))
    assert entered(gateway) == ["bar"], "the earlier check-in is over"
    assert gateway.apply(CheckIn(PAGE, "nowhere")).discarded == {Discard.UNMAPPED_DEVICE: 1}


def test_a_visit_by_check_in_outlasts_the_silence_of_radio_and_ends(gateway: Gateway) -> None:
    gateway.apply(consent(*EVERYTHING))
    gateway.apply(CheckIn(PAGE, "bar"))
    rules = gateway.site.presence
    gateway.pass_time(rules.fix_exit_after_ms - 1_000)
    assert entered(gateway) == ["bar"]
    gateway.pass_time(2_000)
    assert entered(gateway) == []


def test_without_presence_a_check_in_places_nobody(gateway: Gateway) -> None:
    gateway.apply(consent("offers", "learning", "measurement"))
    assert gateway.apply(CheckIn(PAGE, "bar")).discarded == {Discard.NOT_CONSENTED: 1}
    assert entered(gateway) == []


def test_the_yearly_question_is_answered_once_a_year_and_erased_with_the_person(gateway: Gateway) -> None:
    gateway.apply(consent(*EVERYTHING))
    ask = [Control(Envelope(PAGE, f"c{at}", 1), (5, at)) for at in range(1, 5)]
    assert not gateway.apply(ask[0]).discarded
    assert gateway.apply(ask[1]).discarded == {Discard.REPEATED: 1}
    gateway.apply(consent("presence", seq=2))
    assert gateway.apply(ask[2]).discarded == {Discard.REPEATED: 1}, "a change of purposes starts no new year"
    gateway.clock.advance(limits.CONTROL_MS)
    assert not gateway.apply(ask[3]).discarded
    stated = "SELECT detail FROM facts WHERE kind = 'control' ORDER BY at_ms"
    assert list(gateway.store.people.rows(stated)) == [("5 1",), ("5 4",)]
    gateway.apply(consent(seq=3))
    assert list(gateway.store.people.rows(stated)) == [(None,), (None,)]
    assert gateway.apply(Control(Envelope(PAGE, "c9", 1), (1, 1))).discarded == {Discard.NOT_CONSENTED: 1}
