"""The two pictures that the README opens with, taken from a demonstration: the overview of the desk, and a page on a phone.

    make pictures

Prints the size of each file. A picture above BYTES_MAX is an error: the README is to open quickly.
"""

from __future__ import annotations

import base64
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from tests.web.browser import Browser, chromium
from tests.web.running_demo import running_demo

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
BYTES_MAX = 150_000
DESK, PHONE = (1280, 880), (390, 780)


def take(folder: Path, seconds: int) -> list[Path]:
    """Take both pictures after the demonstration has run for `seconds`. Raises ValueError for a picture that is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, running_demo(seconds + 120) as demo, Browser(chromium(), Path(profile)) as browser:
        threading.Event().wait(seconds)
        browser.screen(*DESK, "light")
        browser.open(demo.links["desk"])
        browser.open(demo.links["desk"].partition("/enter/")[0] + "/?span=all")
        desk = _picture(browser, folder / "desk.png", DESK)
        browser.screen(*PHONE, "light")
        browser.open(demo.links["page"])
        return [desk, _picture(browser, folder / "page.png", PHONE)]


def _picture(browser: Browser, file: Path, size: tuple[int, int]) -> Path:
    """The upper part of the page."""
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    answer = browser.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    file.write_bytes(base64.b64decode(answer["data"]))
    if file.stat().st_size > BYTES_MAX:
        raise ValueError(f"{file.name} has {file.stat().st_size:,} bytes, more than {BYTES_MAX:,}")
    return file


def main(
    folder: Annotated[Path, typer.Argument(help="Folder for desk.png and page.png.")] = FOLDER,
    seconds: Annotated[int, typer.Option(min=10, max=600, help="Seconds of the demonstration before the first picture.")] = 200,
) -> None:
    """Take the pictures of the README anew."""
    typer.echo(f"running the demonstration for {seconds} s …")
    for file in take(folder, seconds):
        typer.echo(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
