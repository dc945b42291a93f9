"""A manager's first own campaign in a real browser, as the guide in dashboard/README.md describes it, in a running demonstration.

    python -m tests.web.manager [--pictures FOLDER]

Every step is one that a person takes: a link or button is found by its text, a field by its label, and each page is waited for. Prints
the seconds of each step, the number of clicks and typed fields, and the whole time if a person takes SECONDS_AN_ACTION for each.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tests.web.browser import Browser, chromium
from tests.web.road import Triggers
from tests.web.running_demo import RunningDemo, running_demo

TITLE, BODY = "Spring tea, half the price", "Two hours at the cafe, until the pot is empty."
SECONDS_AN_ACTION = 10.0
WAIT_S = 150.0

FIND = """(() => {
  const seen = (one) => one.checkVisibility() && one.innerText.trim().replace(/\\s+/g, " ").startsWith(TEXT);
  const found = [...document.querySelectorAll("main a, main button, main summary, nav a, main label.check")].find(seen);
  if (!found) return false;
  found.scrollIntoView();
  found.click();
  return true;
})()"""
FILL = """(() => {
  const seen = (one) => one.checkVisibility() && one.innerText.trim() === TEXT;
  const label = [...document.querySelectorAll("main label")].find(seen);
  const field = label && document.getElementById(label.htmlFor);
  if (!field) return false;
  field.scrollIntoView();
  field.focus();
  if (field.select) field.select();
  return true;
})()"""


class StumbleError(AssertionError):
    """A step that a new user cannot take; the text names it and the page."""


class Manager:
    """A person at the browser; `actions` counts clicks and filled fields."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.actions = 0

    def look(self, text: str) -> None:
        """Wait until the page shows a text. Raises StumbleError."""
        self.until(lambda: text in self.text(), text)

    def until(self, is_true: Callable[[], bool], text: str) -> None:
        """Wait. Raises StumbleError."""
        ends, wait = time.monotonic() + WAIT_S, threading.Event()
        while not is_true():
            if time.monotonic() > ends:
                raise StumbleError(f"{text!r} did not come, on: {self.text()[:900]}")
            wait.wait(0.3)

    def text(self) -> str:
        """The text of the page."""
        return str(self._browser.evaluate("document.body.innerText"))

    def click(self, text: str, *, leads: bool = True) -> None:
        """Click the first link, button or box with a text, and wait for the next page if it `leads` there. Raises StumbleError."""
        self.actions += 1
        if not self._browser.evaluate(FIND.replace("TEXT", json.dumps(text))):
            raise StumbleError(f"there is no {text!r} to click, on: {self.text()[:900]}")
        if leads:
            self._browser.loaded()

    def fill(self, label: str, text: str) -> None:
        """Type into the field with a label. Raises StumbleError."""
        self.actions += 1
        if not self._browser.evaluate(FILL.replace("TEXT", json.dumps(label))):
            raise StumbleError(f"there is no field {label!r}, on: {self.text()[:900]}")
        self._browser.send("Input.insertText", text=text)

    def open(self, address: str) -> None:
        """Open a link that the demonstration has printed."""
        self.actions += 1
        self._browser.open(address)


def campaign(demo: RunningDemo, browser: Browser, picture: Callable[[str], None]) -> tuple[dict[str, float], int]:
    """Seconds of each step, and the number of actions. Raises StumbleError."""
    manager, triggers, took, begin = Manager(browser), Triggers(demo.broker_port), dict[str, float](), time.monotonic()

    def done(step: str) -> None:
        nonlocal begin
        took[step], begin = time.monotonic() - begin, time.monotonic()
        picture(step)

    manager.open(demo.links["desk"])
    manager.click("Campaign")
    manager.click("Edit the campaign")
    manager.fill("with the title", TITLE)
    manager.click("Try it out first")
    manager.look("In the simulated city\n")
    manager.click("Edit the draft further")
    manager.click(TITLE, leads=False)
    manager.fill("Text", BODY)
    done("write an offer")
    manager.click("Try it out first")
    manager.look("People it reaches")
    manager.look(TITLE)
    done("dry run")
    manager.fill("Note on the change", "tea in spring")
    manager.click("Save it as the next version")
    manager.look(f"new offer {TITLE}")
    done("save")
    manager.open(demo.links["second"])
    manager.click("Campaign")
    manager.click("Version 2")
    for question in range(3):
        manager.actions += 1
        browser.evaluate(f"document.querySelectorAll('input[value=no]')[{question}].click()")
    manager.click("Sign it off")
    manager.look("second on")
    done("sign-off by a second person")
    manager.open(demo.links["desk"])
    manager.click("Campaign")
    manager.click("Version 2")
    manager.click("all 2 gateways", leads=False)
    manager.click("Publish version 2")
    manager.until(lambda: _again(browser, "/campaign").count("done after") == 2, "both gateways run it")
    done("publish to two gateways")
    manager.until(lambda: any(title == TITLE for _, _, title in triggers.seen), "the first offer")
    done("first offer on a phone")
    manager.click(f"Stop everywhere {TITLE}")
    manager.look("stopped by desk")
    done("stop everywhere")
    manager.click("Results")
    manager.look("Results")
    done("results")
    return took, manager.actions


def _again(browser: Browser, path: str) -> str:
    """The text of the page when it is loaded again."""
    browser.evaluate(f"location.assign({json.dumps(path)})")
    browser.loaded()
    return str(browser.evaluate("document.body.innerText"))


def main(pictures: Annotated[Path | None, typer.Option(help="Folder for a picture after each step.")] = None) -> None:
    """Print the seconds of each step, and the whole time of a person."""
    with tempfile.TemporaryDirectory() as profile, running_demo(600) as demo, Browser(chromium(), Path(profile)) as browser:
        browser.screen(1280, 900, "light")

        def picture(step: str) -> None:
            if pictures is not None:
                pictures.mkdir(parents=True, exist_ok=True)
                browser.screenshot(pictures / f"{step.replace(' ', '-')}.png")

        took, actions = campaign(demo, browser, picture)
        for step, seconds in took.items():
            typer.echo(f"{step}: {seconds:.1f} s")
        whole = sum(took.values()) + SECONDS_AN_ACTION * actions
        typer.echo(f"{actions} clicks and fields; with {SECONDS_AN_ACTION:g} s for each of these {whole / 60:.1f} minutes")


if __name__ == "__main__":
    typer.run(main)
