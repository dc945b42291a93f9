"""A real Chromium, spoken to over a pipe: the DevTools protocol without a port and without a library.

`--remote-debugging-pipe` makes the browser read commands from file descriptor 3 and answer on 4, each
a JSON object ended by a zero byte. Commands answer in order of their ids; what else arrives (a page
has loaded, something was logged) is kept until somebody asks for it.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

# The switches keep it from asking anybody on the network for anything.
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


SILENCE_S = 60.0
AXE = Path(__file__).parent / "vendor" / "axe.min.js"  # axe-core 4.14.1 (Deque Systems, MPL-2.0), unchanged


def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, and in CI it fails."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: install it, in CI its tests must run")
        pytest.skip("no Chromium on this machine")
    return program


class Browser:
    """One page in one browser, ended with the `with` block."""

    def __init__(self, program: str, folder: Path) -> None:
        commands_read, self._commands = os.pipe()
        self._answers, answers_write = os.pipe()
        # The shell moves our two pipe ends to the numbers that the browser expects.
        script = f'exec "$0" "$@" 3<&{commands_read} 4>&{answers_write}'
        arguments = [*SWITCHES, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script, program, *arguments],
            pass_fds=(commands_read, answers_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_read)
        os.close(answers_write)
        self._rest = b""
        self._number = 0
        self._told: list[dict[str, Any]] = []
        self._session = self._loader = ""

    def __enter__(self) -> Self:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Page.setLifecycleEventsEnabled", enabled=True)
        self._loader = self.send("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]
        self.told("Page.lifecycleEvent")
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._commands)  # a browser whose pipe ends, ends
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give one command and return its answer."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']['message']}")
                answer: dict[str, Any] = heard["result"]
                return answer
            self._told.append(heard)

    def told(self, method: str) -> list[dict[str, Any]]:
        """Take what the browser told of `method` so far."""
        found = [heard["params"] for heard in self._told if heard.get("method") == method]
        self._told = [heard for heard in self._told if heard.get("method") != method]
        return found

    def screen(self, width: int, height: int, scheme: str) -> None:
        """Be `width` by `height` CSS pixels, narrow ones as a phone, in the colour scheme "light" or "dark"."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.scheme(scheme)

    def scheme(self, scheme: str) -> None:
        """Prefer the colour scheme "light" or "dark"; an open page follows."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address: str) -> None:
        """Load a page and wait until it is loaded."""
        self.send("Page.navigate", url=address)
        self.loaded()

    def sign_in(self, address: str, cookies: Mapping[str, str]) -> None:
        """Send these cookies to `address` from now on."""
        for name, value in cookies.items():
            self.send("Network.setCookie", url=address, name=name, value=value, httpOnly=True)

    def loaded(self) -> None:
        """Wait until another page than the last one is loaded; each load of a document has an id of its own."""
        while True:
            for event in self.told("Page.lifecycleEvent"):
                if event["name"] == "load" and event["loaderId"] != self._loader:
                    self._loader = event["loaderId"]
                    return
            self._told.append(self._hear())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def violations(self, rules: Sequence[str] = ()) -> list[str]:
        """What axe-core finds wrong with the page, as rule and element; by some rules only, if they are named."""
        if not self.evaluate("'axe' in window"):
            self.evaluate(AXE.read_text("utf-8") + ";0")
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = self.evaluate(f"axe.run(document, {json.dumps(options)}).then((found) => found.violations)")
        return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]

    def screenshot(self, file: Path) -> None:
        """The whole page, as long as it is."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._answers], [], [], SILENCE_S)[0]:
                raise RuntimeError(f"the browser was silent for {SILENCE_S:g} s")
            piece = os.read(self._answers, 65_536)
            if not piece:
                raise RuntimeError("the browser ended")
            self._rest += piece
        line, self._rest = self._rest.split(b"\0", 1)
        heard: dict[str, Any] = json.loads(line)
        return heard
