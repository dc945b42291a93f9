"""The privacy sheet in a real Chromium: it fits a phone and two pages of paper, in each language, and axe-core finds nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.commands.privacy import texts
from gateway.commands.privacy.sheet import page
from tests.commands.test_privacy import street
from tests.web.browser import Browser, chromium
from tests.web.readable import CONTRAST

PAGES_MAX = 2


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(chromium(), tmp_path_factory.mktemp("chromium")) as made:
        yield made


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_sheet_fits_a_phone_and_two_pages_and_has_no_violation(browser: Browser, language: texts.Language, tmp_path: Path) -> None:
    longest = msgspec.structs.replace(street(), weekly=True, sums_zones=True, control_epsilon=0.11, control_error=175)
    (tmp_path / "sheet.html").write_text(page(longest, language), "utf-8")
    browser.screen(360, 800, "light")
    browser.open((tmp_path / "sheet.html").as_uri())
    assert browser.evaluate("document.documentElement.lang") == language
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    assert browser.evaluate(CONTRAST)["faint"] == []
    assert browser.violations() == []
    printed = base64.b64decode(browser.send("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert 1 <= printed.count(b"/Type /Page\n") <= PAGES_MAX
