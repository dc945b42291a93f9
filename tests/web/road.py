"""The whole road in a running demonstration: new wording, sign-off by a second account, publication, first trigger, stop, results.

    python -m tests.web.road [--seconds 90]

Prints the seconds of each step. Triggers are read at the broker, as a phone would.
"""

from __future__ import annotations

import html
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import httpx
import typer
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.web.running_demo import RunningDemo, running_demo

WORDING = "Half a price for the road"
START_S, TRIGGER_S, SILENCE_S = 60.0, 40.0, 15.0


class Triggers:
    """Triggers at the broker: (second, offer, title) of each."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[float, str, str]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("wayside/#")
        self._client.loop_start()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        offer, title = (re.search(rf'"{name}":"([^"]*)"', message.payload.decode("utf-8", "replace")) for name in ("offer", "title"))
        if offer and title:
            self.seen.append((time.monotonic(), offer[1], title[1]))


class Person:
    """A person of the demonstration, logged in by a printed link."""

    def __init__(self, link: str) -> None:
        self.client = httpx.Client(base_url=str(httpx.URL(link).join("/")), follow_redirects=True, timeout=20)
        self._csrf = re.findall(r'name="csrf" value="(\w+)"', self.client.get(link).text)[0]

    def send(self, path: str, **form: str) -> httpx.Response:
        """Send a form. Raises httpx.HTTPStatusError if it is refused."""
        return self.client.post(path, data={"csrf": self._csrf, **form}).raise_for_status()


def road(seconds: int) -> dict[str, float]:
    """Seconds from the publication to the first trigger with the new wording, and from the stop to the last trigger after it."""
    with running_demo(seconds) as demo:
        return _walked(demo)


def _walked(demo: RunningDemo) -> dict[str, float]:
    marketer, approver = Person(demo.links["desk"]), Person(demo.links["second"])
    triggers = Triggers(demo.broker_port)
    _until(START_S, lambda: len(triggers.seen) >= 5)
    offer = Counter(offer for _, offer, _ in triggers.seen).most_common(1)[0][0]
    begin = time.monotonic()
    base = re.findall(r'name="base" value="(\d+)"', marketer.client.get("/campaign/edit").text)[0]
    number = str(marketer.send("/campaign/save", base=base, **{f"offer.{offer}.title": WORDING}).url).rpartition("/")[2]
    approver.send("/campaign/sign", number=number, may_offend="no", may_harm="no", uses_misfortune="no")
    published = time.monotonic()
    marketer.send("/campaign/publish", number=number, ring="all")
    _until(TRIGGER_S, lambda: any(title == WORDING for _, _, title in triggers.seen))
    first = next(at for at, _, title in triggers.seen if title == WORDING)
    stopped = time.monotonic()
    marketer.send("/campaign/stop", offer=offer)
    last = _last_after(triggers, offer, stopped)
    assert WORDING in html.unescape(marketer.client.get("/results").text)
    assert demo.result()["unhandled_errors"] == 0
    return {
        "save and sign off": published - begin,
        "publication to first trigger": first - published,
        "stop to last trigger": last - stopped,
    }


def _last_after(triggers: Triggers, offer: str, stopped: float) -> float:
    """The time of the last trigger of the offer, `stopped` if none came within SILENCE_S."""
    wait = threading.Event()
    wait.wait(SILENCE_S)
    return max([stopped, *(at for at, name, _ in triggers.seen if name == offer)])


def _until(most_s: float, is_true: Callable[[], bool]) -> None:
    ends = time.monotonic() + most_s
    wait = threading.Event()
    while not is_true():
        if time.monotonic() > ends:
            raise TimeoutError(f"nothing came within {most_s:g} s")
        wait.wait(0.05)


def main(seconds: Annotated[int, typer.Option(min=60)] = 110) -> None:
    """Print the seconds of each step."""
    for step, took in road(seconds).items():
        typer.echo(f"{step}: {took:.1f} s")


if __name__ == "__main__":
    typer.run(main)
