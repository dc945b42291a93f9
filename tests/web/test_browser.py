"""The pages in a real Chromium: nothing sticks out, everything can be read, and news arrive by themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import insert

from dashboard.map.plans import read_plans
from dashboard.schema_desk import dry_runs
from dashboard.settings import Settings
from dashboard.studio.dry_runs import DryRun
from dashboard.studio.publisher import Publisher
from gateway.core.condition import Condition, SourceCondition
from gateway.core.desired import Reported
from tests.web.browser import Browser, chromium
from tests.web.conftest import WORLD
from tests.web.people import csrf
from tests.web.readable import CONTRAST, OVERFLOW, check_readable
from tests.web.seed import START_MS, VARIANCE, batch, bearer, hours, offers, packed, street_batches
from tests.web.server import LiveServer

PAGES: tuple[str, ...] = (
    "/",
    "/gateways/gw-a",
    "/offers/two-for-one-on-everything-that-the-market-has-left-today",
    "/gateways/nope",
    "/gateways/gw-a/settings",
    "/campaign/calendar",
    "/programme",
    "/map",
    "/privacy",
    "/privacy?gateway=gw-a",
    f"/map?span=week&at={START_MS}",
    "/results",
    "/results?by=zone",
    "/results?by=both",
    "/results?by=hour",
    "/campaign",
    "/fleet",
    "/campaign/edit",
    "/campaign/versions/2",
    "/campaign/try/ready",
    "/campaign/try/waiting",
    "/login",
    "/account",
    "/people",
    "/audit",
    "/quarantine",
)
PLANS = read_plans((WORLD / "gw-a.toml", WORLD / "gw-b.toml"))
HELD_BACK = {"cap_person_day": 500, "refused": 90, "chosen": 40}
GOOD = {"held_out": 900, "held_out_came": 100, "ignored": 6_000, "dismissed": 150, "came": 1_000, "accepted": 100, "redeemed": 2_000}
if chosen := os.environ.get("WAYSIDE_PAGES"):  # some pages only, for a look at them
    PAGES = tuple(chosen.split())
SCREENS = ((390, 844), (768, 1024), (1280, 900))
# Resolves as soon as the live part of the page says TEXT.
ARRIVES = """new Promise((resolve) => {
  const place = document.getElementById("live");
  const look = () => place.innerText.includes("TEXT") && resolve(place.innerText);
  new MutationObserver(look).observe(place, { childList: true, subtree: true });
  look();
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(chromium(), tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def server(settings: Settings, browser: Browser, publisher: Publisher) -> Iterator[LiveServer]:
    """A server with a street's records, one of them quarantined; the browser is signed in as an admin."""
    text = (WORLD / "campaign.toml").read_text("utf-8")
    with LiveServer(settings.model_copy(update={"campaign": text, "world": "street", "plans": PLANS}), publisher) as server:
        browser.sign_in(server.address, server.cookies)
        with httpx.Client(base_url=server.address, cookies=server.cookies) as desk:
            token = csrf(server.app, next(iter(server.cookies.values())))
            form = {"csrf": token, "base": "1", "offer.flat-white.title": "A flat white, half the price", "policy.gap": "30 s"}
            assert desk.post("/campaign/save", data=form).status_code == 303
            assert desk.post("/campaign/stop", data={"csrf": token, "offer": "first-pint"}).status_code == 303
        for body in street_batches():
            assert send(server.address, body) == 200
        good = offers("fw", dict.fromkeys(("plaza", "cafe"), GOOD), offer="flat-white", variance=VARIANCE)
        assert send(server.address, batch("fw", [good])) == 200
        assert send(server.address, batch("odd", [hours("odd", {"harbour": 4}, window=5)])) == 200
        condition = Condition("0.1.0", connected=True, sources=(SourceCondition("ble", 2),), certificate_ends_ms=START_MS)
        report = Reported("gw-a", 0, "", "street-1", "", (), ("plaza", "cafe"), condition)
        answer = httpx.post(f"{server.address}/v1/desired", content=msgspec.json.encode(report), headers=bearer())
        assert answer.status_code == 200
        server.app.state.watch.step()
        keep_dry_runs(server, text)
        yield server
        browser.open("about:blank")  # ends its streams


def keep_dry_runs(server: LiveServer, text: str) -> None:
    """A dry run with a result, and one that is under way."""
    offers = [line.partition('"')[2].rstrip('"') for line in text.splitlines() if line.startswith("id = ")]
    of = {offer: {"messages": 40 * at, "people": 9 * at, "accepted": 9.5 * at, "reasons": HELD_BACK} for at, offer in enumerate(offers)}
    campaign = {"moments": 900, "offers": of}
    result = json.dumps({"days": 3, "people": 140, "cities": 3, "stands_for": {offers[0]: offers[1]}, "campaigns": [campaign, campaign]})
    draft = text.replace("A flat white, one euro off", "A flat white, two euros off")
    rows = [
        DryRun(name, START_MS + 5 * 3_600_000, "ines", 1, "", draft, 1, "", kept) for name, kept in (("ready", result), ("waiting", ""))
    ]
    with server.app.state.accounts._store.writing() as connection:
        connection.execute(insert(dry_runs), [row._asdict() for row in rows])


@pytest.fixture
def street(server: LiveServer) -> str:
    return server.address


def sent(server: LiveServer) -> int:
    found = httpx.get(f"{server.address}/v1/summary", cookies=server.cookies).json()
    return int(found["sent"]["value"])


def send(address: str, body: dict[str, object]) -> int:
    headers = bearer(str(body["gateway"]))
    return httpx.post(f"{address}/v1/batches", content=packed(body), headers=headers).status_code


@pytest.mark.parametrize(("width", "height"), [SCREENS[0], pytest.param(*SCREENS[1], marks=pytest.mark.soak), SCREENS[2]])
def test_every_page_fits_and_can_be_read(browser: Browser, street: str, width: int, height: int) -> None:
    browser.screen(width, height, "light")
    for path in PAGES:
        browser.open(street + path)
        name = path.strip("/").translate({ord(one): "-" for one in "/?="}) or "overview"
        check_readable(browser, width, name, texts_min=11)


def test_the_empty_page_fits_and_can_be_read(browser: Browser, settings: Settings) -> None:
    with LiveServer(settings) as server:
        browser.sign_in(server.address, server.cookies)
        for width, height in SCREENS:
            browser.screen(width, height, "light")
            browser.open(server.address)
            check_readable(browser, width, "empty", texts_min=5)


def test_the_checks_can_fail(browser: Browser, street: str) -> None:
    browser.screen(390, 844, "light")
    browser.open(street)
    browser.evaluate("document.querySelector('footer').style.minWidth = '500px'")  # outside of what updates replace
    assert browser.evaluate("document.documentElement.scrollWidth") > 390
    assert len(browser.evaluate(OVERFLOW.replace("WIDTH", "390"))) >= 1
    browser.evaluate("document.querySelector('footer').style.color = '#ddd'")
    assert len(browser.evaluate(CONTRAST)["faint"]) >= 1


def test_news_arrive_and_the_reader_keeps_the_place(browser: Browser, street: str, server: LiveServer) -> None:
    browser.screen(1280, 900, "light")
    browser.open(street)
    browser.evaluate("document.getElementById('when-table').open = true")
    browser.evaluate("document.querySelector('#live a[href^=\"/offers/lunch-bowl\"]').focus()")
    before = sent(server)
    assert send(street, batch("news", [hours("news", {"plaza": 4_000}, window=5)])) == 200
    text = browser.evaluate(ARRIVES.replace("TEXT", f"{before + 4_000:,} ±"))
    assert "Counted, bounded, noised" in text
    assert browser.evaluate("document.getElementById('when-table').open") is True
    assert browser.evaluate("document.activeElement.textContent") == "lunch-bowl"
    assert browser.evaluate("document.querySelector('[data-status-text]').textContent") == "Live"


def test_updates_can_be_paused(browser: Browser, street: str, server: LiveServer) -> None:
    browser.screen(1280, 900, "light")
    browser.open(street)
    browser.evaluate("document.querySelector('[data-status-button]').click()")
    assert browser.evaluate("document.querySelector('[data-status-text]').textContent") == "Paused"
    news = 19_000 - sent(server)
    assert send(street, batch("news", [hours("news", {"plaza": news}, window=5, variance=127.83)])) == 200
    assert "19,000" not in browser.evaluate("document.getElementById('live').innerText")
    browser.evaluate("document.querySelector('[data-status-button]').click()")
    assert "offers sent" in browser.evaluate(ARRIVES.replace("TEXT", "19,000 ±"))


def test_nothing_is_blocked_and_nothing_is_asked_of_others(browser: Browser, street: str) -> None:
    browser.open("about:blank")  # the page of another test may be about to reconnect to its server
    for method in ("Network.requestWillBeSent", "Log.entryAdded", "Runtime.exceptionThrown"):
        browser.told(method)
    browser.open(street)
    browser.evaluate("document.fonts.ready.then(() => true)")
    asked = [request["request"]["url"] for request in browser.told("Network.requestWillBeSent")]
    assert len(asked) >= 3  # the page, its style, its script
    assert [address for address in asked if not address.startswith(street)] == []
    assert browser.told("Log.entryAdded") == []  # a breach of the content policy would stand here
    assert browser.told("Runtime.exceptionThrown") == []


def test_without_scripts_the_figures_are_there(browser: Browser, street: str) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(street)
        text = browser.evaluate("document.body.innerText")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert "Reload the page for newer figures." in text
    assert "lunch-bowl" in text
    assert "Pause" not in text


def test_a_picture_of_the_page_has_its_width(browser: Browser, street: str, tmp_path: Path) -> None:
    for width in (390, 1280):
        browser.screen(width, 900, "light")
        browser.open(street)
        browser.screenshot(tmp_path / "page.png")
        header = (tmp_path / "page.png").read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(header[16:20]) == width


FAULT_COMES = """new Promise((resolve) => {
  const place = document.getElementById("offer-flat-white-suitable-fault");
  const look = () => place.textContent.includes("do not fit") && resolve(place.textContent);
  new MutationObserver(look).observe(place, { childList: true });
  look();
})"""


def test_the_editor_helps_while_it_is_typed_in(browser: Browser, street: str) -> None:
    browser.screen(1280, 900, "light")
    browser.open(f"{street}/campaign/edit")
    browser.evaluate("document.getElementById('offer-1').open = true")
    browser.evaluate("document.getElementById('offer-flat-white-suitable').focus()")
    browser.send("Input.insertText", text="wea")
    shown = "document.getElementById('offer-flat-white-suitable-list')"
    assert "weather" in browser.evaluate(f"{shown}.innerText")
    assert browser.violations() == []
    key(browser, "Enter", "\r")
    assert browser.evaluate("document.activeElement.value") == "weather"
    browser.send("Input.insertText", text=" > 1")
    assert "No such overload" in browser.evaluate(FAULT_COMES)
    assert browser.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    browser.evaluate("document.getElementById('offer-flat-white-title').select()")
    browser.send("Input.insertText", text="Cheap coffee")
    assert browser.evaluate("document.querySelector('#offer-1 .phone strong').textContent") == "Cheap coffee"
    box = "document.querySelector('#offer-1 input[value=station]')"
    before = browser.evaluate(f"{box}.checked")
    browser.evaluate(
        "document.querySelector('#offer-1 .picks [data-zone=station] circle').dispatchEvent(new Event('click', {bubbles: true}))"
    )
    assert browser.evaluate(f"{box}.checked") is not before


FOCUSED = "document.activeElement ? (document.activeElement.getAttribute('name') || document.activeElement.textContent.trim()) : ''"
PASSWORD = "four random words"


def key(browser: Browser, name: str, text: str = "") -> None:
    """Press and release a key as a person does."""
    codes = {"Tab": 9, "Enter": 13, " ": 32}
    for kind in ("keyDown", "keyUp"):
        more = {"text": text} if text and kind == "keyDown" else {}
        browser.send("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=codes[name], **more)


def reach(browser: Browser, wanted: str) -> None:
    """Press Tab until the focus is on an element with this name or text."""
    for _ in range(80):
        if str(browser.evaluate(FOCUSED)).startswith(wanted):
            return
        key(browser, "Tab")
    pytest.fail(f"the keyboard does not reach {wanted} on: {browser.evaluate('document.body.innerText')[:300]}")


def submit(browser: Browser) -> None:
    """Press Enter on the focused button and wait for the next page."""
    key(browser, "Enter", "\r")
    browser.loaded()


def test_a_first_account_edits_and_stops_with_the_keyboard_and_without_scripts(
    browser: Browser, settings: Settings, publisher: Publisher
) -> None:
    browser.send("Network.clearBrowserCookies")
    browser.screen(390, 844, "light")
    text = (WORLD / "campaign.toml").read_text("utf-8")
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        with LiveServer(settings.model_copy(update={"campaign": text}), publisher) as server:
            link = server.app.state.accounts.invite("", "admin", "")
            browser.open(f"{server.address}/welcome/{link}")
            for name, typed in (("name", "ines"), ("password", PASSWORD), ("again", PASSWORD)):
                reach(browser, name)
                browser.send("Input.insertText", text=typed)
            reach(browser, "Set it")
            submit(browser)
            reach(browser, "Campaign")
            submit(browser)
            reach(browser, "Edit the campaign")
            submit(browser)
            reach(browser, "policy.gap")
            browser.evaluate("document.activeElement.select()")
            browser.send("Input.insertText", text="45 s")
            reach(browser, "Check and save")
            submit(browser)
            assert "15 seconds → 45 seconds" in browser.evaluate("document.body.innerText")
            reach(browser, "Campaign")
            submit(browser)
            reach(browser, "Stop everywhere")
            submit(browser)
            assert "stopped by ines" in browser.evaluate("document.body.innerText")
            browser.open("about:blank")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
        browser.send("Network.clearBrowserCookies")
