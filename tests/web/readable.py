"""Whether an open page fits its screen and can be read, in both colour schemes."""

from __future__ import annotations

import os
from pathlib import Path

from tests.web.browser import Browser

PICTURES = os.environ.get("WAYSIDE_PICTURES")  # a folder: the pages as pictures, to look at
SCHEMES = ("light", "dark")

# What reaches beyond the right edge of the screen or of its card, unless it can be scrolled to within its own box.
OVERFLOW = """[...document.querySelectorAll("body *")].filter((element) => !element.closest(".scroll, .skip")
    && element.getBoundingClientRect().right > 0.5 + Math.min(WIDTH, element.closest(".card")?.getBoundingClientRect().right ?? WIDTH))
    .map((element) => element.outerHTML.slice(0, 80))"""

# WCAG 2.2 contrast of every piece of text against the nearest background that is not transparent.
CONTRAST = """(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (channels(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let seen = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("svg")) continue;
    seen += 1;
    const [low, high] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${texts.currentNode.data.trim()}`);
  }
  return { seen, faint };
})()"""


def check_readable(browser: Browser, width: int, name: str, *, texts_min: int) -> None:
    """Nothing sticks out, every text has contrast, axe-core finds nothing; the scheme is light again afterwards.

    Colours alone depend on the scheme, so in the dark one only contrast is looked at. `name` is that of the pictures.
    """
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, name
    assert browser.evaluate(OVERFLOW.replace("WIDTH", str(width))) == [], name
    for scheme in SCHEMES:
        browser.scheme(scheme)
        contrast = browser.evaluate(CONTRAST)
        assert contrast["seen"] >= texts_min, (name, scheme)
        assert contrast["faint"] == [], (name, scheme)
        assert browser.violations(() if scheme == "light" else ("color-contrast",)) == [], (name, scheme)
        if PICTURES:
            browser.screenshot(Path(PICTURES) / f"{name}-{width}-{scheme}.png")
    browser.scheme("light")
