"""The page in a real Chromium at 360 and 390 px, light and dark, with and without JavaScript; axe-core finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.channels import is_page
from gateway.core.types import CheckIn, Consent, Envelope
from tests.kit.pages import ServedPage, page_campaign, page_config
from tests.page.test_no_script import screen_code
from tests.web.browser import Browser, chromium
from tests.web.readable import check_readable

EXPIRY_S = 3  # of an offer that a test waits for; the page is watched while it comes and goes
PLACE = """(() => {
  const found = document.querySelector('SELECTOR');
  if (!found) return null;
  found.scrollIntoView({ block: "center" });
  const box = found.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
})()"""
# Resolves with the page's changing part as an offer has come, and as it has gone again.
SEEN = """window.seen = new Promise((resolve) => {
  const place = document.getElementById("live");
  let came = "";
  new MutationObserver(() => {
    const text = place.innerText;
    if (place.querySelector("article")) came = came || text;
    else if (came) resolve([came, text]);
  }).observe(place, { childList: true, subtree: true });
}), 0"""
KNOWN = ("offers", "choices", "wishes", "kept", "stop")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(chromium(), tmp_path_factory.mktemp("chromium")) as made:
        yield made


@pytest.fixture
def served(tmp_path: Path, browser: Browser) -> Iterator[ServedPage]:
    with ServedPage(page_config(tmp_path)) as made:
        yield made
        browser.open("about:blank")  # ends its streams
    browser.send("Network.clearBrowserCookies")


def press(browser: Browser, selector: str) -> None:
    """Press a button, box or link as a person does, also with scripts switched off in the page."""
    place = browser.evaluate(PLACE.replace("SELECTOR", selector))
    assert place, f"the page has no {selector}"
    for kind in ("mousePressed", "mouseReleased"):
        browser.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)


def follow(browser: Browser, selector: str) -> None:
    """As `press`, until the next page is loaded."""
    press(browser, selector)
    browser.loaded()


def arrive(browser: Browser, served: ServedPage) -> None:
    """Scan the code on the screen, tick everything, and agree."""
    browser.open(f"{served.address}/in/{screen_code(served)}")
    for purpose in ("presence", "offers", "learning", "measurement"):
        press(browser, f'input[value="{purpose}"]')
    follow(browser, "button.main")


@pytest.mark.parametrize("width", [360, 390])
def test_every_page_fits_can_be_read_and_has_no_violation(browser: Browser, served: ServedPage, width: int) -> None:
    browser.screen(width, 800, "light")
    browser.open(f"{served.address}/in/{screen_code(served)}")
    check_readable(browser, width, "start", texts_min=6)
    browser.open(f"{served.address}/en/app")
    check_readable(browser, width, "app", texts_min=6)
    arrive(browser, served)
    for name in KNOWN:
        browser.open(f"{served.address}/de/{name}")
        check_readable(browser, width, name, texts_min=6)
    browser.open(f"{served.address}/en/offers")
    follow(browser, ".answers .main")
    check_readable(browser, width, "taken", texts_min=6)
    browser.open(f"{served.address}/in/nonsense")
    check_readable(browser, width, "refused", texts_min=6)
    browser.open(f"{served.address}/en/stop")
    follow(browser, "button.danger")
    check_readable(browser, width, "gone", texts_min=6)


def test_the_checks_can_fail(browser: Browser, served: ServedPage) -> None:
    browser.screen(360, 800, "light")
    browser.open(served.address)
    browser.evaluate("document.querySelector('legend').style.color = '#ccc'")
    browser.evaluate("document.querySelector('label').replaceWith(document.querySelector('input'))")
    found = {violation.partition(":")[0] for violation in browser.violations()}
    assert {"color-contrast", "label"} <= found


def test_the_whole_way_without_javascript(browser: Browser, served: ServedPage) -> None:
    browser.screen(360, 800, "light")
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        arrive(browser, served)
        assert "A flat white" in browser.evaluate("document.body.innerText")
        follow(browser, ".answers .main")
        assert "Show this code at the till" in browser.evaluate("document.body.innerText")
        follow(browser, "a.stop")  # the first tap
        follow(browser, "button.danger")  # and the second
        assert "Everything that was kept of you is deleted." in browser.evaluate("document.body.innerText")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_nothing_is_asked_of_others_and_no_policy_is_broken(browser: Browser, served: ServedPage) -> None:
    browser.open("about:blank")
    for method in ("Network.requestWillBeSent", "Log.entryAdded", "Runtime.exceptionThrown"):
        browser.told(method)
    arrive(browser, served)
    for name in KNOWN:
        browser.open(f"{served.address}/en/{name}")
    asked = [request["request"]["url"] for request in browser.told("Network.requestWillBeSent")]
    assert len(asked) > 10
    assert [address for address in asked if not address.startswith((served.address, "data:"))] == []
    assert browser.told("Log.entryAdded") == []
    assert browser.told("Runtime.exceptionThrown") == []


def test_an_offer_arrives_in_the_open_page_and_expires(browser: Browser, tmp_path: Path) -> None:
    browser.screen(360, 800, "light")
    with ServedPage(page_config(tmp_path, page_campaign(trigger_expiry_s=EXPIRY_S))) as served:
        browser.open(served.address)
        for purpose in ("presence", "offers"):
            press(browser, f'input[value="{purpose}"]')
        follow(browser, "button.main")
        browser.evaluate(SEEN)
        (device,) = (one for one in served.app.state.people.identities if is_page(one))
        served.app.ask([CheckIn(device, "plaza")], device).result(20)
        first, second = browser.evaluate("window.seen")
        assert "A flat white, one euro off" in first
        assert "because you came to plaza" in first
        assert "There is no offer for you" in second, "it expired by itself"
        browser.open("about:blank")
    browser.send("Network.clearBrowserCookies")


def test_a_withdrawal_in_another_tab_ends_the_open_page(browser: Browser, served: ServedPage) -> None:
    arrive(browser, served)
    (device,) = (one for one in served.app.state.people.identities if is_page(one))
    served.app.ask([Consent(Envelope(device, "other", 1), (), 1)], device).result(20)
    browser.loaded()  # the stream ends, and the page loads itself again
    assert "belongs to another phone" in browser.evaluate("document.body.innerText")
